"""The store, and its models as MLflow loads them."""

import json
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import optuna
import pandas as pd
import pytest
from predicting import predict
from starting import Starter

from sentiment.commands.train.job import TrainingResult
from sentiment.config import compose, make, quote_free_text
from sentiment.errors import (
    ExitCode,
    RunNotFoundError,
    SentimentError,
    TrackingStoreError,
    UntrustedModelError,
)
from sentiment.modeling.prediction_columns import PredictionColumns
from sentiment.tracking import MlflowTracker, NoTracker, retries
from sentiment.tracking.choosing import choose_best

Train = Callable[..., TrainingResult]


def log_run(tracker: MlflowTracker, value: float, **tags: str) -> str | None:
    with tracker.start("a run", {"kind": "training"} | tags) as run:
        run.log_metrics({"validation/accuracy": value, "validation/log_loss": value})
    return run.id


@pytest.mark.slow
def test_mlflow_loads_what_training_saw(
    train_quickly: Train, reviews: pd.DataFrame, tracker: MlflowTracker
) -> None:
    result = train_quickly()
    texts = reviews[["text"]].tail(40)
    expected, probabilities = predict(result.pipeline, texts)
    loaded = mlflow.sklearn.load_model(result.model)
    assert loaded.predict(texts).tolist() == expected.tolist()
    np.testing.assert_array_equal(loaded.predict_proba(texts), probabilities)
    assert list(mlflow.pyfunc.load_model(result.model).predict(texts)) == expected.tolist()
    _check_pyfunc(result.model, texts, expected, probabilities)
    info = mlflow.models.get_model_info(result.model)
    assert info.flavors["sklearn"]["serialization_format"] == "skops"
    assert info.signature.inputs.to_dict() == [{"name": "text", "type": "string", "required": True}]
    example = info.saved_input_example_info
    assert example is not None
    folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=result.model))
    # It is loaded where this package is not installed.
    code = (folder / "code" / "sentiment_pyfunc.py").read_text()
    assert not re.search(r"^\s*(from|import) sentiment", code, re.MULTILINE)
    requirements = (folder / "requirements.txt").read_text().split()
    assert [line.split("==")[0] for line in requirements if "mlflow" not in line] == [
        "numpy",
        "pandas",
        "scikit-learn",
        "scipy",
        "skops",
    ]
    choice = tracker.find_model("best", "accuracy")
    assert choice.uri == result.model
    assert choice.run_id == result.run_id
    assert choice.fingerprint == result.data.fingerprint


def _check_pyfunc(
    model: str, texts: pd.DataFrame, expected: np.ndarray, probabilities: np.ndarray
) -> None:
    """With its parameters, the model has the columns of a file of predictions."""
    loaded = mlflow.pyfunc.load_model(model)
    assert list(loaded.predict(texts, params={"probabilities": "none"})) == expected.tolist()
    top = loaded.predict(texts, params={"probabilities": "top"})
    assert list(top) == ["prediction", "probability"]
    assert top["prediction"].tolist() == expected.tolist()
    np.testing.assert_array_equal(top["probability"], probabilities.max(axis=1))
    both = loaded.predict(texts, params={"probabilities": "all", "top_k": 5})
    columns = PredictionColumns(top_k=5, probabilities="all").list_fields(["negative", "positive"])
    assert list(both) == columns.names
    np.testing.assert_array_equal(both[["p:negative", "p:positive"]], probabilities)
    other = np.where(expected == "positive", "negative", "positive")
    assert both["prediction_2"].tolist() == other.tolist()
    np.testing.assert_array_equal(both["probability_2"], probabilities.min(axis=1))
    low = loaded.predict(texts, params={"threshold": "0.1"})
    assert low.tolist() == np.where(probabilities[:, 1] >= 0.1, "positive", "negative").tolist()
    folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=model))
    line = json.loads((folder / "decision_rules.json").read_text())["max_f1"]["positive"]
    best = loaded.predict(texts, params={"threshold": "max_f1"})
    assert best.tolist() == np.where(probabilities[:, 1] >= line, "positive", "negative").tolist()
    for wrong in ({"probabilities": "some"}, {"top_k": 0}, {"threshold": "1.5"}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} is .*; expected"):
            loaded.predict(texts, params=wrong)


