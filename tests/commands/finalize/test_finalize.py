"""A recorded run is fitted on all of its labels, later."""

from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from conftest import write_frame
from omegaconf import OmegaConf
from sklearn.base import clone

from sentiment.commands.finalize.job import finalize
from sentiment.commands.finalize.view import show_final
from sentiment.commands.train.job import TrainingResult
from sentiment.config import compose
from sentiment.config.metrics import list_measured
from sentiment.errors import AlreadyFinalError, ConfigError, DataChangedError, RunNotFoundError
from sentiment.modeling.evaluation import score
from sentiment.modeling.model_files import load_model
from sentiment.modeling.pipeline import fit, predict_probabilities
from sentiment.modeling.predictions import Predictions
from sentiment.tracking import Tracker, recording

Train = Callable[..., TrainingResult]


@pytest.fixture
def data(reviews: pd.DataFrame, tmp_path: Path) -> Path:
    return write_frame(reviews.iloc[100:300], tmp_path / "data.csv")


@pytest.fixture
def where(store: Path, tmp_path: Path) -> list[str]:
    return [f"outputs={store}", f"tracking.experiment={tmp_path.name}"]


def use_file(data: Path, *words: str) -> list[str]:
    return ["data=csv", f"data.path={data}", "data.label_column=label", "data.limit=null", *words]


