"""Intervals and tests against scipy, scikit-learn and definitions, and their error rates."""

from itertools import product
from math import comb
from types import SimpleNamespace

import numpy as np
import pytest
from comparing import make_contenders, predict_like
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, bootstrap, permutation_test
from sklearn import metrics

from sentiment.commands.compare.estimates import Estimate, McNemar, PairedTest, estimate
from sentiment.commands.compare.intervals import estimate_differences, estimate_scores
from sentiment.commands.compare.measuring import measure
from sentiment.config.metrics import list_measured, list_shown
from sentiment.modeling.evaluation import score
from sentiment.modeling.intervals import FEWEST_ROWS
from sentiment.modeling.metrics import AREAS
from sentiment.modeling.predictions import Predictions
from sentiment.modeling.resampling import RowSums, permute, resample

NAMES = list_measured()
SHOWN = list_shown(2)


def take(predictions: Predictions, rows: np.ndarray) -> Predictions:
    return Predictions(
        predictions.labels[rows], predictions.probabilities[rows], predictions.classes
    )


@pytest.mark.slow
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 4), digits=st.integers(1, 6))
@settings(deadline=None, max_examples=25)
def test_weights_are_rows_that_are_repeated(seed: int, classes: int, digits: int) -> None:
    """A resample has the metrics that its rows, copied out, have."""
    rng = np.random.default_rng(seed)
    predictions = predict_like(rng, rng.integers(0, classes, 60), classes, 1.0, digits)
    rows = rng.integers(0, 60, (3, 60))
    weights = np.stack([np.bincount(indices, minlength=60) for indices in rows]).astype(float)
    scores = RowSums(predictions).score(weights)
    for row_scores, drawn in zip(scores, rows, strict=True):
        expected = score(take(predictions, drawn))
        assert dict(zip(NAMES, row_scores, strict=True)) == pytest.approx(expected, abs=1e-12)


@given(seed=st.integers(0, 10_000), classes=st.integers(2, 4), digits=st.integers(1, 6))
@settings(deadline=None, max_examples=10)
def test_without_each_row_in_turn(seed: int, classes: int, digits: int) -> None:
    rng = np.random.default_rng(seed)
    predictions = predict_like(rng, rng.integers(0, classes, 40), classes, 1.0, digits)
    scores = RowSums(predictions).score_row_changes(-1)
    for row in range(0, 40, 7):
        expected = score(take(predictions, np.delete(np.arange(40), row)))
        assert dict(zip(NAMES, scores[row], strict=True)) == pytest.approx(expected, abs=1e-12)


def test_weights_mean_what_scikit_learns_do() -> None:
    rng = np.random.default_rng(3)
    predictions = predict_like(rng, rng.integers(0, 2, 200), 2, 1.0, 2)
    weights = rng.random((1, 200))
    y, p = predictions.labels == "class 1", predictions.probabilities[:, 1]
    scores = dict(zip(NAMES, RowSums(predictions).score(weights)[0], strict=True))
    options = {"sample_weight": weights[0]}
    assert scores["roc_auc"] == pytest.approx(metrics.roc_auc_score(y, p, **options))
    assert scores["log_loss"] == pytest.approx(metrics.log_loss(y, p, **options))
    assert scores["brier"] == pytest.approx(metrics.brier_score_loss(y, p, **options))
    assert scores["f1"] == pytest.approx(metrics.f1_score(y, p > 0.5, **options))


def test_resamples_are_the_same_for_all_models_and_again() -> None:
    models = [RowSums(contender.predictions) for contender in make_contenders([1.0, 1.0])]
    first = resample([models[0], models[0], models[1]], 50, 7)
    np.testing.assert_array_equal(first[0], first[1])
    assert not np.array_equal(first[0], first[2])
    np.testing.assert_array_equal(first, resample([models[0], models[0], models[1]], 50, 7))
    assert not np.array_equal(first, resample([models[0], models[0], models[1]], 50, 8))


def test_a_class_that_was_not_drawn_leaves_no_area() -> None:
    p = np.array([[0.9, 0.1]] * 29 + [[0.2, 0.8]])
    predictions = Predictions(np.array(["a"] * 29 + ["b"]), p, np.array(["a", "b"]))
    areas = resample([RowSums(predictions)], 300, 1)[0, :, NAMES.index("roc_auc")]
    assert 0.2 < np.isnan(areas).mean() < 0.6  # (29 / 30) ** 30 = 0.36
    assert np.all(areas[~np.isnan(areas)] == 1)
    interval = estimate(1.0, areas, np.ones(30), 0.95)
    assert (interval.value, interval.low, interval.high) == (1, 1, 1)


