"""Where studies are kept."""

import contextlib
import sqlite3
from pathlib import Path

import optuna
import pytest
import sqlalchemy

from sentiment.commands.search.studies.storage import check_apart, open_storage, storage_failures
from sentiment.errors import ConfigError, ExitCode, StudyStorageError


def test_a_database_that_cannot_be_used_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StudyStorageError, match=r"search\.storage is 'sqlite:.*cannot be used"):
        open_storage(f"sqlite:///{tmp_path}/none/studies.db", tmp_path / "unused")
    with pytest.raises(ConfigError, match=r"search\.storage is 'nonsense'.*address of a database"):
        open_storage("nonsense", tmp_path / "unused")
    file = tmp_path / "studies.db"
    with contextlib.closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StudyStorageError, match=r"used: another process keeps the .* locked\."):
            open_storage(f"sqlite:///{file}?timeout=0.1", tmp_path / "unused")


def test_a_study_whose_database_breaks_ends_with_an_outage(tmp_path: Path) -> None:
    file = tmp_path / "studies.db"
    address = f"sqlite:///{file}"
    storage = open_storage(address, tmp_path / "unused")
    study = optuna.create_study(storage=storage, study_name="s")
    storage.engine.dispose()
    file.write_bytes(b"x" * 8192)
    with (
        pytest.raises(StudyStorageError, match="file is not a database") as caught,
        storage_failures(address),
    ):
        study.ask()
    storage.engine.dispose()
    assert caught.value.exit_code is ExitCode.UNAVAILABLE


@pytest.mark.parametrize("tables", [("alembic_version",), ("experiments", "latest_metrics")])
def test_a_study_is_not_kept_among_the_tables_of_another_program(
    tables: tuple[str, ...], address: str, tmp_path: Path
) -> None:
    engine = sqlalchemy.create_engine(address)
    with engine.begin() as connection:
        for table in tables:
            connection.execute(sqlalchemy.text(f"CREATE TABLE {table} (version_num VARCHAR(32))"))
    with pytest.raises(ConfigError, match="search.storage is '.*', which is a database of another"):
        open_storage(address, tmp_path / "studies.journal")
    assert set(sqlalchemy.inspect(engine).get_table_names()) == set(tables)
    engine.dispose()


def test_a_study_and_runs_are_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for address, uri in (
        ("sqlite:///outputs/mlflow.db", f"sqlite:///{tmp_path}/outputs/mlflow.db"),
        ("sqlite:///my%20runs/x.db", "sqlite:///my runs/x.db"),
        ("postgresql://ann:a@db/runs", "postgresql+psycopg2://bob:b@db/runs"),
    ):
        with pytest.raises(ConfigError, match="which is a database of another program"):
            check_apart(address, uri)
    check_apart("postgresql://ann:a@db/studies", "postgresql://ann:a@db/runs")
    check_apart("sqlite:///studies.db", "http://127.0.0.1:5000")
    check_apart(None, "sqlite:///outputs/mlflow.db")
    assert list(tmp_path.iterdir()) == []
