"""CSV, Parquet and JSON-lines tables, read whole or in chunks and written whole or not at all."""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

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
SUFFIXES = {"csv": ".csv", "parquet": ".parquet", "jsonl": ".jsonl"}
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


def read_columns(path: Path, setting: str) -> list[str]:
    """Return the column names of the table at `path`."""
    # JSON lines may lack a field here and there.
    for chunk in read_chunks(path, 1000, setting):
        return list(chunk.columns)
    raise AssertionError("read_chunks yields a chunk or raises")


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
        raise UnreadableFileError(path, _NAMES[kind], str(error).splitlines()[0]) from error
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


class TableWriter:
    """Write frames to a table that appears under its name when it is complete.

    The rows go to a temporary file beside `path`, which takes its name when the ``with`` block
    ends well and is removed when it does not.

    Parameters
    ----------
    path : Path
        Where the table shall stand.
    kind : {"csv", "parquet", "jsonl"}
        Its format.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self.path = path
        self._kind = kind
        self._partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        self._columns: list[str] = []
        self._file: IO[str] | None = None
        self._parquet: pq.ParquetWriter | None = None

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self._kind != "parquet":
            # JSON can carry half a surrogate pair; escaped, it is what was read.
            self._file = self._partial.open(
                "w", encoding="utf-8", errors="backslashreplace", newline=""
            )
        return self

    def write(self, frame: pd.DataFrame) -> None:
        """Append `frame`.

        The columns of a CSV or Parquet table are those of its first frame.

        Raises
        ------
        ConfigError
            A later frame has a column more.
        """
        if self._kind != "jsonl":
            frame = self._with_columns_of_first(frame)
        if self._file is None:
            self._write_parquet(frame)
        elif self._kind == "csv":
            frame.to_csv(self._file, index=False, header=self._file.tell() == 0)
        else:
            self._file.writelines(
                json.dumps(_without_missing(record), ensure_ascii=False, default=str) + "\n"
                for record in frame.to_dict(orient="records")
            )

    def _with_columns_of_first(self, frame: pd.DataFrame) -> pd.DataFrame:
        self._columns = self._columns or list(frame.columns)
        more = [column for column in frame if column not in self._columns]
        if more:
            raise ConfigError(
                [
                    f"the field {more[0]!r} first stands behind rows that were written to "
                    f"'{self.path}' without it; write JSON lines, which may do so: "
                    "deploy.format=jsonl."
                ]
            )
        return (
            frame if list(frame.columns) == self._columns else frame.reindex(columns=self._columns)
        )

    def _write_parquet(self, frame: pd.DataFrame) -> None:
        schema = self._parquet.schema if self._parquet else None
        table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
        if self._parquet is None:
            self._parquet = pq.ParquetWriter(self._partial, table.schema)
        self._parquet.write_table(table)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for resource in (self._file, self._parquet):
            if resource is not None:
                resource.close()
        if error is None:
            self._partial.replace(self.path)
        else:
            with contextlib.suppress(FileNotFoundError):
                self._partial.unlink()


def _without_missing(record: dict[Any, Any]) -> dict[str, Any]:
    return {str(key): None if _is_missing(value) else value for key, value in record.items()}


def _is_missing(value: object) -> bool:
    return value is pd.NA or (isinstance(value, float) and value != value)


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
