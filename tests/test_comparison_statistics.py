"""Intervals and tests against scipy's, scikit-learn's and the definitions."""

from math import comb
from types import SimpleNamespace

import numpy as np
import pytest
from comparing import make_contenders, predict_like
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, bootstrap, permutation_test
from sklearn import metrics

from sentiment.comparison.measuring import measure
from sentiment.comparison.resampling import RowSums, resample
from sentiment.comparison.statistics import Estimate, McNemar, estimate
from sentiment.evaluation import METRICS, Predictions, score

NAMES = list(METRICS)


def take(made: Predictions, rows: np.ndarray) -> Predictions:
    return Predictions(made.labels[rows], made.probabilities[rows], made.classes)


@given(seed=st.integers(0, 10_000), classes=st.integers(2, 4), digits=st.integers(1, 6))
@settings(deadline=None, max_examples=25)
def test_weights_are_rows_that_are_repeated(seed: int, classes: int, digits: int) -> None:
    """A resample has the metrics that its rows, copied out, have."""
    rng = np.random.default_rng(seed)
    made = predict_like(rng, rng.integers(0, classes, 60), classes, 1.0, digits)
    rows = rng.integers(0, 60, (3, 60))
    weights = np.stack([np.bincount(one, minlength=60) for one in rows]).astype(float)
    found = RowSums(made).score(weights)
    for one, drawn in zip(found, rows, strict=True):
        expected = score(take(made, drawn))
        assert dict(zip(NAMES, one, strict=True)) == pytest.approx(expected, abs=1e-12)


@given(seed=st.integers(0, 10_000), classes=st.integers(2, 4), digits=st.integers(1, 6))
@settings(deadline=None, max_examples=10)
def test_without_each_row_in_turn(seed: int, classes: int, digits: int) -> None:
    rng = np.random.default_rng(seed)
    made = predict_like(rng, rng.integers(0, classes, 40), classes, 1.0, digits)
    found = RowSums(made).score_without_each()
    for row in range(0, 40, 7):
        expected = score(take(made, np.delete(np.arange(40), row)))
        assert dict(zip(NAMES, found[row], strict=True)) == pytest.approx(expected, abs=1e-12)


def test_weights_mean_what_scikit_learns_do() -> None:
    rng = np.random.default_rng(3)
    made = predict_like(rng, rng.integers(0, 2, 200), 2, 1.0, 2)
    weights = rng.random((1, 200))
    y, p = made.labels == "class 1", made.probabilities[:, 1]
    found = dict(zip(NAMES, RowSums(made).score(weights)[0], strict=True))
    options = {"sample_weight": weights[0]}
    assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(y, p, **options))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(y, p, **options))
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(y, p, **options))
    assert found["f1"] == pytest.approx(metrics.f1_score(y, p > 0.5, **options))


def test_resamples_are_the_same_for_all_models_and_again() -> None:
    models = [RowSums(one.predictions) for one in make_contenders([1.0, 1.0])]
    first = resample([models[0], models[0], models[1]], 50, 7)
    np.testing.assert_array_equal(first[0], first[1])
    assert not np.array_equal(first[0], first[2])
    np.testing.assert_array_equal(first, resample([models[0], models[0], models[1]], 50, 7))
    assert not np.array_equal(first, resample([models[0], models[0], models[1]], 50, 8))


def test_a_class_that_was_not_drawn_leaves_no_area() -> None:
    p = np.array([[0.9, 0.1]] * 29 + [[0.2, 0.8]])
    made = Predictions(np.array(["a"] * 29 + ["b"]), p, np.array(["a", "b"]))
    areas = resample([RowSums(made)], 300, 1)[0, :, NAMES.index("roc_auc")]
    assert 0.2 < np.isnan(areas).mean() < 0.6  # (29 / 30) ** 30 = 0.36
    assert np.all(areas[~np.isnan(areas)] == 1)
    found = estimate(1.0, areas, np.ones(30), 0.95)
    assert (found.value, found.low, found.high) == (1, 1, 1)


def test_the_interval_is_the_bca_interval_of_scipy() -> None:
    rng = np.random.default_rng(5)
    values = rng.exponential(size=80)
    drawn = values[rng.integers(0, 80, (4000, 80))].mean(axis=1)
    without = (values.sum() - values) / 79
    found = estimate(values.mean(), drawn, without, 0.9)
    # scipy takes resamples that were drawn before, of a result of its own.
    earlier = SimpleNamespace(bootstrap_distribution=drawn)
    expected = bootstrap(
        (values,), np.mean, n_resamples=0, confidence_level=0.9, bootstrap_result=earlier
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-6)
    assert found.error == pytest.approx(drawn.std(ddof=1))


