"""Files of JSON lines: one object per line."""

import json
import re
from collections.abc import Generator
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from sentiment.errors import EmptyDataError, UnreadableFileError
from sentiment.files import lines
from sentiment.files.batches import NO_TEXT, Batch, Limits, Position, RawRows, Reject
from sentiment.files.columns import as_text, as_texts
from sentiment.files.streams import BLOCK, ByteSource

_SAMPLE_ROWS = 1000
# Limit of the nesting of objects and arrays. Python's own limit depends on its version and on the
# function.
_DEEPEST = 200
_TOO_DEEP = f"nested too deeply: more than {_DEEPEST} objects and arrays"
_HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")


class JsonLinesFile:
    """A file with a JSON object on each line.

    Parameters
    ----------
    source : ByteSource
        Its bytes.

    Attributes
    ----------
    columns : list of str
        The fields of the first rows; later rows may have others.

    Raises
    ------
    EmptyDataError
        There is no line.
    UnreadableFileError
        No line at the beginning is an object.
    """

    kind = "jsonl"
    assumed = ()
    layout = None  # rows name their fields, so any rows fit into one output

    def __init__(self, source: ByteSource) -> None:
        self.source, self.origin = source, source.origin
        sample = self._read_sample()
        parsed = [_parse(line) for line in sample]
        if not parsed:
            raise EmptyDataError(f"'{self.origin.name}'", "the file is empty")
        records = [record for record in parsed if isinstance(record, dict)]
        if not records:
            reason = f"line 1 is not a JSON object: {parsed[0]}"
            if sample[0].lstrip().startswith(b"["):
                reason = "it is an array; expected an object on each line, as jq -c '.[]' writes"
            raise UnreadableFileError(source.path, "JSON lines", reason)
        self.columns = list(dict.fromkeys(str(key) for record in records for key in record))

    def _read_sample(self) -> list[bytes]:
        """Return the first lines that are not empty; they do not depend on the size of blocks."""
        sample: list[bytes] = []
        buffer, size, is_final, has_long_line = b"", 0, False, False
        blocks = self.source.peek()
        while not is_final:
            block = next(blocks, b"")
            is_final = not block
            *complete, buffer = (buffer + block).split(b"\n")
            for line in [*complete, buffer] if is_final else complete:
                if len(sample) == _SAMPLE_ROWS or size >= BLOCK:
                    return sample
                has_long_line = has_long_line or len(line) > lines.LONGEST
                if len(line) <= lines.LONGEST and line.strip():
                    sample.append(line)
                    size += len(line)
            if len(buffer) > lines.LONGEST and not is_final:
                has_long_line = True
                buffer = lines.skip_line(buffer, blocks, b"\n")[1]
        if has_long_line and not sample:
            reason = f"a line has more than {lines.LONGEST:,} bytes"
            raise UnreadableFileError(self.source.path, "JSON lines", reason)
        return sample

    @property
    def share(self) -> float:
        """Share of the file that has been read, from 0 to 1."""
        return self.source.share

    def read(self, text_column: str, limits: Limits, start: Position) -> Generator[Batch]:
        """Yield the rows from `start` on."""
        buffer, end = b"", start
        blocks = self.source.read(start.offset)
        is_final = False
        while not is_final:
            block = next(blocks, b"")
            is_final = not block
            buffer += block
            cut = buffer.rfind(b"\n") + 1
            if is_final and len(buffer) - cut <= lines.LONGEST:
                cut = len(buffer)
            if cut:
                batch = _make_batch(buffer[:cut], text_column, limits, end, self.columns)
                buffer, end = buffer[cut:], batch.end
                yield batch
            if len(buffer) > lines.LONGEST:
                line, buffer = lines.skip_line(buffer, blocks, b"\n")
                batch = lines.reject_long_line(line, end, b"\n", self.columns)
                end = batch.end
                yield batch


