"""Tests of two samples against scipy and formulas written out by hand."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from drifting import DEFAULTS, EVERYTHING, Population, compare_samples
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sentiment.commands.monitor.performance import measure_performance
from sentiment.modeling.drift import (
    Check,
    choose_difference,
    compare_labels,
    compare_numbers,
    compare_shares,
    compare_terms,
    compute_p_values,
    decide_alarms,
)

RUNS = 60
RNG = np.random.default_rng(7)
CHECK = Check("x", 0.0, 1.0, effect=0.5, measure="", threshold=0.1, p_value=0.0001)


def test_distance_of_numbers_is_that_between_sorted_values() -> None:
    reference, current = RNG.normal(size=400), RNG.normal(0.3, 1.2, 400)
    distance, _ = compare_numbers(reference, current)
    by_hand = np.abs(np.sort(reference) - np.sort(current)).mean() / reference.std()
    assert distance == pytest.approx(by_hand)
    assert compare_numbers(reference, reference) == (0.0, 1.0)


def measure_gap(reference: np.ndarray, current: np.ndarray) -> float:
    points = np.concatenate([reference, current])
    shares = [np.mean(sample[:, None] <= points, axis=0) for sample in (reference, current)]
    return float(np.abs(shares[0] - shares[1]).max())


def test_significance_of_numbers_is_the_share_of_splits_that_differ_as_much() -> None:
    """Of all ways to take three of eight values."""
    values = np.array([0.0, 1.0, 2.5, 3.0, 4.0, 7.0, 8.0, 9.0])
    gaps = []
    for rows in combinations(range(8), 3):
        is_chosen = np.isin(np.arange(8), rows)
        gaps.append(measure_gap(values[is_chosen], values[~is_chosen]))
    for rows in ([0, 1, 2], [0, 5, 7], [1, 4, 6], [5, 6, 7]):
        is_chosen = np.isin(np.arange(8), rows)
        gap = measure_gap(values[is_chosen], values[~is_chosen])
        expected = np.mean(np.array(gaps) >= gap - 1e-12)
        assert compare_numbers(values[is_chosen], values[~is_chosen])[1] == pytest.approx(expected)


def test_numbers_that_never_differ_are_compared_as_well() -> None:
    zeros = np.zeros(50, np.float32)
    assert compare_numbers(zeros, zeros) == (0.0, 1.0)
    distance, p_value = compare_numbers(zeros, zeros + 1)
    assert distance == 1000
    assert p_value < 1e-20


def test_numbers_of_a_single_row_are_compared_exactly() -> None:
    """A row above all of a small reference is one of 61 equally likely places."""
    distance, p_value = compare_numbers(np.arange(60.0), np.array([1e6]))
    assert distance > 1000
    assert p_value == pytest.approx(2 / 61)


@given(st.data(), st.integers(1, 400), st.integers(1, 400), st.sampled_from([0.0, 0.1, 1.0]))
def test_numbers_are_compared_as_by_scipy(
    data: st.DataObject, rows_before: int, rows_after: int, shift: float
) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    reference = rng.normal(size=rows_before).round(2)
    current = rng.normal(shift, 1, rows_after).round(2)
    distance, p_value = compare_numbers(reference, current)
    scale = max(reference.std(), 1e-3)
    assert distance == pytest.approx(stats.wasserstein_distance(reference, current) / scale)
    assert p_value == pytest.approx(stats.ks_2samp(reference, current).pvalue, rel=1e-9)


@pytest.mark.parametrize("rows", [(10_000, 700), (10_001, 700), (30_000, 20_000)])
def test_numbers_of_many_rows_are_compared_as_by_scipy(rows: tuple[int, int]) -> None:
    reference, current = RNG.normal(size=rows[0]), RNG.normal(0.05, 1, rows[1])
    expected = stats.ks_2samp(reference, current).pvalue
    assert compare_numbers(reference, current)[1] == pytest.approx(expected, rel=1e-9)


def test_labels_are_compared_by_odds() -> None:
    reference, current = np.array([50, 30, 0]), np.array([20, 60, 20])
    ratios, p_values = compare_labels(reference, current)
    assert ratios[0] == pytest.approx((50.5 / 30.5) / (20.5 / 80.5))
    assert ratios[2] == pytest.approx((20.5 / 80.5) / (0.5 / 80.5))
    alone = double_tail(50, 20, 80, 100)
    assert p_values[0] == pytest.approx(3 * alone)
    # Of two labels, one test says all; what nobody predicts is not tested.
    ratios, p_values = compare_labels(np.array([50, 30, 0]), np.array([20, 80, 0]))
    assert p_values[0] == p_values[1] == pytest.approx(double_tail(50, 20, 80, 100))
    assert ratios[0] == pytest.approx(ratios[1])
    ratios, p_values = compare_labels(np.array([9, 0]), np.array([5, 0]))
    assert p_values.tolist() == [1, 1]
    # Half a row of 300 is not ten times as much as half a row of 3,000.
    ratios, _ = compare_labels(np.array([150, 150, 0]), np.array([1500, 1500, 0]))
    assert ratios[2] == 1


@pytest.mark.parametrize(
    ("reference", "current", "largest"),
    [
        ([30, 30], [600, 0], 1e-15),
        ([500, 500], [0, 200_000], 1e-300),
        ([990, 10], [10_000, 0], 1e-10),
        ([2475, 25], [950, 50], 1e-10),
        ([1500, 980, 20], [6000, 4000, 0], 1e-12),
    ],
    ids=["all of one label", "the other label", "a rare one vanishes", "fivefold", "of three"],
)
def test_labels_that_vanish_or_multiply_are_found(
    reference: list[int], current: list[int], largest: float
) -> None:
    ratios, p_values = compare_labels(np.array(reference), np.array(current))
    k = choose_difference(ratios, DEFAULTS.labels, p_values)
    assert ratios[k] > 4
    assert p_values[k] < largest


def double_tail(reference: int, current: int, rows_before: int, rows_after: int) -> float:
    """Return the doubled smaller tail of Fisher's exact test, as scipy computes it."""
    table = [[current, rows_after - current], [reference, rows_before - reference]]
    tails = [
        stats.fisher_exact(table, alternative=alternative).pvalue
        for alternative in ("less", "greater")
    ]
    return min(2 * min(tails), 1.0)


