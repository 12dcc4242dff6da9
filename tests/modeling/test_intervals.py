"""Intervals of one split against the bootstrap and against a known truth."""

import numpy as np
import pytest
from comparing import predict_like
from scipy.stats import binomtest

from sentiment.commands.compare.estimates import estimate
from sentiment.config.metrics import list_shown
from sentiment.modeling.evaluation import score
from sentiment.modeling.intervals import (
    approximate_bootstrap,
    measure_intervals,
)
from sentiment.modeling.predictions import Predictions
from sentiment.modeling.resampling import RowSums, resample

SMOOTH = [
    "balanced_accuracy", "f1", "f1_macro", "f1_weighted", "matthews_corrcoef", "roc_auc",
    "log_loss", "brier",
]  # fmt: skip


def predict_rows(seed: int, shares: list[float], rows: int, skill: float) -> Predictions:
    rng = np.random.default_rng((seed, rows))
    truth = rng.choice(len(shares), rows, p=shares)
    return predict_like(rng, truth, len(shares), skill)


@pytest.mark.slow
@pytest.mark.parametrize("shares", [[0.7, 0.3], [0.5, 0.3, 0.15, 0.05]])
def test_intervals_are_those_that_the_bootstrap_tends_to(shares: list[float]) -> None:
    predictions = predict_rows(1, shares, 1500, 1.0)
    sums = RowSums(predictions, SMOOTH)
    intervals = approximate_bootstrap(sums, 0.95)
    (samples,) = resample([sums], 4000, 1)
    without = sums.score_row_changes(-1)
    for k, name in enumerate(SMOOTH):
        bca = estimate(score(predictions)[name], samples[:, k], without[:, k], 0.95)
        assert bca.error > 0
        # The ends of 4,000 resamples vary by a twentieth of the standard error.
        np.testing.assert_allclose(intervals[k], (bca.low, bca.high), atol=0.2 * bca.error)


@pytest.mark.parametrize("change", [-1.0, 0.5])
@pytest.mark.parametrize("classes", [2, 4])
def test_a_change_of_one_weight_is_that_of_all_weights(classes: int, change: float) -> None:
    predictions = predict_rows(3, [1 / classes] * classes, 40, 1.0)
    sums = RowSums(predictions)
    metrics = sums.score_row_changes(change)
    expected = sums.score(np.ones((40, 40)) + change * np.eye(40))
    np.testing.assert_allclose(metrics, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shares", "rows"), [([0.5, 0.5], 300), ([0.3, 0.3, 0.2, 0.12, 0.08], 1000)]
)
def test_few_intervals_miss_the_truth(shares: list[float], rows: int) -> None:
    """Of 200 at 95 %; 3 standard deviations are 4.6 %."""
    names = [*list_shown(len(shares)), *SMOOTH]
    true_metrics = score(predict_rows(0, shares, 400_000, 1.2))
    missed = dict.fromkeys(names, 0)
    for seed in range(1, 201):
        for name, (low, high) in measure_intervals(
            predict_rows(seed, shares, rows, 1.2), names
        ).items():
            missed[name] += not np.isnan(low) and not low <= true_metrics[name] <= high
    assert {name: n for name, n in missed.items() if n > 20} == {}
    assert max(missed.values()) > 2  # they are no wider than they have to be


def test_shares_have_exact_intervals_of_any_number_of_rows() -> None:
    predictions = predict_rows(2, [0.5, 0.5], 20, 1.0)
    intervals = measure_intervals(predictions, list_shown(2))
    right = int((predictions.labels == predictions.predicted).sum())
    assert intervals["accuracy"] == pytest.approx(
        binomtest(right, 20).proportion_ci(method="exact")
    )
    assert {name for name, (low, _) in intervals.items() if not np.isnan(low)} == {
        "accuracy", "precision", "recall", "f1"
    }  # fmt: skip


def test_a_class_of_few_rows_has_no_interval_where_classes_count_the_same() -> None:
    predictions = predict_rows(2, [0.6, 0.38, 0.02], 1000, 1.0)
    intervals = measure_intervals(
        predictions, ["f1_macro", "balanced_accuracy", "f1_weighted", "log_loss"]
    )
    bounded = {name for name, (low, _) in intervals.items() if not np.isnan(low)}
    assert bounded == {"f1_weighted", "log_loss"}


def test_a_perfect_model_has_no_interval_but_of_shares() -> None:
    names = np.array(["a", "b"])
    predictions = Predictions(np.tile(names, 500), np.tile(np.eye(2), (500, 1)), names)
    intervals = measure_intervals(predictions, ["accuracy", "matthews_corrcoef", "roc_auc"])
    assert intervals["accuracy"][1] == 1
    assert 0.99 < intervals["accuracy"][0] < 1
    assert np.isnan([intervals["matthews_corrcoef"], intervals["roc_auc"]]).all()
