"""Metrics, tables and thresholds of label sets, against scikit-learn."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from sentiment.config.metrics import MULTILABEL, NOT_MULTILABEL, ORDERED, list_measured
from sentiment.data.label_sets import join_labels
from sentiment.errors import ConfigError
from sentiment.modeling.estimators.label_sets import measure_sets, name_label_sets
from sentiment.modeling.evaluation import measure_each_class, score
from sentiment.modeling.intervals import measure_intervals
from sentiment.modeling.predictions import LabelSetPredictions, Predictions
from sentiment.modeling.resampling import RowSums
from sentiment.modeling.thresholds import choose_set_rule

NAMES = np.array(["late", "other", "refund", "rude"])


def make_predictions(seed: int, rows: int = 200, digits: int = 2) -> LabelSetPredictions:
    rng = np.random.default_rng(seed)
    truth = rng.random((rows, len(NAMES))) < [0.5, 0.3, 0.2, 0.1]
    truth[0] = True
    probabilities = np.clip(rng.normal(0.35 + 0.3 * truth, 0.2), 0.01, 0.99).round(digits)
    labels = np.array([join_labels(NAMES[row], ";") for row in truth], dtype=str)
    return LabelSetPredictions(labels, probabilities, NAMES, separator=";")


@pytest.mark.slow
@settings(max_examples=20)  # they differ in a seed alone
@given(st.integers(0, 1000))
def test_metrics_are_those_of_scikit_learn(seed: int) -> None:
    predictions = make_predictions(seed, rows=60)
    scores, truth, p = score(predictions), predictions.truth, predictions.probabilities
    predicted = p >= 0.5
    for average in ("micro", "macro", "weighted"):
        for name in ("precision", "recall", "f1"):
            measure = getattr(metrics, f"{name}_score")
            expected = measure(truth, predicted, average=average, zero_division=0)
            assert scores[f"{name}_{average}"] == pytest.approx(expected)
    assert scores["accuracy"] == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert scores["hamming_loss"] == pytest.approx(metrics.hamming_loss(truth, predicted))
    ranking = metrics.label_ranking_average_precision_score(truth, p)
    assert scores["label_ranking_precision"] == pytest.approx(ranking)
    assert scores["roc_auc_ovr"] == pytest.approx(metrics.roc_auc_score(truth, p))
    losses = [metrics.log_loss(truth[:, k], p[:, k]) for k in range(len(NAMES))]
    assert scores["log_loss"] == pytest.approx(np.mean(losses))
    squares = [metrics.brier_score_loss(truth[:, k], p[:, k]) for k in range(len(NAMES))]
    assert scores["brier"] == pytest.approx(np.mean(squares))


def test_the_metrics_are_those_that_label_sets_have() -> None:
    assert list(score(make_predictions(0))) == list_measured(multilabel=True)
    assert not {*NOT_MULTILABEL, *ORDERED} & {*list_measured(multilabel=True)}
    assert not {*MULTILABEL} & {*list_measured(), *list_measured(ordered=True)}


def test_metrics_under_weights_are_those_of_repeated_rows() -> None:
    predictions = make_predictions(1)
    names = predictions.metrics
    weights = np.random.default_rng(0).integers(0, 3, (3, len(predictions.labels))).astype(float)
    scores = RowSums(predictions, names).score(weights)
    for row, counts in zip(scores, weights, strict=True):
        expected = score(predictions.take(np.repeat(np.arange(len(counts)), counts.astype(int))))
        assert row == pytest.approx([expected[name] for name in names])


def test_metrics_without_each_row_are_those_of_the_others() -> None:
    predictions = make_predictions(2, rows=40)
    names = predictions.metrics
    scores = RowSums(predictions, names).score_row_changes(-1)
    for row in range(0, 40, 7):
        expected = score(predictions.take(np.delete(np.arange(40), row)))
        assert scores[row] == pytest.approx([expected[name] for name in names])


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Of 300 at 95 %; 9 % allow for the spread of 300 samples."""
    truth = score(make_predictions(0, rows=200_000))
    missed = dict.fromkeys(["f1_micro", "precision_micro", "hamming_loss"], 0)
    for seed in range(1, 301):
        intervals = measure_intervals(make_predictions(seed, rows=300), list(missed))
        for name, (low, high) in intervals.items():
            missed[name] += not low <= truth[name] <= high
    assert {name: n for name, n in missed.items() if n > 27} == {}


