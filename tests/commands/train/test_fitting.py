"""Trainings and trials of a sweep take one path, and find the same."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sentiment.commands.search import trial
from sentiment.commands.train.job import TrainingResult
from sentiment.config import Job, compose
from sentiment.config.metrics import list_measured
from sentiment.data.preparation import PreparedData

Train = Callable[..., TrainingResult]
SETTINGS = ["features=tfidf_unigram", "features.max_features=500", "data.limit=300", "cv=2"]


@pytest.mark.slow
def test_a_trial_finds_what_a_training_finds_and_leaves_test_rows_alone(
    train_quickly: Train, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trained = train_quickly("cv=2", f"memory={tmp_path / 'counts'}", "tracking=off")
    # With labels that no model knows, a metric of the test rows would be wrong.
    unknown = trained.data.test.assign(label="unknown")
    data: PreparedData = replace(trained.data, test=unknown)
    monkeypatch.setattr(trial, "read_data", lambda cfg: data)
    cfg = compose("train", [*SETTINGS, f"memory={tmp_path / 'counts'}"])
    cfg.search.objectives = ["accuracy", "size_mb"]
    found = trial.run_trial(cfg, Job(tmp_path / "4", sweep=tmp_path, number=4))
    assert found.error == ""
    steps = ("prepare_data", "count_texts", "cross-validate", "fit")
    validation = {f"validation/{name}" for name in list_measured()}
    cv = {f"cv/{name}{part}" for name in list_measured() for part in ("", "_mean", "_std")}
    shared = validation | cv | {"rows/cv", "rows/train", "rows/validation", "data/classes"}
    assert set(found.metrics) == (
        shared
        | {f"stage/{step}_seconds" for step in steps}
        | {"validation/predict_seconds", "model/size_mb"}
    )
    assert {k: found.metrics[k] for k in shared} == {k: trained.metrics[k] for k in shared}
    assert found.tags["data.fingerprint"] == trained.data.fingerprint
    assert "validation/predict_seconds" not in trained.metrics