def _make_batch(
    data: bytes, column: str, limits: Limits, start: Position, columns: list[str]
) -> Batch:
    texts, bounds, rejects = [], [], []
    offset = row = blank_lines = 0
    data_lines = data.split(b"\n")
    if not data_lines[-1]:
        data_lines.pop()
    for number, line in enumerate(data_lines, start=1):
        stripped, fault = line.strip(), lines.check_length(len(line))
        if stripped or fault:
            text, reason = ("", fault) if fault else _find_text(_parse(stripped), column, limits)
            if reason is None:
                texts.append(text)
                begin = offset + line.index(stripped)
                bounds.append((begin, begin + len(stripped)))
            else:
                raw = lines.show_line(line.rstrip(b"\r"), len(line))
                rejects.append(Reject(start.row + row + 1, start.line + number, reason, raw))
            row += 1
        else:
            blank_lines += 1
        offset += len(line) + 1
    rows = RawRows(np.frombuffer(data, np.uint8), np.array(bounds, np.int64).reshape(-1, 2))
    return Batch(
        texts=pa.array(texts, pa.large_string()),
        make_table=partial(_make_table, rows, columns),
        read_column=partial(_read_column, rows),
        rejects=rejects,
        end=Position(start.offset + len(data), start.row + row, start.line + len(data_lines)),
        raw=rows,
        blank_lines=blank_lines,
    )


def _parse(line: bytes) -> Any:
    """Return the object in a line, or the reason to reject the line as a string."""
    try:
        parsed = json.loads(line.decode())
    except UnicodeDecodeError:
        return "bytes that are not in the encoding of the file"
    except RecursionError:
        return _TOO_DEEP
    except ValueError as error:
        return f"not JSON: {error}"
    if not isinstance(parsed, dict):
        return "not an object"
    if line.count(b"{") + line.count(b"[") > _DEEPEST and _is_deeper(parsed, _DEEPEST):
        return _TOO_DEEP
    if _HALF_PAIR.search(line) and not _is_unicode(parsed):
        return "half a surrogate pair, which is not a character"
    return parsed


def _is_deeper(value: Any, depth: int) -> bool:
    """Return whether objects and arrays are nested more than `depth` deep."""
    level = [value]
    for _ in range(depth):
        children = [item.values() if isinstance(item, dict) else item for item in level]
        level = [item for group in children for item in group if isinstance(item, dict | list)]
    return bool(level)


def _is_unicode(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _find_text(record: Any, column: str, limits: Limits) -> tuple[str, str | None]:
    """Return the text of a record, and the reason to reject it."""
    if isinstance(record, str):
        return "", record
    if reserved := next((name for name in limits.added if name in record), None):
        return "", f"it already has a field {reserved!r}"
    unexpected = [key for key in record if limits.fields is not None and key not in limits.fields]
    if unexpected:
        return "", f"a field that the first rows lack: {unexpected[0]!r}"
    text = as_text(record.get(column))
    if text is None:
        return "", NO_TEXT if record.get(column) is None else "the text is not a string"
    return text, limits.find_fault(text)


def _make_table(raw: RawRows, columns: list[str]) -> pa.Table:
    records = _parse_rows(raw)
    return pa.table(
        {name: _make_column([record.get(name) for record in records]) for name in columns}
    )


def _read_column(raw: RawRows, name: str) -> pa.LargeStringArray:
    return as_texts(record.get(name) for record in _parse_rows(raw))


def _parse_rows(raw: RawRows) -> list[dict[str, Any]]:
    return [json.loads(raw.data[a:b].tobytes()) for a, b in raw.bounds.tolist()]


def _make_column(values: list[Any]) -> pa.Array:
    """Return values as strings; values of other types as JSON."""
    return pa.array(
        [
            v if isinstance(v, str) or v is None else json.dumps(v, ensure_ascii=False)
            for v in values
        ],
        pa.large_string(),
    )
