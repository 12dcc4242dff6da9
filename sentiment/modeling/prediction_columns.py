"""Columns of predictions: arrays of numbers and encoded labels, for Arrow and for JSON."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class EncodedLabels:
    """A column of labels: `labels`, each once, and for each row the place of its label there."""

    codes: np.ndarray
    labels: list[str]

    @classmethod
    def encode(cls, labels: np.ndarray) -> Self:
        """Return the column of `labels`, one for each row."""
        different, codes = np.unique(labels, return_inverse=True)
        return cls(codes, different.tolist())


def to_arrow(column: "np.ndarray | pa.Array | EncodedLabels") -> pa.Array:
    """Return a column of predictions as an Arrow array."""
    if isinstance(column, EncodedLabels):
        codes = pa.array(column.codes, pa.int32())
        return pa.DictionaryArray.from_arrays(codes, pa.array(column.labels, pa.string()))
    return column if isinstance(column, pa.Array) else pa.array(np.ascontiguousarray(column))


def to_list(column: "np.ndarray | EncodedLabels") -> list[Any]:
    """Return a column of predictions as a list."""
    if isinstance(column, EncodedLabels):
        return [column.labels[code] for code in column.codes.tolist()]
    values: list[Any] = column.tolist()
    return values