def test_the_interval_is_the_bca_interval_of_scipy() -> None:
    rng = np.random.default_rng(5)
    values = rng.exponential(size=80)
    drawn = values[rng.integers(0, 80, (4000, 80))].mean(axis=1)
    without = (values.sum() - values) / 79
    interval = estimate(values.mean(), drawn, without, 0.9)
    # scipy takes resamples that were drawn before, of a result of its own.
    earlier = SimpleNamespace(bootstrap_distribution=drawn)
    expected = bootstrap(
        (values,), np.mean, n_resamples=0, confidence_level=0.9, bootstrap_result=earlier
    ).confidence_interval
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), rel=1e-6)
    assert interval.error == pytest.approx(drawn.std(ddof=1))


def test_what_does_not_vary_has_no_width() -> None:
    assert estimate(0.0, np.zeros(500), np.zeros(9), 0.95) == Estimate(0, 0, 0, 0)
    unknown = estimate(float("nan"), np.zeros(500), np.zeros(9), 0.95)
    assert np.isnan([unknown.value, unknown.low, unknown.high]).all()


def lose(predictions: Predictions) -> np.ndarray:
    true_class = (predictions.labels == "class 1").astype(int)
    return -np.log(predictions.probabilities[np.arange(len(true_class)), true_class])


