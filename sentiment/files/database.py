"""Rows of a table or query of a database."""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sentiment.errors import (
    ChangedInputError,
    ConfigError,
    DatabaseError,
    DatabaseUnavailableError,
    InputNotFoundError,
    read_reason,
)
from sentiment.files.batches import NO_TEXT, Batch, Limits, Position, Reject
from sentiment.files.columns import as_text, as_texts
from sentiment.files.origins import Origin, read_group
from sentiment.files.values import show_value
from sentiment.redaction import learn_secrets, redact

if TYPE_CHECKING:
    from sqlalchemy import Engine, Result, Select, TextClause
    from sqlalchemy.exc import SQLAlchemyError

# Rows of a batch; reading can resume after each batch.
_ROWS = 2000
_SQLITE_OUTAGES = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
}
# Classes of SQLSTATE: connection exception, insufficient resources, operator intervention.
_SQLSTATE_OUTAGES = {"08", "53", "57"}


class DatabaseRows:
    """The rows of a table or a query.

    They are read in a read-only transaction, which is rolled back, so nothing is written.

    Parameters
    ----------
    url : str
        Address for SQLAlchemy: ``sqlite:///reviews.db``,
        ``postgresql+psycopg://user:password@host/database``.
    table, query : str, optional
        The table or query to read; default: the only table. A table is read in the order of its
        primary key.
    setting : str
        The setting that names the database, for messages.

    Attributes
    ----------
    columns : list of str
        Their names.
    origin : Origin
        The origin, without the password.

    Raises
    ------
    ConfigError
        There is no such table, or there are several and the user has named none.
    DatabaseError
        The database cannot be reached, or rejects the query.
    InputNotFoundError
        An sqlite file does not exist.
    """

    kind = "csv"
    assumed = ()
    share = 0.0
    layout = None

    def __init__(self, url: str, table: str | None, query: str | None, setting: str) -> None:
        group = read_group(setting)
        if table and query:
            raise ConfigError([f"{group}table and {group}query are both given; give one of them."])
        learn_secrets(url)
        self._engine = _connect(url, setting)
        self._public_url = redact(self._engine.url.render_as_string(hide_password=True))
        self._statement: Select[Any] | TextClause
        if query is None:
            table, self._statement = self._find_table(table, group)
        else:
            from sqlalchemy import text

            self._statement = text(query)
        with self._execute() as rows:
            self.columns = list(rows.keys())
        repeated = next((name for name in self.columns if self.columns.count(name) > 1), None)
        if repeated is not None:
            raise ConfigError([f"the query has two columns {repeated!r}; rename one: AS <name>."])
        selection = {"table": table} if query is None else {"query": redact(query)}
        self.origin = Origin(
            self._public_url,
            {"input": self._public_url, **selection},
            Path(table or "query"),
            ".csv",
        )

    def read(self, text_column: str, limits: Limits, start: Position) -> Generator[Batch]:
        """Yield the rows from `start` on.

        A database cannot be read from the middle: the rows before `start` are read again, and must
        be the same as before.

        Raises
        ------
        ChangedInputError
            The rows before `start` have changed.
        DatabaseError
            The connection broke.
        """
        n_rows, digest = 0, hashlib.sha256()
        column = self.columns.index(text_column)
        with self._execute() as result:
            while rows := [tuple(row) for row in result.fetchmany(_ROWS)]:
                digest.update(repr(rows).encode("utf-8", "surrogatepass"))
                n_rows += len(rows)
                end = Position(n_rows, n_rows, digest=digest.hexdigest())
                if n_rows == start.row and end.digest != start.digest:
                    raise ChangedInputError(self.origin.name, start.row)
                if n_rows > start.row:
                    yield self._make_batch(rows, column, limits, end)
        if n_rows < start.row:
            raise ChangedInputError(self.origin.name, start.row)

    def _make_batch(
        self, rows: list[tuple[Any, ...]], column: int, limits: Limits, end: Position
    ) -> Batch:
        texts, kept_rows, rejects = [], [], []
        first_number = end.row - len(rows) + 1
        for number, row in enumerate(rows, start=first_number):
            text, reason = _find_text(row, column, limits)
            if reason is None:
                texts.append(text)
                kept_rows.append(row)
            else:
                raw = json.dumps(dict(zip(self.columns, row, strict=True)), default=show_value)
                rejects.append(Reject(number, 0, reason, raw))
        return Batch(
            texts=pa.array(texts, pa.large_string()),
            make_table=partial(_make_table, kept_rows, self.columns),
            read_column=lambda name: as_texts(row[self.columns.index(name)] for row in kept_rows),
            rejects=rejects,
            end=end,
        )

    def _find_table(self, name: str | None, group: str) -> "tuple[str, Select[Any]]":
        from sqlalchemy import MetaData, Table, inspect, select, type_coerce
        from sqlalchemy.exc import NoSuchTableError, SQLAlchemyError
        from sqlalchemy.types import NullType

        try:
            inspector = inspect(self._engine)
            table_names = sorted([*inspector.get_table_names(), *inspector.get_view_names()])
            if name is None and len(table_names) == 1:
                name = table_names[0]
            if name is None:
                raise ConfigError(
                    [
                        f"'{self._public_url}' has the tables "
                        f"{', '.join(table_names) or '(none)'}; name one, "
                        f'{group}table=<name>, or give a query, {group}query="SELECT ..."'
                    ]
                )
            schema, _, table_name = name.rpartition(".")
            table = Table(table_name, MetaData(), schema=schema or None, autoload_with=self._engine)
        except NoSuchTableError:
            raise ConfigError(
                [
                    f"{group}table is {name!r}, but '{self._public_url}' has "
                    f"{', '.join(table_names) or 'none'}."
                ]
            ) from None
        except SQLAlchemyError as error:
            raise self._describe(error) from error
        # Without types, since SQLAlchemy raises an error for an invalid value in a date column.
        columns = [type_coerce(column, NullType()).label(column.name) for column in table.columns]
        untyped: Any = select(*columns)
        return name, untyped.select_from(table).order_by(*table.primary_key.columns)

    @contextmanager
    def _execute(self) -> "Iterator[Result[Any]]":
        from sqlalchemy.exc import SQLAlchemyError

        options: dict[str, Any] = {"stream_results": True, "max_row_buffer": _ROWS}
        try:
            with self._engine.connect() as connection:
                if self._engine.dialect.name == "sqlite":
                    connection.exec_driver_sql("PRAGMA query_only = ON")
                result = connection.execution_options(**options).execute(self._statement)
                if not result.returns_rows:
                    raise ConfigError(["query returns no rows; expected a SELECT."])
                with closing(result):
                    yield result
        except SQLAlchemyError as error:
            raise self._describe(error) from error

    def _describe(self, error: "SQLAlchemyError") -> DatabaseError | DatabaseUnavailableError:
        kind = DatabaseUnavailableError if _is_outage(error) else DatabaseError
        return kind(self._public_url, read_reason(getattr(error, "orig", None) or error))


