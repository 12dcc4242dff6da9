"""Parquet files."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sentiment.errors import EmptyDataError, UnreadableFileError
from sentiment.files.batches import NO_TEXT, Batch, Limits, Position, Refusals, Reject
from sentiment.files.columns import as_texts
from sentiment.files.origins import Origin
from sentiment.files.streams import BLOCK

_MOST_ROWS = 10_000


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
        It is no Parquet file, or has a column twice.
    """

    kind = "parquet"

    def __init__(self, path: Path) -> None:
        self.path, self.origin = path, Origin.of_file(path)
        try:
            with pq.ParquetFile(path) as file:
                self.layout = file.schema_arrow.remove_metadata()
                self.columns: list[str] = self.layout.names
                self._rows = file.metadata.num_rows
                groups = [file.metadata.row_group(k) for k in range(file.num_row_groups)]
        except (OSError, pa.ArrowException) as error:
            raise UnreadableFileError(path, "Parquet", str(error).splitlines()[0]) from error
        if not self._rows:
            raise EmptyDataError(f"'{self.origin.name}'")
        twice = next((name for name in self.columns if self.columns.count(name) > 1), None)
        if twice is not None:
            raise UnreadableFileError(path, "Parquet", f"it has two columns {twice!r}")
        size = sum(group.total_byte_size for group in groups)
        self._step = int(np.clip(BLOCK * self._rows // max(size, 1), 1, _MOST_ROWS))
        self._sizes = [group.num_rows for group in groups]
        self.share = 0.0

    def read(self, text_column: str, limits: Limits, start: Position) -> Iterator[Batch]:
        """Yield the rows from `start` on.

        Raises
        ------
        UnreadableFileError
            A part of the file is damaged.
        """
        first = 0
        try:
            with pq.ParquetFile(self.path) as file:
                for group, size in enumerate(self._sizes):
                    if first + size > start.row:
                        at = first
                        for batch in file.iter_batches(self._step, row_groups=[group]):
                            at += batch.num_rows
                            if at > start.row:
                                self.share = at / self._rows
                                yield _make_batch(pa.table(batch), text_column, limits, at)
                    first += size
        except (OSError, pa.ArrowException) as error:
            raise UnreadableFileError(self.path, "Parquet", str(error).splitlines()[0]) from error


def _make_batch(table: pa.Table, text_column: str, limits: Limits, end: int) -> Batch:
    """Return the rows of `table`, the last of which is the number `end`."""
    refused, column = Refusals(), table[text_column].combine_chunks()
    texts = _read_texts(column)
    faulty = pc.greater(pc.utf8_length(texts), limits.max_chars)
    if limits.reject_empty:
        faulty = pc.or_(faulty, pc.equal(pc.utf8_trim_whitespace(texts), ""))
    for row in np.flatnonzero(faulty.fill_null(False).to_numpy(zero_copy_only=False)).tolist():
        refused.add(row, limits.find_fault(texts[row].as_py()))
    for row in np.flatnonzero(texts.is_null().to_numpy(zero_copy_only=False)).tolist():
        missing = column[row].as_py() is None
        refused.add(row, NO_TEXT if missing else "the text is no string")
    kept = refused.list_kept(table.num_rows)
    rows = table if len(kept) == table.num_rows else table.take(kept)
    first = end - table.num_rows
    rejects = [
        Reject(first + row + 1, 0, refused.reasons[row], _write_row(table, row))
        for row in sorted(refused.reasons)
    ]
    return Batch(
        texts=texts.take(kept),
        make_table=lambda: rows,
        read_column=lambda name: _read_texts(rows[name].combine_chunks()),
        rejects=rejects,
        end=Position(end, end, 0),
    )


def _read_texts(column: pa.Array) -> pa.LargeStringArray:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return column.cast(pa.large_string())
    return as_texts(_decode(value) for value in column.to_pylist())


def _decode(value: object) -> object:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    return value


def _write_row(table: pa.Table, row: int) -> str:
    record = table.slice(row, 1).to_pylist()[0]
    return json.dumps(record, ensure_ascii=False, default=str)
