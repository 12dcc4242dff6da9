"""The model that is saved has learned from more rows than the one that was evaluated."""

from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from predicting import predict
from sklearn.base import clone

from sentiment.commands.compare.job import compare
from sentiment.commands.promote.job import promote
from sentiment.commands.train.job import TrainingResult
from sentiment.commands.train.view import show_training
from sentiment.config import compose
from sentiment.data.preparation import PreparedData
from sentiment.modeling.evaluation import score, scores_file
from sentiment.modeling.model_files import load_model
from sentiment.modeling.pipeline import fit
from sentiment.modeling.predictions import Predictions
from sentiment.modeling.reference import load_reference

Train = Callable[..., TrainingResult]
SPLITS = {
    "train": ["train"],
    "train+validation": ["train", "validation"],
    "all": ["train", "validation", "test"],
}


def fit_on(result: TrainingResult, splits: list[str]) -> np.ndarray:
    """Return the probabilities of test rows by the same settings, fitted by hand on `splits`."""
    data = result.data
    rows = pd.concat([getattr(data, split) for split in splits], ignore_index=True)
    return predict(fit(clone(result.pipeline), rows), data.test)[1]


def write_halves(folder: Path, reviews: pd.DataFrame) -> Path:
    """Write reviews as the tree of the Large Movie Review Dataset, with a test half."""
    for number, (text, label) in enumerate(zip(reviews["text"], reviews["label"], strict=True)):
        half = "test" if number % 3 == 0 else "train"
        home = folder / half / label[:3]
        home.mkdir(parents=True, exist_ok=True)
        (home / f"{number}_9.txt").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("refit", ["train+validation", "all"])
def test_refit_changes_the_saved_model_and_nothing_else(train_quickly: Train, refit: str) -> None:
    twin = train_quickly("tracking=off")
    result = train_quickly(f"refit={refit}")
    saved = load_model(result.folder / "model.skops")
    learned = predict(saved, result.data.test)[1]
    np.testing.assert_allclose(learned, fit_on(result, SPLITS[refit]), rtol=1e-9)
    assert not np.allclose(learned, fit_on(result, SPLITS["train"]), atol=1e-3)
    scored = ("validation/", "test/", "rows/")
    same = {k: v for k, v in twin.metrics.items() if k.startswith(scored) and k != "rows/fitted"}
    assert {k: result.metrics[k] for k in same} == same
    assert result.metrics["rows/fitted"] == {"all": 300, "train+validation": 240}[refit]
    known = {"all": "rows of these data", "train+validation": "training or validation rows"}[refit]
    card = (result.folder / "card.md").read_text(encoding="utf-8")
    assert f"A score on {known} would be too good, since it has learned from them" in card
    for split in ("validation", "test"):
        kept, wanted = (pd.read_parquet(r.folder / scores_file(split)) for r in (result, twin))
        pd.testing.assert_frame_equal(kept, wanted)
    # New rows are compared with rows that a model of as many others has predicted.
    others = [name for name in SPLITS[refit] if name != "validation"]
    like = fit(clone(twin.pipeline), pd.concat([getattr(result.data, name) for name in others]))
    expected = predict(like, result.data.validation)[1].max(axis=1)
    kept = load_reference(result.folder / "reference", "it").rows
    np.testing.assert_allclose(kept["probability"], expected, rtol=1e-6)
    assert kept["label"].tolist() == result.data.validation["label"].tolist()
    assert (result.folder / "terms.csv").read_text() == (twin.folder / "terms.csv").read_text()
    own = {k: v for k, v in result.metrics.items() if k.startswith("final/")}
    if refit == "all":  # it has learned from the test rows
        assert own == {}
    else:
        made = Predictions(result.data.test["label"].to_numpy(dtype=str), learned, saved.classes_)
        assert own == pytest.approx({f"final/{k}": v for k, v in score(made).items()})
    run = mlflow.get_run(result.run_id)
    assert (run.data.params["refit"], run.data.tags["fitted_on"]) == (refit, refit)
    assert run.data.metrics["rows/fitted"] == result.metrics["rows/fitted"]


