"""Storage of studies: a journal file, or a database that several machines reach."""

import contextlib
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sentiment.errors import ConfigError, SentimentError, StudyStorageError, read_reason
from sentiment.redaction import redact
from sentiment.tracking.patience import describe

# Errors about tables that another process is making, and the number of tries.
_MAKING = ("already exists", "UNIQUE constraint", "unique constraint", "is locked", "no such table")
_TRIES = 5
# Tables that only MLflow has.
_MLFLOW = {"experiments", "latest_metrics"}


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
        from sentiment.commands.search.studies.folder import restore_studies
        from sentiment.commands.search.studies.journal import open_journal

        with open_journal(path) as (journal, alone):
            if alone:
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
        raise explain_failure(address, error) from error


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
        same = address is not None and uri is not None and identify(address) == identify(uri)
    except ArgumentError:
        return  # another kind of store, or an address that is refused later
    if same:
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


def explain_failure(address: str, error: Exception) -> SentimentError:
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


@contextlib.contextmanager
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
        raise explain_failure(address, cause) from error


def list_stored(address: str | None, path: Path) -> dict[str, Callable[[], Any]]:
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
    storage = _read_journal(path) if address is None else _read_database(address)
    names = [] if storage is None else sorted(optuna.get_all_study_names(storage))
    return {name: partial(optuna.load_study, study_name=name, storage=storage) for name in names}


def _read_journal(path: Path) -> Any:
    """Return the journal `path`, or None if it is not there."""
    from sentiment.commands.search.studies.journal import read_journal

    return read_journal(path) if path.is_file() else None


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
        raise explain_failure(address, error) from error


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
