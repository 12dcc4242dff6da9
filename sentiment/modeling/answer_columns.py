"""Columns of answers: labels by their places, and numbers."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class Names:
    """A column of labels: the place of each in a list."""

    codes: np.ndarray
    labels: list[str]

    @classmethod
    def of(cls, names: np.ndarray) -> Self:
        """Return a column of `names`, of which many are equal."""
        different, codes = np.unique(names, return_inverse=True)
        return cls(codes, different.tolist())


def to_arrow(column: "np.ndarray | pa.Array | Names") -> pa.Array:
    """Return a column of answers as Arrow has it."""
    if isinstance(column, Names):
        codes = pa.array(column.codes, pa.int32())
        return pa.DictionaryArray.from_arrays(codes, pa.array(column.labels, pa.string()))
    return column if isinstance(column, pa.Array) else pa.array(np.ascontiguousarray(column))


def to_list(column: "np.ndarray | Names") -> list[Any]:
    """Return a column of answers as a list."""
    if isinstance(column, Names):
        return [column.labels[code] for code in column.codes.tolist()]
    values: list[Any] = column.tolist()
    return values
