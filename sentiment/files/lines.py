"""Lines of text files: counting them, and handling lines that are too long."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sentiment.files.batches import Batch, Position, RawRows, Reject

# Bytes of the longest record of a text file; a quote that is open for longer counts as stray.
LONGEST = 64 * 2**20
# Number of bytes shown of a longer line.
EXCERPT = 1000
_NO_TEXTS = pa.array([], pa.large_string())


@dataclass(frozen=True)
class LongLine:
    """A line that is too long to keep in memory.

    Attributes
    ----------
    excerpt : bytes
        Its beginning.
    size : int
        Number of its bytes, without the line end.
    ending : bytes
        The line end; empty at the end of a file.
    """

    excerpt: bytes
    size: int
    ending: bytes


def skip_line(data: bytes, blocks: Iterator[bytes], end_bytes: bytes) -> tuple[LongLine, bytes]:
    r"""Skip the line that begins with `data`; return the line and the data after it.

    Parameters
    ----------
    data : bytes
        The beginning of the line, which may include its end and more.
    blocks : iterator of bytes
        The blocks after `data`.
    end_bytes : bytes
        The bytes that end a line: ``b"\n"``, or ``b"\r\n"`` for either byte and the pair.
    """
    excerpt, size = data[:EXCERPT], 0  # `data` is longer than that
    while True:
        ends_found = [position for end_byte in end_bytes if (position := data.find(end_byte)) >= 0]
        if ends_found or not data:
            break
        size += len(data)
        data = next(blocks, b"")
    end = min(ends_found, default=0)
    # A carriage return as the last byte may be followed by a newline.
    if b"\r" in end_bytes and data[end:] == b"\r":
        data += next(blocks, b"")
    is_pair = b"\r" in end_bytes and data[end : end + 2] == b"\r\n"
    ending = data[end : end + 1 + is_pair]
    return LongLine(excerpt, size + end, ending), data[end + len(ending) :]


def reject_long_line(line: LongLine, start: Position, end_byte: bytes, columns: list[str]) -> Batch:
    """Return a batch with `line` as its only row, rejected.

    Parameters
    ----------
    line : LongLine
        The row.
    start : Position
        Position before the row.
    end_byte : bytes
        The byte that ends a line, for counting lines.
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
            start.line + (end_byte in line.ending),
        ),
        raw=RawRows(np.empty(0, np.uint8), np.empty((0, 2), np.int64)),
    )


def check_length(size: int) -> str | None:
    """Return the reason to reject a line of `size` bytes, or None."""
    return f"row too long: {size:,} bytes, at most {LONGEST:,}" if size > LONGEST else None


def show_line(data: bytes, size: int) -> str:
    r"""Return a line of `size` bytes as text, with ``\xff`` for bytes that are not UTF-8.

    A line that is too long is cut, with ``...``.
    """
    if size <= LONGEST:
        return data.decode("utf-8", "backslashreplace")
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    # The decoder drops half a character at the end.
    return f"{decoder.decode(data[:EXCERPT])}..."


class LineCounter:
    """Counts the lines before increasing positions in `data`.

    Parameters
    ----------
    data : bytes
        A part of a file.
    lines_before : int
        Number of lines before `data`.
    end_byte : bytes
        The byte that ends a line.
    """

    def __init__(self, data: bytes, lines_before: int, end_byte: bytes) -> None:
        self._data, self._lines, self._mark = data, lines_before, end_byte
        self._position = 0

    def count(self, position: int) -> int:
        """Return the number of lines before `position`."""
        self._lines += self._data.count(self._mark, self._position, position)
        self._position = position
        return self._lines
