from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict, cross_val_score

from sentiment.config.metrics import BUILT_IN, METRICS, list_measured
from sentiment.modeling.evaluation import (
    calibration_table,
    cross_validate,
    expected_calibration_error,
    list_confusions,
    measure_each_class,
    score,
)
from sentiment.modeling.metrics import measure_areas
from sentiment.modeling.pipeline import make_pipeline
from sentiment.modeling.predictions import Predictions
from sentiment.modeling.resampling import RowSums


def make_predictions(classes: int, rows: int, seed: int) -> Predictions:
    rng = np.random.default_rng(seed)
    names = np.array([f"class {k}" for k in range(classes)])
    labels = names[np.concatenate([np.arange(classes), rng.integers(0, classes, rows)])]
    probabilities = rng.dirichlet(np.ones(classes), len(labels))
    return Predictions(labels, probabilities, names)


def score_as_scikit_learn(predictions: Predictions) -> dict[str, float]:
    """Return every metric by scikit-learn, of a split with rows of every class."""
    y, p, predicted, classes = (
        predictions.labels,
        predictions.probabilities,
        predictions.predicted,
        predictions.classes,
    )
    binary = len(classes) == 2
    measures = {
        "precision": metrics.precision_score,
        "recall": metrics.recall_score,
        "f1": metrics.f1_score,
    }
    plain = {"pos_label": classes[1]} if binary else {"average": "macro"}
    area = metrics.roc_auc_score(y, p[:, 1] if binary else p, multi_class="ovr")
    return {
        "accuracy": metrics.accuracy_score(y, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, predicted),
        **{
            name: measure(y, predicted, zero_division=0, **plain)
            for name, measure in measures.items()
        },
        **{
            f"{name}_{average}": measure(y, predicted, average=average, zero_division=0)
            for name, measure in measures.items()
            for average in ("macro", "micro", "weighted")
        },
        "matthews_corrcoef": metrics.matthews_corrcoef(y, predicted),
        "top_3_accuracy": (
            metrics.top_k_accuracy_score(y, p, k=3, labels=classes) if len(classes) > 3 else 1.0
        ),
        "roc_auc": area,
        "roc_auc_ovr": area,
        "log_loss": metrics.log_loss(y, p),
        "brier": metrics.brier_score_loss(
            y, p[:, 1] if binary else p, pos_label=classes[1] if binary else None
        ),
        "ece": naive_ece(predictions),
    }


@pytest.mark.slow
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 6), rows=st.integers(5, 80))
@settings(deadline=None, max_examples=25)
def test_scores_are_those_of_scikit_learn(seed: int, classes: int, rows: int) -> None:
    predictions = make_predictions(classes, rows, seed)
    expected = score_as_scikit_learn(predictions)
    assert score(predictions) == pytest.approx(expected)
    assert set(expected) == set(BUILT_IN)


@given(seed=st.integers(0, 10_000), classes=st.integers(2, 5), digits=st.integers(1, 3))
@settings(deadline=None, max_examples=25)
def test_areas_count_ties_half(seed: int, classes: int, digits: int) -> None:
    predictions = make_predictions(classes, 40, seed)
    rounded = np.round(predictions.probabilities, digits)
    areas = measure_areas(Predictions(predictions.labels, rounded, predictions.classes))
    expected = [
        metrics.roc_auc_score(predictions.labels == label, rounded[:, k])
        for k, label in enumerate(predictions.classes)
    ]
    np.testing.assert_allclose(areas, expected)


def test_of_equally_probable_classes_the_first_come_first() -> None:
    names = np.array(list("abcde"))
    predictions = Predictions(names, np.full((5, 5), 0.2), names)
    assert score(predictions)["top_3_accuracy"] == pytest.approx(3 / 5)


