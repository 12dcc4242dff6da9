"""Confidence sequences: intervals that are valid at any time while rows arrive."""

import numpy as np

# Truncation of the bets, as chosen by the authors; at 1, an interval may become infinite.
_LARGEST_BET = 0.5


def confidence_sequence(values: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a confidence sequence of the mean of values between 0 and 1.

    The probability that the mean is ever below the lower limit, after any number of values, is at
    most `alpha`; likewise for the upper limit. So, unlike with a test for a fixed sample size, it
    is valid to check every day and to stop as soon as the interval is conclusive.

    This is the predictable plug-in empirical Bernstein sequence, theorem 2 of Waudby-Smith and
    Ramdas (2024), "Estimating means of bounded random variables by betting", Journal of the Royal
    Statistical Society B 86(1), with the running intersection of its intervals.

    Parameters
    ----------
    values : ndarray of float, of shape (..., n)
        Values from 0 to 1, in order of time. Given the earlier values, each value has the same
        mean.
    alpha : float
        Error probability of each limit.

    Returns
    -------
    low, high : ndarray of float, of shape (..., n)
        Lower and upper limits after each value.

    Examples
    --------
    >>> low, high = confidence_sequence(np.tile([1.0, 1.0, 1.0, 0.0], 500), alpha=0.025)
    >>> round(float(low[-1]), 2), round(float(high[-1]), 2)
    (0.71, 0.79)
    """
    count = np.arange(1, values.shape[-1] + 1)
    # With a prior observation of 1/2, whose variance is 1/4.
    means = (0.5 + values.cumsum(axis=-1)) / (count + 1)
    variances = (0.25 + ((values - means) ** 2).cumsum(axis=-1)) / (count + 1)
    means, variances = _shift(means, 0.5), _shift(variances, 0.25)
    bets = np.sqrt(2 * np.log(1 / alpha) / (variances * count * np.log1p(count)))
    bets = np.minimum(bets, _LARGEST_BET)
    total = bets.cumsum(axis=-1)
    middle = (bets * values).cumsum(axis=-1) / total
    spread = (values - means) ** 2 * (-np.log1p(-bets) - bets)
    half = (np.log(1 / alpha) + spread.cumsum(axis=-1)) / total
    low = np.maximum.accumulate(np.maximum(middle - half, 0.0), axis=-1)
    high = np.minimum.accumulate(np.minimum(middle + half, 1.0), axis=-1)
    return low, high


def bound_paired_difference(differences: np.ndarray, alpha: float) -> tuple[float, float]:
    """Return the last interval of `confidence_sequence` for the mean of differences from -1 to 1.

    `alpha` is the error probability of each limit. Without differences, the interval is (-1, 1).
    """
    if not differences.size:
        return -1.0, 1.0
    low, high = confidence_sequence((differences + 1) / 2, alpha)
    return float(2 * low[-1] - 1), float(2 * high[-1] - 1)


def bound_difference(first: np.ndarray, second: np.ndarray, alpha: float) -> tuple[float, float]:
    """Return the last interval for the mean of `second` minus that of `first`, on different rows.

    Each mean has its own sequence with half of `alpha`, so the order between rows of the two
    samples does not matter. Values are from 0 to 1.
    """
    (first_low, first_high), (second_low, second_high) = (
        [limits[-1] for limits in confidence_sequence(values, alpha / 2)]
        if values.size
        else [0.0, 1.0]
        for values in (first, second)
    )
    return float(second_low - first_high), float(second_high - first_low)


def _shift(values: np.ndarray, start: float) -> np.ndarray:
    """Shift running estimates by one, so that each uses only earlier values; begin with `start`."""
    first = np.full((*values.shape[:-1], 1), start)
    return np.concatenate([first, values[..., :-1]], axis=-1)
