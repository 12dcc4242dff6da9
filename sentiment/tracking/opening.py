"""Opening of MLflow stores, with fast errors, and safe creation of new ones."""

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sentiment.errors import ExitCode, TrackingStoreError, quote_list
from sentiment.files.locking import hold_lock
from sentiment.tracking.folder import is_unicode
from sentiment.tracking.retries import RetryingClient, attempt, list_store_errors, translate
from sentiment.tracking.sqlite_files import SQLITE, find_sqlite_path

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from sqlalchemy.engine import URL

_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
# Time limit for a connection, in seconds, and the drivers that accept one.
_CONNECT_TIMEOUT = 5
_LIMITED_DRIVERS = ("psycopg", "psycopg2", "pymysql", "mysqldb")
# Seconds to wait for a locked sqlite database, as in MLflow.
_LOCK_TIMEOUT = 20
# Files of an sqlite database: its own, and those for rollback and write-ahead logs.
_SQLITE_FILES = ("", "-journal", "-wal", "-shm")
# Loggers that would repeat raised errors with a traceback.
_NOISY = ("alembic", "mlflow.store.db.utils", "urllib3.connectionpool")
# Bytes of a path: SQLite's limit is 512, ``-journal`` at its end included.
_LONGEST_PATH = 504
# The first table that MLflow creates.
_MLFLOW_TABLE = "experiments"
# The variable in which MLflow's server passes the folder of artifacts to its processes.
_ROOT = "_MLFLOW_SERVER_ARTIFACT_ROOT"
# Stores that this process has reached before.
_opened: set[str] = set()
# Imports what `connect` needs; `connect` waits for it.
_importer: threading.Thread | None = None


def import_ahead(uri: str) -> None:
    """Start a thread that imports what `connect` needs for `uri`.

    The imports take a second, in which the calling thread can read and count texts.
    """
    global _importer
    if "mlflow" not in sys.modules and _importer is None:
        # A daemon thread, so that the process ends at once if the data are not usable.
        _importer = threading.Thread(target=_import, args=(uri,), daemon=True)
        _importer.start()


def _import(uri: str) -> None:
    # `connect` reports a missing library.
    with contextlib.suppress(ImportError):
        import_module("mlflow")
        list_store_errors()
        if uri.startswith(_DATABASES):
            import_module("alembic.util")
            import_module("mlflow.store.tracking.sqlalchemy_store")


def connect(uri: str, public_uri: str) -> "MlflowClient":
    """Return a client of the store, after creating or migrating its tables.

    Parameters
    ----------
    uri : str
        Any MLflow tracking URI.
    public_uri : str
        The same without passwords.

    Raises
    ------
    TrackingStoreError
        The store cannot be used.
    """
    if _importer is not None:
        _importer.join()
    import mlflow

    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    uri = _make_absolute(uri)
    database = find_sqlite_path(uri)
    if database is not None and "%" in uri:
        _avoid_stray_folders()
    problems: tuple[type[Exception], ...] = (ImportError, *list_store_errors())
    if uri.startswith(_DATABASES):
        from alembic.util import CommandError

        problems += (CommandError,)  # the tables have a version that this MLflow does not know
    try:
        if uri not in _opened or (database is not None and not database.exists()):
            _open(uri, public_uri)
        mlflow.set_tracking_uri(uri)
        client = mlflow.MlflowClient()
    except TrackingStoreError:
        raise
    except problems as error:
        raise translate(public_uri, error) from error
    retrying: Any = RetryingClient(client, public_uri)
    return retrying  # type: ignore[no-any-return]


def _make_absolute(uri: str) -> str:
    """Return the address of an sqlite store with an absolute path, other addresses unchanged.

    MLflow caches stores by their addresses, and a notebook may change its working folder.
    """
    database = find_sqlite_path(uri)
    if database is None or database.is_absolute():
        return uri
    working_folder = str(Path.cwd()).replace("%", "%25").replace("?", "%3F")
    return f"{SQLITE}{working_folder}/{uri.removeprefix(SQLITE)}"


@cache
def _avoid_stray_folders() -> None:
    """Keep MLflow from creating a stray folder for a path with ``%20``, which it does not decode.

    If MLflow renames its function, the only effect is an empty folder beside the right one.
    """
    from mlflow.store.db import utils

    make_parents = getattr(utils, "_make_parent_dirs_if_sqlite", None)

    def make_parents_unless_quoted(db_uri: str) -> None:
        if make_parents is not None and "%" not in db_uri:
            make_parents(db_uri)

    utils._make_parent_dirs_if_sqlite = make_parents_unless_quoted