@given(seed=st.integers(0, 10_000), classes=st.integers(2, 6))
@settings(deadline=None, max_examples=20)
def test_each_class_is_scored_as_scikit_learn_does(seed: int, classes: int) -> None:
    predictions = make_predictions(classes, 30, seed)
    table = measure_each_class(predictions).set_index("label")
    report = metrics.classification_report(
        predictions.labels, predictions.predicted, output_dict=True, zero_division=np.nan
    )
    for label in predictions.classes:
        row, expected = table.loc[label], report[label]
        for name, theirs in (("precision", "precision"), ("recall", "recall"), ("rows", "support")):
            assert row[name] == pytest.approx(expected[theirs], nan_ok=True)
        if not np.isnan(expected["precision"]):
            assert row["f1"] == pytest.approx(expected["f1-score"])
    assert table["predicted"].sum() == table["rows"].sum() == len(predictions.labels)


def test_correlations_of_many_rows_do_not_overflow() -> None:
    names = np.array(["a", "b"])
    codes = np.arange(400_000) % 2
    predictions = Predictions(names[codes], np.eye(2)[codes], names)
    assert score(predictions)["matthews_corrcoef"] == pytest.approx(1)


def test_confusions_are_counted() -> None:
    names = np.array(["a", "b", "c"])
    true, predicted = [0, 0, 0, 1, 2, 2, 2], [1, 1, 0, 1, 0, 0, 0]
    predictions = Predictions(names[true], np.eye(3)[predicted], names)
    assert list_confusions(predictions, 5) == [("c", "a", 3), ("a", "b", 2)]
    assert list_confusions(predictions, 1) == [("c", "a", 3)]
    right = Predictions(names, np.eye(3), names)
    assert list_confusions(right, 3) == []


def naive_ece(predictions: Predictions, bins: int = 15) -> float:
    """The definition, bin by bin."""
    confidence = predictions.probabilities.max(axis=1)
    hit = predictions.classes[predictions.probabilities.argmax(axis=1)] == predictions.labels
    total = 0.0
    for b in range(bins):
        inside = (confidence > b / bins) & (confidence <= (b + 1) / bins)
        if inside.any():
            total += inside.mean() * abs(hit[inside].mean() - confidence[inside].mean())
    return total


def test_calibration_of_a_known_case() -> None:
    p = np.array([[0.9, 0.1]] * 8 + [[0.4, 0.6]] * 2)
    predictions = Predictions(np.array(["a"] * 6 + ["b"] * 4), p, np.array(["a", "b"]))
    table = calibration_table(predictions)
    assert table["rows"].tolist() == [2, 8]
    assert table["accuracy"].tolist() == [1.0, 0.75]
    assert expected_calibration_error(predictions) == pytest.approx(0.2 * 0.4 + 0.8 * 0.15)


@pytest.mark.slow
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 6), left=st.integers(1, 5))
@settings(deadline=None, max_examples=50)
def test_metrics_are_means_over_the_classes_in_the_split(
    seed: int, classes: int, left: int
) -> None:
    predictions = make_predictions(classes, 40, seed)
    names = predictions.classes[: min(left, classes)]
    is_kept = np.isin(predictions.labels, names)
    predictions = Predictions(
        predictions.labels[is_kept], predictions.probabilities[is_kept], predictions.classes
    )
    y, predicted, scores = predictions.labels, predictions.predicted, score(predictions)
    counted = [name for name in names if classes > 2 or name == "class 1"]
    for name, measure in (
        ("precision", metrics.precision_score),
        ("recall", metrics.recall_score),
        ("f1", metrics.f1_score),
    ):
        expected = np.nan
        if counted:
            expected = measure(y, predicted, labels=counted, average="macro", zero_division=0)
        assert scores[name] == pytest.approx(expected, nan_ok=True)
    areas = [
        metrics.roc_auc_score(y == name, predictions.probabilities[:, k])
        for k, name in enumerate(predictions.classes)
        if name in counted and len(names) > 1
    ]
    expected = np.mean(areas) if areas else np.nan
    assert scores["roc_auc"] == pytest.approx(expected, nan_ok=True)
    assert scores["log_loss"] == pytest.approx(
        metrics.log_loss(y, predictions.probabilities, labels=predictions.classes)
    )
    resampled = RowSums(predictions).score(np.ones((1, len(y))))[0]
    assert resampled.tolist() == pytest.approx([scores[m] for m in list_measured()], nan_ok=True)