def _is_outage(error: "SQLAlchemyError") -> bool:
    """Return whether the error concerns the database, not the table or query."""
    from sqlalchemy.exc import DBAPIError, OperationalError

    if not isinstance(error, DBAPIError):
        return False
    if isinstance(error.orig, sqlite3.Error):
        # The low byte of an extended result code is the primary one.
        return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in _SQLITE_OUTAGES
    # Without a connection to a server, a driver has no SQLSTATE.
    state = getattr(error.orig, "sqlstate", None)
    is_operational = isinstance(error, OperationalError)
    return error.connection_invalidated or (
        is_operational and (state or "08")[:2] in _SQLSTATE_OUTAGES
    )


def _connect(url: str, setting: str) -> "Engine":
    from sqlalchemy import create_engine, event
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError
    from sqlalchemy.pool import NullPool

    try:
        engine = create_engine(url, poolclass=NullPool)
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise ConfigError(
            [f"{setting} is not an address of a database: {error}. Expected sqlite:///reviews.db, "
             "postgresql+psycopg://user@host/database or a file."]
        ) from error  # fmt: skip
    except ModuleNotFoundError as error:
        raise DatabaseError(
            url.partition("://")[0], f"its driver is missing: pip install {error.name}"
        ) from error
    file = engine.url.database
    if engine.dialect.name == "sqlite" and file and file != ":memory:" and not Path(file).is_file():
        raise InputNotFoundError(Path(file), setting, "a file of sqlite")
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(postgresql_readonly=True)
    if engine.driver in _PREPARE:
        event.listen(engine, "connect", _PREPARE[engine.driver])
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    """Read strings that are not UTF-8 as bytes, so that only their rows are rejected."""
    connection.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")


def _prepare_psycopg(connection: Any, _: Any) -> None:
    """Read dates as text, since Python has no year after 9999 and no infinity."""
    from psycopg.types.string import TextLoader

    for name in ("date", "time", "timetz", "timestamp", "timestamptz", "interval"):
        connection.adapters.register_loader(name, TextLoader)


_PREPARE: dict[str, Callable[[Any, Any], None]] = {
    "pysqlite": _prepare_sqlite,
    "psycopg": _prepare_psycopg,
}


def _find_text(row: tuple[Any, ...], column: int, limits: Limits) -> tuple[str, str | None]:
    """Return the text of a row, or the reason to reject it."""
    value = row[column]
    try:
        text = as_text(value.decode() if isinstance(value, bytes) else value)
        for cell in row:
            if isinstance(cell, str):
                cell.encode()
    except UnicodeError:
        return "", "bytes that are not UTF-8"
    return (text, limits.find_fault(text)) if text is not None else ("", NO_TEXT)


def _make_table(rows: list[tuple[Any, ...]], columns: list[str]) -> pa.Table:
    values_by_column = list(zip(*rows, strict=True)) or [()] * len(columns)
    strings = [
        [None if v is None else show_value(v) for v in values] for values in values_by_column
    ]
    arrays = [pa.array(values, pa.large_string()) for values in strings]
    return pa.table(arrays, names=columns)
