"""Parquet files."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sentiment.errors import EmptyDataError, RepeatedColumnError, UnreadableFileError, read_reason
from sentiment.files.batches import NO_TEXT, Batch, Limits, Position, Reject, RejectedRows
from sentiment.files.columns import as_texts
from sentiment.files.origins import Origin, warn_of_change
from sentiment.files.streams import BLOCK
from sentiment.files.values import list_values, reject_invalid, write_json

_MOST_ROWS = 10_000
# Bytes of a column to read at a time.
_BUFFER = 2**20


class ParquetFile:
    """A Parquet file.

    Parameters
    ----------
    path : Path
        The file.

    Attributes
    ----------
    columns : list of str
        Names of its columns.

    Raises
    ------
    EmptyDataError
        It has no rows.
    UnreadableFileError
        It is not a Parquet file, or repeats a column name.
    """

    kind = "parquet"
    assumed = ()

    def __init__(self, path: Path) -> None:
        self.path, self.origin = path, Origin.of_file(path)
        try:
            with pq.ParquetFile(path) as file:
                self.layout = file.schema_arrow.remove_metadata()
                self.columns: list[str] = self.layout.names
                self._rows = file.metadata.num_rows
                groups = [file.metadata.row_group(k) for k in range(file.num_row_groups)]
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            raise UnreadableFileError(path, "Parquet", read_reason(error)) from error
        if not self._rows:
            raise EmptyDataError(f"'{self.origin.name}'")
        repeated = next((name for name in self.columns if self.columns.count(name) > 1), None)
        if repeated is not None:
            raise RepeatedColumnError(path, "Parquet", repeated)
        size = sum(group.total_byte_size for group in groups)
        self._step = int(np.clip(BLOCK * self._rows // max(size, 1), 1, _MOST_ROWS))
        self._sizes = [group.num_rows for group in groups]
        self.share = 0.0

    def read(self, text_column: str, limits: Limits, start: Position) -> Generator[Batch]:
        """Yield the rows from `start` on; the rows of a damaged row group are rejected.

        Raises
        ------
        UnreadableFileError
            The whole file is damaged.
        """
        group_end, has_valid_rows, fault = 0, start.row > 0, ""
        for group, size in enumerate(self._sizes):
            row, group_end = group_end, group_end + size
            if group_end <= start.row:
                continue
            try:
                for batch in self._read_group(group):
                    row += batch.num_rows
                    if row > start.row:
                        has_valid_rows = True
                        self.share = row / self._rows
                        yield make_batch(pa.table(batch), text_column, limits, row)
            except (OSError, pa.ArrowException) as error:
                fault = read_reason(error)
                for begin in range(max(row, start.row), group_end, _MOST_ROWS):
                    end = min(begin + _MOST_ROWS, group_end)
                    yield _reject_rows(begin, end, fault, self.layout)
        if not self.path.exists() or Origin.of_file(self.path) != self.origin:
            warn_of_change(self.origin)
        if not has_valid_rows:
            raise UnreadableFileError(self.path, "Parquet", fault)

    def _read_group(self, group: int) -> Iterator[pa.RecordBatch]:
        # Without a buffer size, whole columns of a row group would be read, however large.
        options: dict[str, Any] = {"pre_buffer": False, "buffer_size": _BUFFER}
        with pq.ParquetFile(self.path, page_checksum_verification=True, **options) as file:
            yield from file.iter_batches(self._step, row_groups=[group])


def _reject_rows(start: int, end: int, fault: str, schema: pa.Schema) -> Batch:
    """Return a batch that rejects the rows from `start` to `end`, which cannot be read."""
    reason = f"a damaged part of the file: {fault}"
    return Batch(
        texts=pa.array([], pa.large_string()),
        make_table=schema.empty_table,
        read_column=lambda name: pa.array([], pa.large_string()),
        rejects=[Reject(row, 0, reason, "") for row in range(start + 1, end + 1)],
        end=Position(end, end, 0),
    )


def make_batch(table: pa.Table, text_column: str, limits: Limits, end: int) -> Batch:
    """Return a batch of the rows of `table`, which end at row number `end`."""
    rejected = RejectedRows()
    reject_invalid(table, rejected)
    texts = _read_texts(table[text_column].combine_chunks(), rejected)
    is_faulty = pc.greater(pc.utf8_length(texts), limits.max_chars)
    if limits.reject_empty:
        is_faulty = pc.or_(is_faulty, pc.equal(pc.utf8_trim_whitespace(texts), ""))
    for row in np.flatnonzero(is_faulty.fill_null(False).to_numpy(zero_copy_only=False)).tolist():
        rejected.add(row, limits.find_fault(texts[row].as_py()))
    for row in np.flatnonzero(texts.is_null().to_numpy(zero_copy_only=False)).tolist():
        is_missing = not table[text_column][row].is_valid
        rejected.add(row, NO_TEXT if is_missing else "the text is not a string")
    kept_rows = rejected.list_kept(table.num_rows)
    rows = table if len(kept_rows) == table.num_rows else table.take(kept_rows)
    first = end - table.num_rows
    rejects = [
        Reject(first + row + 1, 0, rejected.reasons[row], _write_row(table, row))
        for row in sorted(rejected.reasons)
    ]
    return Batch(
        texts=texts.take(kept_rows),
        make_table=lambda: rows,
        read_column=lambda name: _read_texts(rows[name].combine_chunks()),
        rejects=rejects,
        end=Position(end, end, 0),
    )


def _read_texts(column: pa.Array, rejected: RejectedRows | None = None) -> pa.LargeStringArray:
    """Return a column as text, with nulls for missing texts and rejected rows."""
    if rejected and rejected.reasons:
        is_rejected = np.zeros(len(column), bool)
        is_rejected[list(rejected.reasons)] = True
        column = pc.if_else(pa.array(is_rejected), pa.scalar(None, column.type), column)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return column.cast(pa.large_string())
    return as_texts(_decode(value) for value in list_values(column))


def _decode(value: object) -> object:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    return value


def _write_row(table: pa.Table, row: int) -> str:
    row_table = table.slice(row, 1)
    values = (list_values(column)[0] for column in row_table.columns)
    return write_json(dict(zip(row_table.column_names, values, strict=True)))
