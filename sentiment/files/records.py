"""Records and fields of a part of a delimited file."""

import sys
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from sentiment.files import kernels, lines
from sentiment.files.dialects import Dialect

STRAY = "a quote in the middle of a quoted field"
_FAULTS = {
    kernels.STRAY: STRAY,
    kernels.UNCLOSED: "a quote that is not closed",
    kernels.SPLIT: "a quote in the middle of a field that is not quoted, closed in another field",
}


class Split:
    """The records of a part of a file; see `kernels.split_records` for the arrays.

    Parameters
    ----------
    data : bytes
        The part.
    dialect : Dialect
        Separator, quote and escape.
    n_columns : int
        The number of columns.
    final : bool
        True if `data` is the end of the file.
    needed : sequence of int
        The columns whose fields to locate.
    stop : int, optional
        End of the part in `data`.
    max_records : int
        Largest number of records.
    max_bytes : int, optional
        Bytes of the longest record; default: `lines.LONGEST`.
    n_records : int, optional
        Number of records, if known; default: at most one per line.

    Attributes
    ----------
    count, next : int
        Number of complete records, and start of the next one.
    is_full : bool
        True if there are more than `max_records` records.
    bounds, fields : ndarray of int64
        Start and end of each record, and its number of fields; below 0 if it is broken.
    """

    def __init__(
        self, data: bytes, dialect: Dialect, n_columns: int, *, final: bool,
        needed: Sequence[int] = (), stop: int | None = None, max_records: int = sys.maxsize,
        max_bytes: int | None = None, n_records: int | None = None,
    ) -> None:  # fmt: skip
        data = data[:stop]
        self._dialect, self._n_columns, self._needed = dialect, n_columns, needed
        self.data = np.frombuffer(data, np.uint8)
        self._separator = np.frombuffer(dialect.separator.encode(), np.uint8)
        self._quote = ord(dialect.quote) if dialect.quote else -1
        self._escape = ord(dialect.escape) if dialect.escape else None
        slots = np.full(n_columns, -1, np.int64)
        slots[list(needed)] = np.arange(len(needed))
        if n_records is None:  # an unclosed quote can be followed by millions of short records
            n_records = min(data.count(b"\n") + data.count(b"\r") + 1, max_records)
        self.bounds, self.fields = np.empty((n_records, 2), np.int64), np.empty(n_records, np.int64)
        self._spans = np.zeros((n_records, max(len(needed), 1), 2), np.int64)
        self._marks = np.zeros((n_records, max(len(needed), 1)), np.uint8)
        rules = (self._quote, final, max_bytes or lines.LONGEST)
        self.count, self.next = kernels.split_records(
            self.data, 0, len(self.data), rules, self._separator, self._escape, slots,
            self.bounds, self.fields, self._spans, self._marks,
        )  # fmt: skip
        self.is_full = self.count == n_records and self.next < len(data)
        self.bounds, self.fields = self.bounds[: self.count], self.fields[: self.count]

    @property
    def is_blank(self) -> np.ndarray:
        """True for each record that is an empty line."""
        blank: np.ndarray = self.bounds[:, 0] == self.bounds[:, 1]
        return blank

    def drop_last(self) -> None:
        """Drop the last record, which then belongs to the next part."""
        self.count -= 1
        self.next = int(self.bounds[self.count, 0])
        self.bounds, self.fields = self.bounds[: self.count], self.fields[: self.count]

    def replace(self, records: dict[int, bytes]) -> None:
        """Replace some records with other lines, each with `n_columns` fields."""
        if not records:
            return
        indices, text = list(records), b"\n".join([*records.values(), b""])
        replacement = Split(
            text, self._dialect, self._n_columns, final=True, needed=self._needed,
            max_bytes=len(text),
        )  # fmt: skip
        self.fields[indices] = replacement.fields
        self.bounds[indices] = replacement.bounds + len(self.data)
        self._spans[indices] = replacement._spans[: replacement.count] + len(self.data)
        self._marks[indices] = replacement._marks[: replacement.count]
        self.data = np.concatenate([self.data, replacement.data])

    def describe_fault(self, record: int) -> str | None:
        """Return the reason why a record is broken, or None."""
        status = int(self.fields[record])
        if status == kernels.TOO_LONG:
            return f"row too long: at most {lines.LONGEST:,} bytes"
        return _FAULTS.get(status)

    def is_stray(self, record: int) -> bool:
        """Return whether a misplaced quote has broken a record."""
        return int(self.fields[record]) in (kernels.STRAY, kernels.UNCLOSED)

    def gather(self, slot: int, records: np.ndarray | None = None) -> pa.LargeStringArray:
        """Return the fields of `records` (default: all) in a slot; they must be UTF-8."""
        records = np.arange(self.count) if records is None else records
        spans = self._spans[records, slot]
        out = np.empty(int(np.sum(spans[:, 1] - spans[:, 0])), np.uint8)
        self.offsets = np.empty(len(records) + 1, np.int64)
        self.blank = np.empty(len(records), bool)
        rules = (self._quote, -1 if self._escape is None else self._escape)
        kernels.gather_fields(
            self.data, spans, self._marks[records, slot], rules, self._separator,
            out, self.offsets, self.blank,
        )  # fmt: skip
        return pa.LargeStringArray.from_buffers(
            len(records), pa.py_buffer(self.offsets), pa.py_buffer(out)
        )


def read_fields(line: bytes, dialect: Dialect) -> list[str] | None:
    """Return the fields of one record, or None if it is broken; see `decode`."""
    count = int(Split(line, dialect, 0, final=True).fields[:1].sum())
    if count < 1:
        return None
    split = Split(line, dialect, count, final=True, needed=range(count))
    return [decode(split.gather(k, np.arange(1)))[0] for k in range(count)]


def decode(fields: pa.LargeStringArray) -> list[str]:
    """Return fields as strings, with a replacement character for bytes that are not UTF-8."""
    values = pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(fields), fields.buffers())
    return [value.decode("utf-8", "replace") for value in values.to_pylist()]