def test_mlflow_serves_what_training_saw(
    train_quickly: Train,
    reviews: pd.DataFrame,
    served: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = train_quickly()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow.get_tracking_uri())
    model = ["models", "serve", "-m", result.model, "--env-manager", "local"]
    address = served(*model, health="/ping")
    texts = reviews["text"].head(20).tolist()

    def ask(params: dict[str, object]) -> list[Any]:
        rows = {"columns": ["text"], "data": [[text] for text in texts]}
        request = urllib.request.Request(
            f"{address}/invocations",
            data=json.dumps({"dataframe_split": rows, "params": params}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=300) as answer:
            return list(json.loads(answer.read())["predictions"])

    labels, probabilities = predict(result.pipeline, pd.DataFrame({"text": texts}))
    assert ask({}) == labels.tolist()
    rows = pd.DataFrame(ask({"probabilities": "all", "top_k": 2}))
    assert rows["prediction"].tolist() == labels.tolist()
    np.testing.assert_allclose(rows[["p:negative", "p:positive"]], probabilities, rtol=1e-12)
    assert (rows["probability"] >= rows["probability_2"]).all()


def test_a_tracking_server_is_a_store_like_any_other(
    store: Path, served: Callable[..., str], tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path}/server.db"
    address = served(
        "server", "--backend-store-uri", uri, "--artifacts-destination", str(tmp_path / "kept"),
        health="/health",
    )  # fmt: skip
    tracker = MlflowTracker(address, "nowhere", "remote")
    tracker.open()
    run_id = log_run(tracker, 0.5)
    assert run_id is not None
    assert mlflow.get_run(run_id).data.metrics["validation/accuracy"] == 0.5
    assert not Path("nowhere").exists()
    with pytest.raises(RunNotFoundError, match="a model of run"):
        tracker.find_model("best", "accuracy")


def best(tracker: MlflowTracker, metric: str = "accuracy") -> str:
    """Return which run is the best; these runs have no model, and the error names the run."""
    with pytest.raises(RunNotFoundError) as caught:
        tracker.find_model("best", metric)
    return str(caught.value).split("'")[1]


def test_the_best_run_is_the_best_on_validation(tracker: MlflowTracker) -> None:
    tracker.open()
    low, high = log_run(tracker, 0.2), log_run(tracker, 0.8)
    log_run(tracker, 0.9, sample="true")  # a quick look does not count
    log_run(tracker, 0.9, kind="sweep")
    with pytest.raises(ZeroDivisionError), tracker.start("x", {"kind": "training"}) as run:
        run.log_metrics({"validation/accuracy": 1.0, "validation/log_loss": 0.0})
        raise ZeroDivisionError
    assert best(tracker) == high
    assert best(tracker, "log_loss") == low


def test_a_sample_counts_if_there_are_no_other_runs(tracker: MlflowTracker) -> None:
    tracker.open()
    log_run(tracker, 0.2, sample="true")
    better = log_run(tracker, 0.3, sample="true")
    assert best(tracker) == better


def test_runs_on_other_data_than_the_newest_do_not_count(tracker: MlflowTracker) -> None:
    """On easy data, any model has a better score."""
    tracker.open()
    log_run(tracker, 0.9, data="easy")
    log_run(tracker, 0.1, data="easy")
    high, low = log_run(tracker, 0.6, data="hard"), log_run(tracker, 0.5, data="hard")
    log_run(tracker, 0.99, data="easy", sample="true")
    assert best(tracker) == high
    assert best(tracker, "log_loss") == low


def test_tables_are_distinguished_by_their_paths(tracker: MlflowTracker) -> None:
    tracker.open()
    runs = {}
    for path, score in (("a.csv", 0.9), ("b.csv", 0.6), ("a.csv", 0.7), ("b.csv", 0.5)):
        with tracker.start("a run", {"kind": "training", "data": "csv"}) as run:
            run.log_params({"data.path": path})
            run.log_metrics({"validation/accuracy": score})
        runs[score] = run.id
        # Each time, the best of those on the file that was the last.
        expected = {0.9: 0.9, 0.6: 0.6, 0.7: 0.9, 0.5: 0.6}[score]
        assert best(tracker) == runs[expected]


def test_the_choice_is_reported(tracker: MlflowTracker) -> None:
    tracker.open()
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(tracker.experiment)

    def choose() -> tuple[str, str]:
        runs = client.search_runs([experiment.experiment_id])
        best_choice = choose_best(runs, "validation/accuracy")
        assert best_choice is not None
        return best_choice[0].info.run_id, best_choice[1]

    first = log_run(tracker, 0.25, data="easy")
    assert choose() == (
        first,
        "best validation/accuracy of 1 run on easy: 0.2500",
    )
    log_run(tracker, 0.5, data="hard")
    # Of two that are equal, the later one.
    second = log_run(tracker, 0.5, data="hard")
    log_run(tracker, 0.5, data="hard", sample="true")
    output = (
        "best validation/accuracy of 2 runs on hard: 0.5000; "
        "not comparable: 1 run on other data, 1 run on a sample"
    )
    assert choose() == (second, output)


def test_only_runs_on_the_same_rows_are_compared(tracker: MlflowTracker) -> None:
    """A lucky split, or few rows to validate on, make no model better."""
    tracker.open()
    log_run(tracker, 0.9, data="reviews", **{"data.fingerprint": "seed 1"})
    high = log_run(tracker, 0.7, data="reviews", **{"data.fingerprint": "seed 2"})
    log_run(tracker, 0.8, data="reviews", **{"data.fingerprint": "seed 1"})
    low = log_run(tracker, 0.6, data="moved", **{"data.fingerprint": "seed 2"})
    assert best(tracker) == high
    assert best(tracker, "log_loss") == low
    runs = mlflow.MlflowClient().search_runs([tracker._experiment_id(mlflow.MlflowClient())])
    best_choice = choose_best(runs, "validation/accuracy")
    assert best_choice is not None
    assert best_choice[1].endswith("not comparable: 2 runs on other data")


@pytest.mark.parametrize("years", [-10, 10])
def test_a_wrong_clock_does_not_decide_which_run_is_the_last(
    tracker: MlflowTracker, years: int
) -> None:
    tracker.open()
    client = mlflow.MlflowClient()
    experiment = tracker._experiment_id(client)
    with sqlite3.connect(tracker.uri.removeprefix("sqlite:///")) as database:
        for number, data in enumerate(["first", "second", "third"]):
            run = log_run(tracker, 0.9 - number / 10, data=data)
            if data == ("second" if years > 0 else "third"):
                moved = "UPDATE runs SET start_time = start_time + ? WHERE run_uuid = ?"
                database.execute(moved, (years * 365 * 86_400_000, run))
                database.commit()
    database.close()
    runs = client.search_runs([experiment])
    assert [r.data.tags["order"] for r in sorted(runs, key=read_accuracy)] == [
        f"{n:012}" for n in (3, 2, 1)
    ]
    assert best(tracker) == run
    # A run of an earlier version, or one that another tool made, has only its start time.
    client.create_run(experiment, int(1000 * (time.time() + 9e6)), {"kind": "training"})
    assert best(tracker) == run


def read_accuracy(run: Any) -> float:
    return float(run.data.metrics["validation/accuracy"])


def test_a_future_start_is_not_the_last_among_runs_without_an_order(
    tracker: MlflowTracker,
) -> None:
    tracker.open()
    client = mlflow.MlflowClient()
    experiment = tracker._experiment_id(client)
    now_ms, created = 1000 * time.time(), {}
    for data, start in (("future", now_ms + 9e9), ("old", now_ms - 9e9), ("new", now_ms - 1e6)):
        tags = {"kind": "training", "data": data}
        created[data] = client.create_run(experiment, int(start), tags).info.run_id
        client.log_metric(created[data], "validation/accuracy", 0.5)
        client.set_terminated(created[data])
    assert best(tracker) == created["new"]


def test_what_cannot_be_found_is_reported(tracker: MlflowTracker, tmp_path: Path) -> None:
    empty = MlflowTracker(f"sqlite:///{tmp_path}/no.db", "x", "sentiment")
    with pytest.raises(RunNotFoundError) as caught:
        empty.find_model("best", "f1")
    assert str(caught.value) == (
        f"run 'best' was not found in the tracking store 'sqlite:///{tmp_path}/no.db'. "
        "Train a model first: python scripts/train.py"
    )
    assert not (tmp_path / "no.db").exists()
    MlflowTracker(tracker.uri, tracker.artifacts, "another").open()
    with pytest.raises(RunNotFoundError, match="experiment 'test_what.* was not found"):
        tracker.find_model("best", "f1")
    tracker.open()
    for run, message in (
        ("best", "a finished training run with validation/f1 was not found"),
        ("abc", "run 'abc' was not found .* Expected best, a run id, models:/"),
        ("models:/nobody@champion", "'models:/nobody@champion' was not found .* Promote a run"),
    ):
        with pytest.raises(RunNotFoundError, match=message):
            tracker.find_model(run, "f1")
    run_id = log_run(tracker, 0.5)
    with pytest.raises(RunNotFoundError, match="has 1 run without that metric; name another one"):
        tracker.find_model("best", "f1")
    with pytest.raises(RunNotFoundError, match=f"the file scores/x.parquet of run '{run_id}' was"):
        tracker.fetch_file(run_id, "scores/x.parquet")
    with pytest.raises(RunNotFoundError, match="only where training tracked them"):
        NoTracker().find_model("best", "f1")


@pytest.mark.slow
def test_a_registered_model_is_found_by_its_alias(
    train_quickly: Train, tracker: MlflowTracker
) -> None:
    result = train_quickly()
    version = mlflow.register_model(result.model, "reviewer")
    mlflow.MlflowClient().set_registered_model_alias("reviewer", "champion", version.version)
    choice = tracker.find_model("models:/reviewer@champion", "f1")
    assert choice.run_id == result.run_id
    assert choice.path.name == "model.skops"


@pytest.mark.slow
def test_a_deleted_model_file_is_named(train_quickly: Train, tracker: MlflowTracker) -> None:
    run_id = str(train_quickly().run_id)
    path = tracker.find_model(run_id, "f1").path
    copy = path.rename(path.with_name("aside"))
    with pytest.raises(RunNotFoundError, match=r"model\.skops' was deleted: restore it, such"):
        tracker.find_model(run_id, "f1")
    copy.rename(path)
    assert tracker.find_model(run_id, "f1").path == path


@pytest.mark.slow
def test_a_model_in_another_format_is_refused(tracker: MlflowTracker) -> None:
    from sklearn.dummy import DummyClassifier

    tracker.open()
    with tracker.start("pickled", {"kind": "training"}) as run:
        run.log_metrics({"validation/f1": 1.0})
        with mlflow.start_run(run_id=run.id):
            mlflow.sklearn.log_model(
                DummyClassifier().fit([[0]], [0]),
                name="model",
                serialization_format="cloudpickle",
                pip_requirements=["scikit-learn"],
            )
    with pytest.raises(UntrustedModelError, match="it is not saved as model.skops"):
        tracker.find_model("best", "f1")


@pytest.mark.parametrize(
    ("uri", "reason", "code"),
    [
        ("http://127.0.0.1:9", "no server answers there", ExitCode.UNAVAILABLE),
        ("nonsense://x", "unsupported URI", ExitCode.MISTAKE),
        ("mysql+nodriver://u@h/x", "nodriver", ExitCode.MISTAKE),
    ],
)
def test_a_store_that_cannot_be_opened_is_reported(
    uri: str, reason: str, code: ExitCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "_DELAYS", (0.1,))
    with pytest.raises(TrackingStoreError, match=reason) as caught:
        MlflowTracker(uri, "x", "y").open()
    assert caught.value.exit_code is code
    remedy = "Check tracking.uri" if code is ExitCode.UNAVAILABLE else "Correct tracking.uri"
    assert remedy in str(caught.value)


def make_store(path: Path, version: str) -> None:
    """Make a store whose tables are of another version of MLflow."""
    draft = path.with_name("draft.db")  # MLflow looks at each address once
    MlflowTracker(f"sqlite:///{draft}", "x", "y").open()
    draft.rename(path)
    with sqlite3.connect(path) as store:
        store.execute("UPDATE alembic_version SET version_num = ?", (version,))
    store.close()


def make_study(path: Path) -> None:
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    optuna.create_study(storage=storage, study_name="a")
    storage.remove_session()
    storage.engine.dispose()


def make_table(path: Path) -> None:
    with sqlite3.connect(path) as store:
        store.execute("CREATE TABLE reviews (id INTEGER, body TEXT)")
    store.close()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_bytes(bytes(range(256)) * 9), "is not a database; .* a backup"),
        (make_study, r"tables of another program \('alembic_version' and 'studies', and \d+ more"),
        (make_table, r"tables of another program \('reviews'\)"),
        (lambda path: make_store(path, "451aebb31d03"), "run: mlflow db upgrade sqlite:///"),
        (lambda path: make_store(path, "ffffffffffff"), "another version of MLflow"),
    ],
)
def test_a_file_that_is_not_a_store_is_unchanged(
    tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    path = tmp_path / "x.db"
    make(path)
    content_before = path.read_bytes()
    tracker = MlflowTracker(f"sqlite:///{path}", "x", "y")
    with pytest.raises(TrackingStoreError, match=reason) as caught:
        tracker.open()
    assert caught.value.exit_code is ExitCode.MISTAKE
    with pytest.raises(SentimentError):
        tracker.find_model("best", "accuracy")
    assert path.read_bytes() == content_before


def test_an_empty_database_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "x.db").touch()
    tracker = MlflowTracker(f"sqlite:///{tmp_path}/x.db", "x", "y")
    tracker.open()
    run = log_run(tracker, 0.5)
    assert best(tracker) == run


