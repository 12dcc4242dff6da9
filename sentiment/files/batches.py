"""Batches of rows, as inputs yield them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

# Reason for the rejection of a row without a text.
NO_TEXT = "no text"


@dataclass(frozen=True)
class Position:
    """A position between two batches, from which reading can resume.

    Attributes
    ----------
    offset : int
        Number of preceding bytes of the decoded input; for a Parquet file, of rows.
    row, line : int
        Number of preceding rows and lines.
    file : int
        Index of the file, if many files are read as one input.
    digest : str
        Digest of the preceding rows, if reading them again may return other rows.
    """

    offset: int = 0
    row: int = 0
    line: int = 0
    file: int = 0
    digest: str = ""


@dataclass(frozen=True)
class Reject:
    r"""A row that is not predicted.

    Attributes
    ----------
    row, line : int
        Number of the row, and of its first line in the file, both from 1; line 0 if a file has no
        lines.
    reason : str
        Reason of the rejection.
    raw : str
        The row as it is in the input, with ``\xff`` for bytes that are not text.
    file : str
        Its file, if many files are read as one input.
    """

    row: int
    line: int
    reason: str
    raw: str
    file: str = ""


@dataclass(frozen=True)
class RawRows:
    """Rows as bytes of the input.

    Attributes
    ----------
    data : ndarray of uint8
        A part of the input.
    bounds : ndarray of int64, of shape (n_rows, 2)
        Start and end of each row in `data`.
    """

    data: np.ndarray
    bounds: np.ndarray


@dataclass(frozen=True)
class Batch:
    """Some rows of an input, in order.

    Attributes
    ----------
    texts : LargeStringArray
        The texts of the rows to predict.
    make_table : callable
        Returns these rows with all of their columns, as an Arrow table.
    read_column : callable
        Returns a column of these rows, by its name, as texts: a LargeStringArray, with nulls for
        missing values.
    rejects : list of Reject
        The rejected rows.
    end : Position
        Start of the next batch.
    raw : RawRows, optional
        The rows to predict, if the input has them as bytes.
    blank_lines : int
        Number of empty lines, which are not rows.
    repaired : int
        Number of rows whose misplaced quotes were repaired.
    file : str
        Their file, if many files are read as one input.
    """

    texts: pa.LargeStringArray
    make_table: Callable[[], pa.Table]
    read_column: Callable[[str], pa.LargeStringArray]
    rejects: list[Reject]
    end: Position
    raw: RawRows | None = None
    blank_lines: int = 0
    repaired: int = 0
    file: str = ""

    @property
    def read(self) -> int:
        """Number of rows that were read, including rejected ones."""
        return len(self.texts) + len(self.rejects)


@dataclass(frozen=True)
class Limits:
    """Limits of a text.

    Attributes
    ----------
    max_chars : int
        Characters of the longest text that is predicted.
    reject_empty : bool
        If True, texts that only have white space are rejected.
    fields : frozenset of str, optional
        The fields that a row may have, for formats whose rows may differ; default: any.
    added : sequence of str
        The fields that are added to a row, which must not exist already.
    """

    max_chars: int = 1_000_000
    reject_empty: bool = False
    fields: frozenset[str] | None = None
    added: Sequence[str] = ("prediction", "probability")

    def find_fault(self, text: str) -> str | None:
        """Return the reason to reject `text`, or None."""
        if len(text) > self.max_chars:
            return f"text too long: {len(text):,} characters, at most {self.max_chars:,}"
        return "the text is empty" if self.reject_empty and not text.strip() else None


@dataclass
class RejectedRows:
    """The rejected rows of a batch.

    Attributes
    ----------
    reasons : dict of int to str
        Reasons by the index of the record in the batch.
    """

    reasons: dict[int, str] = field(default_factory=dict)

    def add(self, record: int, reason: str | None) -> None:
        """Reject a record, unless it is rejected already or `reason` is None."""
        if reason is not None:
            self.reasons.setdefault(record, reason)

    def list_kept(self, count: int) -> np.ndarray:
        """Return the indices of those out of `count` records that are not rejected."""
        is_kept = np.ones(count, bool)
        is_kept[list(self.reasons)] = False
        return np.flatnonzero(is_kept)
