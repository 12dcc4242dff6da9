"""Append-only tables with hourly Parquet files, safe if a writer is killed.

A table is a folder. Each writer appends to its own journal there, an Arrow stream, and syncs it
after each batch. At the end of an hour, it converts the journal to a Parquet file of the same name.
The journal of a killed writer is converted by the next writer, without an incomplete last batch.
Names of journals begin with ``_``, so readers of Parquet folders skip them.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from secrets import token_hex

import pyarrow as pa
import pyarrow.parquet as pq

from sentiment.errors import DamagedLogError
from sentiment.files.syncing import sync_folder

_HOUR = "%Y-%m-%dT%HZ"
_HOUR_LENGTH = len("2026-01-31T00Z")
_OPEN, _CLOSED = ".arrows", ".parquet"
# Size in bytes from which a journal is converted before its hour is over, in a second or two.
_LARGEST = 2**28
_GROUP = 100_000  # rows per row group


class HourlyTable:
    """Writer of a table, for use by a single thread.

    Parameters
    ----------
    folder : Path
        Folder of the table; other processes may read and write the table at the same time.
    schema : Schema
        Columns of the table, without dictionary types.
    """

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self._folder, self._schema = folder, schema
        self._file: int | None = None
        self._journal = folder
        self._size = 0

    def append(self, rows: pa.RecordBatch, time: datetime) -> None:
        """Append `rows` and sync them to the disk.

        Raises
        ------
        OSError
            The disk is full, for example; then none of `rows` is added.
        """
        self.roll(time)
        if not self._is_journal_open():
            self._begin(time)
        self._write(rows.serialize())

    def roll(self, time: datetime) -> None:
        """Convert the journal to a Parquet file if its hour is over, or if it is large."""
        is_over = not self._journal.name.startswith(f"_{time.strftime(_HOUR)}")
        if self._file is not None and (is_over or self._size > _LARGEST):
            self.close()

    def close(self) -> None:
        """Convert the journal to a Parquet file."""
        if self._file is not None:
            is_open = self._is_journal_open()
            file, self._file = self._file, None
            try:
                if is_open:
                    _convert(self._journal)
            finally:
                os.close(file)

    def _is_journal_open(self) -> bool:
        """Return whether the journal is open and still at its path.

        A deleted file can still be written to. Without this check, all rows of an hour would be
        lost if the folder of a running server is removed or moved.
        """
        if self._file is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._file), self._journal.stat())
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _begin(self, time: datetime) -> None:
        self.close()
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{time.strftime(_HOUR)}-{token_hex(4)}{_OPEN}"
        hidden = self._folder / f".{name}"
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND
        self._file, self._size = os.open(hidden, flags, 0o666), 0
        try:
            # The lock precedes the name, since other processes recover journals without a lock.
            fcntl.flock(self._file, fcntl.LOCK_EX)
            self._write(self._schema.serialize())
            self._journal = hidden.rename(self._folder / f"_{name}")
            sync_folder(self._folder)
        except BaseException:
            os.close(self._file)
            self._file = None
            hidden.unlink(missing_ok=True)
            raise

    def _write(self, data: pa.Buffer) -> None:
        assert self._file is not None  # noqa: S101 - `append` opens it
        remaining = memoryview(data)
        try:
            while remaining:
                remaining = remaining[os.write(self._file, remaining) :]
            os.fsync(self._file)
        except OSError:
            # Rows after an incomplete batch could not be read.
            os.ftruncate(self._file, self._size)
            raise
        self._size += data.size


def recover(folder: Path) -> int:
    """Convert the journals of killed writers to Parquet files, and return their number."""
    count = 0
    for journal in sorted(folder.glob(f"_*{_OPEN}")):
        with contextlib.suppress(FileNotFoundError, BlockingIOError), journal.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file.fileno()).st_nlink:  # otherwise, another process has converted it
                _convert(journal)
                count += 1
    return count


def remove_old(folder: Path, days: int, time: datetime) -> int:
    """Remove the files of hours that began more than `days` days ago; return their number."""
    oldest_kept = (time - timedelta(days=days)).strftime(_HOUR)
    old_files = [
        path for path in folder.glob(f"*{_CLOSED}") if path.name[:_HOUR_LENGTH] < oldest_kept
    ]
    for path in old_files:
        path.unlink(missing_ok=True)
    return len(old_files)


def read_batches(
    folder: Path,
    schema: pa.Schema,
    find_fault: Callable[[pa.RecordBatch], str] = lambda rows: "",
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a table, including those of journals, while others may write to it.

    Hours are in order; within an hour, the rows of one writer come after those of another.

    Parameters
    ----------
    folder : Path
        Folder of the table.
    schema : Schema
        Expected columns.
    find_fault : callable, optional
        Returns the reason why a batch of rows is invalid, or ""; default: all are valid.

    Raises
    ------
    DamagedLogError
        A Parquet file is damaged, a file lacks a column of `schema`, or `find_fault` finds a fault.
    """
    stems = {path.stem for path in folder.glob(f"[!_.]*{_CLOSED}")}
    stems |= {path.stem[1:] for path in folder.glob(f"_*{_OPEN}")}
    for stem in sorted(stems):
        closed, journal = folder / f"{stem}{_CLOSED}", folder / f"_{stem}{_OPEN}"
        for path in [closed] if closed.exists() else [journal, closed]:
            # A missing file was a journal that became a Parquet file, or an old file.
            with contextlib.suppress(FileNotFoundError):
                yield from _read_file(path, schema, find_fault)
                break


