"""Inputs other than a single file: pipes, databases, many files with one output."""

import csv
import gzip
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from conftest import ROOT, read_frame, write_frame
from starting import Starter

from sentiment.commands.predict.job import predict, predict_files
from sentiment.commands.predict.results import PredictionResult
from sentiment.commands.train.job import TrainingResult
from sentiment.config import compose
from sentiment.errors import (
    ChangedInputError,
    ConfigError,
    DatabaseError,
    DatabaseUnavailableError,
    InputNotFoundError,
)
from sentiment.files import database

Train = Callable[..., TrainingResult]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    from sentiment.commands.train.job import train
    from sentiment.config import Job

    folder = tmp_path_factory.mktemp("model")
    overrides = ["tracking=off", "features=tfidf_unigram", "data.limit=300"]
    return train(compose("train", overrides), Job(folder)).model


@pytest.fixture
def run(model: str, tmp_path: Path) -> Callable[..., list[PredictionResult]]:
    def run(*overrides: str) -> list[PredictionResult]:
        return predict_files(
            compose("predict", [f"deploy.run='{model}'", "tracking=off", *overrides])
        )

    return run


Run = Callable[..., list[PredictionResult]]


@pytest.fixture
def table(reviews: pd.DataFrame) -> pd.DataFrame:
    frame = reviews.tail(30).reset_index(drop=True)
    return frame.assign(id=[7 * n % 31 for n in range(30)])[["id", "text", "label"]]


def read_plain(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# --- pipes


Pipe = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def pipe(starter: Starter, model: str, tmp_path: Path) -> Pipe:
    """Predict what comes through standard input."""

    def pipe(data: bytes, *overrides: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "stdin").write_bytes(data)
        overrides = ("input=-", f"deploy.run={model}", "tracking=off", *overrides)
        return starter.run(tmp_path, "predict", *overrides, stdin=tmp_path / "stdin")

    return pipe


@pytest.mark.parametrize("compress", [False, True])
def test_a_pipe_gives_what_a_file_gives(
    pipe: Pipe, run: Run, table: pd.DataFrame, tmp_path: Path, compress: bool
) -> None:
    path = tmp_path / "x.csv"
    # More than one look ahead, and more than one block.
    pd.concat([table] * 150).to_csv(path, index=False)
    data = path.read_bytes() + b"1,2,3,4\n"
    path.write_bytes(data)
    assert len(data) > 5_000_000
    [file] = run(f"input='{path}'")
    done = pipe(gzip.compress(data) if compress else data)
    assert done.returncode == 0, done.stderr
    assert done.stdout == file.output.read_text()
    assert "rows     4,501 read = 4,500 written + 1 rejected" in done.stderr
    assert "output   standard output" in done.stderr
    assert file.rejected is not None
    assert (tmp_path / "stdout.rejected.csv").read_bytes() == file.rejected.read_bytes()


def test_a_pipe_of_json_lines(pipe: Pipe) -> None:
    data = b'{"text": "good"}\n{"text": null}\n{"text": "bad"}\n'
    rows = list(csv.DictReader(io.StringIO(pipe(data, "deploy.format=csv").stdout)))
    assert [row["text"] for row in rows] == ["good", "bad"]
    assert list(rows[0]) == ["text", "prediction", "probability"]
    lines = [json.loads(line) for line in pipe(data).stdout.splitlines()]
    assert [one["prediction"] for one in lines] == [row["prediction"] for row in rows]


@pytest.mark.process
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_real_pipe_loses_nothing_and_may_end_early(
    model: str, tmp_path: Path, unbuffered: str
) -> None:
    lines = 60_000
    program = (
        f"(echo text; yes 'a film' | head -{lines}) | "
        f"{sys.executable} {ROOT}/scripts/predict.py input=- tracking=off 'deploy.run={model}' | "
        "{reader}; echo ${{PIPESTATUS[*]}}"
    )

    def run(reader: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            program.format(reader=reader), cwd=tmp_path, shell=True, executable="/bin/bash",
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered}, capture_output=True, text=True,
            check=True, timeout=300,
        )  # fmt: skip

    assert run("wc -l").stdout.split() == [str(lines + 1), "0", "0", "0"]
    done = run("head -2")
    printed = done.stdout.splitlines()
    assert printed[0] == "text,prediction,probability"
    assert printed[1].startswith("a film,")
    assert printed[2] == f"0 {128 + signal.SIGPIPE} 0"
    assert "Traceback" not in done.stderr


