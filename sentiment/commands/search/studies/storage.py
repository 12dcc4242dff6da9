"""Storage of studies: a journal file, or a database that several machines reach.

The lines of a journal have checksums, so that damage is found before Optuna reads it.
"""

import fcntl
import json
import logging
import os
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend

from sentiment.commands.search.studies.folder import restore_studies
from sentiment.errors import (
    ConfigError,
    DamagedJournalError,
    SentimentError,
    StudyStorageError,
    read_reason,
)
from sentiment.files.control import set_aside
from sentiment.files.locking import hold_lock
from sentiment.redaction import redact
from sentiment.tracking.retries import describe

log = logging.getLogger(__name__)

# Errors about tables that another process is making, and the number of tries.
_MAKING = ("already exists", "UNIQUE constraint", "unique constraint", "is locked", "no such table")
_TRIES = 5
# Tables that only MLflow has.
_MLFLOW = {"experiments", "latest_metrics"}
_CHECKSUM = b',"crc32":'
# The file of the journal, in the folder of all searches.
JOURNAL = "studies.journal"
# Descriptors of the lock files by which the processes that use a journal know of each other.
_users: dict[Path, int] = {}


def open_storage(address: str | None, path: Path) -> Any:
    """Return the Optuna storage at `address`, or else the journal `path`.

    A journal was chosen over sqlite: a trial costs it 0.01 s and not 0.09 s. Both survive a kill.
    A damaged or missing journal is made again from the results of its trials.

    Parameters
    ----------
    address : str, optional
        Address of a database that several machines reach, for SQLAlchemy.
    path : Path
        A file that is made if it is not there.

    Raises
    ------
    ConfigError
        `address` is not the address of a database.
    StudyStorageError
        The database cannot be used.
    DamagedJournalError
        The journal is damaged, and other processes use it.
    """
    if address is None:
        with open_journal(path) as (journal, is_alone):
            if is_alone:
                restore_studies(journal, path.parent)
            return journal
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import DBAPIError

    try:
        _check_owner(address)
        for _ in range(_TRIES):
            try:
                return RDBStorage(address)
            except DBAPIError as error:
                # If several processes make the tables at the same time, one succeeds.
                if not any(sign in str(error) for sign in _MAKING):
                    raise
                time.sleep(1)
        return RDBStorage(address)
    except SentimentError:
        raise
    except Exception as error:  # each database has its own
        raise _explain_failure(address, error) from error


def check_apart(address: str | None, uri: str | None) -> None:
    """Check that the study and the tracked runs have different databases.

    Raises
    ------
    ConfigError
        They share one, where each would take the version of the other's tables for its own.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    def identify(text: str) -> tuple[Any, ...]:
        url = make_url(text)
        kind = url.get_backend_name()
        path = (
            str(Path(unquote(url.database)).resolve()) if kind == "sqlite" and url.database else ""
        )
        return (kind, path or url.database, url.host, url.port)

    try:
        is_shared = address is not None and uri is not None and identify(address) == identify(uri)
    except ArgumentError:
        return  # another kind of store, or an address that is refused later
    if is_shared:
        raise _refuse_shared(str(address))


def _check_owner(address: str) -> None:
    """Raise if the tables of another program, such as MLflow's, are in the database."""
    from sqlalchemy import create_engine, inspect
    from sqlalchemy.pool import NullPool

    tables = set(inspect(create_engine(address, poolclass=NullPool)).get_table_names())
    # Optuna makes its own tables in one go, version_info among them.
    if tables >= _MLFLOW or ("alembic_version" in tables and "version_info" not in tables):
        raise _refuse_shared(address)


def _refuse_shared(address: str) -> ConfigError:
    return ConfigError(
        [
            f"search.storage is {redact(address)!r}, which is a database of another program, such "
            "as the runs of MLflow; expected one of its own (another name on the same server will "
            "do), or null for a file under outputs/."
        ]
    )


def _explain_failure(address: str, error: Exception) -> SentimentError:
    """Return the error to raise for an error of a study's database at `address`."""
    from sqlalchemy.exc import ArgumentError

    if not isinstance(error, ArgumentError | ImportError):
        return StudyStorageError(redact(address), describe(error))
    return ConfigError(
        [
            f"search.storage is {redact(address)!r}, which is not the address of a "
            f"database: {read_reason(error)}. Expected postgresql://user@host/name or the like, "
            "whose driver is installed, or null for a file under outputs/."
        ]
    )


@contextmanager
def storage_failures(address: str | None) -> Iterator[None]:
    """Raise `StudyStorageError` where the database at `address` fails within the block."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        if address is None:
            raise
        # Optuna's own message only refers to its cause.
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise _explain_failure(address, cause) from error


def list_studies(address: str | None, path: Path) -> dict[str, Callable[[], Any]]:
    """Return functions that load the Optuna studies at `address`, or in the journal `path`.

    Nothing is written.

    Returns
    -------
    dict of str to callable
        By name, sorted.

    Raises
    ------
    ConfigError, StudyStorageError
        The database cannot be used.
    DamagedJournalError
        The journal is damaged.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if address is not None:
        storage = _read_database(address)
    else:
        storage = read_journal(path) if path.is_file() else None
    names = [] if storage is None else sorted(optuna.get_all_study_names(storage))
    return {name: partial(optuna.load_study, study_name=name, storage=storage) for name in names}


