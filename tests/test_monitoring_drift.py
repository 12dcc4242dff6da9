"""Tests of two samples against scipy and formulas written out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from sentiment.monitoring.drift import (
    Check,
    compare_labels,
    compare_numbers,
    compare_shares,
    compare_terms,
    decide,
)

RNG = np.random.default_rng(7)
CHECK = Check("x", 0.0, 1.0, effect=0.5, measure="", threshold=0.1, p_value=0.0001)


def test_distance_of_numbers_is_that_between_sorted_values() -> None:
    before, after = RNG.normal(size=400), RNG.normal(0.3, 1.2, 400)
    distance, p_value = compare_numbers(before, after)
    by_hand = np.abs(np.sort(before) - np.sort(after)).mean() / before.std()
    assert distance == pytest.approx(by_hand)
    points = np.concatenate([before, after])
    gap = np.abs(np.mean(before[:, None] <= points, 0) - np.mean(after[:, None] <= points, 0)).max()
    assert p_value == pytest.approx(stats.kstwo.sf(gap, 200), rel=1e-6)
    assert compare_numbers(before, before) == (0.0, 1.0)


def test_numbers_that_never_differ_are_compared_as_well() -> None:
    zeros = np.zeros(50, np.float32)
    assert compare_numbers(zeros, zeros) == (0.0, 1.0)
    distance, p_value = compare_numbers(zeros, zeros + 1)
    assert distance == 1000
    assert p_value < 1e-20


def test_labels_are_compared_by_jensen_and_shannon_and_by_pearson() -> None:
    before, after = np.array([50, 30, 0]), np.array([20, 60, 20])
    p, q = before / before.sum(), after / after.sum()
    middle = (p + q) / 2
    divergence = sum(np.sum(x[x > 0] * np.log(x[x > 0] / middle[x > 0])) / 2 for x in (p, q))
    distance, p_value = compare_labels(before, after)
    assert distance == pytest.approx(np.sqrt(divergence))
    expected = np.outer([80, 100], before + after) / 180
    chi2 = np.sum((np.array([before, after]) - expected) ** 2 / expected)
    assert p_value == pytest.approx(stats.chi2.sf(chi2, 2))
    assert compare_labels(np.array([9, 0]), np.array([5, 0])) == (0.0, 1.0)


def test_labels_that_are_rare_are_tested_together() -> None:
    before, after = np.array([500, 400, 2, 3, 0]), np.array([50, 38, 3, 0, 2])
    together = np.array([[5, 400, 500], [5, 38, 50]])
    expected = np.outer(together.sum(axis=1), together.sum(axis=0)) / together.sum()
    assert expected.min() < 5
    together = np.array([[405, 500], [43, 50]])
    assert compare_labels(before, after)[1] == pytest.approx(
        stats.chi2_contingency(together, correction=False).pvalue
    )
    assert compare_labels(np.array([500, 500]), np.array([1, 0]))[1] == 1


def test_shares_are_compared_by_cohen_and_by_a_binomial_test() -> None:
    effects, p_values = compare_shares(np.array([2, 30, 0]), np.array([9, 31, 0]), (100, 120))
    assert effects[0] == pytest.approx(2 * np.arcsin(0.075**0.5) - 2 * np.arcsin(0.02**0.5))
    share = 120 / 220
    tail = min(stats.binom.sf(8, 11, share), stats.binom.cdf(9, 11, share))
    assert p_values[0] == pytest.approx(2 * tail)
    assert effects[2] == 0
    assert p_values[2] == 1
    # Never surer than the exact test.
    assert p_values[0] >= stats.fisher_exact([[2, 98], [9, 111]]).pvalue


def test_terms_are_corrected_for_all_that_might_have_been_chosen() -> None:
    table = compare_terms(np.array([5, 400]), np.array([60, 410]), (1000, 1000), tested=20_000)
    _, alone = compare_shares(np.array([5, 400]), np.array([60, 410]), (1000, 1000))
    assert table["p_value"].tolist() == pytest.approx([alone[0] * 20_000, 1.0])
    assert table["reference"].tolist() == [0.005, 0.4]


def test_an_alarm_is_both_large_and_significant() -> None:
    small, unsure = replace(CHECK, effect=0.05), replace(CHECK, p_value=0.004)
    verdicts = [check.drifted for check in decide([CHECK, small, unsure], alpha=0.01)]
    assert verdicts == [True, False, True]
    # Of ten checks, a p-value of 0.004 is to be expected now and then.
    assert not decide([unsure, *[replace(CHECK, p_value=1.0)] * 9], alpha=0.01)[0].drifted


def test_false_alarms_are_as_rare_as_alpha_says() -> None:
    """For samples of the same, with no threshold to help: at most 1 % and some luck."""
    alarms = 0
    for _ in range(300):
        checks = []
        for _ in range(6):
            _, p_value = compare_numbers(RNG.normal(size=200), RNG.normal(size=300))
            checks.append(replace(CHECK, effect=1.0, p_value=p_value))
        alarms += any(check.drifted for check in decide(checks, alpha=0.01))
    assert alarms <= stats.binom.ppf(0.999, 300, 0.01)
