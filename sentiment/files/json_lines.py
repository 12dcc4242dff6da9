"""Files of JSON lines: one object per line."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from sentiment.errors import EmptyDataError, UnreadableFileError
from sentiment.files.batches import (
    NO_TEXT,
    Batch,
    Limits,
    Position,
    RawRows,
    Reject,
)
from sentiment.files.columns import as_text, as_texts
from sentiment.files.delimited import LONGEST
from sentiment.files.streams import ByteSource

_SAMPLE_ROWS = 1000


class JsonLinesFile:
    """A file with a JSON object on each line.

    Parameters
    ----------
    source : ByteSource
        Its bytes.

    Attributes
    ----------
    columns : list of str
        The fields of the first rows; later ones may have others.

    Raises
    ------
    EmptyDataError
        There is no line.
    UnreadableFileError
        No line at the beginning holds an object.
    """

    kind = "jsonl"
    layout = None  # every row names its fields

    def __init__(self, source: ByteSource) -> None:
        self.source, self.origin = source, source.origin
        sample = b""
        for block in source.peek():
            sample += block
            if b"\n" in sample or len(sample) > LONGEST:
                break
        lines = [line for line in sample.split(b"\n")[: _SAMPLE_ROWS + 1] if line.strip()]
        if not lines:
            raise EmptyDataError(f"'{self.origin.name}'", "the file is empty")
        records = [parsed for parsed in map(_parse, lines) if isinstance(parsed, dict)]
        if not records:
            raise UnreadableFileError(
                source.path, "JSON lines", f"line 1 is not a JSON object: {_parse(lines[0])}"
            )
        self.columns = list(dict.fromkeys(str(key) for record in records for key in record))

    @property
    def share(self) -> float:
        """How much of the file has been read, from 0 to 1."""
        return self.source.share

    def read(self, text_column: str, limits: Limits, start: Position) -> Iterator[Batch]:
        """Yield the rows from `start` on.

        Raises
        ------
        UnreadableFileError
            A line is longer than any text could be.
        """
        waiting, end = b"", start
        blocks = self.source.read(start.offset)
        final = False
        while not final:
            block = next(blocks, b"")
            final = not block
            waiting += block
            cut = len(waiting) if final else waiting.rfind(b"\n") + 1
            if not cut and len(waiting) > LONGEST:
                reason = f"a line has more than {LONGEST:,} bytes"
                raise UnreadableFileError(self.source.path, "JSON lines", reason)
            if cut:
                batch = _make_batch(waiting[:cut], text_column, limits, end, self.columns)
                waiting, end = waiting[cut:], batch.end
                yield batch


def _make_batch(
    data: bytes, text_column: str, limits: Limits, start: Position, columns: list[str]
) -> Batch:
    texts, bounds, rejects = [], [], []
    place = row = blank = 0
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, start=1):
        stripped = line.strip()
        if stripped:
            record = _parse(stripped)
            text, reason = _find_text(record, text_column, limits)
            if reason is None:
                texts.append(text)
                begin = place + line.index(stripped)
                bounds.append((begin, begin + len(stripped)))
            else:
                raw = line.decode("utf-8", "backslashreplace").rstrip("\r")
                rejects.append(Reject(start.row + row + 1, start.line + number, reason, raw))
            row += 1
        else:
            blank += 1
        place += len(line) + 1
    rows = RawRows(np.frombuffer(data, np.uint8), np.array(bounds, np.int64).reshape(-1, 2))
    return Batch(
        texts=pa.array(texts, pa.large_string()),
        make_table=partial(_make_table, rows, columns),
        read_column=partial(_read_column, rows),
        rejects=rejects,
        end=Position(start.offset + len(data), start.row + row, start.line + len(lines)),
        raw=rows,
        blank_lines=blank,
    )


def _parse(line: bytes) -> Any:
    """Return what a line holds, or as str what is wrong with it."""
    try:
        parsed = json.loads(line)
    except UnicodeDecodeError:
        return "bytes that are not in the encoding of the file"
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"
    return parsed if isinstance(parsed, dict) else "not an object"


def _find_text(record: Any, column: str, limits: Limits) -> tuple[str, str | None]:
    """Return the text of a record, or why it has none."""
    if isinstance(record, str):
        return "", record
    if taken := next((name for name in limits.added if name in record), None):
        return "", f"it already has a field {taken!r}"
    more = [key for key in record if limits.fields is not None and key not in limits.fields]
    if more:
        return "", f"a field that the first rows lack: {more[0]!r}"
    text = as_text(record.get(column))
    if text is None:
        return "", NO_TEXT if record.get(column) is None else "the text is no string"
    return text, limits.find_fault(text)


def _make_table(raw: RawRows, columns: list[str]) -> pa.Table:
    records = _parse_rows(raw)
    return pa.table({name: _make_column([one.get(name) for one in records]) for name in columns})


def _read_column(raw: RawRows, name: str) -> pa.LargeStringArray:
    return as_texts(one.get(name) for one in _parse_rows(raw))


def _parse_rows(raw: RawRows) -> list[dict[str, Any]]:
    return [json.loads(raw.data[a:b].tobytes()) for a, b in raw.bounds.tolist()]


def _make_column(values: list[Any]) -> pa.Array:
    """Return strings: of JSON values that are no strings, as JSON has them."""
    return pa.array(
        [
            v if isinstance(v, str) or v is None else json.dumps(v, ensure_ascii=False)
            for v in values
        ],
        pa.large_string(),
    )


def _write_value(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)
