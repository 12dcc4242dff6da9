"""Files of separated values, such as CSV."""

import sys
from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa

from sentiment.errors import EmptyDataError, UnreadableFileError
from sentiment.files import kernels, lines
from sentiment.files.batches import Batch, Limits, Position, RawRows, Refusals, Reject
from sentiment.files.streams import ByteSource

QUOTE = ord('"')
SEPARATORS = ",;\t|"
_SAMPLE = 2**18
# At a time.
_MOST_ROWS = 2**17
_STRAY = "a quote in the middle of a quoted field"
_UNCLOSED = "a quote that is not closed"


class DelimitedFile:
    """A file of separated values with a line of column names.

    Parameters
    ----------
    source : ByteSource
        Its bytes.
    separator : str, optional
        What stands between fields; without it, that of ``, ; tab |`` that fits best.

    Attributes
    ----------
    columns : list of str
        Their names.
    header : bytes
        The line of names, without its end.
    newline : bytes
        How a line ends.
    separator : str
        What stands between fields.

    Raises
    ------
    EmptyDataError
        There is no line.
    UnreadableFileError
        The line of names cannot be read, or has a name twice.
    """

    kind = "csv"

    def __init__(self, source: ByteSource, separator: str | None = None) -> None:
        self.source, self.origin = source, source.origin
        sample = b""
        for block in source.peek(_SAMPLE):
            sample += block
            # Enough for the names and some rows.
            if len(sample) >= _SAMPLE and (b"\n" in sample or len(sample) > lines.LONGEST):
                break
        data = sample.lstrip(b"\r\n")
        self._first = len(sample) - len(data)
        if not data.strip():
            raise EmptyDataError(f"'{self.origin.name}'", "the file is empty")
        self.separator = separator or _choose_separator(data)
        records = Split(data, ord(self.separator), 0, final=True)
        if not records.count or records.fields[0] < 0:
            too_long = not records.count or records.fields[0] == kernels.TOO_LONG
            fault = f"more than {lines.LONGEST:,} bytes" if too_long else _STRAY
            raise UnreadableFileError(source.path, "CSV", f"its first line has {fault}")
        end = int(records.bounds[0, 1])
        self.header, rest = data[:end], data[end:]
        if not rest.strip(b"\r\n") and len(sample) < _SAMPLE:
            raise EmptyDataError(f"'{self.origin.name}'")
        self.newline = next((m for m in (b"\r\n", b"\n", b"\r") if rest.startswith(m)), b"\n")
        # The byte by which lines are counted; the first one ends all those in front of the rows.
        self._mark = self.newline[-1:]
        self._lines = sample[: self._first].count(self._mark) + self.header.count(self._mark) + 1
        self.columns = self._read_names(int(records.fields[0]))

    def _read_names(self, count: int) -> list[str]:
        if b"\0" in self.header:
            raise UnreadableFileError(
                self.source.path, "CSV",
                f"its first line holds zero bytes; is it {self.source.group}encoding=utf-16?",
            )  # fmt: skip
        split = Split(self.header, ord(self.separator), count, final=True, wanted=range(count))
        try:
            names: list[str] = [split.gather(k)[0].as_py() for k in range(count)]
            self.header.decode()
        except UnicodeDecodeError as error:
            example = f"{self.source.group}encoding=latin-1"
            reason = f"its first line is not UTF-8; name its encoding, such as {example}"
            raise UnreadableFileError(self.source.path, "CSV", reason) from error
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise UnreadableFileError(self.source.path, "CSV", f"it has two columns {twice!r}")
        return names

    @property
    def layout(self) -> tuple[bytes, bytes, str]:
        """How rows are written."""
        return self.header, self.newline, self.separator

    @property
    def share(self) -> float:
        """How much of the file has been read, from 0 to 1."""
        return self.source.share

    def read(self, text_column: str, limits: Limits, start: Position) -> Iterator[Batch]:
        """Yield the rows from `start` on."""
        column = self.columns.index(text_column)
        waiting, fresh = b"", start.offset == 0
        offset = start.offset or self._first + len(self.header) + len(self.newline)
        end = start if not fresh else Position(offset, 0, self._lines)
        blocks = self.source.read(offset)
        final = False
        while not final:
            block = next(blocks, b"")
            final = not block
            waiting += block
            while True:
                split = Split(
                    waiting, ord(self.separator), len(self.columns),
                    final=final, wanted=[column], most=_MOST_ROWS,
                )  # fmt: skip
                if split.count:
                    batch = self._make_batch(waiting, split, limits, end)
                    waiting, end = waiting[split.next :], batch.end
                    yield batch
                if split.is_full:
                    continue
                # A carriage return behind the longest record waits for what follows it.
                if len(waiting) <= lines.LONGEST + (not final):
                    break
                line, waiting = lines.skip_line(waiting, blocks, b"\r\n")
                batch = lines.reject_long_line(line, end, self._mark, self.columns)
                end = batch.end
                yield batch

    def _make_batch(self, data: bytes, split: "Split", limits: Limits, start: Position) -> Batch:
        refused, blank = Refusals(), np.zeros(split.count, bool)
        if len(self.columns) > 1:  # an empty line of one column is an empty text
            blank = split.bounds[:, 0] == split.bounds[:, 1]
        for record in np.flatnonzero((split.fields != len(self.columns)) & ~blank).tolist():
            found = int(split.fields[record])
            wrong = f"wrong number of fields: {found}, expected {len(self.columns)}"
            refused.add(record, split.describe_fault(record) or wrong)
        _refuse_undecodable(data, split, refused)
        kept = np.flatnonzero(~blank)
        kept = kept[~np.isin(kept, list(refused.reasons))]
        texts, empty = split.gather(0, kept), split.blank
        if limits.reject_empty:
            for record in kept[empty].tolist():
                refused.add(record, "the text is empty")
        sizes = np.diff(split.offsets)
        for place in np.flatnonzero(sizes > limits.max_chars):  # never fewer bytes than characters
            refused.add(int(kept[place]), limits.find_fault(texts[int(place)].as_py()))
        if len(kept) + len(refused.reasons) > split.count - int(blank.sum()):
            good = ~np.isin(kept, list(refused.reasons))
            kept, texts = kept[good], texts.filter(pa.array(good))
        rows = start.row + np.cumsum(~blank)
        counter = lines.LineCounter(data, start.line, self._mark)
        rejects = []
        for record in sorted(refused.reasons):
            a, b = split.bounds[record].tolist()
            line, raw = counter.count(a) + 1, lines.show_line(data[a:b], b - a)
            rejects.append(Reject(int(rows[record]), line, refused.reasons[record], raw))
        return Batch(
            texts=texts,
            make_table=partial(self._make_table, data, split.next, kept),
            read_column=partial(self._read_column, data, split.next, kept),
            rejects=rejects,
            end=Position(
                start.offset + split.next,
                int(rows[-1]),
                counter.count(split.next),
            ),
            raw=RawRows(split.data, split.bounds[kept]),
            blank_lines=int(blank.sum()),
        )

    def _make_table(self, data: bytes, stop: int, kept: np.ndarray) -> pa.Table:
        again = self._split_again(data, stop, range(len(self.columns)))
        columns = [again.gather(k, kept) for k in range(len(self.columns))]
        return pa.table(dict(zip(self.columns, columns, strict=True)))

    def _read_column(
        self, data: bytes, stop: int, kept: np.ndarray, name: str
    ) -> pa.LargeStringArray:
        return self._split_again(data, stop, [self.columns.index(name)]).gather(0, kept)

    def _split_again(self, data: bytes, stop: int, wanted: "range | list[int]") -> "Split":
        return Split(
            data, ord(self.separator), len(self.columns), final=True, wanted=wanted, stop=stop
        )


