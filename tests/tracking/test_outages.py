"""An outage of the store loses no trained run and is reported soon."""

import errno
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import sqlalchemy
from disks import full_disk, small_disk
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import OperationalError
from starting import Starter
from sweeping import read_jobs
from sweeping_in_process import run_sweep_in_process
from test_run_folder import QUICK, WRITTEN, artifacts

import sentiment
from sentiment.commands.search.observing import OBSERVER, SweepObserver
from sentiment.commands.train.files import SETTINGS
from sentiment.commands.train.job import TrainingResult, train
from sentiment.config import Job, compose, make
from sentiment.errors import (
    ConfigError,
    ExitCode,
    ModelKeptError,
    RunNotKeptError,
    RunNotRecordedError,
    SweepNotRecordedError,
    TrackingStoreError,
)
from sentiment.tracking import KEY, MlflowTracker, RunFolder, retries
from sentiment.tracking.processes import STALE_AFTER, ProcessMark, has_ended
from sentiment.tracking.recording import record
from sentiment.tracking.sqlite_files import lacks_space
from sentiment.tracking.stages import SilentObserver


class At(SilentObserver):
    """Does something when a stage begins."""

    def __init__(self, stage: str, act: Callable[[], object]) -> None:
        self._stage, self._act = stage, act

    def on_start(self, name: str) -> None:
        if name == self._stage:
            self._act()


def train_here(folder: Path, observer: At | None, *where: str) -> TrainingResult:
    overrides = [*QUICK, *where]
    return train(compose("train", overrides), Job(folder, overrides=overrides), observer)


