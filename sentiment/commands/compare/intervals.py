"""Confidence intervals of metrics and of their differences, by the method that fits each metric.

Shares of rows have exact or score intervals, for any number of rows. All other metrics have BCa
bootstrap intervals. Their coverage is too low in small samples, so there is no interval with fewer
than `FEWEST_ROWS` rows of the rarest class. ``python benchmarks/bench.py statistics`` measures the
coverage.
"""

from collections.abc import Sequence

import numpy as np

from sentiment.commands.compare.estimates import Estimate, McNemar, estimate
from sentiment.modeling.intervals import FEWEST_ROWS, LOSSES, MICRO, bound_share, count_shares
from sentiment.modeling.predictions import Predictions
from sentiment.modeling.statistics import paired_interval

# Resampling increases this metric: a row that is drawn twice makes its bin deviate further.
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
        Predictions for `n` rows.
    names : sequence of str
        The metrics.
    values : ndarray of shape (metrics,)
        Values of the metrics, in the order of `names`, as are the arrays below.
    samples : ndarray of shape (r, metrics)
        The metrics of bootstrap resamples of the rows.
    without_each : ndarray of shape (n, metrics)
        The metrics without each row.
    level : float
        Confidence of the intervals.
    """
    estimates = _bootstrap(predictions, names, values, samples, without_each, level)
    for name, counts in count_shares(predictions).items():
        if name in estimates:
            estimates[name] = estimates[name].with_interval(*bound_share(name, *counts, level))
    if "ece" in estimates:
        # Noise alone opens gaps in the bins, so that even the expectation is far above the truth.
        estimates["ece"] = estimates["ece"].with_interval(np.nan, np.nan)
    signed = ("matthews_corrcoef", "quadratic_kappa")
    return {
        name: estimate if name in signed else estimate.clip_at_zero()
        for name, estimate in estimates.items()
    }


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
        Predictions of both models for the same rows.
    names, values, samples, without_each, level
        As in `estimate_scores`, but of differences.
    """
    estimates = _bootstrap(first, names, values, samples, without_each, level)
    masks = {"accuracy": np.full(len(first.labels), True)}
    if first.has_second:
        masks["recall"] = first.labels == first.classes[1]
    for name in masks.keys() & estimates.keys():
        mask = masks[name]
        counts = McNemar.count(first.right[mask], second.right[mask])
        interval = paired_interval(counts.only_second, counts.only_first, counts.rows, level)
        estimates[name] = estimates[name].with_interval(*interval)
    return estimates


def _bootstrap(
    predictions: Predictions,
    names: Sequence[str],
    values: np.ndarray,
    samples: np.ndarray,
    without_each: np.ndarray,
    level: float,
) -> dict[str, Estimate]:
    class_rows = predictions.count_classes().true[0]
    estimates = {}
    for i, name in enumerate(names):
        estimates[name] = estimate(
            values[i], samples[:, i], without_each[:, i], level, center=name == _INFLATED
        )
        # Means over rows, or over labels of rows, need rows of any class; other metrics need rows
        # of every class.
        rows = len(predictions.labels) if name in LOSSES else class_rows.min()
        if name in MICRO:
            rows = min(len(predictions.labels), class_rows.sum())
        if rows < FEWEST_ROWS:
            estimates[name] = estimates[name].with_interval(np.nan, np.nan)
    return estimates
