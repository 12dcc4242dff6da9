"""Counts of the rows of an input: written, and rejected by reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sentiment.files.batches import Batch

_BINS = 20
# Metadata of predictions that are label sets: the separator of the labels.
SEPARATOR = "label_separator"


@dataclass
class Tally:
    """Counts of the rows so far.

    Attributes
    ----------
    read, written, blank_lines : int
        Number of rows that were read and written; number of empty lines, which are not rows.
    repaired : int
        Number of rows that were written after misplaced quotes were repaired.
    reasons : dict of str to int
        Rejected rows, by kind of reason.
    counts : dict of str to int
        Rows per predicted label, "" for rows without labels.
    histogram : list of int
        Rows by the probability of their prediction, in twenty bins of equal width from 0 to 1.
    sum : float
        Sum of these probabilities.
    columns : dict of str to dict of str to int
        Values of columns beside the text that the model could not use, by the reason.
    """

    read: int = 0
    written: int = 0
    blank_lines: int = 0
    repaired: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    histogram: list[int] = field(default_factory=lambda: [0] * _BINS)
    sum: float = 0.0
    columns: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def rejected(self) -> int:
        """Rows that were rejected."""
        return sum(self.reasons.values())

    def add(self, batch: Batch, predictions: pa.RecordBatch) -> None:
        """Count the rows of a batch, their predictions and probabilities."""
        self.read += batch.read
        self.written += predictions.num_rows
        self.blank_lines += batch.blank_lines
        self.repaired += batch.repaired
        for reject in batch.rejects:
            kind = reject.reason.partition(":")[0]
            self.reasons[kind] = self.reasons.get(kind, 0) + 1
        separator = (predictions.schema.metadata or {}).get(SEPARATOR.encode(), b"").decode()
        for group in pc.value_counts(predictions.column("prediction")).to_pylist():
            prediction = group["values"]
            for label in prediction.split(separator) if separator else [prediction]:
                self.counts[label] = self.counts.get(label, 0) + group["counts"]
        probabilities = predictions.column("probability").to_numpy()
        bins = np.histogram(probabilities, _BINS, (0.0, 1.0))[0]
        self.histogram = [int(a + b) for a, b in zip(self.histogram, bins, strict=True)]
        self.sum += float(np.sum(probabilities))

    def add_columns(self, unused: Mapping[str, Mapping[str, int]]) -> None:
        """Count values of columns that the model could not use."""
        for name, reasons in unused.items():
            counts = self.columns.setdefault(name, {})
            for reason, count in reasons.items():
                counts[reason] = counts.get(reason, 0) + count

    def describe(self, seconds: float, share: float, rows_before: int) -> str:
        """Return speed and remaining time, in words.

        Parameters
        ----------
        seconds : float
            Time since the start of the process.
        share : float
            Share of the input that has been read, from 0 to 1.
        rows_before : int
            Number of rows that an earlier process has written.
        """
        rate = (self.read - rows_before) / max(seconds, 1e-9)
        remaining = ""
        if 0 < share < 1 and self.read > rows_before:
            rows = self.read * (1 - share) / share
            remaining = f", {rows / rate:,.0f} s left"
        return f"rows, {rate:,.0f}/s{remaining}, {self.rejected:,} rejected"
