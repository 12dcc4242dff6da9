"""Formats of outputs: the rows of an input with their predictions."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from sentiment.files import kernels
from sentiment.files.batches import Batch, RawRows
from sentiment.files.delimited import DelimitedFile
from sentiment.files.values import list_values, show_value, write_json

_ROW_GROUP = 2**16


class Output(Protocol):
    """Format of an output; each call returns bytes that are appended to the file."""

    def begin(self, batch: Batch) -> bytes:
        """Return what precedes the rows, of which `batch` holds the first."""

    def write(self, batch: Batch, predictions: pa.RecordBatch) -> bytes:
        """Return the rows of `batch` with their `predictions`, which have a row for each."""

    def assemble(self, appended: Path, file: IO[bytes]) -> bool:
        """Write `file` from what was `appended`, or return False if that is the output already."""


class _Appended:
    """An output whose file is finished as it is."""

    def assemble(self, appended: Path, file: IO[bytes]) -> bool:
        """Return that nothing is left to do."""
        return False


class RawDelimited(_Appended):
    """A delimited file with every field as it was, and predictions as further fields.

    Parameters
    ----------
    source : DelimitedFile
        The input.
    added : Schema
        Names and types of the predictions.
    """

    def __init__(self, source: DelimitedFile, added: pa.Schema) -> None:
        self._header, self._newline = source.header, source.newline
        self._separator = source.dialect.separator
        self._added = added

    def begin(self, batch: Batch) -> bytes:
        """Return the line of names."""
        names = [self._header, *(_quote(n, self._separator).encode() for n in self._added.names)]
        return self._separator.encode().join(names) + self._newline

    def write(self, batch: Batch, predictions: pa.RecordBatch) -> bytes:
        """Return the rows."""
        assert batch.raw is not None  # noqa: S101 - a delimited file has bytes
        fields = [_write_values(column, self._quote) for column in predictions.columns]
        endings = pc.binary_join_element_wise("", *fields, self._separator)
        return _join(batch.raw, pc.binary_join_element_wise(endings, self._newline.decode(), ""))

    def _quote(self, value: str) -> str:
        return _quote(value, self._separator)


class RawJsonLines(_Appended):
    """JSON lines with every field as it was, and predictions as further fields."""

    def begin(self, batch: Batch) -> bytes:
        """Return nothing."""
        return b""

    def write(self, batch: Batch, predictions: pa.RecordBatch) -> bytes:
        """Return the rows."""
        assert batch.raw is not None  # noqa: S101 - JSON lines have bytes
        parts: list[Any] = []
        for name, column in zip(predictions.schema.names, predictions.columns, strict=True):
            parts += [f", {_to_json(name)}: ", _write_values(column, _to_json)]
        endings = pc.binary_join_element_wise(*parts, "}\n", "")
        open_rows = batch.raw.bounds - np.array([0, 1])  # without the last brace
        return _join(RawRows(batch.raw.data, open_rows), endings)


class _Table:
    """An output of rows that are taken apart into columns, which are those of the first batch.

    Parameters
    ----------
    added : Schema
        Names and types of the predictions.
    """

    def __init__(self, added: pa.Schema) -> None:
        self._added = added

    def _join(self, batch: Batch, predictions: pa.RecordBatch) -> pa.Table:
        table = batch.make_table()
        for field, values in zip(self._added, predictions.columns, strict=True):
            table = table.append_column(field.name, values.cast(field.type))
        return table


class TableCsv(_Table, _Appended):
    """CSV of any rows."""

    def begin(self, batch: Batch) -> bytes:
        """Return the line of names."""
        names = [*batch.make_table().column_names, *self._added.names]
        return ",".join(_quote(name, ",") for name in names).encode() + b"\n"

    def write(self, batch: Batch, predictions: pa.RecordBatch) -> bytes:
        """Return the rows."""
        out = io.BytesIO()
        options = csv.WriteOptions(include_header=False, quoting_style="needed")
        table = self._join(batch, predictions)
        plain = [_flatten(column) for column in table.columns]
        csv.write_csv(pa.table(plain, names=table.column_names), out, options)
        return out.getvalue()


class TableJsonLines(_Table, _Appended):
    """JSON lines of any rows."""

    def begin(self, batch: Batch) -> bytes:
        """Return nothing."""
        return b""

    def write(self, batch: Batch, predictions: pa.RecordBatch) -> bytes:
        """Return the rows."""
        table = self._join(batch, predictions)
        columns = [list_values(column) for column in table.columns]
        rows = (
            dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)
        )
        return "".join(f"{write_json(row)}\n" for row in rows).encode()


class TableParquet(_Table):
    """Parquet of any rows; until it is finished, the file is one of Arrow's streams."""

    def begin(self, batch: Batch) -> bytes:
        """Return the schema."""
        columns = _decode(batch.make_table()).schema
        return bytes(pa.schema([*columns, *self._added]).serialize())

    def write(self, batch: Batch, predictions: pa.RecordBatch) -> bytes:
        """Return the rows."""
        table = _decode(self._join(batch, predictions)).combine_chunks()
        return b"".join(bytes(part.serialize()) for part in table.to_batches())

    def assemble(self, appended: Path, file: IO[bytes]) -> bool:
        """Write the rows as Parquet, in groups of the same size."""
        with (
            pa.OSFile(str(appended)) as rows,
            pa.ipc.open_stream(rows) as stream,
            pq.ParquetWriter(file, stream.schema) as writer,
        ):
            for table in _regroup(stream):
                writer.write_table(table)
        return True


