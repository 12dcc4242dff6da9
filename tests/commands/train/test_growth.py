"""Gains from new labels, as training shows them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sentiment.commands.train.growth import Growth, find_growth
from sentiment.errors import RunNotFoundError
from sentiment.tracking import NoTracker, StoredRun


def make_tracker(*runs: StoredRun) -> Any:
    return SimpleNamespace(list_runs=lambda: [*runs])


def make_run(name: str, path: Path, rows: int, **metrics: float) -> StoredRun:
    scores = {key.replace("_", "/", 1): value for key, value in metrics.items()}
    scores = {"rows/train": rows - scores.get("rows/test", 0)} | scores
    return StoredRun(name, name, {}, {"data.path": str(path)}, scores)


def find(
    tracker: Any, path: Path, rows: int, metric: str = "accuracy", fitted: int = 0, **more: str
) -> Any:
    metrics = {"cv/accuracy": 0.8, "test/accuracy": 0.7, "test/log_loss": 0.3}
    metrics |= {"rows/train": rows - 20, "rows/cv": 80, "rows/test": 20, "rows/fitted": fitted}
    result: Any = SimpleNamespace(run_id="now", metrics=metrics, optimize=metric)
    return find_growth(tracker, {"path": str(path)} | more, result)


def test_growth_is_since_the_latest_run_with_fewer_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "other").mkdir()
    tracker = make_tracker(
        make_run("now", tmp_path / "labels", 100, cv_accuracy=0.8),
        make_run("again", tmp_path / "labels", 100, cv_accuracy=0.79),
        make_run("elsewhere", tmp_path / "other", 60, cv_accuracy=0.2),
        make_run(
            "before", tmp_path / "labels", 60, cv_accuracy=0.75, test_accuracy=0.9, rows_cv=48
        ),
        make_run("long ago", tmp_path / "labels", 40, cv_accuracy=0.5),
    )
    found = find(tracker, tmp_path / "labels", 100)
    assert found == Growth(
        "before", 100, 40, "accuracy", "cross-validated rows", (0.75, 0.8), (48, 80)
    )
    monkeypatch.chdir(tmp_path)
    assert find(tracker, Path("labels"), 100) == found
    assert find(tracker, Path("labels"), 40) is None
    assert find(tracker, Path("nowhere"), 100) is None
    (tmp_path / "file.csv").touch()
    assert find(make_tracker(make_run("x", tmp_path / "file.csv", 9)), Path("file.csv"), 99) is None


def test_a_final_model_and_a_sample_are_no_growth(tmp_path: Path) -> None:
    evaluated = make_run("before", tmp_path, 80, test_accuracy=0.9, rows_test=20, rows_fitted=60)
    assert find(make_tracker(evaluated), tmp_path, 80, fitted=80) is None
    sample = make_run("sample", tmp_path, 30, test_accuracy=0.9, rows_test=20)
    sample.tags["sample"] = "true"
    assert find(make_tracker(sample), tmp_path, 80) is None


def test_scores_of_the_same_kind_are_compared(tmp_path: Path) -> None:
    run = make_run("before", tmp_path, 50, test_accuracy=0.9, test_log_loss=0.4, rows_test=10)
    found = find(make_tracker(run), tmp_path, 80)
    assert (found.split, found.values) == ("test rows", (0.9, 0.7))
    assert found.describe().endswith("accuracy 0.9000 on 10 test rows -> 0.7000 on 20")
    found = find(make_tracker(run), tmp_path, 80, "log_loss")
    assert found.describe().endswith("log_loss 0.4000 on 10 test rows -> 0.3000 on 20")
    assert find(make_tracker(make_run("before", tmp_path, 50)), tmp_path, 80) is None


def test_runs_with_one_test_file_can_be_compared(tmp_path: Path) -> None:
    run = make_run("before", tmp_path, 50, test_accuracy=0.7)
    run.params["data.test_path"] = "test.csv"
    found = find(make_tracker(run), tmp_path, 80, test_path="test.csv")
    assert found.command == "python scripts/compare.py a=before b=now"
    assert find(make_tracker(run), tmp_path, 80, test_path="new.csv").command == ""


def test_without_earlier_runs_there_is_no_growth(tmp_path: Path) -> None:
    with pytest.raises(RunNotFoundError):
        NoTracker().list_runs()
    assert find(NoTracker(), tmp_path, 80) is None
