"""CSV, Parquet and JSON-lines tables that are read whole, or not at all."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from sentiment.errors import ConfigError, EmptyDataError, InputNotFoundError, UnreadableFileError

FORMATS = {
    ".csv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_CSV_BLOCK = 16 * 2**20
_NAMES = {"csv": "CSV", "parquet": "Parquet", "jsonl": "JSON lines"}


def format_of(path: Path, setting: str) -> str:
    """Return ``"csv"``, ``"parquet"`` or ``"jsonl"`` by the ending of `path`.

    Raises
    ------
    ConfigError
        The ending is not known.
    """
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        raise ConfigError(
            [
                f"{setting} is '{path}', whose ending {path.suffix!r} names no known format; "
                f"expected one of {', '.join(FORMATS)}."
            ]
        ) from None


def read_table(path: Path, setting: str) -> pd.DataFrame:
    """Return the whole table at `path`; see `read_chunks` for types and errors."""
    return pd.concat(read_chunks(path, 50_000, setting), ignore_index=True)


def read_chunks(path: Path, rows: int, setting: str) -> Iterator[pd.DataFrame]:
    """Yield the table at `path` in frames of at most `rows` rows.

    The cells of a CSV file stay the strings they are (an empty field is the empty string), so
    that ``007`` or ``NA`` come out as they went in; Parquet columns keep their Arrow types, JSON
    values their JSON types.

    Parameters
    ----------
    path : Path
        The format is told by the ending.
    rows : int
        Rows per chunk.
    setting : str
        The setting that named the file, for messages.

    Raises
    ------
    InputNotFoundError
        There is no such file.
    UnreadableFileError
        The file is not what its ending says.
    EmptyDataError
        The file has no rows.
    """
    kind = format_of(path, setting)
    if not path.is_file():
        raise InputNotFoundError(path, setting, f"a {_NAMES[kind]} file")
    if path.stat().st_size == 0:
        raise EmptyDataError(f"'{path}'", "the file is empty")
    readers = {"csv": _read_csv, "parquet": _read_parquet, "jsonl": _read_jsonl}
    seen = False
    try:
        for chunk in readers[kind](path, rows):
            if not seen and not chunk.columns.is_unique:
                twice = chunk.columns[chunk.columns.duplicated()][0]
                raise UnreadableFileError(path, _NAMES[kind], f"it has two columns {twice!r}")
            seen = True
            yield chunk
    except (UnicodeDecodeError, pa.ArrowException) as error:
        # Arrow knows the row only where it did not read blocks side by side.
        reason = re.sub(r"Row #\d+: ", "", str(error).splitlines()[0])
        raise UnreadableFileError(path, _NAMES[kind], reason) from error
    if not seen:
        raise EmptyDataError(f"'{path}'")


def _read_csv(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    parsing = csv.ParseOptions(newlines_in_values=True)
    # A row must fit in a block.
    reading = csv.ReadOptions(block_size=_CSV_BLOCK)
    with csv.open_csv(path, reading, parsing) as reader:
        names = reader.schema.names
    strings = csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
    )
    with csv.open_csv(path, reading, parsing, strings) as reader:
        for batch in _rebatch(reader, rows):
            yield batch.to_pandas()


def _rebatch(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """Yield tables of exactly `rows` rows, and what is left."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        while sum(one.num_rows for one in waiting) >= rows:
            table = pa.Table.from_batches(waiting)
            yield table.slice(0, rows)
            waiting = table.slice(rows).to_batches()
    if any(one.num_rows for one in waiting):
        yield pa.Table.from_batches(waiting)


def _read_parquet(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=rows):
            yield batch.to_pandas(types_mapper=pd.ArrowDtype)


def _read_jsonl(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    records: list[dict[str, Any]] = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                reason = f"line {number} is not JSON: {error}"
                raise UnreadableFileError(path, _NAMES["jsonl"], reason) from error
            if not isinstance(record, dict):
                reason = f"line {number} is not an object but {line.strip()[:40]!r}"
                raise UnreadableFileError(path, _NAMES["jsonl"], reason)
            records.append(record)
            if len(records) == rows:
                yield pd.DataFrame(records, dtype=object)
                records = []
    if records:
        yield pd.DataFrame(records, dtype=object)


def as_strings(column: pd.Series) -> pd.Series:
    """Return the column as str: whole numbers without a point, empty cells as missing."""
    if column.dtype == "str":
        return column.mask(column == "")
    strings = [
        _as_string(value) if there and value != "" else None
        for value, there in zip(column.to_numpy(dtype=object), column.notna(), strict=True)
    ]
    return pd.Series(strings, index=column.index, dtype="str")


def _as_string(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    # Half a surrogate pair, which JSON can carry, is no text that could be stored.
    return str(value).encode("utf-8", "replace").decode()


def find_text_column(columns: Sequence[str]) -> str | None:
    """Return the column that holds the texts by its usual name, or None."""
    usual = ("text", "review", "sentence", "comment", "content", "body", "message", "tweet")
    folded = {str(column).strip().lower(): column for column in reversed(columns)}
    return next((folded[name] for name in usual if name in folded), None)
