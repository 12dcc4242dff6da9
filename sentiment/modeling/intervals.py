"""Confidence intervals of the metrics of one split, in a few milliseconds.

Shares of rows have exact intervals. All other metrics have ABC intervals (DiCiccio and Efron, 1992,
"More accurate confidence intervals in exponential families"): those that BCa bootstrap intervals
tend to with more and more resamples, from derivatives instead of resamples. Like them they cover
too rarely in small samples, which get no interval.
"""

import numpy as np
from scipy.special import ndtr, ndtri

from sentiment.config.metrics import ALL_BUILT_IN
from sentiment.modeling.metrics import AREAS, KAPPA, OF_ROWS
from sentiment.modeling.predictions import Predictions
from sentiment.modeling.resampling import RowSums
from sentiment.modeling.statistics import exact_interval

# Rows of the rarest class that the intervals of `compare` need.
FEWEST_ROWS = 250
# What a metric needs so that at most one in twenty samples has an interval that misses the truth
# (`python benchmarks/bench.py statistics`): rows; right and wrong ones, if it counts them; rows of
# each class, if all classes count the same, and right ones among them; more if it ranks rows.
_ROWS, _OUTCOMES, _ROWS_OF_CLASS, _RIGHT_OF_CLASS, _RANKED_OF_CLASS = 250, 20, 50, 10, 100
LOSSES = ("log_loss", "brier", "mean_absolute_error", "hamming_loss", "label_ranking_precision")
_WEIGHTED = ("precision_weighted", "recall_weighted", "f1_weighted")
MICRO = ("precision_micro", "recall_micro", "f1_micro")
# Noise makes gaps in its bins, so that even its expectation is far above the truth.
_BIASED = ("ece",)
# Change of a weight of 1 by which derivatives are measured.
_STEP = 1e-3

# Ends of an interval; NaN where there are too few rows for one.
Interval = tuple[float, float]


def measure_intervals(
    predictions: Predictions, names: list[str], level: float = 0.95
) -> dict[str, Interval]:
    """Return the intervals of metrics; those that have none, such as the user's own, are NaN.

    Parameters
    ----------
    predictions : Predictions
        Of `n` rows.
    names : list of str
        Metrics.
    level : float
        Confidence of the intervals.
    """
    found = dict.fromkeys(names, (np.nan, np.nan)) | {
        name: bound_share(name, *counts, level)
        for name, counts in count_shares(predictions).items()
        if name in names
    }
    unknown = [name for name in names if name in ALL_BUILT_IN and np.isnan(found[name][0])]
    smooth = [name for name in unknown if _has_enough(name, predictions)]
    if smooth:
        sums = RowSums(predictions, smooth)
        found |= dict(zip(smooth, approximate_bootstrap(sums, level), strict=True))
    return found


def _has_enough(name: str, predictions: Predictions) -> bool:
    """Return whether there are so many rows that a metric has a reliable interval."""
    counts = predictions.count_classes()
    right, rows_of_class = counts.right[0], counts.true[0]
    rows, hits = counts.rows[0], right.sum()
    if name in _BIASED or rows < _ROWS:
        return False
    if name in LOSSES:
        return True
    wrong = rows - hits
    if predictions.separator is not None:  # labels that are missing, and surplus ones
        wrong = rows_of_class.sum() + counts.predicted[0].sum() - 2 * hits
    if min(hits, wrong) < _OUTCOMES:
        return False
    if name in AREAS:
        return bool(rows_of_class.min() >= _RANKED_OF_CLASS)
    if name in _WEIGHTED or name in MICRO:
        return True
    if name in ("matthews_corrcoef", KAPPA):  # they depend on rows outside of the largest class
        return bool(hits - right.max() >= _RIGHT_OF_CLASS)
    return bool(rows_of_class.min() >= _ROWS_OF_CLASS and right.min() >= _RIGHT_OF_CLASS)


def approximate_bootstrap(sums: RowSums, level: float) -> list[Interval]:
    """Return the ABC interval of each metric of `sums`.

    Of the influences of the rows on a metric are made its standard error and its acceleration, and
    of second differences its bias and its curvature. The metric under weights that lean towards
    the influences is an end of the interval.
    """
    rows = sums.rows
    ones = np.ones((1, rows))
    value = sums.score(ones)[0]
    more, less = sums.score_with_each(_STEP), sums.score_with_each(-_STEP)
    # Of a metric as a function of the shares of the rows, which sum to 1.
    first = (more - less) * rows / (2 * _STEP)
    first -= first.mean(axis=0)
    second = (more - 2 * value + less) * (rows / _STEP) ** 2
    error = np.sqrt((first**2).sum(axis=0)) / rows
    z = ndtri((1 + level) / 2)
    varies = error > 0
    scale = np.where(varies, error, 1.0)
    acceleration = (first**3).sum(axis=0) / (6 * rows**3 * scale**3)
    lean = (first / (rows * scale)).T  # of weights, one row for each metric
    ends = [np.diag(sums.score(1 + sign * _STEP * lean)) for sign in (1, -1)]
    curvature = (ends[0] + ends[1] - 2 * value) / (2 * scale * _STEP**2)
    bias = second.sum(axis=0) / (2 * rows**2)
    # Where the curvature is too large for a center, there is no interval.
    center = ndtri(2 * ndtr(acceleration) * ndtr(curvature - bias / scale))
    center[np.isinf(center)] = np.nan
    bounds = []
    for one in (-z, z):
        place = (center + one) / (1 - acceleration * (center + one)) ** 2
        bounds.append(np.diag(sums.score(1 + place[:, None] * lean)))
    low, high = np.where(varies, np.sort(bounds, axis=0), value)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def count_shares(predictions: Predictions) -> dict[str, tuple[int, int]]:
    """Return the metrics that are shares of rows, or follow from one: count and size."""
    if predictions.separator is not None:  # a row has several labels, which are not independent
        return {"accuracy": (int(predictions.right.sum()), len(predictions.labels))}
    counts = predictions.count_classes()
    right, rows = int(counts.right.sum()), len(predictions.codes)
    shares = dict.fromkeys(
        ("accuracy", "precision_micro", "recall_micro", "f1_micro"), (right, rows)
    )
    shares["top_3_accuracy"] = (int(OF_ROWS["top_3_accuracy"](predictions).sum()), rows)
    if predictions.scale is not None:
        shares["accuracy_within_one"] = (int((abs(predictions.rank_errors) <= 1).sum()), rows)
    if len(predictions.classes) == 2:
        hits, guessed, there = (
            int(one[0, 1]) for one in (counts.right, counts.predicted, counts.true)
        )
        shares["precision"] = (hits, guessed)
        shares["recall"] = (hits, there)
        shares["f1"] = (hits, guessed + there - hits)
    return shares


def bound_share(name: str, count: int, size: int, level: float) -> Interval:
    """Return the exact interval of a metric of `count_shares`."""
    low, high = exact_interval(np.array([count]), np.array([size]), level)[:, 0].tolist()
    if name == "f1":  # of a Jaccard index j, F1 is 2 j / (1 + j)
        low, high = 2 * low / (1 + low), 2 * high / (1 + high)
    return low, high