class Split:
    """The records of a part of a file; see `kernels.split_records` for the arrays."""

    def __init__(
        self, data: bytes, separator: int, columns: int, *, final: bool,
        wanted: "range | list[int]" = range(0), stop: int | None = None, most: int = sys.maxsize,
    ) -> None:  # fmt: skip
        data = data[:stop]
        self.data = np.frombuffer(data, np.uint8)
        slots = np.full(columns, -1, np.int64)
        slots[list(wanted)] = np.arange(len(wanted))
        # A quote that is not closed can leave millions of short records behind.
        most = min(data.count(b"\n") + data.count(b"\r") + 1, most)
        self.bounds, self.fields = np.empty((most, 2), np.int64), np.empty(most, np.int64)
        self.spans = np.zeros((most, max(len(wanted), 1), 2), np.int64)
        self.doubled = np.zeros((most, max(len(wanted), 1)), bool)
        self.count, self.next = kernels.split_records(
            self.data, 0, len(self.data), (separator, QUOTE, final, lines.LONGEST), slots,
            self.bounds, self.fields, self.spans, self.doubled,
        )  # fmt: skip
        self.is_full = self.count == most and self.next < len(data)
        self.bounds, self.fields = self.bounds[: self.count], self.fields[: self.count]

    def describe_fault(self, record: int) -> str | None:
        """Return why a record has no fields, or None if it has."""
        match int(self.fields[record]):
            case kernels.STRAY:
                return _STRAY
            case kernels.UNCLOSED:
                return _UNCLOSED
            case kernels.TOO_LONG:
                return f"row too long: at most {lines.LONGEST:,} bytes"
        return None

    def gather(self, slot: int, records: np.ndarray | None = None) -> pa.LargeStringArray:
        """Return the fields of `records`, all of them without it, which are UTF-8."""
        records = np.arange(self.count) if records is None else records
        spans = self.spans[records, slot]
        out = np.empty(int(np.sum(spans[:, 1] - spans[:, 0])), np.uint8)
        self.offsets = np.empty(len(records) + 1, np.int64)
        self.blank = np.empty(len(records), bool)
        kernels.gather_fields(
            self.data, spans, self.doubled[records, slot], QUOTE, out, self.offsets, self.blank
        )
        return pa.LargeStringArray.from_buffers(
            len(records), pa.py_buffer(self.offsets), pa.py_buffer(out)
        )


def _refuse_undecodable(data: bytes, split: Split, refused: Refusals) -> None:
    """Refuse the records that are not UTF-8."""
    if is_utf8(memoryview(data)[: split.next]):
        return
    for record, (a, b) in enumerate(split.bounds.tolist()):
        if not is_utf8(memoryview(data)[a:b]):
            refused.add(record, "bytes that are not in the encoding of the file")


def is_utf8(data: memoryview) -> bool:
    """Return whether `data` is UTF-8; other threads run meanwhile."""
    bounds = pa.py_buffer(np.array([0, len(data)], np.int64))
    try:
        pa.LargeStringArray.from_buffers(1, bounds, pa.py_buffer(data)).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _choose_separator(data: bytes) -> str:
    """Return the separator by which most records have as many fields as the line of names."""
    sample, best = data[:_SAMPLE], (0.0, 0, ",")
    for separator in SEPARATORS:
        fields = Split(sample, ord(separator), 0, final=len(data) <= _SAMPLE).fields
        if len(fields) and fields[0] > 1:
            even = float(np.mean(fields == fields[0]))
            best = max(best, (even, int(fields[0]), separator), key=lambda one: one[:2])
    return best[2]