@given(st.data(), st.integers(1, 3000), st.integers(1, 30_000))
def test_shares_are_compared_by_fishers_exact_test(
    data: st.DataObject, rows_before: int, rows_after: int
) -> None:
    reference = data.draw(st.integers(0, rows_before))
    current = data.draw(st.integers(0, rows_after))
    sizes = rows_before, rows_after
    p_value = float(compute_p_values(np.array([reference]), np.array([current]), sizes)[0])
    assert p_value == pytest.approx(double_tail(reference, current, *sizes), rel=1e-6, abs=1e-290)


def test_an_exact_test_rejects_equal_shares_no_oftener_than_its_level() -> None:
    """Exactly, by adding up all outcomes of two binomial samples."""
    rows_before, rows_after = 12, 30
    reference, current = np.meshgrid(np.arange(rows_before + 1), np.arange(rows_after + 1))
    p_values = compute_p_values(reference.ravel(), current.ravel(), (rows_before, rows_after))
    for share in (0.01, 0.1, 0.5, 0.97):
        likely = stats.binom.pmf(reference, rows_before, share) * stats.binom.pmf(
            current, rows_after, share
        )
        for level in (0.001, 0.01, 0.05, 0.3):
            assert likely.ravel()[p_values <= level].sum() <= level


def test_shares_differ_by_cohens_h() -> None:
    effects, p_values = compare_shares(np.array([2, 30, 0]), np.array([9, 31, 0]), (100, 120))
    assert effects[0] == pytest.approx(2 * np.arcsin(0.075**0.5) - 2 * np.arcsin(0.02**0.5))
    assert p_values[0] == pytest.approx(double_tail(2, 9, 100, 120))
    assert (effects[2], p_values[2]) == (0, 1)


def test_what_matters_is_chosen_before_what_is_significant() -> None:
    p_values = np.array([1e-9, 1e-3, 1e-5, 1e-5])
    assert choose_difference(np.array([0.1, 5, 4, 6]), 2, p_values) == 3
    assert choose_difference(np.array([0.1, 5, 4, 6]), np.array([0, 2, 9, 9]), p_values) == 0
    assert choose_difference(np.array([0.1, 1, 1, 1]), 2, p_values) == 0


def test_terms_are_corrected_for_all_that_might_have_been_chosen() -> None:
    table = compare_terms(np.array([5, 400]), np.array([60, 410]), (1000, 1000), tested=20_000)
    _, alone = compare_shares(np.array([5, 400]), np.array([60, 410]), (1000, 1000))
    assert table["p_value"].tolist() == pytest.approx([alone[0] * 20_000, 1.0])
    assert table["reference"].tolist() == [0.005, 0.4]