@pytest.mark.slow
def test_the_final_model_has_learned_from_all_and_keeps_the_scores_of_the_run(
    train_quickly: Train, data: Path, where: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run = train_quickly(*use_file(data, "seed=3", "model=naive_bayes"))
    result = finalize(compose("finalize", [f"run={run.run_id}", *where]))
    saved = load_model(result.folder / "model.skops")
    rows = pd.concat([run.data.train, run.data.validation, run.data.test], ignore_index=True)
    wanted = predict_probabilities(fit(clone(run.pipeline), rows), rows)
    np.testing.assert_allclose(predict_probabilities(saved, rows), wanted, rtol=1e-9)
    assert not np.allclose(predict_probabilities(run.pipeline, rows), wanted, atol=1e-3)
    recorded = mlflow.get_run(result.run_id)
    scores = {f"{split}/{name}" for split in ("validation", "test") for name in list_measured()}
    assert {k: recorded.data.metrics[k] for k in scores} == {k: run.metrics[k] for k in scores}
    assert recorded.data.metrics["rows/fitted"] == len(rows) == result.rows
    tags, params = recorded.data.tags, recorded.data.params
    assert tags["evaluated.run"] == run.run_id
    assert (tags["fitted_on"], tags["kind"], params["refit"]) == ("all", "training", "auto")
    assert tags["data.fingerprint"] == run.data.fingerprint
    assert params["seed"] == "3"
    assert params["model._target_"].endswith("ComplementNB")
    # Its command trains the same model by itself.
    assert tags["command"].endswith("seed=3 model=naive_bayes refit=auto")
    # Thresholds and comparisons read the scores of rows; monitoring reads the reference.
    path = mlflow.artifacts.download_artifacts(
        run_id=result.run_id, artifact_path="scores/test.parquet"
    )
    kept = score(Predictions.from_frame(pd.read_parquet(path)))
    assert kept == {name: run.metrics[f"test/{name}"] for name in list_measured()}
    card = (result.folder / "card.md").read_text(encoding="utf-8")
    assert f"{len(rows)} of {len(rows)}: all labelled rows, after it was scored" in card
    # What it says of new rows is compared with what a model of all other rows says of validation.
    others = pd.concat([run.data.train, run.data.test], ignore_index=True)
    probabilities = predict_probabilities(fit(clone(run.pipeline), others), run.data.validation)
    reference = pd.read_parquet(result.folder / "reference/rows.parquet")
    np.testing.assert_allclose(reference["probability"], probabilities.max(axis=1), rtol=1e-6)
    for name in ("figures/test_roc.png", "quality.json", "terms.csv"):
        assert (result.folder / name).read_bytes() == (run.folder / name).read_bytes()
    # What it is of the same scores makes it the best, since it is newer.
    tracker: Tracker = recording.make(compose("predict", ["input=-", *where]), "tracking")
    chosen = tracker.find_model("best", "accuracy")
    assert chosen.run_id == result.run_id
    assert chosen.uri == result.model
    show_final(result)
    printed = capsys.readouterr().out
    assert f"learned  from {len(rows)} of {len(rows)} labelled rows; the scores are" in printed
    # It has learned from all that there is.
    with pytest.raises(AlreadyFinalError, match=f"{result.run_id} has learned from {len(rows)} "):
        finalize(compose("finalize", where))


@pytest.mark.slow
def test_data_that_have_changed_are_refused_and_nothing_is_left(
    train_quickly: Train, data: Path, reviews: pd.DataFrame, store: Path, where: list[str]
) -> None:
    run = train_quickly(*use_file(data))
    before = sorted(store.rglob("finalize/**/*"))
    write_frame(reviews.iloc[100:299], data)
    with pytest.raises(
        DataChangedError, match=r"and what is read now is .* \(198 rows\)"
    ) as caught:
        finalize(compose("finalize", [f"run={run.run_id}", *where]))
    assert f"data.path={data}" in str(caught.value)
    assert "refit=auto" in str(caught.value)
    # Nor is anything left without the scores of the run.
    scores = Path(
        str(mlflow.get_run(run.run_id).info.artifact_uri).removeprefix("file://"), "scores"
    )
    copy = scores.rename(scores.with_name("aside"))
    with pytest.raises(RunNotFoundError, match="the file scores/validation.parquet of run"):
        finalize(compose("finalize", [f"run={run.run_id}", *where]))
    copy.rename(scores)
    # The same rows at another place are the same data.
    moved = write_frame(reviews.iloc[100:300], data.with_name("moved.csv"))
    data.unlink()
    assert sorted(store.rglob("finalize/**/*")) == before
    words = [f"run={run.run_id}", f"path={moved}", "refit=train+validation", *where]
    result = finalize(compose("finalize", words))
    assert result.metrics["rows/fitted"] == len(run.data.train) + len(run.data.validation)
    # A model that has learned from a part learns from the rest; the evaluated run stays the same.
    final = finalize(compose("finalize", [f"run={result.run_id}", *where]))
    assert final.metrics["rows/fitted"] == final.rows
    assert mlflow.get_run(final.run_id).data.tags["evaluated.run"] == run.run_id
    # So does its name, to which each run adds its number.
    names = [mlflow.get_run(one.run_id).info.run_name for one in (run, result, final)]
    assert names[1:] == [
        f"{names[0]}, refit=train+validation (2)",
        f"{names[0]}, refit=all (3)",
    ]


def test_a_password_that_no_run_keeps_is_asked_for(
    train_quickly: Train, data: Path, where: list[str]
) -> None:
    run = train_quickly(*use_file(data))
    recorded = Path(mlflow.get_run(run.run_id).info.artifact_uri.removeprefix("file://"))
    config = recorded / "config.yaml"
    written, masked = config.read_text(), "postgresql://ann:***@db/reviews"
    for setting, found in {"path": str(data), "test_path": "null"}.items():
        config.write_text(written.replace(f"\n  {setting}: {found}", f"\n  {setting}: {masked}"))
        why = rf"{masked.replace('*', '[*]')}', whose password .*; give the address: {setting}="
        with pytest.raises(ConfigError, match=why):
            finalize(compose("finalize", [f"run={run.run_id}", *where]))


def test_a_config_from_elsewhere_constructs_only_what_may_be_in_a_config(
    train_quickly: Train, data: Path, where: list[str]
) -> None:
    run = train_quickly(*use_file(data))
    recorded = Path(mlflow.get_run(run.run_id).info.artifact_uri.removeprefix("file://"))
    config = recorded / "config.yaml"
    written = OmegaConf.load(config)
    written.model._target_ = "os.system"
    OmegaConf.save(written, config)
    with pytest.raises(ConfigError, match=r"os\.system"):
        finalize(compose("finalize", [f"run={run.run_id}", *where]))


def test_without_a_run_there_is_nothing_to_finalize(tmp_path: Path) -> None:
    with pytest.raises(RunNotFoundError, match="run 'best' was not found"):
        finalize(compose("finalize", [f"outputs={tmp_path}"]))