@pytest.mark.parametrize("rows", [8, 300])
def test_the_test_of_log_loss_is_the_permutation_test_of_scipy(rows: int) -> None:
    """Of few rows, scipy goes through all permutations."""
    first, second = make_contenders([1.0, 1.5], rows=rows)
    pair = measure([first, second], "log_loss", 0.95, 4000, 1).pairs[0]
    losses = lose(second.predictions), lose(first.predictions)
    for alternative, p in (
        ("two-sided", pair.tests["log_loss"].p),
        ("greater", pair.test_worse("log_loss")),
    ):
        expected = permutation_test(
            losses,
            lambda a, b, axis: (a - b).mean(axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=4000,
            alternative=alternative,
            rng=np.random.default_rng(1),
        )
        assert pair.differences["log_loss"].value == pytest.approx(expected.statistic)
        assert p == pytest.approx(expected.pvalue, abs=0.03)


def test_a_permutation_exchanges_the_outputs_of_rows() -> None:
    """Of three rows there are eight permutations; each is scored as scikit-learn does."""
    first_model, second_model = (
        contender.predictions for contender in make_contenders([1.0, 2.0], rows=3, seed=3)
    )
    second_model.labels[:] = first_model.labels[:] = ["class 0", "class 1", "class 1"]
    permuted = permute(first_model, second_model, 300, 1)
    possible = []
    for exchanged in product([False, True], repeat=3):
        swap = np.array(exchanged)[:, None]
        pair = [
            Predictions(first_model.labels, np.where(swap, b, a), first_model.classes)
            for a, b in (
                (first_model.probabilities, second_model.probabilities),
                (second_model.probabilities, first_model.probabilities),
            )
        ]
        first, second = (score(predictions) for predictions in pair)
        possible.append([second[name] - first[name] for name in NAMES if name not in AREAS])
    others = np.delete(permuted, [NAMES.index(name) for name in AREAS], axis=1)
    outcomes = {tuple(row) for row in others.round(9)}
    assert outcomes == {tuple(row) for row in np.round(possible, 9)}


def test_the_area_is_tested_by_ranks() -> None:
    """A model and the same with other probabilities in the same order do not differ."""
    first_model, _ = (contender.predictions for contender in make_contenders([1.0, 1.0], rows=200))
    sharp = first_model.probabilities**3
    second_model = Predictions(
        first_model.labels, sharp / sharp.sum(axis=1, keepdims=True), first_model.classes
    )
    at = NAMES.index("roc_auc")
    assert np.abs(permute(first_model, second_model, 200, 1)[:, at]).max() < 1e-12


def test_p_values_count_the_observed_outcome() -> None:
    permuted = np.linspace(-1, 1, 999)
    assert PairedTest.by_permutation(2.0, permuted) == PairedTest(1, 0.001)
    assert PairedTest.by_permutation(2.0, permuted).p == 0.002
    assert PairedTest.by_permutation(0.0, np.zeros(9)) == PairedTest(1, 1)
    assert np.isnan(PairedTest.by_permutation(float("nan"), permuted).p)


def make_rivals(seed: int, rows: int, skills: tuple[float, float]) -> list[Predictions]:
    """Return predictions of two models that find the same texts hard."""
    rng = np.random.default_rng((seed, rows))
    labels = np.arange(rows) % 2
    names, common = np.array(["class 0", "class 1"]), rng.normal(size=rows)
    made = []
    for skill in skills:
        margin = skill * (2 * labels - 1) + 0.8 * common + 0.6 * rng.normal(size=rows)
        second = 1 / (1 + np.exp(-2 * skill * margin))
        made.append(Predictions(names[labels], np.column_stack([1 - second, second]), names))
    return made


def value_of(predictions: Predictions) -> np.ndarray:
    return RowSums(predictions, SHOWN).score(np.ones((1, len(predictions.labels))))[0]


@pytest.mark.slow
@pytest.mark.parametrize("rows", [10, 50, 200])
def test_false_alarms_are_as_rare_as_the_level_says(rows: int) -> None:
    """Two models of the same skill, 400 times, tested at 5 %: three deviations are 3.3 %."""
    alarms, trials = np.zeros(len(SHOWN)), 400
    for seed in range(trials):
        first, second = make_rivals(seed, rows, (0.8, 0.8))
        observed, permuted = (
            value_of(second) - value_of(first),
            permute(first, second, 59, seed, SHOWN),
        )
        tests = [PairedTest.by_permutation(observed[i], permuted[:, i]) for i in range(len(SHOWN))]
        tests[0] = McNemar.count(
            *(predictions.predicted == predictions.labels for predictions in (first, second))
        ).test()
        alarms += [test.p <= 0.05 + 1e-9 for test in tests]
    assert dict(zip(SHOWN, alarms / trials <= 0.05 + 0.033, strict=True)) == dict.fromkeys(
        SHOWN, True
    )


@pytest.mark.slow
@pytest.mark.parametrize("rows", [20, 2 * FEWEST_ROWS])
def test_intervals_cover_the_truth_as_often_as_they_say(rows: int) -> None:
    """200 times, at 95 %; 3.3 standard deviations are 5 %."""
    skills, trials = (0.8, 1.0), 200
    many = make_rivals(1, 400_000, skills)
    truth = [dict(zip(SHOWN, value_of(predictions), strict=True)) for predictions in many]
    covered: dict[str, list[bool]] = {}
    for seed in range(trials):
        first, second = make_rivals(seed, rows, skills)
        models = [RowSums(first, SHOWN), RowSums(second, SHOWN)]
        samples = resample(models, 300, seed)
        values = [value_of(predictions) for predictions in (first, second)]
        without = [model.score_row_changes(-1) for model in models]
        scores = estimate_scores(first, SHOWN, values[0], samples[0], without[0], 0.95)
        differences = estimate_differences(
            first,
            second,
            SHOWN,
            values[1] - values[0],
            samples[1] - samples[0],
            without[1] - without[0],
            0.95,
        )
        for name in SHOWN:
            for label, interval, value in (
                (name, scores[name], truth[0][name]),
                (f"{name} B-A", differences[name], truth[1][name] - truth[0][name]),
            ):
                if not np.isnan(interval.low):
                    assert interval.low <= interval.value <= interval.high
                    covered.setdefault(label, []).append(interval.low <= value <= interval.high)
    shares = {name: float(np.mean(hits)) for name, hits in covered.items()}
    always = {"accuracy", "precision", "recall", "f1", "accuracy B-A", "recall B-A"}
    with_enough_rows = {
        "ece B-A",
        *(f"{name}{pair}" for name in SHOWN[4:7] for pair in ("", " B-A")),
    }
    with_enough_rows |= {"precision B-A", "f1 B-A"}
    assert set(shares) == (always if rows < 2 * FEWEST_ROWS else always | with_enough_rows)
    assert {name: share for name, share in shares.items() if share < 0.90} == {}


@given(b=st.integers(0, 60), c=st.integers(0, 60))
@settings(deadline=None, max_examples=60)
def test_mcnemar_is_the_binomial_test(b: int, c: int) -> None:
    counts = McNemar(100, b, c, 5)
    n = b + c
    tail = [sum(comb(n, k) for k in range(least, n + 1)) / 2**n for least in (b, c)]
    assert counts.test().p == pytest.approx(min(1, 2 * min(tail)))
    assert counts.test().p_less == pytest.approx(tail[0])
    if n:
        assert counts.test().p == pytest.approx(binomtest(b, n).pvalue)


def test_mcnemar_of_a_textbook() -> None:
    """Agresti, Categorical Data Analysis, table 10.1: 150 and 86 of 1600 changed their minds."""
    assert McNemar(794, 150, 86, 570).test().p == pytest.approx(3.72e-5, rel=0.01)
    right = np.array([True, True, False, False, True])
    assert McNemar.count(right, ~right) == McNemar(0, 3, 2, 0)
    assert McNemar.count(right, right) == McNemar(3, 0, 0, 2)
    assert McNemar(3, 0, 0, 2).test() == PairedTest(1, 1)


@pytest.mark.slow
def test_resamples_are_made_in_batches_and_reported() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 50_000)
    models = [RowSums(predict_like(rng, truth, 2, 1.5)) for _ in range(2)]
    reported: list[int] = []
    samples = resample(models, 100, 1, reported.append)
    assert samples.shape == (2, 100, len(NAMES))
    assert reported == [40, 80, 100]
