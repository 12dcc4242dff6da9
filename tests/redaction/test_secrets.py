"""Whole processes write, print and send no secrets."""

import base64
import gzip
import io
import sqlite3
import stat
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import pyarrow.parquet as pq
import pytest
from postgresql import Database, Server
from sqlalchemy import create_engine
from starting import Starter
from werkzeug.serving import make_server
from werkzeug.wsgi import get_input_stream

from sentiment.commands.train.job import TrainingResult

# Letters stay letters in every encoding but base64, so a password is found by them.
LETTERS = ("zqkvj", "xwqzj")
AWKWARD = "/'\" %2F@:#?&ä\\"


def find_letters(content: bytes) -> list[str]:
    """Return which parts of the passwords are in `content`, plain or in base64."""
    lower, found = content.lower(), []
    for letters in LETTERS:
        # Base64 writes three bytes as four signs, so there are three ways to write a word.
        hidden = [base64.b64encode(b"x" * shift + letters.encode()) for shift in range(3)]
        cores = [code[-(-8 * shift // 6) :][:4] for shift, code in enumerate(hidden)]
        if letters.encode() in lower or any(core in content for core in cores if len(core) > 8):
            found.append(letters)
    return found


def unpack(path: Path) -> Iterator[bytes]:
    """Yield all that is in a file: its bytes, and what they are compressed from."""
    content = path.read_bytes()
    yield content
    if content[:2] == b"\x1f\x8b":
        yield gzip.decompress(content)
    elif content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    elif content[:4] == b"PAR1":
        table = pq.read_table(path)
        yield repr(table.schema.metadata).encode()
        yield table.to_pandas().to_json().encode()
    elif content[:15] == b"SQLite format 3":
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            yield "\n".join(database.iterdump()).encode("utf-8", "surrogatepass")
        database.close()


def find_leaks(folder: Path) -> dict[str, list[str]]:
    """Return the files in `folder`, by name or content, that hold a part of a password."""
    leaks = {}
    for path in folder.rglob("*"):
        found = find_letters(str(path.relative_to(folder)).encode())
        if path.is_file():
            found += [letters for content in unpack(path) for letters in find_letters(content)]
        if found:
            leaks[str(path.relative_to(folder))] = found
    return leaks


@pytest.fixture(scope="module")
def database(postgres: Server, reviews: pd.DataFrame) -> Database:
    """A database with the reviews in a table; its server accepts any password."""
    made = postgres.create_database()
    engine = create_engine(made.address)
    reviews.groupby("label").head(60).to_sql("reviews", engine, index=False)
    engine.dispose()
    return made


@dataclass
class Searched:
    """Runs scripts in a folder and searches all that is left for the password."""

    starter: Starter
    folder: Path
    address: str

    def run(
        self, name: str, *overrides: str, code: int = 0, env: dict[str, str] | None = None
    ) -> str:
        """Return what a script prints, which has been searched as all files have."""
        done = self.starter.run(self.folder, name, *overrides, env=env)
        assert done.returncode == code, done.stdout + done.stderr
        printed = done.stdout + done.stderr
        assert not find_letters(printed.encode()), printed
        assert not find_leaks(self.folder)
        return printed


QUICK = ["features=tfidf_unigram", "features.max_features=200"]


def list_settings(address: str) -> list[str]:
    return ["data=csv", f"data.path='{address}'", *QUICK]


@pytest.fixture(params=["user", "query"])
def searched(
    request: pytest.FixtureRequest, database: Database, starter: Starter, tmp_path: Path
) -> Searched:
    """Scripts whose database has a password of awkward signs, at both places of an address."""
    password = quote(AWKWARD.join(LETTERS), safe="")
    host = f"127.0.0.1:{database.port}/{database.name}"
    address = {
        "user": f"postgresql+psycopg://postgres:{password}@{host}",
        "query": f"postgresql+psycopg://{host}?user=postgres&password={password}",
    }[request.param]
    return Searched(starter, tmp_path, address)


def test_the_search_finds_what_is_hidden_well(tmp_path: Path) -> None:
    word = f"{LETTERS[0]}/x"
    (tmp_path / "a.gz").write_bytes(gzip.compress(word.encode()))
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner", word)
    pd.DataFrame({"text": [word]}).to_parquet(tmp_path / "c.parquet", compression="zstd")
    with sqlite3.connect(tmp_path / "d.db") as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute("INSERT INTO t VALUES (?)", [word])
    connection.close()
    (tmp_path / word.partition("/")[0]).touch()
    (tmp_path / "clean").write_bytes(b"zqk vj")
    assert len(find_leaks(tmp_path)) == 5


def test_a_run_and_predictions_of_a_database(searched: Searched) -> None:
    printed = searched.run("train", *list_settings(searched.address), "data.table=reviews")
    assert "run " in printed
    query = "SELECT text FROM reviews WHERE text <> 'password=zqkvj/xwqzj' ORDER BY text"
    overrides = [f"input={searched.address}", f"query={query}", "output=predicted.csv"]
    printed = searched.run("predict", *overrides)
    assert "written" in printed
    searched.run("predict", f"input={searched.address}", "table=nowhere", code=2)


@pytest.mark.parametrize("searched", ["user"], indirect=True)
def test_a_grid_that_is_resumed(searched: Searched) -> None:
    settings = [*list_settings(searched.address), "model.C=1,2"]
    printed = searched.run("train", "-m", *settings, "data.table=nowhere", code=2)
    assert "#1 " not in printed
    settings.append("data.table=reviews")
    printed = searched.run("train", "-m", *settings, "features.min_df=100000", code=1)
    assert "#1 " in printed
    assert "#1 " in searched.run("train", "-m", *settings)
    results = list(searched.folder.glob("outputs/sweep/*/[01]/result.json"))
    assert len(results) == 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in results} == {0o600}


@pytest.mark.parametrize("searched", ["user"], indirect=True)
def test_a_search_in_a_database(searched: Searched, database: Database) -> None:
    study = [f"search.name={searched.folder.name}", f"search.storage='{searched.address}'"]
    space = ["search.space=null", "model.C=interval(0.1,9)", "data.table=reviews"]
    settings = ["search=logistic_regression", "search.n_trials=2", *study, *space]
    printed = searched.run("train", "-m", *list_settings(searched.address), *settings)
    assert "#1 " in printed
    searched.run("best", *study)
    searched.run("best", "search.name=no", study[1], code=2)
    engine = create_engine(database.address)
    with engine.connect() as connection:
        tables = connection.exec_driver_sql(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        )
        for (table,) in tables.all():
            rows = connection.exec_driver_sql(f'SELECT * FROM "{table}"').all()
            assert not find_letters(repr(rows).encode()), table
    engine.dispose()


@pytest.mark.parametrize("searched", ["user"], indirect=True)
def test_failures_of_drivers_and_servers(searched: Searched) -> None:
    for address in (
        searched.address.replace("127.0.0.1", "nowhere.invalid"),
        searched.address.replace("postgresql+psycopg", "postgresql+nodriver"),
        searched.address.replace("postgresql+psycopg", "nodialect"),
    ):
        full = {"SENTIMENT_FULL_ERROR": "1", "HYDRA_FULL_ERROR": "1"}
        done = searched.starter.run(searched.folder, "train", *list_settings(address), env=full)
        printed = done.stdout + done.stderr
        assert done.returncode not in (0, 1), printed
        assert not find_letters(printed.encode()), printed
        assert not find_leaks(searched.folder)


@pytest.mark.parametrize("searched", ["query"], indirect=True)
def test_an_environment_variable_is_recorded_by_its_name(searched: Searched) -> None:
    settings = ["data=csv", "data.path=${oc.env:REVIEWS_DB}", "data.table=reviews", *QUICK]
    searched.run("train", *settings, env={"REVIEWS_DB": searched.address})
    (config,) = searched.folder.glob("outputs/train/*/*/config.yaml")
    assert "path: ${oc.env:REVIEWS_DB}" in config.read_text()
    assert "data.path=${oc.env:REVIEWS_DB}\n" in config.with_name("overrides.txt").read_text()
    assert "'data.path=${oc.env:REVIEWS_DB}'" in config.with_name("run.json").read_text()
    with sqlite3.connect(searched.folder / "outputs" / "mlflow.db") as database:
        found = database.execute("SELECT value FROM params WHERE key = 'data.path'").fetchall()
    database.close()
    assert found == [("${oc.env:REVIEWS_DB}",)]


def test_no_value_of_a_variable_is_recorded(starter: Starter, tmp_path: Path) -> None:
    """Not even one that is not known to be a secret, in a single run and in a sweep."""
    store = ["tracking.uri=sqlite:///${oc.env:STORE}.db", "outputs=${oc.env:STORE}"]
    quick = [*QUICK, "data=rotten_tomatoes", "data.limit=300"]
    for overrides in (["model=naive_bayes"], ["-m", "model.C=1,2"]):
        env: dict[str, str | None] = {"STORE": "Xq7vZ"}
        done = starter.run(tmp_path, "train", *overrides, *quick, *store, env=env)
        assert done.returncode == 0, done.stderr
    files = [path for path in (tmp_path / "Xq7vZ").rglob("*") if path.is_file()]
    settled = [path for path in files if path.suffix in (".txt", ".yaml")]
    assert settled
    assert [path for path in settled if b"Xq7vZ" in path.read_bytes()] == []
    with sqlite3.connect(tmp_path / "Xq7vZ.db") as database:
        tags = database.execute("SELECT value FROM tags WHERE key = 'command'").fetchall()
    database.close()
    assert len(tags) == 5  # the run, the sweep, its jobs and its winner
    assert [tag for (tag,) in tags if "Xq7vZ" in tag or "STORE" not in tag] == []


@dataclass
class Recorder:
    """An MLflow server in this process, which keeps all that is sent to it."""

    address: str
    received: list[bytes]


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    monkeypatch.setenv("_MLFLOW_SERVER_FILE_STORE", f"sqlite:///{tmp_path}/server.db")
    monkeypatch.setenv("_MLFLOW_SERVER_ARTIFACT_ROOT", "mlflow-artifacts:/")
    monkeypatch.setenv("_MLFLOW_SERVER_ARTIFACT_DESTINATION", str(tmp_path / "kept"))
    monkeypatch.setenv("_MLFLOW_SERVER_SERVE_ARTIFACTS", "true")
    from mlflow.server import app

    received: list[bytes] = []

    def record(environment: dict[str, Any], respond: Any) -> Any:
        body = get_input_stream(environment).read()
        environment["wsgi.input"] = io.BytesIO(body)
        environment.pop("wsgi.input_terminated", None)
        environment["CONTENT_LENGTH"] = str(len(body))
        # The header for authentication is the one place where a password belongs.
        headers = {k: v for k, v in environment.items() if k != "HTTP_AUTHORIZATION"}
        received.append(repr(headers).encode() + body)
        return app(environment, respond)

    server = make_server("127.0.0.1", 0, record, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Recorder(f"127.0.0.1:{server.server_port}", received)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
def test_a_server_gets_passwords_for_authentication_only(
    recorder: Recorder,
    train_quickly: Callable[..., TrainingResult],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    password = quote(AWKWARD.join(LETTERS), safe="")
    result = train_quickly(f"tracking.uri=http://ann:{password}@{recorder.address}")
    assert result.run_id is not None
    assert len(recorder.received) > 10
    assert not any(map(find_letters, recorder.received))
    assert not find_letters("".join(capfd.readouterr()).encode())
    assert not find_leaks(tmp_path)
