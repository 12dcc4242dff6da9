"""Journal of all studies, whose lines have checksums: damage is found before Optuna reads it."""

import fcntl
import json
import logging
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend

from sentiment.errors import DamagedJournalError
from sentiment.files.control import set_aside
from sentiment.files.locking import hold_lock

log = logging.getLogger(__name__)

_CHECKSUM = b',"crc32":'
# Descriptors of the lock files by which the processes that use a journal know of each other.
_users: dict[Path, int] = {}


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
        lines = b"".join(map(_describe, logs))
        with hold_lock(_name_lock(self._path)), self._path.open("ab") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())


def _describe(entry: dict[str, Any]) -> bytes:
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
    text, mark, found = line.rstrip(b"\n").rpartition(_CHECKSUM)
    if mark and found != str(zlib.crc32(text + b"}")).encode() + b"}":
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
    alone = _enter(path)
    try:
        with hold_lock(_name_lock(path)):
            _cut_tail(path)
        try:
            storage = _load(path)
        except DamagedJournalError as error:
            if not alone:
                remedy = "Wait for the other processes that use it, then repeat the command."
                raise error.advise(remedy) from error
            log.warning("%s; it was renamed to '%s'", error.found, set_aside(path).name)
            _cut_tail(path)
            storage = _load(path)
        yield storage, alone
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
        written = file.read()
        file.truncate(written.rfind(b"\n") + 1)