def test_an_alarm_is_both_large_and_significant() -> None:
    small, unsure = replace(CHECK, effect=0.05), replace(CHECK, p_value=0.004)
    verdicts = [check.drifted for check in decide_alarms([CHECK, small, unsure], alpha=0.01)]
    assert verdicts == [True, False, True]
    # Of ten checks, a p-value of 0.004 is to be expected now and then.
    assert not decide_alarms([unsure, *[replace(CHECK, p_value=1.0)] * 9], alpha=0.01)[0].drifted


HALF = Population({"a": 0.5, "b": 0.5})
RARE = Population({"a": 0.99, "b": 0.01})
THREE = Population({"a": 0.6, "b": 0.39, "c": 0.01}, {"c": 0.5})


@pytest.mark.slow
@pytest.mark.parametrize("population", [HALF, RARE, THREE], ids=["half", "1 %", "three"])
def test_false_alarms_are_as_rare_as_alpha_says(population: Population) -> None:
    """For samples of the same, with no threshold to help: at most 1 % of runs, and luck."""
    rng = np.random.default_rng(9)
    sizes = zip(
        rng.choice([60, 300, 1500], RUNS), rng.choice([1, 20, 200, 2000], RUNS), strict=True
    )
    drifted = [
        compare_samples(rng, population, population, pair, EVERYTHING).drifted for pair in sizes
    ]
    assert sum(map(bool, drifted)) <= stats.binom.ppf(0.9999, RUNS, 0.01), drifted


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reference", "current", "sizes", "alarms"),
    [
        (HALF, Population({"a": 1.0, "b": 0.0}), (60, 600), {"prediction"}),
        (RARE, Population({"a": 1.0, "b": 0.0}), (2500, 3000), {"prediction"}),
        (RARE, Population({"a": 0.95, "b": 0.05}), (2500, 1000), {"prediction"}),
        (
            Population({"a": 0.5, "b": 0.5}, {"a": 0.99, "b": 0.99}),
            Population({"a": 0.5, "b": 0.5}, {"a": 0.945, "b": 0.945}),
            (2500, 1000),
            {"accuracy", "recall"},
        ),
        (
            Population({"a": 0.97, "b": 0.03}, {"a": 0.98}),
            Population({"a": 0.97, "b": 0.03}, {"a": 0.98, "b": 0.2}),
            (2500, 3000),
            {"recall"},
        ),
    ],
    ids=["all of one label", "1 % vanishes", "1 % to 5 %", "99 % to 94.5 %", "a rare recall"],
)
def test_differences_that_matter_are_alarms(
    reference: Population, current: Population, sizes: tuple[int, int], alarms: set[str]
) -> None:
    """With the thresholds as they are, each of eight times."""
    perfect = dict.fromkeys(reference.labels, 1.0)
    if "accuracy" not in alarms and "recall" not in alarms:
        reference, current = replace(reference, recalls=perfect), replace(current, recalls=perfect)
    rng = np.random.default_rng(5)
    for _ in range(8):
        assert alarms <= set(compare_samples(rng, reference, current, sizes, DEFAULTS).drifted)


def test_a_fall_that_matters_is_five_points_or_half_as_many_errors_again() -> None:
    def measure(reference_right: int, current_right: int) -> list[Check]:
        """Of 1,000 and 10,000 rows, so many are right."""
        frames = [
            pd.DataFrame({"label": "a", "prediction": ["a"] * right + ["b"] * (rows - right)})
            for right, rows in ((reference_right, 1000), (current_right, 10_000))
        ]
        performance = measure_performance(*frames, windows=1)
        assert performance is not None
        return performance.list_checks(points=0.05, errors=0.5)

    for reference_right, current_right, threshold in (
        (700, 6490, 0.05),
        (900, 8490, 0.05),
        (980, 9690, 0.01),
    ):
        accuracy, recall = measure(reference_right, current_right)
        assert accuracy.threshold == recall.threshold == pytest.approx(threshold)
        assert accuracy.effect == pytest.approx(threshold + 0.001)
        assert accuracy.reference == pytest.approx(reference_right / 1000)
        assert recall.detail == "a"
        assert accuracy.p_value == pytest.approx(
            double_tail(1000 - reference_right, 10_000 - current_right, 1000, 10_000)
        )