def test_settings_that_do_not_fit_a_pipe(pipe: Pipe) -> None:
    empty = pipe(b"")
    assert empty.returncode == 2
    assert "'standard input' holds no data" in empty.stderr
    binary = pipe(b"text\ngood\n", "deploy.format=parquet")
    assert binary.returncode == 2
    assert "Parquet is not written to standard output" in binary.stderr
    assert binary.stdout == ""


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.parametrize(
    ("closed", "setting", "name"),
    [(">&-", "output", "standard output"), ("<&-", "input", "standard input")],
)
def test_a_closed_stream_is_refused(
    model: str, tmp_path: Path, closed: str, setting: str, name: str
) -> None:
    (tmp_path / "x.csv").write_text("text\ngood fun\n")
    overrides = {"input": "x.csv", "deploy.run": model, "tracking": "off"} | {setting: "-"}
    script = ROOT / "scripts" / "predict.py"
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, script,
         *(f"{key}={value}" for key, value in overrides.items())],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{setting} is '-', {name}, but that is closed; expected" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


# --- databases


def fill(address: str, frame: pd.DataFrame, name: str = "reviews") -> None:
    engine = sa.create_engine(address, poolclass=sa.NullPool)
    columns = [sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text)]
    table_object = sa.Table(name, sa.MetaData(), *columns, sa.Column("label", sa.Text))
    with engine.begin() as connection:
        table_object.drop(connection, checkfirst=True)
        table_object.create(connection)
        connection.execute(table_object.insert(), frame.to_dict("records"))
    engine.dispose()


@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv", "parquet", "jsonl"])
def test_a_table_is_read_by_its_key(
    run: Run, table: pd.DataFrame, address: str, tmp_path: Path, form: str
) -> None:
    fill(address, table)
    [result] = run(f"input='{address}'", f"output='{tmp_path}/out.{form}'")
    ordered = table.sort_values("id").reset_index(drop=True)
    path = write_frame(ordered, tmp_path / f"x.{form}")
    [file] = run(f"input='{path}'", f"output='{tmp_path}/expected.csv'")
    readers = {"csv": pd.read_csv, "parquet": pd.read_parquet, "jsonl": pd.read_json}
    options = {"lines": True} if form == "jsonl" else {}
    predicted = readers[form](result.output, **options).astype({"id": int})
    pd.testing.assert_frame_equal(predicted, pd.read_csv(file.output), check_dtype=False)
    job = json.loads((tmp_path / f"out.{form}.json").read_text())["job"]
    assert job["table"] == "reviews"


@pytest.mark.slow
def test_a_query_chooses_rows_and_columns(
    run: Run, table: pd.DataFrame, address: str, tmp_path: Path
) -> None:
    missing = table.assign(text=table["text"].where(table["id"] != 7, None))
    fill(address, missing.astype(object).where(missing.notna(), None))
    query = "SELECT id, text AS body FROM reviews WHERE id < 14 ORDER BY id DESC"
    overrides = [f"input='{address}'", f"query='{query}'", "text_column=body"]
    [result] = run(*overrides, f"output='{tmp_path}/out.csv'")
    expected_ids = [one for one in sorted(table["id"], reverse=True) if one < 14]
    rows = read_plain(result.output)
    assert [int(row["id"]) for row in rows] == [one for one in expected_ids if one != 7]
    assert list(rows[0]) == ["id", "body", "prediction", "probability"]
    assert result.rejected is not None
    [reject] = read_plain(result.rejected)
    assert int(reject["row"]) == expected_ids.index(7) + 1
    assert (reject["reason"], json.loads(reject["raw"])) == ("no text", {"id": 7, "body": None})


def test_nothing_is_written_to_a_database(run: Run, table: pd.DataFrame, address: str) -> None:
    fill(address, table)
    for query in ("DELETE FROM reviews", "DROP TABLE reviews", "DELETE FROM reviews RETURNING id"):
        with pytest.raises((ConfigError, DatabaseError)):
            run(f"input='{address}'", f"query='{query}'")
    engine = sa.create_engine(address, poolclass=sa.NullPool)
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM reviews")).scalar() == 30


