"""Answers beside the rows that they belong to, in the format of the output."""

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from sentiment.files import kernels
from sentiment.files.batches import ADDED_COLUMNS, Batch, RawRows
from sentiment.files.delimited import DelimitedFile

_ROW_GROUP = 2**16


class Output(Protocol):
    """How rows are written; each call returns bytes that are appended to the file."""

    def begin(self, batch: Batch) -> bytes:
        """Return what stands in front of the rows, of which `batch` holds the first."""

    def write(self, batch: Batch, codes: np.ndarray, probabilities: np.ndarray) -> bytes:
        """Return the rows of `batch`.

        Parameters
        ----------
        batch : Batch
            `n` rows that can be answered.
        codes : ndarray of int, of shape (n,)
            Which label each row was given.
        probabilities : ndarray of float64, of shape (n,)
            The probability of that label.
        """

    def finish(self, partial: Path) -> Path:
        """Return the finished file, made of all that was appended."""


class _Appended:
    """An output whose file is finished as it is."""

    def finish(self, partial: Path) -> Path:
        """Return the file as it is."""
        return partial


class RawDelimited(_Appended):
    """A copy of a delimited file, every field as it was, with two fields more.

    Parameters
    ----------
    source : DelimitedFile
        The input.
    labels : sequence of str
        What can be answered.
    """

    def __init__(self, source: DelimitedFile, labels: Sequence[str]) -> None:
        self._header, self._newline = source.header, source.newline
        self._separator = source.separator
        self._labels = pa.array([_quote(label, source.separator) for label in labels])

    def begin(self, batch: Batch) -> bytes:
        """Return the line of names."""
        names = [self._header, *(name.encode() for name in ADDED_COLUMNS)]
        return self._separator.encode().join(names) + self._newline

    def write(self, batch: Batch, codes: np.ndarray, probabilities: np.ndarray) -> bytes:
        """Return the rows."""
        assert batch.raw is not None  # noqa: S101 - a delimited file has bytes
        labels = self._labels.take(pa.array(codes))
        numbers = pa.array(probabilities).cast(pa.string())
        newline, separator = self._newline.decode(), self._separator
        endings = pc.binary_join_element_wise(
            pc.binary_join_element_wise("", labels, numbers, separator), newline, ""
        )
        return _join(batch.raw, endings)


class RawJsonLines(_Appended):
    """A copy of a file of JSON lines, every field as it was, with two fields more.

    Parameters
    ----------
    labels : sequence of str
        What can be answered.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = pa.array([json.dumps(label, ensure_ascii=False) for label in labels])

    def begin(self, batch: Batch) -> bytes:
        """Return nothing."""
        return b""

    def write(self, batch: Batch, codes: np.ndarray, probabilities: np.ndarray) -> bytes:
        """Return the rows."""
        assert batch.raw is not None  # noqa: S101 - JSON lines have bytes
        labels = self._labels.take(pa.array(codes))
        numbers = pa.array(probabilities).cast(pa.string())
        endings = pc.binary_join_element_wise(
            f', "{ADDED_COLUMNS[0]}": ', labels, f', "{ADDED_COLUMNS[1]}": ', numbers, "}\n", ""
        )
        open_rows = batch.raw.bounds - np.array([0, 1])  # without the last brace
        return _join(RawRows(batch.raw.data, open_rows), endings)


class _Table:
    """An output of rows that are taken apart into columns, which are those of the first batch."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = pa.array(labels, pa.string())

    def _join(self, batch: Batch, codes: np.ndarray, probabilities: np.ndarray) -> pa.Table:
        answers = (self._labels.take(pa.array(codes)), pa.array(probabilities))
        table = batch.make_table()
        for name, values in zip(ADDED_COLUMNS, answers, strict=True):
            table = table.append_column(name, values)
        return table


