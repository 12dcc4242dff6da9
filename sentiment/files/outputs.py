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
        """Return the bytes before the rows; `batch` has the first rows."""

    def write(self, batch: Batch, predictions: pa.RecordBatch) -> bytes:
        """Return the rows of `batch` with their `predictions`, one for each row."""

    def assemble(self, appended: Path, file: IO[bytes]) -> bool:
        """Write `file` from the file `appended`, or return False if that is the output already."""


class _AppendOnly:
    """An output whose appended file needs no conversion."""

    def assemble(self, appended: Path, file: IO[bytes]) -> bool:
        """Return False: the appended file is the output."""
        return False


class RawDelimited(_AppendOnly):
    """A delimited file with every field unchanged, and predictions as further fields.

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


class RawJsonLines(_AppendOnly):
    """JSON lines with every field unchanged, and predictions as further fields."""

    def begin(self, batch: Batch) -> bytes:
        """Return nothing."""
        return b""

    def write(self, batch: Batch, predictions: pa.RecordBatch) -> bytes:
        """Return the rows."""
        assert batch.raw is not None  # noqa: S101 - JSON lines have bytes
        pieces: list[Any] = []
        for name, column in zip(predictions.schema.names, predictions.columns, strict=True):
            pieces += [f", {_to_json(name)}: ", _write_values(column, _to_json)]
        endings = pc.binary_join_element_wise(*pieces, "}\n", "")
        open_rows = batch.raw.bounds - np.array([0, 1])  # without the last brace
        return _join(RawRows(batch.raw.data, open_rows), endings)


class _ParsedRows:
    """An output of parsed rows, with the columns of the first batch.

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


class TableCsv(_ParsedRows, _AppendOnly):
    """CSV of any rows."""

    def begin(self, batch: Batch) -> bytes:
        """Return the line of names."""
        names = [*batch.make_table().column_names, *self._added.names]
        return ",".join(_quote(name, ",") for name in names).encode() + b"\n"

    def write(self, batch: Batch, predictions: pa.RecordBatch) -> bytes:
        """Return the rows."""
        buffer = io.BytesIO()
        options = csv.WriteOptions(include_header=False, quoting_style="needed")
        table = self._join(batch, predictions)
        flat_columns = [_flatten(column) for column in table.columns]
        csv.write_csv(pa.table(flat_columns, names=table.column_names), buffer, options)
        return buffer.getvalue()


class TableJsonLines(_ParsedRows, _AppendOnly):
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


class TableParquet(_ParsedRows):
    """Parquet of any rows; until it is finished, the file is an Arrow stream."""

    def begin(self, batch: Batch) -> bytes:
        """Return the schema."""
        columns = _decode(batch.make_table()).schema
        return bytes(pa.schema([*columns, *self._added]).serialize())

    def write(self, batch: Batch, predictions: pa.RecordBatch) -> bytes:
        """Return the rows."""
        table = _decode(self._join(batch, predictions)).combine_chunks()
        return b"".join(bytes(batch.serialize()) for batch in table.to_batches())

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
    """Yield tables of exactly `_ROW_GROUP` rows, then the remaining rows, each in one chunk.

    The bytes of a Parquet file depend on the chunks of a table. These depend on the ends of blocks
    of the input, which change if a job is killed and resumed.
    """
    pending: list[pa.RecordBatch] = []
    for batch in batches:
        pending.append(batch)
        while sum(batch.num_rows for batch in pending) >= _ROW_GROUP:
            table = pa.Table.from_batches(pending)
            yield table.slice(0, _ROW_GROUP).combine_chunks()
            pending = table.slice(_ROW_GROUP).to_batches()
    if any(batch.num_rows for batch in pending):
        yield pa.Table.from_batches(pending).combine_chunks()


def _decode(table: pa.Table) -> pa.Table:
    """Return `table` without dictionaries, which a stream would have to contain."""
    columns = [
        column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for column in table.columns
    ]
    return pa.table(columns, names=table.column_names)


def _flatten(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column that CSV can hold: nested values as JSON, bytes as text."""
    data_type = column.type
    if pa.types.is_nested(data_type):
        # Characters stay escaped, since these values may come from a file with escapes.
        texts: list[str | None] = [json.dumps(v, default=show_value) for v in list_values(column)]
    elif _is_bytes(data_type) or (pa.types.is_timestamp(data_type) and data_type.tz):
        texts = [None if v is None else show_value(v) for v in list_values(column)]
    else:
        return column
    return pa.chunked_array([pa.array(texts, pa.large_string())])


def _is_bytes(data_type: pa.DataType) -> bool:
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    return any(test(data_type) for test in tests)


def _join(rows: RawRows, endings: pa.StringArray) -> bytes:
    """Return the bytes of each row and its ending, one after the other."""
    strings = endings.cast(pa.large_string())
    bounds = np.frombuffer(strings.buffers()[1], np.int64)[: len(strings) + 1]
    ending_bytes = np.frombuffer(strings.buffers()[2] or b"", np.uint8)
    size = int(np.sum(rows.bounds[:, 1] - rows.bounds[:, 0])) + int(bounds[-1] - bounds[0])
    joined = np.empty(size, np.uint8)
    kernels.join_rows(rows.data, rows.bounds, ending_bytes, bounds, joined)
    return joined.tobytes()


def _write_values(column: pa.Array, write: Callable[[str], str]) -> pa.Array:
    """Return a column as strings, with `write` applied to its string values."""
    if pa.types.is_dictionary(column.type):
        return pa.array([write(v) for v in column.dictionary.to_pylist()]).take(column.indices)
    if pa.types.is_string(column.type):
        return pa.array([write(value) for value in column.to_pylist()], pa.string())
    return column.cast(pa.string())


def _to_json(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _quote(value: str, separator: str) -> str:
    if any(character in value for character in (separator, '"', "\n", "\r")):
        doubled = value.replace('"', '""')
        return f'"{doubled}"'
    return value
