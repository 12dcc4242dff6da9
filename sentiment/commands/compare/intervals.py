"""Confidence intervals of metrics and of their differences, each by the method that holds for it.

Shares of rows have exact or score intervals, for any number of rows. All other metrics have BCa
bootstrap intervals, which cover too rarely in small samples; there is none below `FEWEST_ROWS`
rows of the rarest class. ``python benchmarks/bench.py statistics`` measures the coverage.
"""

import numpy as np

from sentiment.commands.compare.estimates import Estimate, McNemar, estimate
from sentiment.config.metrics import METRICS
from sentiment.modeling.evaluation import Predictions
from sentiment.modeling.statistics import exact_interval, paired_interval

FEWEST_ROWS = 250
# Resampling increases it: a row that is drawn twice makes a bin deviate further.
_INFLATED = "ece"


def estimate_scores(
    predictions: Predictions,
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
    values : ndarray of shape (metrics,)
        In the order of `METRICS`, as are the others.
    samples : ndarray of shape (r, metrics)
        The metrics of bootstrap resamples of the rows.
    without_each : ndarray of shape (n, metrics)
        The metrics without each row.
    level : float
        Confidence of the intervals.
    """
    found = _bootstrap(predictions, values, samples, without_each, level)
    for name, (count, size) in _count_shares(predictions).items():
        low, high = exact_interval(np.array([count]), np.array([size]), level)[:, 0]
        if name == "f1":  # of a Jaccard index j, F1 is 2 j / (1 + j)
            low, high = 2 * low / (1 + low), 2 * high / (1 + high)
        found[name] = found[name].with_interval(low, high)
    # Noise makes gaps in its bins, so that even its expectation is far above the truth.
    found["ece"] = found["ece"].with_interval(np.nan, np.nan)
    return {name: one.clip_at_zero() for name, one in found.items()}


def estimate_differences(
    first: Predictions,
    second: Predictions,
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
    values, samples, without_each, level
        As of `estimate_scores`, of differences.
    """
    found = _bootstrap(first, values, samples, without_each, level)
    right = [one.predicted == one.labels for one in (first, second)]
    kept = {"accuracy": np.full(len(first.labels), True)}
    if len(first.classes) == 2:
        kept["recall"] = first.labels == first.classes[1]
    for name, rows in kept.items():
        counts = McNemar.count(right[0][rows], right[1][rows])
        ends = paired_interval(counts.only_second, counts.only_first, counts.rows, level)
        found[name] = found[name].with_interval(*ends)
    return found


def _bootstrap(
    predictions: Predictions,
    values: np.ndarray,
    samples: np.ndarray,
    without_each: np.ndarray,
    level: float,
) -> dict[str, Estimate]:
    enough = predictions.indicators.sum(axis=0).min() >= FEWEST_ROWS
    made = {}
    for i, name in enumerate(METRICS):
        found = estimate(
            values[i], samples[:, i], without_each[:, i], level, center=name == _INFLATED
        )
        made[name] = found if enough else found.with_interval(np.nan, np.nan)
    return made


def _count_shares(predictions: Predictions) -> dict[str, tuple[int, int]]:
    """Return the metrics that are shares of rows, or follow from one: count and size."""
    predicted, labels = predictions.predicted, predictions.labels
    shares = {"accuracy": (int(np.sum(predicted == labels)), len(labels))}
    if len(predictions.classes) == 2:
        guessed, there = (one == predictions.classes[1] for one in (predicted, labels))
        hits = int(np.sum(guessed & there))
        shares["precision"] = (hits, int(guessed.sum()))
        shares["recall"] = (hits, int(there.sum()))
        shares["f1"] = (hits, int(np.sum(guessed | there)))
    return shares