class AfterFirstJob(SweepObserver):
    """Does something when the first job of a sweep has ended."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act

    def on_job(self, result: object, ranking: object) -> None:
        self._act()
        self._act = lambda: None


def find_runs(key: str) -> list[mlflow.entities.Run]:
    return mlflow.search_runs(
        search_all_experiments=True, output_format="list", filter_string=f"tags.`{KEY}` = '{key}'"
    )


def check_recorded(folder: Path, *where: str) -> None:
    """Record a kept run twice; it is one, and complete."""
    _, facts = RunFolder.open(folder)
    results = [record(compose("record", [f"folder='{folder}'", *where])) for _ in range(2)]
    assert results[0] == results[1]
    (run,) = find_runs(facts.key)
    assert run.info.run_id == results[0].run_id
    assert run.info.status == "FINISHED"
    assert run.info.end_time == round(1000 * facts.ended)
    assert run.data.metrics == facts.metrics == json.loads((folder / "metrics.json").read_text())
    assert run.data.params == facts.params
    assert facts.tags.items() <= run.data.tags.items()
    assert [one.dataset.name for one in run.inputs.dataset_inputs] == ["rotten_tomatoes"]
    assert artifacts(run.info.run_id) == WRITTEN
    assert [f"models:/{one.model_id}" for one in run.outputs.model_outputs] == [results[0].model]
    where_model = Path(mlflow.artifacts.download_artifacts(artifact_uri=results[0].model))
    assert (where_model / "model.skops").read_bytes() == (folder / "model.skops").read_bytes()
    texts = pd.DataFrame({"text": ["good fun"]})
    assert len(mlflow.sklearn.load_model(results[0].model).predict(texts)) == 1
    client = mlflow.MlflowClient()
    logged = client.search_logged_models([run.info.experiment_id])
    assert [one.model_id for one in logged if one.source_run_id == run.info.run_id] == [
        results[0].model.removeprefix("models:/")
    ]


def test_a_server_that_dies_costs_nothing(
    tmp_path: Path,
    served: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retries, "_DELAYS", (0.1,))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    store_setting = [
        *("--backend-store-uri", f"sqlite:///{tmp_path}/server.db", "--workers", "1"),
        *("--artifacts-destination", str(tmp_path / "kept")),
    ]
    first = served("server", *store_setting, health="/health")
    folder = tmp_path / "run"
    at = At("fit", lambda: served.stop())  # type: ignore[attr-defined]
    with pytest.raises(RunNotRecordedError) as caught:
        train_here(folder, at, f"tracking.uri={first}")
    error = caught.value
    assert error.exit_code is ExitCode.UNAVAILABLE
    command = f"python scripts/record.py folder={folder} tracking.uri={first}"
    assert str(error) == (
        f"the tracking store '{first}' cannot be used: no server answers there. Nothing is lost: "
        f"the trained model, its metrics and figures are in '{folder}'. When the store is back, "
        f"record the run with: {command}"
    )
    assert len(str(error).splitlines()) == 1
    second = served("server", *store_setting, health="/health")
    check_recorded(folder, f"tracking.uri={second}")
    # A sweep whose server is killed runs all of its jobs, and says what is left to do.
    grid = [*QUICK, "model=naive_bayes", "model.alpha=0.1,0.5,1", f"outputs={tmp_path}/outputs"]
    token = OBSERVER.set(lambda: AfterFirstJob(served.stop))  # type: ignore[attr-defined]
    with pytest.raises(SweepNotRecordedError, match="the results of 3 of 3 jobs are") as sweep:
        run_sweep_in_process(*grid, f"tracking.uri={second}")
    OBSERVER.reset(token)
    assert sorted(read_jobs(sweep.value.folder)) == [0, 1, 2]
    # And before anything is trained, a store that is away is a message at once.
    with pytest.raises(TrackingStoreError, match="no server answers there") as caught_early:
        train_here(tmp_path / "early", None, f"tracking.uri={second}")
    assert not isinstance(caught_early.value, RunNotRecordedError)
    assert not (tmp_path / "early").exists()


@pytest.mark.slow
def test_a_locked_store_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(retries, "_DELAYS", ())
    where = [f"outputs={tmp_path / 'out'}"]
    locks: list[sqlite3.Connection] = []

    def lock() -> None:
        locks.append(sqlite3.connect(tmp_path / "out" / "mlflow.db"))
        locks[0].execute("BEGIN EXCLUSIVE")

    locked = "another process keeps the database locked.* When that one has ended, record the run"
    with pytest.raises(RunNotRecordedError, match=locked):
        train_here(tmp_path / "run", At("record run", lock), *where)
    assert not [one for one in caplog.records if one.exc_info], "no traceback on the screen"
    locks[0].rollback()
    locks[0].close()
    check_recorded(tmp_path / "run", *where)


@pytest.mark.slow
def test_a_full_disk_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the moment at which the run is to be recorded on, files cannot grow."""
    monkeypatch.setattr(retries, "_DELAYS", ())
    outputs = tmp_path / "out"
    with (
        ExitStack() as disk,
        pytest.raises(RunNotRecordedError, match=r"the disk .*\. Nothing is lost") as caught,
    ):
        fill = At("record run", lambda: disk.enter_context(full_disk(4096)))
        train_here(tmp_path / "run", fill, f"outputs={outputs}")
    assert caught.value.exit_code is ExitCode.IO_ERROR
    check_recorded(tmp_path / "run", f"outputs={outputs}")


@pytest.mark.slow
def test_a_disk_that_is_full_after_the_model_was_saved_leaves_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "_DELAYS", ())
    folder, outputs = tmp_path / "run", f"outputs={tmp_path / 'out'}"
    with ExitStack() as disk, pytest.raises(ModelKeptError, match="without scores") as caught:
        fill = At("save results", lambda: disk.enter_context(full_disk(4096)))
        train_here(folder, fill, outputs)
    assert caught.value.exit_code is ExitCode.IO_ERROR
    files = {path.name for path in folder.rglob("*")} - {"train.log"}
    assert files == {"model.skops", "run.json", *SETTINGS}
    assert len(sentiment.load(folder / "model.skops").predict(["good fun"])) == 1
    with pytest.raises(RunNotKeptError, match="its training has not ended"):
        record(compose("record", [f"folder='{folder}'", outputs]))
    repeated = train_here(folder, None, outputs)
    assert repeated.folder.parent == folder
    (killed,) = mlflow.search_runs(
        search_all_experiments=True,
        output_format="list",
        filter_string=f"attributes.run_id != '{repeated.run_id}'",
    )
    assert killed.info.status != "FINISHED"  # the next process ends a run that could not be ended
    assert not killed.data.metrics


