"""Columns of predictions: names, types, and conversion to Arrow and to lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa

from sentiment.modeling.predictions import PROBABILITY

_PREDICTION = pa.schema({"prediction": pa.string(), "probability": pa.float64()})
_REASONS = pa.schema({"speaks_for": pa.string(), "speaks_against": pa.string()})


@dataclass(frozen=True)
class PredictionColumns:
    """Columns of a prediction.

    Parameters
    ----------
    explain : bool, default=False
        Whether to add the terms that contribute most to the label, and most against it.
    top_k : int, default=1
        Number of labels, the most probable ones first: ``prediction_2``, ``probability_2``, ...
    probabilities : {"top", "all"}, default="top"
        Whether to add the probability of every class, such as ``p:negative``.
    scale : dict of str to float, optional
        Values of ordered labels; adds their expected value, ``expected``.

    Examples
    --------
    >>> PredictionColumns(top_k=2).list_fields().names
    ['prediction', 'probability', 'prediction_2', 'probability_2']
    """

    explain: bool = False
    top_k: int = 1
    probabilities: str = "top"
    scale: Mapping[str, float] | None = None

    def list_fields(
        self, classes: Sequence[str] = (), *, may_abstain: bool = False, is_set: bool = False
    ) -> pa.Schema:
        """Return names and types of the columns.

        Parameters
        ----------
        classes : sequence of str
            Classes of the model; empty before it is known.
        may_abstain : bool
            Whether the rule may abstain, so that there is a column of the most probable label.
        is_set : bool
            Whether predictions are label sets: ``likeliest_1`` and so on, and ``explained``.
        """
        count = min(self.top_k, len(classes)) if classes else self.top_k
        fields = [*_PREDICTION]
        if may_abstain:
            fields.append(pa.field("likeliest", pa.string()))
        if self.scale is not None:
            fields.append(pa.field("expected", pa.float64()))
        name, first = ("likeliest", 1 if count > 1 else 2) if is_set else ("prediction", 2)
        for rank in range(first, count + 1):
            fields.append(pa.field(f"{name}_{rank}", pa.string()))
            fields.append(pa.field(f"probability_{rank}", pa.float64()))
        if self.probabilities == "all":
            fields += [pa.field(f"{PROBABILITY}{label}", pa.float64()) for label in classes]
        if self.explain and is_set:
            fields.append(pa.field("explained", pa.string()))
        return pa.schema([*fields, *(_REASONS if self.explain else ())])


@dataclass(frozen=True)
class EncodedLabels:
    """A dictionary-encoded column: distinct `labels`, and the code of the label of each row."""

    codes: np.ndarray
    labels: list[str]

    @classmethod
    def encode(cls, labels: np.ndarray) -> Self:
        """Return the column of `labels`, one for each row."""
        distinct, codes = np.unique(labels, return_inverse=True)
        return cls(codes, distinct.tolist())


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
