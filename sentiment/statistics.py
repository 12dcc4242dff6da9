"""Intervals and corrections that comparison and monitoring share: arrays in, arrays out."""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri


def adjust_p_values(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the p-values of several tests, adjusted by Holm's step-down method (1979).

    The k-th smallest of m is multiplied by ``m - k + 1``, and none is smaller than one before it,
    so that the probability of any false rejection stays below the level, however the tests depend
    on each other.

    Parameters
    ----------
    p_values : array of float, of shape (n,)
        NaN where there is no p-value.

    Returns
    -------
    ndarray of float, of shape (n,)
        In the same order, at most 1.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return adjusted


def wilson_interval(count: np.ndarray, size: np.ndarray, confidence: float = 0.95) -> np.ndarray:
    """Return Wilson's (1927) score interval of a share, shape (2, n).

    Parameters
    ----------
    count, size : ndarray of int, of shape (n,)
        Rows that have the property, and all rows, at least one.
    confidence : float
        Nominal coverage of the interval.
    """
    z = ndtri((1 + confidence) / 2)
    share = count / size
    middle = (share + z**2 / (2 * size)) / (1 + z**2 / size)
    half = z / (1 + z**2 / size) * np.sqrt(share * (1 - share) / size + z**2 / (4 * size**2))
    interval: np.ndarray = np.clip(np.array([middle - half, middle + half]), 0.0, 1.0)
    return interval