@pytest.mark.slow
def test_without_refit_the_saved_model_is_the_evaluated_one(
    train_quickly: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    result = train_quickly()
    assert (result.fitted_on, result.metrics["rows/fitted"]) == ("train", 210)
    assert "stage/refit_seconds" not in result.metrics
    kept = pd.read_parquet(result.folder / scores_file("test"))["p:positive"]
    saved = load_model(result.folder / "model.skops")
    np.testing.assert_allclose(predict(saved, result.data.test)[1][:, 1], kept, rtol=1e-9)
    show_training(result)
    printed = capsys.readouterr().out
    assert "learned  from 210 of 300 labelled rows; to learn from more: " in printed
    assert f"finalize.py run={result.run_id}" in printed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("refit", "splits", "rows"), [("auto", "train+validation", 80), ("all", "all", 120)]
)
def test_refit_leaves_an_official_test_split_alone_unless_asked(
    train_quickly: Train, reviews: pd.DataFrame, tmp_path: Path, refit: str, splits: str, rows: int,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = write_halves(
        tmp_path / "aclImdb", reviews.drop_duplicates("text").groupby("label").head(60)
    )
    result = train_quickly(
        "data=aclimdb", f"data.path={path}", "data.limit=null", f"refit={refit}", "tracking=off"
    )
    assert (result.fitted_on, result.metrics["rows/fitted"]) == (splits, rows)
    learned = predict(result.pipeline, result.data.test)[1]
    np.testing.assert_allclose(learned, fit_on(result, SPLITS[splits]), rtol=1e-9)
    show_training(result)
    assert f"learned  from {rows} of 120 labelled rows; the scores" in capsys.readouterr().out


def test_refit_auto_depends_on_an_official_test_split() -> None:
    frame = pd.DataFrame({"text": ["a"], "label": ["b"]})
    report, own = None, "all"
    for official, auto in ((False, own), (True, "train+validation")):
        data = PreparedData("x", frame, frame, frame, report, "", official_test=official)  # type: ignore[arg-type]
        found = [data.choose_fitted(one) for one in (None, "auto", "all", "train+validation")]
        assert found == ["train", auto, "all", "train+validation"]
    assert len(data.gather(SPLITS["all"])) == data.rows == 3


@pytest.mark.slow
def test_comparisons_and_promotions_use_the_scores_of_the_evaluated_model(
    train_quickly: Train, store: Path, tmp_path: Path
) -> None:
    """A model that has learned the test rows by heart would win against any other."""
    words = ["model=random_forest", "model.n_estimators=10", "data.limit=200"]
    twin, refitted = train_quickly(*words), train_quickly(*words, "refit=all")
    assert np.mean(
        predict(refitted.pipeline, refitted.data.test)[0] == refitted.data.test["label"]
    ) > (refitted.metrics["test/accuracy"] + 0.1)
    where = [f"outputs={store}", f"tracking.experiment={tmp_path.name}", "resamples=200"]
    found = compare(compose("compare", [f"a={twin.run_id}", f"b={refitted.run_id}", *where]))
    [pair] = found.comparison.pairs
    assert [one.value for one in pair.differences.values()] == pytest.approx(
        [0.0] * len(pair.differences), abs=1e-12
    )
    assert [one.training_note for one in found.comparison.contenders] == [
        "on a sample",
        "on a sample, refitted on all labelled rows",
    ]
    assert "refitted on all labelled rows" in found.page.read_text(encoding="utf-8")
    name = f"name={tmp_path.name}"
    first = promote(compose("promote", [f"run={twin.run_id}", name, "force=a sample", *where]))
    second = promote(compose("promote", [f"run={refitted.run_id}", name, "force=more", *where]))
    assert (first.outcome, second.outcome) == ("promoted", "promoted")
    assert "; its model was refitted on all labelled rows after that" in second.sentence
    assert "refitted" not in first.sentence