def _read_database(address: str) -> Any:
    """Return the database at `address`, or None if it holds no studies."""
    from optuna.storages import RDBStorage
    from sqlalchemy.pool import NullPool

    try:
        # Optuna would make what is not there.
        if not _has_tables(address):
            return None
        # Without a pool nothing stays open when the study has been read.
        return RDBStorage(address, engine_kwargs={"poolclass": NullPool}, skip_table_creation=True)
    except Exception as error:  # each database has its own
        raise _explain_failure(address, error) from error


def _has_tables(address: str) -> bool:
    from sqlalchemy import create_engine, inspect, make_url

    url = make_url(address)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        return False
    engine = create_engine(url)
    try:
        return inspect(engine).has_table("studies")
    finally:
        engine.dispose()


class Journal(BaseJournalBackend):
    """Optuna's journal with a checksum at the end of each line.

    Optuna's own `JournalFileBackend` can read it: a checksum is one more key of a line, which it
    ignores. Lines without one, of earlier versions and of Optuna's own tools, are accepted.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines, self._bytes = 0, 0

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Yield the entries from a number on, without a last line that is still being written.

        Raises
        ------
        DamagedJournalError
            A line does not fit its checksum.
        """
        if log_number_from < self._lines:
            self._lines, self._bytes = 0, 0
        with self._path.open("rb") as file:
            file.seek(self._bytes)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                entry = _parse(line)
                if entry is None:
                    raise DamagedJournalError(self._path, f"line {self._lines + 1}")
                self._lines, self._bytes = self._lines + 1, self._bytes + len(line)
                if self._lines > log_number_from:
                    yield entry

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write entries: after a crash of this process, all or none of them are there."""
        lines = b"".join(map(_write_line, logs))
        with hold_lock(_name_lock(self._path)), self._path.open("ab") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())


def _write_line(entry: dict[str, Any]) -> bytes:
    text = json.dumps(entry, separators=(",", ":")).encode()
    return text[:-1] + _CHECKSUM + str(zlib.crc32(text)).encode() + b"}\n"


def _parse(line: bytes) -> dict[str, Any] | None:
    """Return the entry of a line, or None if it is damaged."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or not {"op_code", "worker_id"} <= entry.keys():
        return None
    text, separator, checksum = line.rstrip(b"\n").rpartition(_CHECKSUM)
    if separator and checksum != str(zlib.crc32(text + b"}")).encode() + b"}":
        return None
    entry.pop("crc32", None)
    return entry


@contextmanager
def open_journal(path: Path) -> Iterator[tuple[JournalStorage, bool]]:
    """Open the journal `path`, which is made if it is missing, for the rest of this process.

    A damaged journal is renamed and a new one begun, unless other processes use it.

    Yields
    ------
    (JournalStorage, bool)
        The journal, and whether no other process uses it or opens it during the ``with`` block.

    Raises
    ------
    DamagedJournalError
        It is damaged, and other processes use it.
    """
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    is_alone = _enter(path)
    try:
        with hold_lock(_name_lock(path)):
            _cut_tail(path)
        try:
            storage = _load(path)
        except DamagedJournalError as error:
            if not is_alone:
                remedy = "Wait for the other processes that use it, then repeat the command."
                raise error.advise(remedy) from error
            log.warning("%s; it was renamed to '%s'", error.found, set_aside(path).name)
            _cut_tail(path)
            storage = _load(path)
        yield storage, is_alone
    finally:
        fcntl.flock(_users[path], fcntl.LOCK_SH)


def read_journal(path: Path) -> JournalStorage:
    """Return the journal `path` for reading only: without a lock and without changes.

    Raises
    ------
    DamagedJournalError
        It is damaged.
    """
    try:
        return _load(path)
    except DamagedJournalError as error:
        remedy = "Repeat the command of the search: it recovers what its trials have found."
        raise error.advise(remedy) from error


def _load(path: Path) -> JournalStorage:
    try:
        return JournalStorage(Journal(path))
    except (AssertionError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, DamagedJournalError):
            raise
        # Optuna cannot read the entries of lines without a checksum.
        raise DamagedJournalError(path, f"{type(error).__name__}: {error}") from error


def _enter(path: Path) -> bool:
    """Lock out other users of the journal if there are none; else join them and return False."""
    if path not in _users:
        users = path.with_name(f".{path.name}.users")
        _users[path] = os.open(users, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(_users[path], fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(_users[path], fcntl.LOCK_SH)  # waits for a process that is recovering it
        return False
    return True


def _name_lock(path: Path) -> Path:
    """Return the lock file of writers; the system unlocks it when its process ends."""
    return path.with_name(f".{path.name}.lock")


def _cut_tail(path: Path) -> None:
    """Cut off a line that was being written when a process or the machine died.

    A journal that is missing is made.
    """
    with path.open("ab+") as file:
        file.seek(0)
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)
