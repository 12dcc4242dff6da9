"""Tables that grow row by row and become a Parquet file each hour, safe against killed writers.

A table is a folder. Each writer appends to a journal of its own there, an Arrow stream, and syncs
it after each batch. At the end of an hour the journal becomes a Parquet file of the same name. That
of a writer that was killed is converted by the next writer, without the batch that it may have
begun. Names of journals begin with ``_``, which readers of Parquet folders skip.
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
# Size of a journal that is converted before its hour is over, which takes a second or two.
_LARGEST = 2**28
_GROUP = 100_000  # rows of a row group


class HourlyTable:
    """Writer of a table, for one thread.

    Parameters
    ----------
    folder : Path
        The table, which other processes may write to and read from, too.
    schema : Schema
        Its columns; none is a dictionary.
    """

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self._folder, self._schema = folder, schema
        self._file: int | None = None
        self._journal = folder
        self._size = 0

    def append(self, rows: pa.RecordBatch, now: datetime) -> None:
        """Append `rows` and sync them to the disk.

        Raises
        ------
        OSError
            The disk is full, for example; none of `rows` was added.
        """
        self.roll(now)
        if not self._is_there():
            self._begin(now)
        self._write(rows.serialize())

    def roll(self, now: datetime) -> None:
        """Turn the journal into a Parquet file if its hour is over, or it is large."""
        is_over = not self._journal.name.startswith(f"_{now.strftime(_HOUR)}")
        if self._file is not None and (is_over or self._size > _LARGEST):
            self.close()

    def close(self) -> None:
        """Turn the journal into a Parquet file."""
        if self._file is not None:
            is_there = self._is_there()
            file, self._file = self._file, None
            try:
                if is_there:
                    _convert(self._journal)
            finally:
                os.close(file)

    def _is_there(self) -> bool:
        """Return whether the journal is open and still has its name.

        Who removes or moves the folder of a running server would otherwise lose rows until the
        hour is over, since a file without a name can be written to.
        """
        if self._file is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._file), self._journal.stat())
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _begin(self, now: datetime) -> None:
        self.close()
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{now.strftime(_HOUR)}-{token_hex(4)}{_OPEN}"
        hidden = self._folder / f".{name}"
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND
        self._file, self._size = os.open(hidden, flags, 0o666), 0
        try:
            # Before the journal gets its name, since other processes recover journals without a
            # lock.
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
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._file, left) :]
            os.fsync(self._file)
        except OSError:
            os.ftruncate(
                self._file, self._size
            )  # rows behind an incomplete batch could not be read
            raise
        self._size += data.size


def recover(folder: Path) -> int:
    """Turn the journals of writers that were killed into Parquet files; return how many."""
    count = 0
    for journal in sorted(folder.glob(f"_*{_OPEN}")):
        with contextlib.suppress(FileNotFoundError, BlockingIOError), journal.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file.fileno()).st_nlink:  # no other process has done it meanwhile
                _convert(journal)
                count += 1
    return count


def remove_old(folder: Path, days: int, now: datetime) -> int:
    """Remove the files of hours that began more than `days` days ago; return how many."""
    first = (now - timedelta(days=days)).strftime(_HOUR)
    old = [path for path in folder.glob(f"*{_CLOSED}") if path.name[:_HOUR_LENGTH] < first]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def read_batches(
    folder: Path,
    schema: pa.Schema,
    find_fault: Callable[[pa.RecordBatch], str] = lambda rows: "",
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a table, those of journals included, while others write to it.

    Hours come in their order; within an hour, those of one writer after those of another.

    Parameters
    ----------
    folder : Path
        The table.
    schema : Schema
        Its columns.
    find_fault : callable, optional
        Returns why rows are not as they were written, or nothing; default: any rows are.

    Raises
    ------
    DamagedLogError
        A Parquet file is damaged, or a file has not the columns of `schema` or has a fault.
    """
    stems = {path.stem for path in folder.glob(f"[!_.]*{_CLOSED}")}
    stems |= {path.stem[1:] for path in folder.glob(f"_*{_OPEN}")}
    for stem in sorted(stems):
        closed, journal = folder / f"{stem}{_CLOSED}", folder / f"_{stem}{_OPEN}"
        for path in [closed] if closed.exists() else [journal, closed]:
            # A journal has become a Parquet file, or that was too old.
            with contextlib.suppress(FileNotFoundError):
                yield from _read_file(path, schema, find_fault)
                break


def _read_file(
    path: Path, schema: pa.Schema, find_fault: Callable[[pa.RecordBatch], str]
) -> Iterator[pa.RecordBatch]:
    found = _read_parquet(path, schema) if path.suffix == _CLOSED else _read_journal(path)
    try:
        for rows in found:
            _check_columns(path, rows.schema, schema)
            if fault := find_fault(rows):
                raise DamagedLogError(path, fault)
            yield rows
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise DamagedLogError(path, str(error)) from error


def _read_parquet(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as opened:
        _check_columns(path, opened.schema_arrow, schema)
        for rows in opened.iter_batches(_GROUP, columns=schema.names):
            rows.validate(full=True)
            yield rows


def _check_columns(path: Path, found: pa.Schema, schema: pa.Schema) -> None:
    for field in schema:
        at = found.get_field_index(field.name)
        if at < 0 or found.field(at).type != field.type:
            raise DamagedLogError(path, f"it has no column {field.name!r} of type {field.type}")


def _read_journal(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the whole batches of a journal, up to one that is incomplete or damaged."""
    # A damaged size asks for more memory than there is.
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
    if not closed.exists():  # else the writer was killed between the last two steps
        hidden = journal.with_name(f".{closed.name}")
        is_empty = _write_parquet(_read_journal(journal), hidden)
        if is_empty:
            hidden.unlink(missing_ok=True)
        else:
            hidden.rename(closed)
            sync_folder(journal.parent)
    journal.unlink()


def _write_parquet(batches: Iterator[pa.RecordBatch], path: Path) -> bool:
    """Write the rows of a journal, and return whether there are none."""
    writer, waiting, count = None, list[pa.RecordBatch](), 0
    with path.open("wb") as out:
        for batch in batches:
            writer = writer or pq.ParquetWriter(out, batch.schema, compression="zstd")
            waiting.append(batch)
            count += batch.num_rows
            if count >= _GROUP:
                writer.write_table(pa.Table.from_batches(waiting))
                waiting, count = [], 0
        if writer is not None:
            if waiting:
                writer.write_table(pa.Table.from_batches(waiting))
            writer.close()
        out.flush()
        os.fsync(out.fileno())
    return writer is None
