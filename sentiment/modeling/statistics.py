"""Intervals and corrections that comparison and monitoring share."""

from collections.abc import Sequence

import numpy as np
from scipy.special import betaincinv, ndtri


def adjust_p_values(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the p-values of several tests, adjusted by Holm's step-down method (1979).

    The k-th smallest of m is multiplied by ``m - k + 1``, and no adjusted value is smaller than an
    earlier one, so that the probability of any false rejection stays below the level, however the
    tests depend on each other.

    Parameters
    ----------
    p_values : array of float, of shape (n,)
        NaN for a missing p-value.

    Returns
    -------
    ndarray of float, of shape (n,)
        Adjusted p-values in the same order, at most 1.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return adjusted


def exact_interval(count: np.ndarray, size: np.ndarray, confidence: float = 0.95) -> np.ndarray:
    """Return the exact binomial interval of a share (Clopper and Pearson, 1934), shape (2, n).

    Its coverage is at least `confidence`, for any share and any number of rows. Wilson's interval
    is narrower and right on average, but its coverage falls to 90 % for shares near 0 and 1 in
    small samples.

    Parameters
    ----------
    count, size : ndarray of int, of shape (n,)
        Rows that have the property, and all rows; without rows, the interval is from 0 to 1.
    confidence : float
        Least coverage of the interval.
    """
    tail = (1 - confidence) / 2
    interval: np.ndarray = np.array(
        [lower_bound(count, size, 1 - tail), 1 - lower_bound(size - count, size, 1 - tail)]
    )
    return interval


def lower_bound(count: np.ndarray, size: np.ndarray, confidence: float) -> np.ndarray:
    """Return the exact one-sided lower bound of a share (Clopper and Pearson, 1934), shape (n,)."""
    count, size = np.asarray(count), np.asarray(size)
    bound: np.ndarray = np.where(
        count > 0, betaincinv(np.maximum(count, 1), size - count + 1, 1 - confidence), 0.0
    )
    return bound


def paired_interval(gained: int, lost: int, size: int, confidence: float) -> np.ndarray:
    """Return Tango's (1998) score interval of the difference of two paired shares, shape (2,).

    Parameters
    ----------
    gained, lost : int
        Rows that have the property only in the second case, and only in the first.
    size : int
        Number of all rows.
    confidence : float
        Nominal coverage of the interval of ``(gained - lost) / size``.
    """
    from scipy.optimize import brentq

    if not size:
        return np.array([-1.0, 1.0])

    def score(difference: float) -> float:
        """Return the score statistic, which falls from plus to minus infinity."""
        linear = (2 * size - gained + lost) * difference - gained - lost
        constant = -lost * difference * (1 - difference)
        root = (np.sqrt(linear**2 - 8 * size * constant) - linear) / (4 * size)
        variance = size * (2 * root + difference * (1 - difference))
        return float((gained - lost - size * difference) / np.sqrt(max(variance, 1e-300)))

    z, observed = ndtri((1 + confidence) / 2), (gained - lost) / size
    low = brentq(lambda d: score(d) - z, -1.0, observed) if observed > -1 else -1.0
    high = brentq(lambda d: score(d) + z, observed, 1.0) if observed < 1 else 1.0
    return np.array([low, high])