def test_few_labels_have_no_interval() -> None:
    intervals = measure_intervals(make_predictions(0, rows=100), ["f1_micro", "accuracy"])
    assert np.isnan(intervals["f1_micro"][0])
    assert intervals["accuracy"][0] > 0


def test_a_table_of_predictions_is_read_again(tmp_path: Path) -> None:
    predictions = make_predictions(3)
    predictions.to_frame().assign(excerpt="x").to_parquet(tmp_path / "test.parquet")
    read = Predictions.from_frame(pd.read_parquet(tmp_path / "test.parquet"))
    assert isinstance(read, LabelSetPredictions)
    assert score(read) == score(predictions)
    assert measure_each_class(read)["rows"].tolist() == predictions.truth.sum(axis=0).tolist()


@pytest.mark.slow
def test_each_label_has_the_threshold_of_its_best_f1() -> None:
    predictions = make_predictions(4)
    rule = choose_set_rule("max_f1", 0.0, predictions)
    indicators = rule.choose(predictions.probabilities)
    for k in range(len(NAMES)):
        truth, p = predictions.truth[:, k], predictions.probabilities[:, k]
        best = max(metrics.f1_score(truth, p >= line) for line in np.unique(p))
        assert metrics.f1_score(truth, indicators[:, k]) == pytest.approx(best)


def test_a_number_is_the_threshold_of_all_labels() -> None:
    predictions = make_predictions(5)
    rule = choose_set_rule(0.3, 0.0)
    assert np.array_equal(rule.choose(predictions.probabilities), predictions.probabilities >= 0.3)


@pytest.mark.parametrize("threshold", [0.5, 0.3, "max_f1"])
def test_the_least_certain_sets_are_left_open(threshold: float | str) -> None:
    predictions = make_predictions(0, rows=2000, digits=9)
    rule = choose_set_rule(threshold, 0.1, predictions)
    sure = rule.is_sure(rule.measure(predictions.probabilities))
    assert np.mean(~sure) == pytest.approx(0.1, abs=1e-3)
    sets = rule.name(predictions.probabilities, NAMES)
    assert sum(labels == ["unsure"] for labels in sets) == (~sure).sum()
    # What is left is right more often.
    right = np.array([";".join(labels) for labels in sets]) == predictions.labels
    assert right[sure].mean() > np.mean(
        name_label_sets(rule.choose(predictions.probabilities), NAMES, ";") == predictions.labels
    )


def test_with_thresholds_of_one_half_a_set_is_as_sure_as_it_is_probable() -> None:
    predictions = make_predictions(6)
    expected = measure_sets(predictions.predicted_truth, predictions.probabilities)
    np.testing.assert_allclose(
        choose_set_rule(0.5, 0.0).measure(predictions.probabilities), expected
    )
    rule = choose_set_rule(0.2, 0.0)
    np.testing.assert_allclose(
        rule.measure(np.array([[0.2], [1.0], [0.0], [0.1]])), [0.5, 1, 1, 0.75]
    )


def test_a_label_may_not_be_called_unsure() -> None:
    with pytest.raises(ConfigError, match="would predict 'unsure', which is a label of the model"):
        choose_set_rule(0.5, 0.1, make_predictions(0), ["late", "unsure"])
    with pytest.raises(ConfigError, match="the run of the model has kept no scores of labels"):
        choose_set_rule("max_f1", 0.0)


def test_the_probability_of_a_set_is_the_product_of_its_labels() -> None:
    p = np.array([[0.9, 0.2, 0.4, 0.1]])
    predictions = LabelSetPredictions(np.array(["late;refund"]), p, NAMES, separator=";")
    assert predictions.confidence == pytest.approx([0.9 * 0.8 * 0.4 * 0.9])
    assert predictions.predicted.tolist() == ["late"]
    assert not predictions.right[0]
