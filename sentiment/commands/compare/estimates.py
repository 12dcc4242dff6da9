"""Bootstrap intervals and paired tests of two models on the same rows, from arrays."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import binomtest


@dataclass(frozen=True)
class Estimate:
    """A number with its confidence interval.

    Attributes
    ----------
    value : float
        The observed value.
    low, high : float
        Bounds of the interval; NaN if there are too few rows for an interval.
    error : float
        Standard error: the standard deviation of the bootstrap resamples.
    """

    value: float
    low: float
    high: float
    error: float

    def clip_at_zero(self) -> Self:
        """Return the estimate with an interval that does not extend below zero."""
        return replace(self, low=float(np.maximum(self.low, 0.0)))

    def with_interval(self, low: float, high: float) -> Self:
        """Return the same estimate with another interval."""
        return replace(self, low=float(low), high=float(high))


def estimate(
    value: float,
    samples: np.ndarray,
    without_each: np.ndarray,
    level: float,
    *,
    center: bool = False,
) -> Estimate:
    """Return a number with its BCa bootstrap interval.

    The bounds are the quantiles ``Phi(z0 + (z0 + z) / (1 - a * (z0 + z)))`` of the resamples, with
    the bias ``z0`` from the share of resamples below the value and the acceleration ``a`` from the
    jackknife (Efron, 1987, "Better bootstrap confidence intervals").

    Parameters
    ----------
    value : float
        The observed value.
    samples : ndarray of shape (r,)
        The value in each resample; NaN is ignored.
    without_each : ndarray of shape (n,)
        The value without each row.
    level : float
        Confidence, such as 0.95.
    center : bool
        Whether to shift the resamples so that their mean is the value, for a number that
        resampling by itself increases.
    """
    samples = np.sort(samples[~np.isnan(samples)])
    if np.isnan(value) or len(samples) < 2:
        return Estimate(value, *[float("nan")] * 3)
    if center:
        samples = samples - samples.mean() + value
    bias = ndtri(_share_below(samples, value))
    acceleration = _accelerate(without_each)
    tail = ndtri((1 - level) / 2)
    shifted = bias + np.array([tail, -tail])
    low, high = np.quantile(samples, ndtr(bias + shifted / (1 - acceleration * shifted)))
    return Estimate(float(value), float(low), float(high), float(samples.std(ddof=1)))


def _share_below(ordered: np.ndarray, value: float) -> float:
    """Return the share of numbers below `value`; ties count half, and 0 and 1 are avoided."""
    # Equal values may differ by rounding, since their weights are summed in another order.
    tolerance = 1e-12 * max(1.0, abs(value))
    start = np.searchsorted(ordered, value - tolerance, side="left")
    stop = np.searchsorted(ordered, value + tolerance, side="right")
    smallest = 1 / (len(ordered) + 1)
    return float(np.clip((start + stop) / (2 * len(ordered)), smallest, 1 - smallest))


def _accelerate(without_each: np.ndarray) -> float:
    """Return the acceleration: a sixth of the skewness of the jackknife's influences."""
    values = without_each[~np.isnan(without_each)]
    influence = values.mean() - values if len(values) else values
    spread = float(np.square(influence).sum())
    return float((influence**3).sum() / (6 * spread**1.5)) if spread > 1e-18 else 0.0


@dataclass(frozen=True)
class PairedTest:
    """A test of "both models are the same" by their difference, second minus first.

    Attributes
    ----------
    p_less, p_greater : float
        One-sided p-values, small if the difference is below or above zero.
    """

    p_less: float
    p_greater: float

    @property
    def p(self) -> float:
        """The two-sided p-value."""
        # numpy's minimum keeps NaN.
        return float(np.minimum(1.0, 2 * np.minimum(self.p_less, self.p_greater)))

    @classmethod
    def by_permutation(cls, observed: float, permuted: np.ndarray) -> Self:
        """Return the permutation test of a difference.

        The observed outcome counts as one of the permutations, so that the level is exact for any
        number of permutations (Phipson and Smyth, 2010, "Permutation p-values should never be
        zero").

        Parameters
        ----------
        observed : float
            The difference of the two models.
        permuted : ndarray of shape (r,)
            The difference after random exchanges of the two models' outputs, row by row.
        """
        if np.isnan(observed):
            return cls(float("nan"), float("nan"))
        # Equal values may differ by rounding, since they are summed in another order.
        tolerance = 1e-12 * max(1.0, abs(observed))
        less = (1 + np.sum(permuted <= observed + tolerance)) / (1 + len(permuted))
        greater = (1 + np.sum(permuted >= observed - tolerance)) / (1 + len(permuted))
        return cls(float(less), float(greater))


@dataclass(frozen=True)
class McNemar:
    """Counts of rows on which two models are right, and McNemar's exact test.

    Only rows that one model gets right and the other wrong tell them apart. If both models are
    equally good, each such row is a coin toss, so the test is binomial (McNemar, 1947).

    Attributes
    ----------
    both, only_first, only_second, neither : int
        Number of rows that both models, only one, or neither get right.
    """

    both: int
    only_first: int
    only_second: int
    neither: int

    @classmethod
    def count(cls, first: np.ndarray, second: np.ndarray) -> Self:
        """Count two boolean arrays that tell whether each model is right, row by row."""
        return cls(
            both=int(np.sum(first & second)),
            only_first=int(np.sum(first & ~second)),
            only_second=int(np.sum(~first & second)),
            neither=int(np.sum(~first & ~second)),
        )

    @property
    def discordant(self) -> int:
        """Number of rows that only one of the two models gets right."""
        return self.only_first + self.only_second

    @property
    def rows(self) -> int:
        """Number of all rows."""
        return self.both + self.discordant + self.neither

    def test(self) -> PairedTest:
        """Return the test of "both models make equally many errors"."""
        if not self.discordant:
            return PairedTest(1.0, 1.0)
        p_values = (
            float(binomtest(self.only_second, self.discordant, alternative=alternative).pvalue)
            for alternative in ("less", "greater")
        )
        return PairedTest(*p_values)