def _check_database(uri: str, public_uri: str) -> None:
    """Connect to a database once, since MLflow would retry for two minutes without a message.

    Raises
    ------
    TrackingStoreError
        The database cannot be reached, is a folder, or holds the tables of another program.
    """
    database = find_sqlite_path(uri)
    if database is not None and database.is_dir():
        reason = f"'{database}' is a folder; expected a file such as mlflow.db"
        raise TrackingStoreError(public_uri, reason, ExitCode.MISTAKE)
    if database is not None:
        file = database if database.exists() else _name_draft(database)
        if not is_unicode(database):
            reason = f"the path of its file, {str(database)!r}, is not in UTF-8"
            remedy = "Name another folder with outputs=<folder>"
            raise TrackingStoreError(public_uri, reason, ExitCode.MISTAKE, remedy)
        excess = len(os.fsencode(file)) - _LONGEST_PATH
        if excess > 0:
            reason = f"the path of its file is {excess} bytes longer than SQLite can open"
            remedy = "Name a shorter folder with outputs=<folder>"
            raise TrackingStoreError(public_uri, reason, ExitCode.MISTAKE, remedy)
    if not uri.startswith(_DATABASES) or (database is not None and not database.exists()):
        return
    from sqlalchemy import create_engine, inspect
    from sqlalchemy.engine import make_url
    from sqlalchemy.pool import NullPool

    url: URL = make_url(uri)
    accepts_limit = url.drivername.partition("+")[2] in _LIMITED_DRIVERS
    connect_args = {"connect_timeout": _CONNECT_TIMEOUT} if accepts_limit else {}
    if database is not None:
        connect_args = {"timeout": _LOCK_TIMEOUT}
    with create_engine(url, poolclass=NullPool, connect_args=connect_args).connect() as connection:
        tables = inspect(connection).get_table_names()
    if tables and _MLFLOW_TABLE not in tables:
        others = f", and {len(tables) - 2:,} more" if len(tables) > 2 else ""
        raise TrackingStoreError(
            public_uri,
            f"the database holds the tables of another program ({quote_list(tables[:2])}{others}); "
            "expected one that is new, or that MLflow has made",
            ExitCode.MISTAKE,
        )


def _open(uri: str, public_uri: str) -> None:
    """Create the store and its tables if necessary, and check that it can be queried."""
    import mlflow

    _check_database(uri, public_uri)
    database = find_sqlite_path(uri)
    with _lock_database(database):
        if database is not None and not database.exists():
            _create_database(database, uri)
        client = mlflow.MlflowClient(uri)
        attempt(public_uri, lambda: client.search_experiments(max_results=1))
    _opened.add(uri)


@contextlib.contextmanager
def _lock_database(database: Path | None) -> Iterator[None]:
    """Let one process at a time open an sqlite store: of two that migrate it, one would fail."""
    if database is None:
        yield
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with hold_lock(database.with_name(f".{database.name}.lock")):
        yield


def _create_database(database: Path, uri: str) -> None:
    """Create an sqlite store under a temporary name: MLflow cannot complete an incomplete one."""
    import mlflow

    draft = _name_draft(database)
    _remove_database(draft)  # a killed process may have left one
    draft_uri = f"{uri.partition('?')[0].rpartition('/')[0]}/{quote(draft.name)}"
    try:
        with _escaped_artifact_root():
            mlflow.MlflowClient(draft_uri).search_experiments(max_results=1)
        # Unlike a rename, a link never replaces a file that another process has just created.
        try:
            os.link(draft, database)
        except FileExistsError:
            pass
        except OSError:  # the file system has no links
            draft.replace(database)
    except Exception:
        _close_connections(draft_uri)
        raise
    finally:
        _remove_database(draft)


def _close_connections(uri: str) -> None:
    """Close the connections that MLflow keeps to a store, which would be to a removed file.

    If MLflow renames its attribute, the only effect is that this process cannot create the store.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    engine = getattr(SqlAlchemyStore, "_engine_map", {}).pop(uri, None)
    if engine is not None:
        engine.dispose()


@contextlib.contextmanager
def _escaped_artifact_root() -> Iterator[None]:
    """Give MLflow its folder of artifacts as a URI, in which quotes and odd bytes are escaped.

    MLflow inserts the folder of its default experiment, which has no runs, into SQL unescaped.
    """
    if _ROOT in os.environ:
        yield
        return
    os.environ[_ROOT] = Path("mlruns").absolute().as_uri()
    try:
        yield
    finally:
        del os.environ[_ROOT]


def _name_draft(database: Path) -> Path:
    return database.with_name(f".{database.name}.draft")


def _remove_database(path: Path) -> None:
    for suffix in _SQLITE_FILES:
        path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)
