"""Confidence intervals of metrics and of their differences, each by the method that holds for it.

Shares of rows have exact or score intervals, for any number of rows. All other metrics have BCa
bootstrap intervals, which cover too rarely in small samples; there is none below `FEWEST_ROWS`
rows of the rarest class. ``python benchmarks/bench.py statistics`` measures the coverage.
"""

from collections.abc import Sequence

import numpy as np

from sentiment.commands.compare.estimates import Estimate, McNemar, estimate
from sentiment.modeling.intervals import FEWEST_ROWS, LOSSES, MICRO, bound_share, count_shares
from sentiment.modeling.predictions import Predictions
from sentiment.modeling.statistics import paired_interval

# Resampling increases it: a row that is drawn twice makes a bin deviate further.
_INFLATED = "ece"


def estimate_scores(
    predictions: Predictions,
    names: Sequence[str],
    values: np.ndarray,
    samples: np.ndarray,
    without_each: np.ndarray,
    level: float,
) -> dict[str, Estimate]:
    """Return every metric of one model with its interval.

    Parameters
    ----------
    predictions : Predictions
        Of `n` rows.
    names : sequence of str
        The metrics.
    values : ndarray of shape (metrics,)
        In the order of `names`, as are the others.
    samples : ndarray of shape (r, metrics)
        The metrics of bootstrap resamples of the rows.
    without_each : ndarray of shape (n, metrics)
        The metrics without each row.
    level : float
        Confidence of the intervals.
    """
    found = _bootstrap(predictions, names, values, samples, without_each, level)
    for name, counts in count_shares(predictions).items():
        if name in found:
            found[name] = found[name].with_interval(*bound_share(name, *counts, level))
    if "ece" in found:
        # Noise makes gaps in its bins, so that even its expectation is far above the truth.
        found["ece"] = found["ece"].with_interval(np.nan, np.nan)
    signed = ("matthews_corrcoef", "quadratic_kappa")
    return {name: one if name in signed else one.clip_at_zero() for name, one in found.items()}


def estimate_differences(
    first: Predictions,
    second: Predictions,
    names: Sequence[str],
    values: np.ndarray,
    samples: np.ndarray,
    without_each: np.ndarray,
    level: float,
) -> dict[str, Estimate]:
    """Return the difference of every metric, second minus first, with its interval.

    Parameters
    ----------
    first, second : Predictions
        Of the same rows.
    names, values, samples, without_each, level
        As of `estimate_scores`, of differences.
    """
    found = _bootstrap(first, names, values, samples, without_each, level)
    right = [one.right for one in (first, second)]
    kept = {"accuracy": np.full(len(first.labels), True)}
    if first.has_second:
        kept["recall"] = first.labels == first.classes[1]
    for name in kept.keys() & found.keys():
        rows = kept[name]
        counts = McNemar.count(right[0][rows], right[1][rows])
        ends = paired_interval(counts.only_second, counts.only_first, counts.rows, level)
        found[name] = found[name].with_interval(*ends)
    return found


def _bootstrap(
    predictions: Predictions,
    names: Sequence[str],
    values: np.ndarray,
    samples: np.ndarray,
    without_each: np.ndarray,
    level: float,
) -> dict[str, Estimate]:
    true = predictions.count_classes().true[0]
    made = {}
    for i, name in enumerate(names):
        found = estimate(
            values[i], samples[:, i], without_each[:, i], level, center=name == _INFLATED
        )
        # Means over rows need rows, of whatever class, and so do those over labels of rows.
        needed = len(predictions.labels) if name in LOSSES else true.min()
        if name in MICRO:
            needed = min(len(predictions.labels), true.sum())
        enough = needed >= FEWEST_ROWS
        made[name] = found if enough else found.with_interval(np.nan, np.nan)
    return made
