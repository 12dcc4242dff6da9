"""Order of labels, in data, scores and predictions."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.linear_model import LogisticRegression

from sentiment.commands.train.job import TrainingResult
from sentiment.config.metrics import list_measured
from sentiment.data.labels import find_order, make_scale, read_number, sort_labels
from sentiment.data.quality import count_labels
from sentiment.errors import ConfigError
from sentiment.modeling.evaluation import evaluate, score
from sentiment.modeling.explanation import top_terms
from sentiment.modeling.intervals import measure_intervals
from sentiment.modeling.pipeline import fit, make_pipeline
from sentiment.modeling.prediction_columns import PredictionColumns
from sentiment.modeling.predictions import Predictions
from sentiment.modeling.resampling import RowSums
from sentiment.modeling.scoring import Predictor
from sentiment.ngrams.vectorizers import TfidfVectorizer

STARS = [str(star) for star in range(1, 11)]


@given(st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=3, unique=True))
def test_numbers_are_in_the_order_of_their_values(numbers: list[float]) -> None:
    ordered = sort_labels(map(repr, numbers))
    assert [float(label) for label in ordered] == sorted(numbers)


@given(st.lists(st.text(max_size=4), min_size=3, unique=True))
def test_labels_are_kept_and_texts_are_in_the_order_of_their_letters(labels: list[str]) -> None:
    ordered = sort_labels(labels)
    assert sorted(ordered) == sorted(labels)
    texts = [label for label in ordered if read_number(label) is None]
    assert texts == sorted(texts)


@pytest.mark.parametrize("text", ["nan", "inf", "1_000", " 1", "0x1", "", "1,5", "-", "."])
def test_what_is_no_plain_number_is_a_text(text: str) -> None:
    assert read_number(text) is None


def test_two_labels_keep_the_positive_class_of_scikit_learn() -> None:
    assert sort_labels(["9", "10"]) == ["10", "9"]
    assert find_order(np.array(["10", "9"])).tolist() == [0, 1]


def test_ten_stars_are_in_order_from_the_data_to_the_predictions(tmp_path: Path) -> None:
    labels = STARS * 6
    texts = [f"star{label} word{n % 7}" for n, label in enumerate(labels)]
    frame = pd.DataFrame({"text": texts, "label": labels})
    assert list(count_labels(frame["label"])) == STARS
    vectorizer = TfidfVectorizer(min_df=1)
    pipeline = fit(make_pipeline(vectorizer, LogisticRegression(C=100)), frame)
    assert list(pipeline.classes_) == sorted(STARS)  # 1, 10, 2
    predictions = evaluate(pipeline, frame)
    assert predictions.classes.tolist() == STARS
    assert predictions.predicted.tolist() == labels
    earlier = predictions.to_frame()[["label", *(f"p:{star}" for star in sorted(STARS))]]
    read = Predictions.from_frame(earlier)
    assert read.classes.tolist() == STARS
    np.testing.assert_array_equal(read.probabilities, predictions.probabilities)
    terms = top_terms(pipeline, 1)
    assert terms is not None
    assert terms["term"].tolist() == [f"star{star}" for star in STARS]
    columns = PredictionColumns(explain=True, top_k=2, probabilities="all")
    rows = Predictor(pipeline, columns=columns).predict(pa.array(texts))
    assert rows["prediction"].to_pylist() == labels
    assert [name for name in rows.schema.names if name.startswith("p:")] == [
        f"p:{star}" for star in STARS
    ]
    for k, star in enumerate(STARS):
        np.testing.assert_allclose(rows[f"p:{star}"], predictions.probabilities[:, k], rtol=1e-9)
    reasons = rows["speaks_for"].to_pylist()
    assert all(f"star{label}" in reason for label, reason in zip(labels, reasons, strict=True))


def predict_stars(seed: int, scale: list[float], rows: int = 60) -> Predictions:
    rng = np.random.default_rng(seed)
    names = np.array([f"{value:g}" for value in scale])
    codes = np.concatenate([np.arange(len(scale)), rng.integers(0, len(scale), rows)])
    probabilities = rng.dirichlet(np.ones(len(scale)), len(codes))
    probabilities[np.arange(len(codes)), codes] += 0.3
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return Predictions(names[codes], probabilities, names, np.array(scale))


@pytest.mark.slow
@given(st.integers(0, 10_000), st.sampled_from([[1, 2, 3], [-1, 0, 0.5, 3], list(range(1, 11))]))
@settings(deadline=None, max_examples=30)
def test_ordered_labels_are_scored_as_scikit_learn_does(seed: int, scale: list[float]) -> None:
    predictions = predict_stars(seed, scale)
    scores = score(predictions)
    values = [labels.astype(float) for labels in (predictions.labels, predictions.predicted)]
    ranks = [np.searchsorted(scale, row_labels) for row_labels in values]
    assert scores["mean_absolute_error"] == pytest.approx(metrics.mean_absolute_error(*values))
    assert scores["quadratic_kappa"] == pytest.approx(
        metrics.cohen_kappa_score(*ranks, weights="quadratic")
    )
    assert scores["accuracy_within_one"] == np.mean(np.abs(ranks[0] - ranks[1]) <= 1)
    assert set(scores) == set(list_measured(ordered=True))
    sums = RowSums(predictions)
    weights = np.ones((1, len(predictions.labels)))
    assert sums.score(weights)[0].tolist() == pytest.approx([scores[name] for name in sums.names])
    left_out = sums.score_row_changes(-1)
    for row in (0, 3):
        without = score(predictions.take(np.delete(np.arange(len(predictions.labels)), row)))
        expected = [without[name] for name in sums.names]
        assert left_out[row].tolist() == pytest.approx(expected, nan_ok=True)


def test_a_scale_is_kept_in_the_table_of_scores(tmp_path: Path) -> None:
    predictions = predict_stars(1, [1, 2, 3, 10])
    predictions.to_frame().assign(excerpt="a text").to_parquet(tmp_path / "scores.parquet")
    read = Predictions.from_frame(pd.read_parquet(tmp_path / "scores.parquet"))
    assert read.scale is not None
    assert read.scale.tolist() == [1, 2, 3, 10]
    assert score(read) == score(predictions)


def test_intervals_of_ordered_labels() -> None:
    predictions = predict_stars(1, [1, 2, 3, 4, 5], 1500)
    names = ["accuracy_within_one", "mean_absolute_error", "quadratic_kappa"]
    intervals, scores = measure_intervals(predictions, names), score(predictions)
    for name in names:
        low, high = intervals[name]
        assert 0 < high - low < 0.2
        assert low < scores[name] < high


def test_a_scale_takes_numbers_or_a_list() -> None:
    assert make_scale(["10", "9", "0.5"], True) == {"0.5": 0.5, "9": 9.0, "10": 10.0}
    order = ["bad", "fair", "good"]
    assert make_scale(["good", "bad"], order) == {"bad": 1.0, "good": 3.0}
    assert make_scale(["a"], False) is None
    with pytest.raises(ConfigError, match=r"data.ordered is true, but 1 label \('good'\)"):
        make_scale(["1", "good"], True)
    for labels in (["1", "2", "1.0"], ["02", "2"]):
        with pytest.raises(ConfigError, match=r"are the same number. Write each label in one way"):
            make_scale(labels, True)
    with pytest.raises(ConfigError, match=r"lacks 1 label of the data: 'awful'"):
        make_scale(["awful", "bad"], order)


@pytest.mark.slow
def test_a_training_on_named_grades_has_metrics_of_ordered_labels(
    train_quickly: Callable[..., TrainingResult], tmp_path: Path
) -> None:
    grades = ["poor", "fair", "good", "superb"]
    texts = [f"{grades[n % 4]}like word{n % 11} id{n}" for n in range(240)]
    path = tmp_path / "grades.csv"
    pd.DataFrame({"text": texts, "label": [grades[n % 4] for n in range(240)]}).to_csv(path)
    words = ["data=csv", f"data.path={path}", "data.limit=null", "features.min_df=1"]
    with pytest.raises(ConfigError, match="mean_absolute_error, a metric of ordered labels"):
        train_quickly(*words, "optimize=mean_absolute_error", "tracking=off")
    result = train_quickly(
        *words, f"data.ordered=[{','.join(grades)}]", "optimize=mean_absolute_error", "tracking=off"
    )
    assert result.score == result.metrics["validation/mean_absolute_error"] < 1
    assert result.predictions["test"].classes.tolist() == grades
    assert result.metrics["test/accuracy_within_one"] > 0.5
    assert "quadratic_kappa" in result._repr_html_()
