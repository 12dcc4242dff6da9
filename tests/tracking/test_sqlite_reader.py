"""Models in an sqlite store: the same ones are found with and without MLflow."""

import math
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from sentiment.commands.train.job import TrainingResult
from sentiment.errors import ExperimentDeletedError, RunDeletedError, RunNotFoundError
from sentiment.tracking import MlflowTracker
from sentiment.tracking import store as tracking
from sentiment.tracking.records import ModelChoice
from sentiment.tracking.sqlite_reader import KNOWN_REVISIONS, find_model

Train = Callable[..., TrainingResult]


def find_both(
    tracker: MlflowTracker, run: str, metric: str, patch: pytest.MonkeyPatch
) -> ModelChoice:
    """Return what MLflow finds, which has to be what is found without it."""
    with patch.context() as without:
        without.setattr(tracking, "connect", None)
        model = tracker.find_model(run, metric)
    with patch.context() as alone:
        alone.setattr(tracking, "find_model", lambda *_, **__: None)
        assert tracker.find_model(run, metric) == model
    return model


@pytest.mark.slow
def test_the_same_model_is_found_as_with_mlflow(
    train_quickly: Train, tracker: MlflowTracker, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = MlflowClient(tracker.uri)
    first = train_quickly("tracking.artifacts='" + str(store / "a b%20c") + "'")
    assert find_both(tracker, "best", "accuracy", monkeypatch).run_id == first.run_id
    second = train_quickly("model.C=0.001")
    other = train_quickly("seed=7", "data.limit=200")
    for metric in ("accuracy", "log_loss"):
        model = find_both(tracker, "best", metric, monkeypatch)
        assert model.run_id == other.run_id  # of the runs on the newest rows
    assert "not comparable: 2 runs" in model.why
    assert first.run_id
    for run in (first, second, other):
        by_id = find_both(tracker, str(run.run_id), "accuracy", monkeypatch)
        assert (by_id.run_id, by_id.uri) == (run.run_id, run.model)

    client.log_metric(str(other.run_id), "validation/f1", math.nan)
    find_both(tracker, "best", "f1", monkeypatch)
    client.delete_run(str(other.run_id))
    assert find_both(tracker, "best", "log_loss", monkeypatch).run_id == first.run_id
    client.set_terminated(first.run_id, "FAILED")
    assert find_both(tracker, "best", "accuracy", monkeypatch).run_id == second.run_id
    client.set_tag(str(second.run_id), "sample", "false")
    find_both(tracker, "best", "accuracy", monkeypatch)


@pytest.mark.slow
def test_mlflow_reports_unusual_cases(
    train_quickly: Train, tracker: MlflowTracker, tmp_path: Path
) -> None:
    client = MlflowClient(tracker.uri)
    result = train_quickly()
    run_id = str(result.run_id)
    with pytest.raises(RunNotFoundError, match="'0123'"):
        tracker.find_model("0123", "accuracy")
    with pytest.raises(RunNotFoundError, match="validation/no_such"):
        tracker.find_model("best", "no_such")
    client.delete_run(run_id)
    with pytest.raises(RunDeletedError):
        tracker.find_model(run_id, "accuracy")
    client.restore_run(run_id)
    experiment = client.get_experiment_by_name(tmp_path.name)
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    with pytest.raises(ExperimentDeletedError):
        tracker.find_model("best", "accuracy")
    client.restore_experiment(experiment.experiment_id)
    choice = tracker.find_model("best", "accuracy")
    shutil.rmtree(choice.path.parent)
    with pytest.raises(RunNotFoundError, match="the model file of run"):
        tracker.find_model("best", "accuracy")


def test_nothing_is_found_in_an_unknown_store(tmp_path: Path) -> None:
    def find(path: Path) -> object:
        return find_model(path, "sentiment", "best", "validation/accuracy")

    assert find(tmp_path / "none.db") is None
    assert not list(tmp_path.iterdir())
    (tmp_path / "text.db").write_text("no database " * 100)
    assert find(tmp_path / "text.db") is None
    assert find(tmp_path) is None
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("CREATE TABLE alembic_version (version_num)")
    connection.commit()
    assert find(tmp_path / "other.db") is None
    connection.execute("INSERT INTO alembic_version VALUES ('0123456789ab')")
    connection.commit()
    assert find(tmp_path / "other.db") is None
    connection.execute("UPDATE alembic_version SET version_num = ?", sorted(KNOWN_REVISIONS)[:1])
    connection.commit()
    assert find(tmp_path / "other.db") is None  # no tables
    connection.close()


def test_the_tables_of_this_version_of_mlflow_are_known(
    store: Path, tracker: MlflowTracker
) -> None:
    """If this fails after an update of MLflow, compare the tables with the queries first."""
    tracker.open()
    connection = sqlite3.connect(store / "mlflow.db")
    revisions = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    connection.close()
    assert {revision for (revision,) in revisions} <= KNOWN_REVISIONS


@pytest.mark.slow
def test_mlflow_is_asked_for_a_locked_store(
    train_quickly: Train, store: Path, tmp_path: Path
) -> None:
    result = train_quickly()
    where = store / "mlflow.db", tmp_path.name, str(result.run_id), "validation/accuracy"
    connection = sqlite3.connect(store / "mlflow.db")
    connection.execute("BEGIN EXCLUSIVE")
    assert find_model(*where) is None
    connection.rollback()
    connection.close()
    assert find_model(*where) is not None


@pytest.mark.slow
def test_models_are_found_by_their_addresses_as_with_mlflow(
    train_quickly: Train, tracker: MlflowTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = MlflowClient(tracker.uri)
    runs = [train_quickly(), train_quickly("model.C=0.001")]
    registry = tracker.open_registry("of this test")
    numbers = [registry.register(str(run.model), str(run.run_id)).number for run in runs]
    addresses = [str(run.model) for run in runs]
    addresses += [f"models:/of this test/{number}" for number in numbers]
    for number in numbers:
        registry.set_alias("in-use", number)
        with monkeypatch.context() as without:
            without.setattr(tracking, "connect", None)
            assert tracker.find_version("of this test", "in-use") == number
        for address in (*addresses, "models:/of this test@in-use"):
            find_both(tracker, address, "accuracy", monkeypatch)
    model = tracker.find_model("models:/of this test@in-use", "")
    assert model.run_id == runs[-1].run_id

    assert tracker.find_version("of this test", "nobody") is None
    assert tracker.find_version("no such model", "in-use") is None
    for address in ("models:/of this test@nobody", "models:/of this test/99", "models:/m-0"):
        with pytest.raises(RunNotFoundError, match=address):
            tracker.find_model(address, "accuracy")
    client.delete_model_version("of this test", numbers[0])
    with pytest.raises(RunNotFoundError, match=addresses[2]):
        tracker.find_model(addresses[2], "accuracy")
    client.delete_run(str(runs[-1].run_id))  # a version serves on without its run
    repeated = tracker.find_model(addresses[3], "")
    assert repeated.uri == model.uri
    assert replace(repeated, path=model.path, why=model.why) == model


@pytest.mark.slow
def test_files_of_a_run_on_this_machine_are_read_where_they_are(
    train_quickly: Train, tracker: MlflowTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = str(train_quickly().run_id)
    names = ("config.yaml", "reference", "scores/validation.parquet")
    with monkeypatch.context() as without:
        without.setattr(tracking, "connect", None)
        model = [tracker.fetch_file(run_id, name) for name in names]
    with monkeypatch.context() as alone:
        alone.setattr(tracking, "find_artifact", lambda *_: None)
        copies = [tracker.fetch_file(run_id, name) for name in names]
    for ours, theirs in zip(model, copies, strict=True):
        assert _read_files(ours) == _read_files(theirs)
        assert ours != theirs
    with pytest.raises(RunNotFoundError, match="the file none.txt of run"):
        tracker.fetch_file(run_id, "none.txt")
    MlflowClient(tracker.uri).delete_run(run_id)
    assert _read_files(tracker.fetch_file(run_id, names[0])) == _read_files(copies[0])


def _read_files(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else sorted(path.iterdir())
    return {file.name: file.read_bytes() for file in files}
