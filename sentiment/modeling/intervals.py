"""Confidence intervals of the metrics of one split, in a few milliseconds.

Shares of rows have exact intervals. All other metrics have ABC intervals (DiCiccio and Efron, 1992,
"More accurate confidence intervals in exponential families"): the limit of BCa bootstrap intervals
for many resamples, computed from derivatives. Like these, they cover too rarely in small samples,
which get no interval.
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
# What a metric needs so that at most one in twenty intervals misses the true value
# (`python benchmarks/bench.py statistics`): rows; right and wrong predictions, if it counts them;
# rows and right predictions of each class, if all classes count the same; more rows of each class
# if it ranks rows.
_ROWS, _OUTCOMES, _ROWS_OF_CLASS, _RIGHT_OF_CLASS, _RANKED_OF_CLASS = 250, 20, 50, 10, 100
LOSSES = ("log_loss", "brier", "mean_absolute_error", "hamming_loss", "label_ranking_precision")
_WEIGHTED = ("precision_weighted", "recall_weighted", "f1_weighted")
MICRO = ("precision_micro", "recall_micro", "f1_micro")
# Noise makes gaps in its bins, so that even its expected value is far above the true value.
_BIASED = ("ece",)
# Change of a weight of 1 for numerical derivatives.
_STEP = 1e-3

# File in the folder of a run that holds its intervals, by ``<split>/<name>``.
INTERVALS_FILE = "scores/intervals.json"
# Bounds of an interval; NaN if there are too few rows for one.
Interval = tuple[float, float]


def measure_intervals(
    predictions: Predictions, names: list[str], level: float = 0.95
) -> dict[str, Interval]:
    """Return the intervals of metrics; NaN for metrics without one, such as the user's own.

    Parameters
    ----------
    predictions : Predictions
        Of `n` rows.
    names : list of str
        Metrics.
    level : float
        Confidence of the intervals.
    """
    intervals = dict.fromkeys(names, (np.nan, np.nan)) | {
        name: bound_share(name, *counts, level)
        for name, counts in count_shares(predictions).items()
        if name in names
    }
    missing = [name for name in names if name in ALL_BUILT_IN and np.isnan(intervals[name][0])]
    smooth = [name for name in missing if _has_enough(name, predictions)]
    if smooth:
        sums = RowSums(predictions, smooth)
        intervals |= dict(zip(smooth, approximate_bootstrap(sums, level), strict=True))
    return intervals


def _has_enough(name: str, predictions: Predictions) -> bool:
    """Return whether there are enough rows for a reliable interval of a metric."""
    counts = predictions.count_classes()
    right, rows_of_class = counts.right[0], counts.true[0]
    rows, hits = counts.rows[0], right.sum()
    if name in _BIASED or rows < _ROWS:
        return False
    if name in LOSSES:
        return True
    wrong = rows - hits
    if predictions.separator is not None:  # missing labels, and surplus labels
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

    The influences of the rows on a metric give its standard error and its acceleration, and second
    differences its bias and its curvature. The bounds are the values of the metric with weights
    that are shifted along the influences.
    """
    rows = sums.rows
    value = sums.score(np.ones((1, rows)))[0]
    above, below = sums.score_row_changes(_STEP), sums.score_row_changes(-_STEP)
    # Derivatives of a metric with respect to the shares of the rows, which sum to 1.
    first = (above - below) * rows / (2 * _STEP)
    first -= first.mean(axis=0)
    second = (above - 2 * value + below) * (rows / _STEP) ** 2
    error = np.sqrt((first**2).sum(axis=0)) / rows
    z = ndtri((1 + level) / 2)
    varies = error > 0
    scale = np.where(varies, error, 1.0)
    acceleration = (first**3).sum(axis=0) / (6 * rows**3 * scale**3)
    direction = (first / (rows * scale)).T  # of the weights, one row for each metric
    shifted = [np.diag(sums.score(1 + sign * _STEP * direction)) for sign in (1, -1)]
    curvature = (shifted[0] + shifted[1] - 2 * value) / (2 * scale * _STEP**2)
    bias = second.sum(axis=0) / (2 * rows**2)
    # If the curvature is too large for a center, there is no interval.
    center = ndtri(2 * ndtr(acceleration) * ndtr(curvature - bias / scale))
    center[np.isinf(center)] = np.nan
    bounds = []
    for quantile in (-z, z):
        shift = (center + quantile) / (1 - acceleration * (center + quantile)) ** 2
        bounds.append(np.diag(sums.score(1 + shift[:, None] * direction)))
    low, high = np.where(varies, np.sort(bounds, axis=0), value)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def count_shares(predictions: Predictions) -> dict[str, tuple[int, int]]:
    """Return the count and the size of each metric that is a share of rows, or follows from one."""
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
        hits, predicted, true = (
            int(array[0, 1]) for array in (counts.right, counts.predicted, counts.true)
        )
        shares["precision"] = (hits, predicted)
        shares["recall"] = (hits, true)
        shares["f1"] = (hits, predicted + true - hits)
    return shares


def bound_share(name: str, count: int, size: int, level: float) -> Interval:
    """Return the exact interval of a metric of `count_shares`."""
    low, high = exact_interval(np.array([count]), np.array([size]), level)[:, 0].tolist()
    if name == "f1":  # F1 = 2 j / (1 + j), where j is the Jaccard index
        low, high = 2 * low / (1 + low), 2 * high / (1 + high)
    return low, high