# Opens a store on a disk that is too small, and again after the disk has grown.
_OPEN_TWICE = """
import subprocess, sys
from sentiment.errors import TrackingStoreError
from sentiment.tracking import MlflowTracker
disk = sys.argv[1]
tracker = MlflowTracker(f"sqlite:///{disk}/mlflow.db", f"{disk}/artifacts", "x")
try:
    tracker.open()
except TrackingStoreError as error:
    print(error.exit_code.name, error)
subprocess.check_call(["mount", "-o", "remount,size=20m", disk])
tracker.open()
"""


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.parametrize("size", ["300k", "700k", "900k"])
def test_a_disk_that_is_too_small_for_a_store_is_full(size: str, tmp_path: Path) -> None:
    """SQLite says that a table exists already, or that the store is read-only, among others."""
    with small_disk(tmp_path / "disk", size):
        done = subprocess.run(
            [sys.executable, "-c", _OPEN_TWICE, str(tmp_path / "disk")],
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("IO_ERROR the tracking store")
        assert "the disk is full. Make space on the disk, and give the same command" in done.stdout
        names = {path.name for path in (tmp_path / "disk").iterdir()}
        assert names == {"mlflow.db", ".mlflow.db.lock"}


def test_a_read_only_disk_without_space_is_not_full(tmp_path: Path) -> None:
    disk, database = tmp_path / "disk", tmp_path / "disk" / "mlflow.db"
    with small_disk(disk, "1m"):
        assert lacks_space(f"sqlite:///{database}")
        error = retries.translate(f"sqlite:///{database}", PermissionError(errno.EACCES, "no", "a"))
        assert error.reason == "'a': no"
        subprocess.check_call(["mount", "-o", "remount,ro", str(disk)])
        assert not lacks_space(f"sqlite:///{database}")
        tracker = MlflowTracker(f"sqlite:///{database}", str(tmp_path / "artifacts"), "x")
        with pytest.raises(TrackingStoreError, match="it is read-only") as caught:
            tracker.open()
    assert caught.value.exit_code is ExitCode.MISTAKE


def test_a_virtual_disk_is_not_full() -> None:
    assert not lacks_space("sqlite:////proc/mlflow.db")


def test_the_message_for_a_full_disk() -> None:
    for number, reason in ((errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "the disk is full")):
        error = retries.translate("x", OSError(number, os.strerror(number), "/a/b"))
        assert error.reason == reason
        assert error.exit_code is ExitCode.IO_ERROR
        assert "Make space on the disk, and give the same command again" in str(error)
        kept = RunNotRecordedError(error, Path("a"), "do x", "the report")
        assert "When there is space on the disk, record the run with: do x" in str(kept)
    error = retries.translate("x", OSError(errno.EFBIG, os.strerror(errno.EFBIG), "/a/b"))
    assert error.exit_code is ExitCode.IO_ERROR
    assert "Check the disk and the space on it" in str(error)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_the_message_for_a_read_only_store(number: int, tmp_path: Path) -> None:
    error = retries.translate("x", OSError(number, os.strerror(number), "/a/b"))
    assert error.reason == f"it is read-only ('/a/b': {os.strerror(number)})"
    assert error.exit_code is ExitCode.MISTAKE
    assert "Give this user the right to write the store" in str(error)
    kept = SweepNotRecordedError(error, Path("a"), (1, 2), "do x", trained=True)
    assert "When this user may write it, the same command records them: do x" in str(kept)
    (tmp_path / "x.db").touch()
    engine = sqlalchemy.create_engine(f"sqlite:///file:{tmp_path}/x.db?mode=ro&uri=true")
    with engine.connect() as connection, pytest.raises(OperationalError) as caught:
        connection.execute(sqlalchemy.text("CREATE TABLE x (y)"))
    flushed = f"(raised as a result of Query-invoked autoflush)\n{caught.value}"
    for logged in (caught.value, MlflowException(flushed)):
        error = retries.translate("x", logged)
        assert error.reason == "it is read-only (attempt to write a readonly database)"
        assert error.exit_code is ExitCode.MISTAKE


@pytest.mark.slow
def test_a_model_that_was_uploaded_in_part_is_completed(tmp_path: Path) -> None:
    outputs, blocked = tmp_path / "out", tmp_path / "out" / "artifacts" / "models"

    def block() -> None:
        blocked.parent.mkdir(exist_ok=True)
        blocked.write_text("a file where MLflow makes a folder")

    with pytest.raises(RunNotRecordedError):
        train_here(tmp_path / "run", At("record run", block), f"outputs={outputs}")
    blocked.unlink()
    check_recorded(tmp_path / "run", f"outputs={outputs}")


@pytest.mark.slow
def test_a_run_without_tracking_may_be_recorded_later(tmp_path: Path) -> None:
    result = train_here(tmp_path / "run", None, "tracking=off")
    assert result.run_id is None
    with pytest.raises(ConfigError, match="tracking=off records nothing"):
        record(compose("record", [f"folder={tmp_path / 'run'}", "tracking=off"]))
    check_recorded(tmp_path / "run", f"outputs={tmp_path / 'out'}")
    damage = {
        "model.skops": "model.skops is missing or was changed since",
        "metrics.json": "metrics.json is missing or was changed since",
    }
    for name, reason in damage.items():
        path = tmp_path / "run" / name
        good = path.read_bytes()
        path.write_bytes(good[:-1])
        with pytest.raises(RunNotKeptError, match=reason):
            RunFolder.open(tmp_path / "run")
        path.write_bytes(good)
    RunFolder.open(tmp_path / "run")
    manifest = tmp_path / "run" / "run.json"
    content = json.loads(manifest.read_text())
    outside = {"facts": content["facts"], "files": {"../secret": "x"}}
    for text, reason in (
        ("", "its training has not ended, or was cut off"),
        ("null", "its training has not ended"),
        ('{"facts"', "run.json is damaged"),
        ("[]", "run.json is damaged"),
        ("{}", "run.json is damaged"),
        (json.dumps(outside), "run.json names a file outside of it"),
    ):
        manifest.write_text(text)
        with pytest.raises(RunNotKeptError, match=reason):
            RunFolder.open(tmp_path / "run")
    manifest.unlink()
    for path in (tmp_path / "run", tmp_path / "nowhere", tmp_path / "run" / "metrics.json"):
        with pytest.raises(RunNotKeptError, match=r"it has no run\.json"):
            RunFolder.open(path)


class Flaky:
    """A store that is away for some calls."""

    def __init__(self, outages: int, code: str) -> None:
        self.calls, self._outages, self._code = 0, outages, code

    def log_batch(self) -> str:
        self.calls += 1
        if self.calls <= self._outages:
            error = MlflowException("away")
            error.error_code = self._code
            raise error
        return "done"

    create_run = log_batch


def test_calls_are_retried_during_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)

    def use(store: Flaky) -> retries.RetryingClient:
        return retries.RetryingClient(store, "http://x")

    away = Flaky(3, "TEMPORARILY_UNAVAILABLE")
    assert use(away).log_batch() == "done"
    assert away.calls == 4
    assert waited == sorted(waited)
    assert sum(waited) < 10
    gone = Flaky(99, "INTERNAL_ERROR")
    with pytest.raises(TrackingStoreError, match="the tracking store 'http://x' cannot be used: a"):
        use(gone).log_batch()
    assert gone.calls == 5
    wrong = Flaky(1, "INVALID_PARAMETER_VALUE")
    with pytest.raises(MlflowException):
        use(wrong).log_batch()
    assert wrong.calls == 1
    # What makes something new is not repeated: the first may have been made.
    once = Flaky(1, "TEMPORARILY_UNAVAILABLE")
    with pytest.raises(TrackingStoreError):
        use(once).create_run()
    assert once.calls == 1


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


