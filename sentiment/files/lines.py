"""Lines of text files: counting them, and handling lines that are too long."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sentiment.files.batches import Batch, Position, RawRows, Reject

# Bytes of the longest record of a text file; an open quote is taken for stray after as many.
LONGEST = 64 * 2**20
# Bytes of a longer line that are shown.
EXCERPT = 1000
_NO_TEXTS = pa.array([], pa.large_string())


@dataclass(frozen=True)
class LongLine:
    """A line that is too long to be kept in memory.

    Attributes
    ----------
    excerpt : bytes
        Its beginning.
    size : int
        Its bytes, without its end.
    ending : bytes
        Its end; empty at the end of a file.
    """

    excerpt: bytes
    size: int
    ending: bytes


def skip_line(data: bytes, blocks: Iterator[bytes], marks: bytes) -> tuple[LongLine, bytes]:
    r"""Skip to the end of the line that begins with `data`; return the line and the data behind it.

    Parameters
    ----------
    data : bytes
        The beginning of the line, which may include its end and more.
    blocks : iterator of bytes
        What follows `data`.
    marks : bytes
        The bytes that end a line: ``b"\n"``, or ``b"\r\n"`` for either of both and the pair.
    """
    excerpt, size = data[:EXCERPT], 0  # `data` is longer than that
    while True:
        ends = [place for mark in marks if (place := data.find(mark)) >= 0]
        if ends or not data:
            break
        size += len(data)
        data = next(blocks, b"")
    end = min(ends, default=0)
    # A carriage return as the last byte may be followed by a newline.
    if b"\r" in marks and data[end:] == b"\r":
        data += next(blocks, b"")
    pair = b"\r" in marks and data[end : end + 2] == b"\r\n"
    ending = data[end : end + 1 + pair]
    return LongLine(excerpt, size + end, ending), data[end + len(ending) :]


def reject_long_line(line: LongLine, start: Position, mark: bytes, columns: list[str]) -> Batch:
    """Return a batch with `line` as its only row, rejected.

    Parameters
    ----------
    line : LongLine
        The row.
    start : Position
        Position in front of it.
    mark : bytes
        The byte by which lines are counted.
    columns : list of str
        The columns that other rows have.
    """
    reason, raw = check_length(line.size), show_line(line.excerpt, line.size)
    assert reason is not None  # noqa: S101 - that is why it was skipped
    return Batch(
        texts=_NO_TEXTS,
        make_table=lambda: pa.table(dict.fromkeys(columns, _NO_TEXTS)),
        read_column=lambda name: _NO_TEXTS,
        rejects=[Reject(start.row + 1, start.line + 1, reason, raw)],
        end=Position(
            start.offset + line.size + len(line.ending),
            start.row + 1,
            start.line + (mark in line.ending),
        ),
        raw=RawRows(np.empty(0, np.uint8), np.empty((0, 2), np.int64)),
    )


def check_length(size: int) -> str | None:
    """Return why a line of `size` bytes is rejected, or None if it is not."""
    return f"row too long: {size:,} bytes, at most {LONGEST:,}" if size > LONGEST else None


def show_line(data: bytes, size: int) -> str:
    r"""Return a line of `size` bytes as text, with ``\xff`` for bytes that are not UTF-8.

    A line that is too long is cut, with ``...``.
    """
    if size <= LONGEST:
        return data.decode("utf-8", "backslashreplace")
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    # It keeps half a character at the end to itself.
    return f"{decoder.decode(data[:EXCERPT])}..."


class LineCounter:
    """Counts the lines in front of increasing places in `data`.

    Parameters
    ----------
    data : bytes
        A part of a file.
    before : int
        Lines in front of it.
    mark : bytes
        The byte that ends a line.
    """

    def __init__(self, data: bytes, before: int, mark: bytes) -> None:
        self._data, self._lines, self._mark = data, before, mark
        self._place = 0

    def count(self, place: int) -> int:
        """Return how many lines are in front of `place`."""
        self._lines += self._data.count(self._mark, self._place, place)
        self._place = place
        return self._lines