@pytest.mark.parametrize("classes", [3, 4])
def test_a_perfect_model_is_perfect_on_a_split_without_a_class(classes: int) -> None:
    names = np.array([f"class {k}" for k in range(classes)])
    labels = np.repeat(names[:2], 5)
    scores = score(Predictions(labels, np.repeat(np.eye(classes)[:2], 5, axis=0), names))
    perfect = {name: float(METRICS[name]) for name in list_measured()}
    assert scores == pytest.approx(perfect, abs=1e-9)


@pytest.mark.slow
def test_cross_validation_is_scikit_learns(reviews: pd.DataFrame) -> None:
    pipeline = make_pipeline(TfidfVectorizer(max_features=500), LogisticRegression())
    summary, predictions = cross_validate(pipeline, reviews, 4, seed=3)
    expected = cross_val_score(
        pipeline,
        reviews,
        reviews["label"].to_numpy(str),
        cv=StratifiedKFold(4, shuffle=True, random_state=3),
    )
    expected_probabilities = cross_val_predict(
        pipeline,
        reviews,
        reviews["label"].to_numpy(str),
        cv=StratifiedKFold(4, shuffle=True, random_state=3),
        method="predict_proba",
    )
    assert predictions.probabilities == pytest.approx(expected_probabilities)
    assert predictions.labels.tolist() == reviews["label"].tolist()
    assert summary["accuracy_mean"] == pytest.approx(expected.mean())
    assert summary["accuracy_std"] == pytest.approx(expected.std(ddof=1))
    assert len(summary) == 2 * len(list_measured())


def test_a_fold_without_a_label_gives_it_no_probability() -> None:
    texts = [f"word{k % 3} text" for k in range(12)]
    labels = ["a", "b", "a;b"] * 4
    labels[5] = "a;b;rare"
    frame = pd.DataFrame({"text": texts, "label": labels})
    pipeline = make_pipeline(TfidfVectorizer(min_df=1), LogisticRegression(), ";")
    _, predictions = cross_validate(pipeline, frame, 2, seed=0)
    assert predictions.classes.tolist() == ["a", "b", "rare"]
    assert predictions.labels.tolist() == labels
    (rare,) = np.flatnonzero(["rare" in label for label in labels])
    assert predictions.probabilities[rare, 2] == 0


def test_predictions_of_ordered_labels_are_joined_on_their_scale() -> None:
    frame = pd.DataFrame(
        {"text": [f"w{k % 3} text" for k in range(18)], "label": ["10", "9", "2"] * 6}
    )
    pipeline = make_pipeline(TfidfVectorizer(min_df=1), LogisticRegression())
    _, predictions = cross_validate(pipeline, frame, 3, 0, {"2": 2.0, "9": 9.0, "10": 10.0})
    assert predictions.classes.tolist() == ["2", "9", "10"]
    assert predictions.scale is not None
    assert predictions.scale.tolist() == [2, 9, 10]
    assert predictions.predicted.tolist() == frame["label"].tolist()


@pytest.mark.parametrize("classes", [2, 4])
def test_predictions_are_the_same_in_a_file(classes: int, tmp_path: Path) -> None:
    predictions = make_predictions(classes, 30, 1)
    predictions.to_frame().assign(excerpt="a text").to_parquet(tmp_path / "scores.parquet")
    read = Predictions.from_frame(pd.read_parquet(tmp_path / "scores.parquet"))
    np.testing.assert_array_equal(read.labels, predictions.labels)
    np.testing.assert_array_equal(read.classes, predictions.classes)
    np.testing.assert_array_equal(read.probabilities, predictions.probabilities)