# Opens a new store, whose tables are made and not copied, and tracks a run in it.
TRACKING = """
from mlflow.store.db import utils
from sentiment.tracking import MlflowTracker
utils._initialize_tables = utils._initialize_tables.__wrapped__
tracker = MlflowTracker("sqlite:///new/mlflow.db", "new/artifacts", "e")
tracker.open()
with tracker.start("x", {}) as run:
    run.log_metrics({"a": 1.0})
"""
# Changes half of the tables that MLflow makes and then changes in many steps, and waits.
IN_PART = """
import signal
from alembic import command
from alembic.script import ScriptDirectory
from mlflow.store.db import utils
def upgrade_in_part(engine):
    config = utils._get_alembic_config(str(engine.url))
    steps = [step.revision for step in ScriptDirectory.from_config(config).walk_revisions()]
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, steps[len(steps) // 2])
    print("in part", flush=True)
    signal.pause()
utils._upgrade_db = upgrade_in_part
"""


def test_an_incomplete_store_is_created_again(starter: Starter, tmp_path: Path) -> None:
    """MLflow itself does not resume after a kill between two steps."""
    new = tmp_path / "new"
    killed = starter.start_code(tmp_path, IN_PART + TRACKING)
    killed.wait_for_output("in part")
    killed.send(signal.SIGKILL)
    assert killed.wait().returncode == -signal.SIGKILL
    assert (new / ".mlflow.db.draft").stat().st_size > 100_000
    assert not (new / "mlflow.db").exists()
    done = starter.start_code(tmp_path, TRACKING).wait()
    assert done.returncode == 0, done.stderr
    assert {path.name for path in new.iterdir()} == {".mlflow.db.lock", "mlflow.db"}