def _read_file(
    path: Path, schema: pa.Schema, find_fault: Callable[[pa.RecordBatch], str]
) -> Iterator[pa.RecordBatch]:
    batches = _read_parquet(path, schema) if path.suffix == _CLOSED else _read_journal(path)
    try:
        for rows in batches:
            _check_columns(path, rows.schema, schema)
            if fault := find_fault(rows):
                raise DamagedLogError(path, fault)
            yield rows
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise DamagedLogError(path, str(error)) from error


def _read_parquet(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        _check_columns(path, file.schema_arrow, schema)
        for rows in file.iter_batches(_GROUP, columns=schema.names):
            rows.validate(full=True)
            yield rows


def _check_columns(path: Path, file_schema: pa.Schema, schema: pa.Schema) -> None:
    for field in schema:
        index = file_schema.get_field_index(field.name)
        if index < 0 or file_schema.field(index).type != field.type:
            raise DamagedLogError(path, f"it has no column {field.name!r} of type {field.type}")


def _read_journal(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a journal, up to the first incomplete or damaged one."""
    # OSError: a damaged size may request more memory than there is.
    with pa.OSFile(str(path)) as file, contextlib.suppress(pa.ArrowException, OSError, EOFError):
        reader = pa.ipc.open_stream(file)
        while True:
            try:
                batch = reader.read_next_batch()
                batch.validate(full=True)
            except StopIteration:
                return
            yield batch


def _convert(journal: Path) -> None:
    """Write the rows of a journal as a Parquet file, and remove the journal."""
    closed = journal.with_name(f"{journal.stem[1:]}{_CLOSED}")
    if not closed.exists():  # otherwise, the writer was killed between the last two steps
        hidden = journal.with_name(f".{closed.name}")
        is_empty = _write_parquet(_read_journal(journal), hidden)
        if is_empty:
            hidden.unlink(missing_ok=True)
        else:
            hidden.rename(closed)
            sync_folder(journal.parent)
    journal.unlink()


def _write_parquet(batches: Iterator[pa.RecordBatch], path: Path) -> bool:
    """Write the rows of a journal to a Parquet file, and return True if there are none."""
    writer, pending, row_count = None, list[pa.RecordBatch](), 0
    with path.open("wb") as file:
        for batch in batches:
            writer = writer or pq.ParquetWriter(file, batch.schema, compression="zstd")
            pending.append(batch)
            row_count += batch.num_rows
            if row_count >= _GROUP:
                writer.write_table(pa.Table.from_batches(pending))
                pending, row_count = [], 0
        if writer is not None:
            if pending:
                writer.write_table(pa.Table.from_batches(pending))
            writer.close()
        file.flush()
        os.fsync(file.fileno())
    return writer is None