@pytest.mark.parametrize("shift", [-0.28, -0.22, -0.15, 0.0, 0.15, 0.22, 0.28])
def test_the_p_value_is_the_level_at_which_the_interval_touches_zero(shift: float) -> None:
    rng = np.random.default_rng(6)
    values = rng.exponential(size=80) - 1 + shift
    drawn = values[rng.integers(0, 80, (20_000, 80))].mean(axis=1)
    without = (values.sum() - values) / 79
    p = estimate(values.mean(), drawn, without, 0.95).p
    narrow = estimate(values.mean(), drawn, without, 1 - min(p * 1.05, 0.999))
    wide = estimate(values.mean(), drawn, without, 1 - p * 0.95)
    assert not narrow.low <= 0 <= narrow.high
    assert wide.low <= 0 <= wide.high


def test_many_resamples_on_one_side_are_the_smallest_p_value() -> None:
    samples = np.linspace(1, 2, 999)
    found = estimate(1.5, samples, np.linspace(1, 2, 50), 0.95)
    assert (found.p_above, found.p_below) == (0.001, 0.999)
    mirrored = estimate(-1.5, -samples, -np.linspace(1, 2, 50), 0.95)
    assert (mirrored.p_above, mirrored.p_below) == (0.999, 0.001)


def test_what_does_not_vary_has_no_width() -> None:
    assert estimate(0.0, np.zeros(500), np.zeros(9), 0.95) == Estimate(0, 0, 0, 0, 0.5, 0.5)
    unknown = estimate(float("nan"), np.zeros(500), np.zeros(9), 0.95)
    assert np.isnan([unknown.value, unknown.low, unknown.high]).all()


def test_the_paired_bootstrap_agrees_with_a_permutation_test() -> None:
    """Log loss of rows that two models change among themselves (Fisher's exchangeability)."""
    one, two = make_contenders([1.0, 1.12], rows=500)
    found = measure([one, two], "log_loss", 0.95, 4000, 1).duels[0]

    def lose(made: Predictions) -> np.ndarray:
        place = (made.labels == "class 1").astype(int)
        return -np.log(made.probabilities[np.arange(len(place)), place])

    expected = permutation_test(
        (lose(two.predictions), lose(one.predictions)),
        lambda a, b, axis: (a - b).mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=4000,
        rng=np.random.default_rng(1),
    )
    assert found.differences["log_loss"].value == pytest.approx(expected.statistic)
    assert 0.005 < expected.pvalue < 0.9
    assert found.p["log_loss"] == pytest.approx(expected.pvalue, abs=0.03)


def test_intervals_of_differences_hold_the_truth_as_often_as_they_say() -> None:
    """Two models of the same skill, 300 times: 90 % intervals hold zero about 270 times."""
    held: dict[str, list[bool]] = {name: [] for name in NAMES}
    for seed in range(300):
        rng = np.random.default_rng(seed)
        truth = rng.integers(0, 2, 150)
        models = [RowSums(predict_like(rng, truth, 2, 1.5)) for _ in range(2)]
        samples = resample(models, 300, seed)
        whole = [model.score(np.ones((1, 150)))[0] for model in models]
        without = [model.score_without_each() for model in models]
        for at, name in enumerate(NAMES):
            drawn = samples[1, :, at] - samples[0, :, at]
            left = without[1][:, at] - without[0][:, at]
            value = whole[1][at] - whole[0][at]
            found = estimate(value, drawn, left, 0.9, centre=name == "ece")
            held[name].append(found.low <= 0 <= found.high)
    # Four standard deviations of 300 tosses are 7 %.
    shares = {name: float(np.mean(one)) for name, one in held.items()}
    assert shares == pytest.approx(dict.fromkeys(NAMES, 0.9), abs=0.07)


@given(b=st.integers(0, 60), c=st.integers(0, 60))
@settings(deadline=None, max_examples=60)
def test_mcnemar_is_the_binomial_test(b: int, c: int) -> None:
    found = McNemar(100, b, c, 5)
    n = b + c
    tail = [sum(comb(n, k) for k in range(least, n + 1)) / 2**n for least in (b, c)]
    assert found.p == pytest.approx(min(1, 2 * min(tail)))
    assert found.p_worse == pytest.approx(tail[0])
    if n:
        assert found.p == pytest.approx(binomtest(b, n).pvalue)


def test_mcnemar_of_a_textbook() -> None:
    """Agresti, Categorical Data Analysis, table 10.1: 150 and 86 of 1600 changed their minds."""
    assert McNemar(794, 150, 86, 570).p == pytest.approx(3.72e-5, rel=0.01)
    right = np.array([True, True, False, False, True])
    assert McNemar.count(right, ~right) == McNemar(0, 3, 2, 0)
    assert McNemar.count(right, right) == McNemar(3, 0, 0, 2)
    assert (McNemar(3, 0, 0, 2).p, McNemar(3, 0, 0, 2).p_worse) == (1, 1)


def test_resamples_are_made_in_batches_and_told() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 50_000)
    models = [RowSums(predict_like(rng, truth, 2, 1.5)) for _ in range(2)]
    told: list[int] = []
    samples = resample(models, 100, 1, told.append)
    assert samples.shape == (2, 100, len(METRICS))
    assert told == [40, 80, 100]