def _regroup(batches: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """Yield tables of exactly `_ROW_GROUP` rows, and what is left, each in one piece.

    The bytes of a Parquet file depend on the pieces of a table, and those on where blocks of the
    input ended, which is elsewhere once a job was killed and resumed.
    """
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        while sum(one.num_rows for one in waiting) >= _ROW_GROUP:
            table = pa.Table.from_batches(waiting)
            yield table.slice(0, _ROW_GROUP).combine_chunks()
            waiting = table.slice(_ROW_GROUP).to_batches()
    if any(one.num_rows for one in waiting):
        yield pa.Table.from_batches(waiting).combine_chunks()


def _decode(table: pa.Table) -> pa.Table:
    """Return `table` without dictionaries, which a stream would have to carry along."""
    columns = [
        column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for column in table.columns
    ]
    return pa.table(columns, names=table.column_names)


def _flatten(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column that CSV can hold: nested values as JSON, bytes as the text that they are."""
    kind = column.type
    if pa.types.is_nested(kind):
        # Escaped characters are kept, as these values may come from a file that has them so.
        shown: list[str | None] = [json.dumps(v, default=show_value) for v in list_values(column)]
    elif _is_bytes(kind) or (pa.types.is_timestamp(kind) and kind.tz):
        shown = [None if v is None else show_value(v) for v in list_values(column)]
    else:
        return column
    return pa.chunked_array([pa.array(shown, pa.large_string())])


def _is_bytes(kind: pa.DataType) -> bool:
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    return any(test(kind) for test in tests)


def _join(rows: RawRows, endings: pa.StringArray) -> bytes:
    """Return the bytes of each row and its ending, one after the other."""
    strings = endings.cast(pa.large_string())
    bounds = np.frombuffer(strings.buffers()[1], np.int64)[: len(strings) + 1]
    added = np.frombuffer(strings.buffers()[2] or b"", np.uint8)
    size = int(np.sum(rows.bounds[:, 1] - rows.bounds[:, 0])) + int(bounds[-1] - bounds[0])
    out = np.empty(size, np.uint8)
    kernels.join_rows(rows.data, rows.bounds, added, bounds, out)
    return out.tobytes()


def _write_values(column: pa.Array, write: Callable[[str], str]) -> pa.Array:
    """Return a column as strings, each string of it as `write` writes it."""
    if pa.types.is_dictionary(column.type):
        return pa.array([write(v) for v in column.dictionary.to_pylist()]).take(column.indices)
    if pa.types.is_string(column.type):
        return pa.array([write(value) for value in column.to_pylist()], pa.string())
    return column.cast(pa.string())


def _to_json(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _quote(value: str, separator: str) -> str:
    if any(sign in value for sign in (separator, '"', "\n", "\r")):
        doubled = value.replace('"', '""')
        return f'"{doubled}"'
    return value