class TableCsv(_Table, _Appended):
    """CSV of any rows."""

    def begin(self, batch: Batch) -> bytes:
        """Return the line of names."""
        names = [*batch.make_table().column_names, *ADDED_COLUMNS]
        return ",".join(_quote(name, ",") for name in names).encode() + b"\n"

    def write(self, batch: Batch, codes: np.ndarray, probabilities: np.ndarray) -> bytes:
        """Return the rows."""
        out = io.BytesIO()
        options = csv.WriteOptions(include_header=False, quoting_style="needed")
        table = self._join(batch, codes, probabilities)
        plain = [_flatten(column) for column in table.columns]
        csv.write_csv(pa.table(plain, names=table.column_names), out, options)
        return out.getvalue()


class TableJsonLines(_Table, _Appended):
    """JSON lines of any rows."""

    def begin(self, batch: Batch) -> bytes:
        """Return nothing."""
        return b""

    def write(self, batch: Batch, codes: np.ndarray, probabilities: np.ndarray) -> bytes:
        """Return the rows."""
        rows = self._join(batch, codes, probabilities).to_pylist()
        lines = (json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
        return "".join(lines).encode()


class TableParquet(_Table):
    """Parquet of any rows; until it is finished, the file is one of Arrow's streams."""

    def begin(self, batch: Batch) -> bytes:
        """Return the schema."""
        codes, probabilities = np.zeros(len(batch.texts), int), np.zeros(len(batch.texts))
        return bytes(_decode(self._join(batch, codes, probabilities)).schema.serialize())

    def write(self, batch: Batch, codes: np.ndarray, probabilities: np.ndarray) -> bytes:
        """Return the rows."""
        table = _decode(self._join(batch, codes, probabilities)).combine_chunks()
        return b"".join(bytes(part.serialize()) for part in table.to_batches())

    def finish(self, partial: Path) -> Path:
        """Write the rows as Parquet, in groups of the same size."""
        made = partial.with_name(f"{partial.name}.parquet")
        with (
            pa.OSFile(str(partial)) as file,
            pa.ipc.open_stream(file) as stream,
            pq.ParquetWriter(made, stream.schema) as writer,
        ):
            for table in _regroup(stream):
                writer.write_table(table)
        return made


def _regroup(batches: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """Yield tables of exactly `_ROW_GROUP` rows, and what is left."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        while sum(one.num_rows for one in waiting) >= _ROW_GROUP:
            table = pa.Table.from_batches(waiting)
            yield table.slice(0, _ROW_GROUP)
            waiting = table.slice(_ROW_GROUP).to_batches()
    if any(one.num_rows for one in waiting):
        yield pa.Table.from_batches(waiting)


def _decode(table: pa.Table) -> pa.Table:
    """Return `table` without dictionaries, which a stream would have to carry along."""
    columns = [
        column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for column in table.columns
    ]
    return pa.table(columns, names=table.column_names)


def _flatten(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column that CSV can hold: nested values as JSON."""
    if not pa.types.is_nested(column.type):
        return column
    return pa.chunked_array([[json.dumps(v, default=str) for v in column.to_pylist()]])


def _join(rows: RawRows, endings: pa.StringArray) -> bytes:
    """Return the bytes of each row and its ending, one after the other."""
    strings = endings.cast(pa.large_string())
    bounds = np.frombuffer(strings.buffers()[1], np.int64)[: len(strings) + 1]
    added = np.frombuffer(strings.buffers()[2] or b"", np.uint8)
    size = int(np.sum(rows.bounds[:, 1] - rows.bounds[:, 0])) + int(bounds[-1] - bounds[0])
    out = np.empty(size, np.uint8)
    kernels.join_rows(rows.data, rows.bounds, added, bounds, out)
    return out.tobytes()


def _quote(value: str, separator: str) -> str:
    if any(sign in value for sign in (separator, '"', "\n", "\r")):
        doubled = value.replace('"', '""')
        return f'"{doubled}"'
    return value
