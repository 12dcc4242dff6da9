"""Intervals and tests for models on the same rows: arrays in, numbers out."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy.stats import binomtest, norm


@dataclass(frozen=True)
class Estimate:
    """A number with its bootstrap interval.

    Attributes
    ----------
    value, low, high : float
        What was observed, and the ends of the interval.
    error : float
        Standard error: the standard deviation of the resamples.
    p_below, p_above : float
        One-sided p-values, small if the number lies below or above zero.
    """

    value: float
    low: float
    high: float
    error: float
    p_below: float
    p_above: float

    @property
    def p(self) -> float:
        """The two-sided p-value of zero."""
        # As numpy has it: of what is not a number, nothing is made.
        return float(np.minimum(1.0, 2 * np.minimum(self.p_below, self.p_above)))

    def floor(self) -> Self:
        """Return the same with an interval that begins at zero at least."""
        return replace(self, low=max(self.low, 0.0))


def estimate(
    value: float,
    samples: np.ndarray,
    without_each: np.ndarray,
    level: float,
    *,
    centre: bool = False,
) -> Estimate:
    """Return the BCa bootstrap interval of a number, and the tests of zero that belong to it.

    The ends are the quantiles ``Phi(z0 + (z0 + z) / (1 - a * (z0 + z)))`` of the resamples, with
    the bias ``z0`` from the share of resamples below the value and the acceleration ``a`` from the
    jackknife (Efron, 1987, "Better bootstrap confidence intervals"). The p-values are the same
    formula solved for the level at which an end is zero: p is below 1 - `level` just where the
    interval leaves zero out.

    Parameters
    ----------
    value : float
        What was observed.
    samples : ndarray of shape (r,)
        The same of each resample; what is not a number is left out.
    without_each : ndarray of shape (n,)
        The same without each row.
    level : float
        Confidence, such as 0.95.
    centre : bool
        Whether the resamples are moved so that their mean is the value, which is for a number
        that resampling itself makes larger.
    """
    samples = np.sort(samples[~np.isnan(samples)])
    if np.isnan(value) or len(samples) < 2:
        return Estimate(value, *[float("nan")] * 5)
    if centre:
        samples = samples - samples.mean() + value
    bias = norm.ppf(_share_below(samples, value))
    acceleration = _accelerate(without_each)
    tail = norm.ppf((1 - level) / 2)
    shifted = bias + np.array([tail, -tail])
    low, high = np.quantile(samples, norm.cdf(bias + shifted / (1 - acceleration * shifted)))
    # So many resamples cannot tell a smaller p-value from none.
    least = 1 / (len(samples) + 1)
    if samples[0] > 0 or samples[-1] < 0:
        z = np.copysign(np.inf, -samples[0])
    else:
        at = norm.ppf(_share_below(samples, 0.0)) - bias
        z = at / max(1 + acceleration * at, 1e-9) - bias
    return Estimate(
        value=float(value),
        low=float(low),
        high=float(high),
        error=float(samples.std(ddof=1)),
        p_below=float(np.clip(norm.sf(z), least, 1 - least)),
        p_above=float(np.clip(norm.cdf(z), least, 1 - least)),
    )


def _share_below(ordered: np.ndarray, value: float) -> float:
    """Return the share of numbers below `value`, ties half; neither none nor all of them."""
    # Equal but for rounding: sums of weights in another order.
    slack = 1e-12 * max(1.0, abs(value))
    left = np.searchsorted(ordered, value - slack, side="left")
    right = np.searchsorted(ordered, value + slack, side="right")
    edge = 1 / (len(ordered) + 1)
    return float(np.clip((left + right) / (2 * len(ordered)), edge, 1 - edge))


def _accelerate(without_each: np.ndarray) -> float:
    """Return the acceleration: a sixth of the skewness of the jackknife's influences."""
    known = without_each[~np.isnan(without_each)]
    influence = known.mean() - known if len(known) else known
    spread = float(np.square(influence).sum())
    return float((influence**3).sum() / (6 * spread**1.5)) if spread > 1e-18 else 0.0


@dataclass(frozen=True)
class McNemar:
    """How often each of two models is right on the same rows, and McNemar's exact test.

    Only rows that one model gets right and the other wrong tell them apart. If both make as many
    errors, each of these is a toss of a coin, so the test is a binomial one (McNemar, 1947).

    Attributes
    ----------
    both, only_first, only_second, neither : int
        Rows.
    """

    both: int
    only_first: int
    only_second: int
    neither: int

    @classmethod
    def count(cls, first: np.ndarray, second: np.ndarray) -> Self:
        """Return the counts for two arrays that say, row by row, who is right."""
        return cls(
            both=int(np.sum(first & second)),
            only_first=int(np.sum(first & ~second)),
            only_second=int(np.sum(~first & second)),
            neither=int(np.sum(~first & ~second)),
        )

    @property
    def apart(self) -> int:
        """Rows that only one of the two gets right."""
        return self.only_first + self.only_second

    @property
    def p(self) -> float:
        """The p-value of "one makes more errors than the other"."""
        return self._test("two-sided")

    @property
    def p_worse(self) -> float:
        """The p-value of "the second makes more errors than the first"."""
        return self._test("greater")

    def _test(self, alternative: str) -> float:
        if not self.apart:
            return 1.0
        return float(binomtest(self.only_first, self.apart, alternative=alternative).pvalue)
