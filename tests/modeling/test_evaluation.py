from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score

from sentiment.commands.compare.resampling import RowSums
from sentiment.modeling.evaluation import (
    METRICS,
    Predictions,
    calibration_table,
    cross_validate,
    expected_calibration_error,
    score,
)
from sentiment.modeling.pipeline import make_pipeline


def make_predictions(classes: int, rows: int, seed: int) -> Predictions:
    rng = np.random.default_rng(seed)
    names = np.array([f"class {k}" for k in range(classes)])
    labels = names[np.concatenate([np.arange(classes), rng.integers(0, classes, rows)])]
    probabilities = rng.dirichlet(np.ones(classes), len(labels))
    return Predictions(labels, probabilities, names)


@pytest.mark.slow
@given(seed=st.integers(0, 10_000), rows=st.integers(5, 80))
@settings(deadline=None, max_examples=50)
def test_two_classes_are_scored_as_scikit_learn_does(seed: int, rows: int) -> None:
    made = make_predictions(2, rows, seed)
    y, p, predicted = made.labels, made.probabilities, made.predicted
    positive = {"pos_label": "class 1", "zero_division": 0}
    assert score(made) == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(y, predicted),
            "precision": metrics.precision_score(y, predicted, **positive),
            "recall": metrics.recall_score(y, predicted, **positive),
            "f1": metrics.f1_score(y, predicted, **positive),
            "roc_auc": metrics.roc_auc_score(y == "class 1", p[:, 1]),
            "log_loss": metrics.log_loss(y, p),
            "brier": metrics.brier_score_loss(y, p[:, 1], pos_label="class 1"),
            "ece": naive_ece(made),
        }
    )


@pytest.mark.slow
@given(seed=st.integers(0, 10_000), classes=st.integers(3, 6))
@settings(deadline=None, max_examples=50)
def test_more_classes_are_scored_as_scikit_learn_does(seed: int, classes: int) -> None:
    made = make_predictions(classes, 60, seed)
    y, p, predicted = made.labels, made.probabilities, made.predicted
    macro = {"average": "macro", "zero_division": 0}
    assert score(made) == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(y, predicted),
            "precision": metrics.precision_score(y, predicted, **macro),
            "recall": metrics.recall_score(y, predicted, **macro),
            "f1": metrics.f1_score(y, predicted, **macro),
            "roc_auc": metrics.roc_auc_score(y, p, multi_class="ovr"),
            "log_loss": metrics.log_loss(y, p),
            "brier": metrics.brier_score_loss(y, p),
            "ece": naive_ece(made),
        }
    )


def naive_ece(made: Predictions, bins: int = 15) -> float:
    """The definition, bin by bin."""
    confidence = made.probabilities.max(axis=1)
    hit = made.classes[made.probabilities.argmax(axis=1)] == made.labels
    total = 0.0
    for b in range(bins):
        inside = (confidence > b / bins) & (confidence <= (b + 1) / bins)
        if inside.any():
            total += inside.mean() * abs(hit[inside].mean() - confidence[inside].mean())
    return total


def test_calibration_of_a_known_case() -> None:
    p = np.array([[0.9, 0.1]] * 8 + [[0.4, 0.6]] * 2)
    made = Predictions(np.array(["a"] * 6 + ["b"] * 4), p, np.array(["a", "b"]))
    table = calibration_table(made)
    assert table["rows"].tolist() == [2, 8]
    assert table["accuracy"].tolist() == [1.0, 0.75]
    assert expected_calibration_error(made) == pytest.approx(0.2 * 0.4 + 0.8 * 0.15)


@pytest.mark.slow
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 6), left=st.integers(1, 5))
@settings(deadline=None, max_examples=50)
def test_metrics_are_means_over_the_classes_in_the_split(
    seed: int, classes: int, left: int
) -> None:
    made = make_predictions(classes, 40, seed)
    names = made.classes[: min(left, classes)]
    kept = np.isin(made.labels, names)
    made = Predictions(made.labels[kept], made.probabilities[kept], made.classes)
    y, predicted, found = made.labels, made.predicted, score(made)
    counted = [name for name in names if classes > 2 or name == "class 1"]
    for name, measure in (
        ("precision", metrics.precision_score),
        ("recall", metrics.recall_score),
        ("f1", metrics.f1_score),
    ):
        expected = np.nan
        if counted:
            expected = measure(y, predicted, labels=counted, average="macro", zero_division=0)
        assert found[name] == pytest.approx(expected, nan_ok=True)
    areas = [
        metrics.roc_auc_score(y == name, made.probabilities[:, k])
        for k, name in enumerate(made.classes)
        if name in counted and len(names) > 1
    ]
    expected = np.mean(areas) if areas else np.nan
    assert found["roc_auc"] == pytest.approx(expected, nan_ok=True)
    assert found["log_loss"] == pytest.approx(
        metrics.log_loss(y, made.probabilities, labels=made.classes)
    )
    resampled = RowSums(made).score(np.ones((1, len(y))))[0]
    assert resampled.tolist() == pytest.approx([found[m] for m in METRICS], nan_ok=True)


@pytest.mark.parametrize("classes", [3, 4])
def test_a_perfect_model_is_perfect_on_a_split_without_a_class(classes: int) -> None:
    names = np.array([f"class {k}" for k in range(classes)])
    labels = np.repeat(names[:2], 5)
    found = score(Predictions(labels, np.repeat(np.eye(classes)[:2], 5, axis=0), names))
    perfect = {name: float(greater) for name, greater in METRICS.items()}
    assert found == pytest.approx(perfect, abs=1e-9)


@pytest.mark.slow
def test_cross_validation_is_scikit_learns(reviews: pd.DataFrame) -> None:
    pipeline = make_pipeline(TfidfVectorizer(max_features=500), LogisticRegression())
    found = cross_validate(pipeline, reviews, 4, seed=3)
    expected = cross_val_score(
        pipeline,
        reviews,
        reviews["label"].to_numpy(str),
        cv=StratifiedKFold(4, shuffle=True, random_state=3),
    )
    assert found["accuracy_mean"] == pytest.approx(expected.mean())
    assert found["accuracy_std"] == pytest.approx(expected.std(ddof=1))
    assert len(found) == 2 * len(METRICS)


@pytest.mark.parametrize("classes", [2, 4])
def test_predictions_are_the_same_in_a_file(classes: int, tmp_path: Path) -> None:
    made = make_predictions(classes, 30, 1)
    made.to_frame().assign(excerpt="a text").to_parquet(tmp_path / "scores.parquet")
    again = Predictions.from_frame(pd.read_parquet(tmp_path / "scores.parquet"))
    np.testing.assert_array_equal(again.labels, made.labels)
    np.testing.assert_array_equal(again.classes, made.classes)
    np.testing.assert_array_equal(again.probabilities, made.probabilities)
