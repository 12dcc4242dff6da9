"""Batches of rows, as inputs yield them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

# Why a row is rejected that has no text at all.
NO_TEXT = "no text"


@dataclass(frozen=True)
class Position:
    """A place between two batches, from which reading can resume.

    Attributes
    ----------
    offset : int
        Bytes of the decoded input in front of it; rows, for a Parquet file.
    row, line : int
        Rows and lines in front of it.
    file : int
        Files in front of the one in which it is, where many are read as one.
    digest : str
        Of the rows in front of it, where another reading may return other rows.
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
        Its number among the rows, and that of its first line in the file, both from 1; line 0
        where a file has no lines.
    reason : str
        Why it is rejected.
    raw : str
        The row as it is in the input, with ``\xff`` for bytes that are not text.
    file : str
        Which file it is in, where many are read as one.
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
        Where each row starts and ends in it.
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
        Returns a column of these rows, by its name, as texts: a LargeStringArray, null where a row
        has none.
    rejects : list of Reject
        The rejected rows.
    end : Position
        Where the next batch begins.
    raw : RawRows, optional
        The rows to predict, where the input has them as bytes.
    blank_lines : int
        Empty lines, which do not count as rows.
    repaired : int
        Rows among them whose quotes were out of place.
    file : str
        Which file they are from, where many are read as one.
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
        """Number of rows that were read for it."""
        return len(self.texts) + len(self.rejects)


@dataclass(frozen=True)
class Limits:
    """Limits of a text.

    Attributes
    ----------
    max_chars : int
        Characters of the longest text that is predicted.
    reject_empty : bool
        Whether texts of nothing but white space are rejected.
    fields : frozenset of str, optional
        The fields that a row may have, where rows may differ in them; default: any.
    added : sequence of str
        The fields that are added to a row, which it may not have.
    """

    max_chars: int = 1_000_000
    reject_empty: bool = False
    fields: frozenset[str] | None = None
    added: Sequence[str] = ("prediction", "probability")

    def find_fault(self, text: str) -> str | None:
        """Return why `text` is rejected, or None."""
        if len(text) > self.max_chars:
            return f"text too long: {len(text):,} characters, at most {self.max_chars:,}"
        return "the text is empty" if self.reject_empty and not text.strip() else None


@dataclass
class RejectedRows:
    """The rejected rows of a batch.

    Attributes
    ----------
    reasons : dict of int to str
        By the number of the record in the batch, from 0.
    """

    reasons: dict[int, str] = field(default_factory=dict)

    def add(self, record: int, reason: str | None) -> None:
        """Reject a record, unless it was rejected before or there is no reason."""
        if reason is not None:
            self.reasons.setdefault(record, reason)

    def list_kept(self, count: int) -> np.ndarray:
        """Return the numbers of the records out of `count` that are not rejected."""
        kept = np.ones(count, bool)
        kept[list(self.reasons)] = False
        return np.flatnonzero(kept)
