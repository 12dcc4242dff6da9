"""Intervals that are looked at every day: they miss as seldom as they say."""

import numpy as np
import pytest

from sentiment.modeling.sequential import (
    bound_difference,
    bound_paired_difference,
    confidence_sequence,
)

ALPHA, STREAMS, ROWS = 0.05, 800, 2000


def draw_differences(rng: np.random.Generator, wins: float, losses: float) -> np.ndarray:
    """Return streams of 1 where only the second is right, -1 where only the first is, else 0."""
    values = rng.random((STREAMS, ROWS))
    return np.where(values < wins, 1.0, np.where(values < wins + losses, -1.0, 0.0))


@pytest.mark.slow
@pytest.mark.parametrize(("wins", "losses"), [(0.04, 0.04), (0.02, 0.08), (0.3, 0.3)])
def test_daily_looks_find_no_more_than_alpha(wins, losses):
    streams = draw_differences(np.random.default_rng(7), wins, losses)
    low, high = confidence_sequence((streams + 1) / 2, ALPHA)
    mean = (wins - losses + 1) / 2
    # Each of 2,000 rows is a look; three standard errors of 800 streams are 0.023.
    assert (low > mean).any(axis=1).mean() <= ALPHA
    assert (high < mean).any(axis=1).mean() <= ALPHA
    # The test for one look, taken at every twentieth row, finds what is not there far more often.
    count = np.arange(1, ROWS + 1)
    average = streams.cumsum(axis=1) / count
    error = np.sqrt(np.maximum((streams**2).cumsum(axis=1) / count - average**2, 1e-9) / count)
    is_significant = (average - (wins - losses)) / error > 1.645
    assert is_significant[:, 99::20].any(axis=1).mean() > 3 * ALPHA


@pytest.mark.slow
def test_a_better_model_is_found_in_reasonable_time():
    streams = draw_differences(np.random.default_rng(8), 0.09, 0.04)
    low, _ = confidence_sequence((streams + 1) / 2, ALPHA)
    assert np.median((low > 0.5).argmax(axis=1)) < 1000
    assert (low[:, -1] > 0.5).mean() > 0.95


@pytest.mark.slow
def test_two_shares_have_an_interval_of_their_own():
    rng = np.random.default_rng(9)
    missed = 0
    for _ in range(200):
        first, second = rng.random(1800) < 0.9, rng.random(200) < 0.8
        ends = [bound_difference(first[: 9 * n] * 1.0, second[:n] * 1.0, ALPHA)
                for n in range(20, 201, 20)]  # fmt: skip
        missed += any(not low <= -0.1 <= high for low, high in ends)
    assert missed / 200 <= 2 * ALPHA
    low, high = bound_difference(np.ones(5000), np.tile([1.0, 0.0], 2500), ALPHA)
    assert -0.6 < low < -0.5 < high < -0.4


def test_no_rows_show_nothing():
    empty = np.array([])
    assert bound_paired_difference(empty, ALPHA) == (-1.0, 1.0)
    assert bound_difference(empty, empty, ALPHA) == (-1.0, 1.0)
    low, high = bound_paired_difference(np.ones(1), ALPHA)
    assert low < 0 < high == 1