def test_files_beside_a_new_store_are_kept(tmp_path: Path) -> None:
    names = [".mlflow.db.drafts", ".mlflow.db.draft.txt", ".mlflow.db.draft-2", ".other.db.draft"]
    for name in [*names, ".mlflow.db.lock"]:
        (tmp_path / name).write_text("mine")
    MlflowTracker(f"sqlite:///{tmp_path}/mlflow.db", "x", "y").open()
    for name in [*names, ".mlflow.db.lock"]:
        assert (tmp_path / name).read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {*names, ".mlflow.db.lock", "mlflow.db"}


@pytest.mark.slow
def test_a_relative_store_is_relative_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow keeps a store by its address, and a notebook may change its folder."""
    tracker = MlflowTracker("sqlite:///outputs/mlflow.db", "outputs/artifacts", "x")
    for count, name in enumerate(["100 % a", "b?", "100 % a"]):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        tracker.open()
        log_run(tracker, 0.5)
        best_choice = mlflow.search_runs(experiment_names=["x"], output_format="list")
        assert len(best_choice) == (2 if count == 2 else 1)
        assert (folder / "outputs" / "mlflow.db").is_file()


def test_processes_may_open_a_new_store_at_once(starter: Starter, tmp_path: Path) -> None:
    started = [starter.start_code(tmp_path, TRACKING) for _ in range(3)]
    assert [one.wait().returncode for one in started] == [0, 0, 0]
    tracker = MlflowTracker(f"sqlite:///{tmp_path}/new/mlflow.db", "x", "e")
    tracker.open()
    assert len(mlflow.search_runs(experiment_names=["e"])) == 3


AHEAD = """
import sys, threading
from pathlib import Path
from sentiment.tracking import MlflowTracker