class Interrupt:
    """Ctrl-C after ten rows."""

    def on_progress(self, done: int, total: int | None, unit: str) -> None:
        if done > 10:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_a_database_is_resumed(
    run: Run, model: str, table: pd.DataFrame, address: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    fill(address, table)
    monkeypatch.setattr(database, "_ROWS", 4)
    monkeypatch.setattr("sentiment.commands.predict.job._CHECKPOINT", 0)
    overrides = [f"input='{address}'", f"deploy.run='{model}'", "tracking=off"]

    def begin(name: str) -> None:
        cfg = compose("predict", [*overrides, f"output='{tmp_path}/{name}'"])
        with pytest.raises(KeyboardInterrupt):
            predict(cfg, Interrupt())  # type: ignore[arg-type]

    begin("out.csv")
    [complete] = run(f"input='{address}'", f"output='{tmp_path}/whole.csv'")
    [resumed] = run(f"input='{address}'", f"output='{tmp_path}/out.csv'")
    assert resumed.resumed > 0
    assert resumed.output.read_bytes() == complete.output.read_bytes()

    begin("other.csv")
    first = table["id"].min()
    fill(address, table.assign(text=table["text"].where(table["id"] != first, "changed")))
    with pytest.raises(ChangedInputError, match="are not those that the unfinished output"):
        run(f"input='{address}'", f"output='{tmp_path}/other.csv'")
    assert (tmp_path / "other.csv.partial.json").exists()
    [fresh] = run(f"input='{address}'", f"output='{tmp_path}/other.csv'", "overwrite=true")
    assert fresh.tally.read == 30


@pytest.mark.slow
def test_problems_of_a_database_are_reported(run: Run, table: pd.DataFrame, tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/reviews.db"
    fill(address, table)
    fill(address, table, "others")
    for overrides, kind, message in (
        ([f"input='{address}'"], ConfigError, "has the tables others, reviews; name one, table="),
        ([f"input='{address}'", "table=x"], ConfigError, "table is 'x', but .* has others, rev"),
        ([f"input='{address}'", "table=x", "query=y"], ConfigError, "table and query are both"),
        ([f"input='{address}'", "query='SELEC 1'"], DatabaseError, "near \"SELEC\": syntax error"),
        (
            [f"input='{address}'", "query='SELECT id, id FROM others'"],
            ConfigError, "the query has two columns 'id'; rename one",
        ),
        (["input=sqlite:///nope.db"], InputNotFoundError, "expected a file of sqlite"),
        (["input=oracel://x"], ConfigError, "is not an address of a database"),
        (["input=mysql://x/y"], DatabaseError, "its driver is missing: pip install MySQLdb"),
        (
            ["input='postgresql+psycopg://me:secret@127.0.0.1:1/x'"],
            DatabaseUnavailableError, r"me:\*\*\*@127.0.0.1:1/x' does not answer: .*refused",
        ),
        (["input=x.csv", "table=y"], ConfigError, "table and query are for databases"),
    ):  # fmt: skip
        with pytest.raises(kind, match=message) as caught:
            run(*overrides)
        assert "secret" not in str(caught.value)


def test_an_invalid_row_of_a_database_costs_no_other(run: Run, tmp_path: Path) -> None:
    """SQLite keeps any bytes in any column, whatever its type is called."""
    with closing(sqlite3.connect(tmp_path / "x.db")) as db:
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT, d DATETIME, n NUMERIC)")
        db.execute("INSERT INTO t VALUES (1, 'good', '2020-01-01', 1.5)")
        db.execute("INSERT INTO t VALUES (2, CAST(x'ff41' AS TEXT), NULL, NULL)")
        db.execute("INSERT INTO t VALUES (3, 'bad', 'not a date', 'not a number')")
        db.execute("INSERT INTO t VALUES (4, x'676f6f64', NULL, x'ff')")
        db.execute("INSERT INTO t VALUES (5, x'ff', NULL, NULL)")
        db.commit()
    [result] = run(f"input='sqlite:///{tmp_path}/x.db'", f"output='{tmp_path}/o.csv'")
    written = pd.read_csv(result.output, dtype=str, keep_default_na=False).to_numpy().tolist()
    assert [row[:4] for row in written] == [
        ["1", "good", "2020-01-01", "1.5"],
        ["3", "bad", "not a date", "not a number"],
        ["4", "good", "", r"\xff"],
    ]
    assert result.rejected is not None
    rejected = pd.read_csv(result.rejected)
    assert rejected[["row", "reason"]].to_numpy().tolist() == [
        [2, "bytes that are not UTF-8"],
        [5, "bytes that are not UTF-8"],
    ]


@pytest.mark.slow
@pytest.mark.parametrize("address", ["postgresql"], indirect=True)  # sqlite has no dates
def test_dates_that_python_lacks_are_read(run: Run, tmp_path: Path, address: str) -> None:
    engine = sa.create_engine(address)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE t (id int PRIMARY KEY, text text, d date)"))
        connection.execute(sa.text("INSERT INTO t VALUES (1, 'good', 'infinity')"))
        connection.execute(sa.text("INSERT INTO t VALUES (2, 'bad', '12020-01-31')"))
    engine.dispose()
    [result] = run(f"input='{address}'", "table=t", f"output='{tmp_path}/o.csv'")
    assert pd.read_csv(result.output)["d"].tolist() == ["infinity", "12020-01-31"]


def test_a_locked_database_is_an_outage(run: Run, table: pd.DataFrame, tmp_path: Path) -> None:
    fill(f"sqlite:///{tmp_path}/reviews.db", table)
    with closing(sqlite3.connect(tmp_path / "reviews.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseUnavailableError, match="does not answer: database is locked"):
            run(f"input='sqlite:///{tmp_path}/reviews.db?timeout=0'")


# --- many files, one output


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl"])
def test_a_folder_is_predicted_into_one_output(
    run: Run, table: pd.DataFrame, tmp_path: Path, ending: str
) -> None:
    folder = tmp_path / "in"
    (folder / "more").mkdir(parents=True)
    parts = {"a": table[:12], "b": table[12:20], "more/c": table[20:]}
    for name, part in parts.items():
        write_frame(part, folder / f"{name}{ending}")
    [result] = run(f"input='{folder}/**/*{ending}'", "together=true")
    assert result.output == tmp_path / f"in.predictions{ending}"
    [complete] = run(f"input='{write_frame(table, tmp_path / f'all{ending}')}'")
    read = {".csv": pd.read_csv, ".parquet": pd.read_parquet}.get(
        ending, lambda path: pd.read_json(path, lines=True)
    )
    predicted = read(result.output)
    files = [f"{name}{ending}" for name, part in parts.items() for _ in range(len(part))]
    assert predicted.pop("file").tolist() == files
    pd.testing.assert_frame_equal(predicted, read(complete.output))


def test_rejected_rows_name_their_file(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text("text,n\ngood,1\nbad\n")
    # Written in another way, so that lines cannot be copied.
    (folder / "b.csv").write_text("text;n\nbad;2;3\nbad;4")
    [result] = run(f"input='{folder}'", "together=true")
    assert [(row["file"], row["text"], row["n"]) for row in read_plain(result.output)] == [
        ("a.csv", "good", "1"), ("b.csv", "bad", "4"),
    ]  # fmt: skip
    assert result.rejected is not None
    assert [(row["file"], row["row"], row["line"]) for row in read_plain(result.rejected)] == [
        ("a.csv", "2", "3"), ("b.csv", "1", "2"),
    ]  # fmt: skip


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_files_may_have_any_name(run: Run, tmp_path: Path, ending: str) -> None:
    """Names that Hydra would read as something else, and bytes that are not UTF-8."""
    folder = tmp_path / "in"
    folder.mkdir()
    names = [b"${x}", b"???", b"[b]", b"a=b, c", b"\xff"]
    for name in names:
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name + b".csv")).write_text("text\na\nb,c\n")
    assert [one.tally.written for one in run(f"input='{folder}'")] == [1] * 5
    [result] = run(f"input='{folder}'", "together=true", f"output='{tmp_path}/o{ending}'")
    printed = sorted(name.decode("utf-8", "backslashreplace") + ".csv" for name in names)
    assert sorted(read_frame(result.output)["file"]) == printed
    assert result.rejected is not None
    assert sorted(pd.read_csv(result.rejected)["file"]) == printed


def test_files_that_do_not_fit_together(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text("text,n\ngood,1\n")
    (folder / "b.csv").write_text("text\nbad\n")
    with pytest.raises(ConfigError, match=r"csv of text, n, and csv of text. Set together=false"):
        run(f"input='{folder}'", "together=true")
    (folder / "b.csv").unlink()
    write_frame(pd.DataFrame({"text": ["a"], "n": [1]}), folder / "b.parquet")
    write_frame(pd.DataFrame({"text": ["a"], "n": ["x"]}), folder / "c.parquet")
    with pytest.raises(ConfigError, match="and parquet of text: "):
        run(f"input='{folder}'", "together=true")
    with pytest.raises(ConfigError, match=r"text: \S+, n: int64, and parquet of text: .*string"):
        run(f"input='{folder}/*.parquet'", "together=true")


@pytest.mark.slow
def test_many_files_are_resumed(
    run: Run, model: str, table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for n in range(6):
        write_frame(table[5 * n : 5 * n + 5], folder / f"{n}.csv")
    monkeypatch.setattr("sentiment.commands.predict.job._CHECKPOINT", 0)
    overrides = [f"input='{folder}'", f"deploy.run='{model}'", "tracking=off", "together=true"]
    from sentiment.files.chain import Chain
    from sentiment.files.opening import open_input

    cfg = compose("predict", [*overrides, f"output='{tmp_path}/out.csv'"])
    chain = Chain([open_input(folder / f"{n}.csv") for n in range(6)], folder)
    with pytest.raises(KeyboardInterrupt):
        predict(cfg, Interrupt(), chain)  # type: ignore[arg-type]
    [resumed] = run(*overrides, f"output='{tmp_path}/out.csv'")
    [complete] = run(*overrides, f"output='{tmp_path}/whole.csv'")
    assert 10 < resumed.resumed < 30
    assert resumed.output.read_bytes() == complete.output.read_bytes()