@pytest.mark.parametrize(
    ("uri", "reason", "code"),
    [
        ("sqlite:///{folder}", "'.*' is a folder; expected a file", 2),
        ("sqlite:///{folder}/file/mlflow.db", "'.*/file': File exists", 2),
        ("postgresql+psycopg://me:secret@127.0.0.1:{port}/x", "[Cc]onnection refused", 69),
        ("http://127.0.0.1:{port}", "no server answers there", 69),
    ],
)
def test_a_store_that_cannot_be_opened_is_reported_soon(
    tmp_path: Path,
    closed_port: int,
    uri: str,
    reason: str,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """MLflow alone tries a database for almost two minutes, in which it sleeps."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    if "psycopg" in uri:
        pytest.importorskip("psycopg")
    (tmp_path / "file").touch()
    address = uri.format(folder=tmp_path, port=closed_port)
    with pytest.raises(TrackingStoreError, match=reason) as caught:
        MlflowTracker(address, "x", "y").open()
    assert caught.value.exit_code == code
    assert "secret" not in str(caught.value)
    assert sum(slept) < 10


def test_percent_signs_in_the_path_of_a_store_are_decoded(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/a%40b%20c d/my%20lflow.db"
    tracker = MlflowTracker(uri, str(tmp_path / "artifacts"), "e")
    tracker.open()
    with tracker.start("x", {}) as run:
        run.log_metrics({"a": 1.0})
    assert run.id is not None
    assert mlflow.get_run(run.id).data.metrics == {"a": 1.0}
    with tracker.open_registry("m").lock():
        pass
    assert (tmp_path / "a@b c d" / "my lflow.db").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["a@b c d"], "no folder of another name"


@pytest.mark.parametrize("name", ["o%20x", "100%", "a?b#c", "ü x"])
def test_outputs_may_have_any_name(tmp_path: Path, name: str) -> None:
    outputs = tmp_path / name
    tracker = make(compose("train", [f"outputs='{outputs}'"]), "tracking", "start")
    tracker.open()
    with tracker.start("x", {}) as run:
        run.log_metrics({"a": 1.0})
    assert (outputs / "mlflow.db").is_file()
    assert list(tmp_path.iterdir()) == [outputs]


# Starts a run in the store in this folder, and never ends it.
RUNNING = (
    "import signal\n"
    "from sentiment.tracking import MlflowTracker\n"
    "tracker = MlflowTracker('sqlite:///mlflow.db', 'artifacts', 'e')\n"
    "tracker.open()\n"
    "with tracker.start('left', {'kind': 'training'}) as run:\n"
    "    print(run.id, flush=True)\n"
    "    signal.pause()\n"
)


def test_runs_of_dead_processes_are_ended(starter: Starter, tmp_path: Path) -> None:
    process = starter.start_code(tmp_path, RUNNING)
    process.wait_for_output("\n")
    output = process.stdout.strip()
    tracker = MlflowTracker(f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path / "artifacts"), "e")
    tracker.open()

    def read_status(run_id: str) -> str:
        return str(mlflow.get_run(run_id).info.status)

    assert read_status(output) == "RUNNING", "its process is alive"
    process.send(signal.SIGKILL)
    process.wait()
    client = mlflow.MlflowClient()
    with tracker.start("mine", {}) as mine:
        other = client.create_run(mlflow.get_run(output).info.experiment_id).info.run_id
        tracker.open()
        assert mine.id is not None
        assert read_status(output) == "KILLED"
        assert read_status(mine.id) == "RUNNING"
        assert read_status(other) == "RUNNING", "nobody knows whose that is"
    assert read_status(mine.id) == "FINISHED"


def test_only_processes_that_certainly_ended_count_as_dead() -> None:
    here = ProcessMark.of_this_process()
    current_time = time.time()

    def ended(age: float = 0.0, **changes: str) -> bool:
        return has_ended(ProcessMark(**(vars(here) | changes)).tags, current_time - age)

    assert not ended()
    assert ended(pid="99999999"), "there is no such process"
    assert ended(since="1"), "its id was given to another one"
    assert ended(boot="another"), "the machine was started again"
    for elsewhere in ({"host": "other/1"}, {"space": "pid:[1]"}):
        assert not ended(**elsewhere)
        assert not ended(STALE_AFTER - 60, **elsewhere)
        assert ended(STALE_AFTER + 60, **elsewhere)
    assert not has_ended({}, 0.0)
    assert not has_ended({"process.x": "of another version"}, 0.0)
    dead = ProcessMark(**(vars(here) | {"pid": "99999999"})).tags
    assert not has_ended(dead | here.tags, current_time), "one of them goes on with it"
