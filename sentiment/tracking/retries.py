"""Retries of calls to a store that is unavailable for a moment."""

import logging
import re
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

from sentiment.errors import ExitCode, TrackingStoreError, find_os_exit_code
from sentiment.redaction import redact
from sentiment.tracking.sqlite_files import lacks_space

log = logging.getLogger(__name__)

T = TypeVar("T")

# Seconds between attempts. MLflow itself waits 20 s for an sqlite store that is locked, so no
# attempt is made after `_MAX_SECONDS` seconds, and the longest wait is about 40 s.
_DELAYS = (0.5, 1.0, 2.0, 4.0)
_MAX_SECONDS = 20.0
# Disk errors in messages of sqlite and the operating system.
_DISK_ERRORS = {
    "No space left on device": "the disk is full",
    "disk is full": "the disk is full",
    "Disk quota exceeded": "the disk is full",
    "disk I/O error": "the disk cannot be written or read",
}
_LOCKED = "another process keeps the database locked"
# Remedies and conditions (of `TrackingStoreError`) of outages without a server.
_FULL_OUTLOOK = (
    "Make space on the disk, and give the same command again",
    "there is space on the disk",
)
_DISK_OUTLOOK = (
    "Check the disk and the space on it, and give the same command again",
    "the disk works",
)
_LOCKED_OUTLOOK = "Give the same command again when that one has ended", "that one has ended"
# Missing write permission in messages of sqlite and the operating system.
_READ_ONLY = ("Permission denied", "Operation not permitted", "Read-only file", "readonly database")
# Texts that SQLAlchemy adds to the error of a database: a line in front, and the class.
_NOTE = "(raised as a result of "
_DRIVER = re.compile(r"^\(\w+(?:\.\w+)*\) ")
# Messages of sqlite about a file that was overwritten or truncated.
_DAMAGE = ("disk image is malformed", "file is not a database")
# Message of MLflow about tables of another version, which it reports as an internal error.
_OTHER_SCHEMA = "out-of-date database schema"
# Error codes of MLflow that mean a problem of the store, not of the request.
_OUTAGES = {
    "ABORTED",
    "DEADLINE_EXCEEDED",
    "INTERNAL_ERROR",
    "REQUEST_LIMIT_EXCEEDED",
    "TEMPORARILY_UNAVAILABLE",
}


def list_store_errors() -> tuple[type[Exception], ...]:
    """Return the errors that MLflow raises if a store cannot be used."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, SQLAlchemyError, OSError


def translate(store: str, error: Exception) -> TrackingStoreError:
    """Return the error to show for one of `list_store_errors`.

    Parameters
    ----------
    store : str
        Address of the store, without passwords.
    error : Exception
        The error that MLflow raised.
    """
    if isinstance(error, TrackingStoreError):
        return error
    reason = redact(describe(error))
    # SQLite has many messages on a full disk, such as that a journal cannot be written; the
    # operating system names the cause.
    is_named = isinstance(error, OSError) or reason in _DISK_ERRORS.values()
    if not is_named and lacks_space(store):
        reason = "the disk is full"
    is_io_error = isinstance(error, OSError) and find_os_exit_code(error) is ExitCode.IO_ERROR
    if is_io_error or reason in _DISK_ERRORS.values():
        outlook = _FULL_OUTLOOK if reason == "the disk is full" else _DISK_OUTLOOK
        return TrackingStoreError(store, reason, ExitCode.IO_ERROR, *outlook)
    if any(sign in reason for sign in _DAMAGE):
        reason += "; if the file was a store before, restore a backup of it"
    if any(phrase in reason for phrase in _READ_ONLY):
        remedy = (
            "Give this user the right to write the store and its folder, or copy the folder of "
            "outputs and name the copy: outputs=<folder>"
        )
        reason, condition = f"it is read-only ({reason})", "this user may write it"
        return TrackingStoreError(store, reason, ExitCode.MISTAKE, remedy, condition)
    if _OTHER_SCHEMA in reason:
        reason = f"another version of MLflow made its tables ({reason})"
        remedy = (
            "If that was an older one, make a copy of it and run: mlflow db upgrade "
            f"{shlex.quote(store)}"
        )
        return TrackingStoreError(store, reason, ExitCode.MISTAKE, remedy, "it is upgraded")
    if _is_outage(error):
        if reason == _LOCKED:
            return TrackingStoreError(store, reason, ExitCode.UNAVAILABLE, *_LOCKED_OUTLOOK)
        return TrackingStoreError(store, reason)
    return TrackingStoreError(store, reason, ExitCode.MISTAKE, condition="it can be used again")


def describe(error: Exception) -> str:
    """Return the message of MLflow or a database in one sentence."""
    text = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    first_line = next((line for line in text.splitlines() if not line.startswith(_NOTE)), text)
    first_line = _DRIVER.sub("", first_line)
    if "Max retries exceeded" in text or ("Connection refused" in text and "http" in text):
        return "no server answers there"
    if "database is locked" in text:
        return _LOCKED
    for phrase, reason in _DISK_ERRORS.items():
        if phrase in text:
            return reason
    if isinstance(error, OSError) and error.filename:
        return f"'{error.filename}': {error.strerror}"
    return first_line.split(". ")[0]


def attempt(store: str, call: Callable[[], T]) -> T:
    """Return the result of `call`, and retry it for up to a minute while the store is unavailable.

    Raises
    ------
    TrackingStoreError
        The store is still unavailable. Other errors of `call` are raised unchanged.
    """
    start = time.monotonic()
    for delay in (*_DELAYS, None):
        try:
            return call()
        except list_store_errors() as error:
            if not _is_outage(error):
                raise
            if lacks_space(store):  # a second attempt would find tables that are half made
                raise translate(store, error) from error
            if delay is None or time.monotonic() - start > _MAX_SECONDS:
                raise translate(store, error) from error
            log.info("the tracking store is away (%s); trying again", describe(error))
            time.sleep(delay)
    raise AssertionError("unreachable")


@contextmanager
def store_failures(store: str) -> Iterator[None]:
    """Raise `TrackingStoreError` for any store error in the ``with`` block."""
    try:
        yield
    except TrackingStoreError:
        raise
    except list_store_errors() as error:
        raise translate(store, error) from error


def _is_outage(error: Exception) -> bool:
    """Return whether the same call may succeed later."""
    if isinstance(error, TrackingStoreError):
        return False
    if isinstance(error, OSError):
        return isinstance(error, ConnectionError | TimeoutError) or error.errno is None
    code = getattr(error, "error_code", None)
    return code in _OUTAGES if code is not None else type(error).__name__ == "OperationalError"


class RetryingClient:
    """An MLflow client that retries calls while the store is unavailable.

    Parameters
    ----------
    client : MlflowClient
        The client that makes the calls.
    store : str
        Address of the store, without passwords.
    """

    def __init__(self, client: Any, store: str) -> None:
        self._client = client
        self._store = store

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if not callable(method):
            return method

        @wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            return attempt(self._store, lambda: method(*args, **kwargs))

        @wraps(method)
        def call_once(*args: Any, **kwargs: Any) -> Any:
            try:
                return method(*args, **kwargs)
            except list_store_errors() as error:
                if _is_outage(error):
                    raise translate(self._store, error) from error
                raise

        # If only the response was lost, a retry would create a second object.
        return call_once if name.startswith("create_") else call