class Finder:
    def find_spec(self, name, path, target=None):
        if name in ("mlflow", "alembic.util", "mlflow.store.tracking.sqlalchemy_store"):
            found.append(threading.current_thread() is threading.main_thread())

found = []
sys.meta_path.insert(0, Finder())
tracker = MlflowTracker("sqlite:///new/mlflow.db", "x", "e")
tracker.import_ahead()
tracker.import_ahead()
assert not Path("new").exists()
tracker.open()
assert found == [False] * 3, found
with tracker.start("a run", {}):
    pass
"""


@pytest.mark.slow
def test_libraries_of_a_store_are_imported_in_another_thread(tmp_path: Path) -> None:
    command = [sys.executable, "-c", AHEAD]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "new" / "mlflow.db").is_file()


@pytest.mark.parametrize("name", ["o%20x", "a@b?c", "plain"])
def test_a_store_in_a_folder_with_url_characters_creates_no_other_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cfg = compose("train", quote_free_text([f"outputs={name}"]))
    make(cfg, "tracking").open()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert {path.name for path in Path(name).iterdir()} == {"mlflow.db", ".mlflow.db.lock"}


@pytest.mark.slow
def test_an_address_with_url_characters_is_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/a%40b/c%20d.db"
    make(compose("train", ["outputs=o", f"tracking.uri='{uri}'"]), "tracking").open()
    assert [path.name for path in tmp_path.iterdir()] == ["a@b"]
    assert {path.name for path in Path("a@b").iterdir()} == {"c d.db", ".c d.db.lock"}


@pytest.mark.slow
@pytest.mark.parametrize("over", [0, 1])
def test_a_path_that_sqlite_cannot_open_is_named(tmp_path: Path, over: int) -> None:
    # SQLite's limit of 512 bytes includes the ending of a journal.
    room = 512 - len("-journal") + over - len(f"{tmp_path}///.mlflow.db.draft")
    database = tmp_path / ("a" * (room // 2)) / ("b" * (room - room // 2)) / "mlflow.db"
    tracker = MlflowTracker(f"sqlite:///{database}", str(tmp_path / "artifacts"), "any")
    if not over:
        tracker.open()
        assert database.is_file()
        return
    with pytest.raises(TrackingStoreError, match="1 bytes longer than SQLite can open") as caught:
        tracker.open()
    assert caught.value.exit_code is ExitCode.MISTAKE
    assert not list(tmp_path.iterdir())
