"""Delimited files, such as CSV."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sentiment.errors import EmptyDataError, RepeatedColumnError, UnreadableFileError
from sentiment.files import lines
from sentiment.files.batches import Batch, Limits, Position, RawRows, Reject, RejectedRows
from sentiment.files.dialects import ReadOptions
from sentiment.files.layouts import detect_layout
from sentiment.files.records import STRAY, Split, read_fields
from sentiment.files.repairs import repair_line
from sentiment.files.streams import ByteSource

_SAMPLE = 2**18
# Largest number of records of a batch, unless its first record is longer.
_MOST_ROWS = 2**17


class DelimitedFile:
    """A delimited file.

    Parameters
    ----------
    source : ByteSource
        Its bytes.
    options : ReadOptions
        Separator, quote, escape and line of column names, parsed; None for those to detect.

    Attributes
    ----------
    columns : list of str
        Their names.
    dialect : Dialect
        Separator, quote and escape.
    header : bytes
        The line of column names, without its end.
    newline : bytes
        The end of a line.
    assumed : sequence of str
        Detected parts of the layout that are not certain.

    Raises
    ------
    EmptyDataError
        There is no row.
    UnreadableFileError
        The line of column names cannot be read, or repeats a name.
    """

    kind = "csv"

    def __init__(self, source: ByteSource, options: ReadOptions) -> None:
        self.source, self.origin = source, source.origin
        sample = b""
        for block in source.peek(_SAMPLE):
            sample += block
            # Enough for the column names and some rows.
            if len(sample) >= _SAMPLE and (b"\n" in sample or len(sample) > lines.LONGEST):
                break
        if not sample.strip():
            raise EmptyDataError(f"'{self.origin.name}'", "the file is empty")
        final = len(sample) < _SAMPLE
        layout = detect_layout(sample, options, final=final)
        self.dialect, self.columns, self.newline = layout.dialect, layout.columns, layout.newline
        self.assumed: Sequence[str] = layout.assumed
        if not layout.columns and layout.header is not None:
            too_long = len(layout.header) > lines.LONGEST
            fault = f"more than {lines.LONGEST:,} bytes" if too_long else STRAY
            raise UnreadableFileError(source.path, "CSV", f"its first line has {fault}")
        self._has_names = layout.header is not None or not self._is_numbered()
        self.header = layout.header or self._join([name.encode() for name in self.columns])
        self._check_names()
        if not sample[layout.start :].strip(b"\r\n") and final:
            raise EmptyDataError(f"'{self.origin.name}'")
        # The byte that ends a line, for counting lines.
        self._mark = self.newline[-1:]
        counter = lines.LineCounter(sample, 0, self._mark)
        self._preamble = [
            Reject(
                row, counter.count(a) + 1, "a line above the rows", lines.show_line(sample[a:b], 0)
            )
            for row, (a, b) in enumerate(layout.preamble, start=1)
        ]
        self._start = Position(layout.start, len(self._preamble), counter.count(layout.start))

    def _is_numbered(self) -> bool:
        return self.columns == [f"column_{k + 1}" for k in range(len(self.columns))]

    def _check_names(self) -> None:
        setting = f"{self.source.group}encoding"
        try:
            self.header.decode()
        except UnicodeDecodeError as error:
            encoding = getattr(self.source, "encoding", "utf-8")
            encoding = "UTF-8" if encoding == "utf-8" else encoding
            reason = (
                f"its first line is not {encoding}; name its encoding, such as {setting}=latin-1"
            )
            raise UnreadableFileError(self.source.path, "CSV", reason) from error
        if b"\0" in self.header:
            # Names usually begin with an ASCII character, whose zero byte shows the byte order.
            byte_order = "be" if self.header.startswith(b"\0") else "le"
            raise UnreadableFileError(
                self.source.path,
                "CSV",
                "its first line holds zero bytes",
                f"Set {setting}=utf-16-{byte_order} if it is UTF-16; if not, the file is damaged.",
            )
        repeated = next((name for name in self.columns if self.columns.count(name) > 1), None)
        if repeated is not None:
            raise RepeatedColumnError(self.source.path, "CSV", repeated)

    @property
    def layout(self) -> object:
        """Format of the rows."""
        return self.header, self.newline, self.dialect

    @property
    def share(self) -> float:
        """Share of the file that has been read, from 0 to 1."""
        return self.source.share

    def read(self, text_column: str, limits: Limits, start: Position) -> Generator[Batch]:
        """Yield the rows from `start` on."""
        column = self.columns.index(text_column)
        buffer, preamble = b"", self._preamble if start.offset == 0 else []
        end = start if start.offset else self._start
        blocks = self.source.read(end.offset)
        is_final, max_rows = False, _MOST_ROWS
        while not is_final:
            block = next(blocks, b"")
            is_final = not block
            buffer += block
            while True:
                split = Split(
                    buffer, self.dialect, len(self.columns),
                    final=is_final, needed=[column], max_records=max_rows,
                )  # fmt: skip
                next_is_valid = is_final and not split.is_full
                # The repair of a broken line depends on the record that follows it.
                is_incomplete = not is_final and len(buffer) - split.next <= lines.LONGEST + 1
                is_stray = bool(split.count) and split.is_stray(split.count - 1)
                is_held_back = is_stray and (split.is_full or is_incomplete)
                if is_held_back:
                    a, b = split.bounds[-1].tolist()
                    next_is_valid = self._repair_line(buffer[a:b]) is not None
                    split.drop_last()
                if split.count:
                    batch = self._make_batch(
                        buffer, split, limits, end, column, next_is_valid=next_is_valid
                    )
                    buffer, end = buffer[split.next :], batch.end
                    yield replace(batch, rejects=[*preamble, *batch.rejects]) if preamble else batch
                    preamble = []
                max_rows = _MOST_ROWS if split.count or not split.is_full else 2 * max_rows
                if split.is_full:
                    continue
                # A carriage return after the longest record may be followed by a newline.
                if is_held_back or len(buffer) <= lines.LONGEST + (not is_final):
                    break
                line, buffer = lines.skip_line(buffer, blocks, b"\r\n")
                batch = lines.reject_long_line(line, end, self._mark, self.columns)
                end = batch.end
                yield replace(batch, rejects=[*preamble, *batch.rejects])
                preamble = []

    def _make_batch(
        self, data: bytes, split: Split, limits: Limits, start: Position, column: int,
        *, next_is_valid: bool,
    ) -> Batch:  # fmt: skip
        # In a file of one column, an empty line is an empty text.
        blank = split.is_blank if len(self.columns) > 1 else np.zeros(split.count, bool)
        rejected = RejectedRows()
        repaired = self._repair(data, split, blank, next_is_valid=next_is_valid)
        _reject_undecodable(data, split, rejected)
        original_bounds = split.bounds.copy() if repaired else split.bounds
        split.replace(repaired)
        for record in np.flatnonzero((split.fields != len(self.columns)) & ~blank).tolist():
            field_count = int(split.fields[record])
            reason = f"wrong number of fields: {field_count}, expected {len(self.columns)}"
            rejected.add(record, split.describe_fault(record) or reason)
        kept_records = np.flatnonzero(~blank)
        kept_records = kept_records[~np.isin(kept_records, list(rejected.reasons))]
        texts, is_empty = split.gather(0, kept_records), split.blank
        if self._has_names and len(self.columns) > 1:
            for index in np.flatnonzero(pc.equal(texts, self.columns[column])):
                if self._repeats_names(split, int(kept_records[index])):
                    rejected.add(int(kept_records[index]), "repeats the column names")
        if limits.reject_empty:
            for record in kept_records[is_empty].tolist():
                rejected.add(record, "the text is empty")
        sizes = np.diff(split.offsets)
        for index in np.flatnonzero(sizes > limits.max_chars):  # never fewer bytes than characters
            rejected.add(int(kept_records[index]), limits.find_fault(texts[int(index)].as_py()))
        if len(kept_records) + len(rejected.reasons) > split.count - int(blank.sum()):
            is_valid = ~np.isin(kept_records, list(rejected.reasons))
            kept_records, texts = kept_records[is_valid], texts.filter(pa.array(is_valid))
        rows = start.row + np.cumsum(~blank)
        counter = lines.LineCounter(data, start.line, self._mark)
        rejects = []
        for record in sorted(rejected.reasons):
            a, b = original_bounds[record].tolist()
            line, raw = counter.count(a) + 1, lines.show_line(data[a:b], b - a)
            rejects.append(Reject(int(rows[record]), line, rejected.reasons[record], raw))
        resplit = partial(self._split_again, data, split.next, split.count, repaired)
        return Batch(
            texts=texts,
            make_table=partial(self._make_table, resplit, kept_records),
            read_column=partial(self._read_column, resplit, kept_records),
            rejects=rejects,
            end=Position(
                start.offset + split.next,
                int(rows[-1]),
                counter.count(split.next),
            ),
            raw=RawRows(split.data, split.bounds[kept_records]),
            blank_lines=int(blank.sum()),
            repaired=len(repaired),
        )

    def _repair(
        self, data: bytes, split: Split, blank: np.ndarray, *, next_is_valid: bool
    ) -> dict[int, bytes]:
        """Return repaired lines with stray quotes, by the index of their record.

        A line is repaired only if the next record is valid or can be repaired: otherwise the quote
        may begin a text of several lines. `next_is_valid` is that of the record after the last.
        """
        count = len(self.columns)
        is_valid = np.append((split.fields == count) | blank, next_is_valid)
        repaired: dict[int, list[bytes]] = {}
        for record in np.flatnonzero(split.fields < 0).tolist():
            a, b = split.bounds[record].tolist()
            if b == len(data):  # the file may have been cut off
                break
            if split.is_stray(record) and (fields := self._repair_line(data[a:b])) is not None:
                repaired[record] = fields
        return {
            record: self._join(fields)
            for record, fields in repaired.items()
            if is_valid[record + 1] or record + 1 in repaired
        }

    def _repair_line(self, line: bytes) -> list[bytes] | None:
        return repair_line(line, self.dialect, len(self.columns))

    def _join(self, fields: Sequence[bytes]) -> bytes:
        """Return a line of `fields`, whose bytes may not be UTF-8."""
        texts = [self.dialect.write(field.decode("utf-8", "surrogateescape")) for field in fields]
        return self.dialect.separator.join(texts).encode("utf-8", "surrogateescape")

    def _repeats_names(self, split: Split, record: int) -> bool:
        a, b = split.bounds[record].tolist()
        return read_fields(split.data[a:b].tobytes(), self.dialect) == self.columns

    def _make_table(self, resplit: Callable[..., Split], kept_records: np.ndarray) -> pa.Table:
        split = resplit(range(len(self.columns)))
        columns = [split.gather(k, kept_records) for k in range(len(self.columns))]
        return pa.table(dict(zip(self.columns, columns, strict=True)))

    def _read_column(
        self, resplit: Callable[..., Split], kept_records: np.ndarray, name: str
    ) -> pa.LargeStringArray:
        return resplit([self.columns.index(name)]).gather(0, kept_records)

    def _split_again(
        self, data: bytes, end: int, records: int, repaired: dict[int, bytes],
        needed: Sequence[int],
    ) -> Split:  # fmt: skip
        columns = len(self.columns)
        split = Split(
            data,
            self.dialect,
            columns,
            final=True,
            needed=needed,
            stop=end,
            n_records=records,
        )
        split.replace(repaired)
        return split


def _reject_undecodable(data: bytes, split: Split, rejected: RejectedRows) -> None:
    """Reject the records that are not UTF-8."""
    if _is_utf8(memoryview(data)[: split.next]):
        return
    for record, (a, b) in enumerate(split.bounds.tolist()):
        if not _is_utf8(memoryview(data)[a:b]):
            rejected.add(record, "bytes that are not in the encoding of the file")


def _is_utf8(data: memoryview) -> bool:
    """Return whether `data` is UTF-8, without holding the GIL."""
    bounds = pa.py_buffer(np.array([0, len(data)], np.int64))
    try:
        pa.LargeStringArray.from_buffers(1, bounds, pa.py_buffer(data)).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
