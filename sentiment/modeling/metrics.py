"""Metrics of predictions: losses of rows and areas under curves; see `outcomes` for others."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Literal

import numpy as np

from sentiment.modeling.outcomes import divide, nan_mean
from sentiment.modeling.predictions import LabelSetPredictions, Predictions

AREAS = ("roc_auc", "roc_auc_ovr")
KAPPA = "quadratic_kappa"
_SIDES: tuple[Literal["left"], Literal["right"]] = ("left", "right")


def _measure_hits(predictions: Predictions, k: int) -> np.ndarray:
    """Return whether the true class of each row is among its `k` most probable classes."""
    p, rows = predictions.probabilities, np.arange(len(predictions.labels))
    p_true = p[rows, predictions.codes][:, None]
    # Equally probable classes are ranked by their index, as in predictions.
    is_tied_earlier = (p == p_true) & (np.arange(p.shape[1]) < predictions.codes[:, None])
    ranks = ((p > p_true) | is_tied_earlier).sum(axis=1)
    hits: np.ndarray = (ranks < k).astype(float)
    return hits


def _measure_log_losses(predictions: Predictions) -> np.ndarray:
    p = predictions.probabilities
    p_true = p[np.arange(len(p)), predictions.codes]
    eps = np.finfo(p.dtype).eps  # as in scikit-learn's log_loss
    losses: np.ndarray = -np.log(np.clip(p_true, eps, 1 - eps))
    return losses


def _measure_squared_errors(predictions: Predictions) -> np.ndarray:
    """Return the squared errors summed over classes (Brier, 1950), halved for two classes."""
    p = predictions.probabilities
    p_true = p[np.arange(len(p)), predictions.codes]
    errors: np.ndarray = np.einsum("ij,ij->i", p, p) - 2 * p_true + 1
    halved: np.ndarray = np.maximum(errors, 0) / (2 if p.shape[1] == 2 else 1)
    return halved


def _measure_accuracy(predictions: Predictions) -> np.ndarray:
    right: np.ndarray = predictions.right.astype(float)
    return right


# Means over rows: functions from predictions to a number for each row.
OF_ROWS: dict[str, Callable[[Predictions], np.ndarray]] = {
    "accuracy": _measure_accuracy,
    "top_3_accuracy": partial(_measure_hits, k=3),
    "log_loss": _measure_log_losses,
    "brier": _measure_squared_errors,
}
# Further means for labels on a scale.
OF_ORDERED_ROWS: dict[str, Callable[[Predictions], np.ndarray]] = {
    "accuracy_within_one": lambda predictions: (np.abs(predictions.rank_errors) <= 1).astype(float),
    "mean_absolute_error": lambda predictions: np.abs(predictions.errors),
}


def _measure_label_errors(predictions: LabelSetPredictions) -> np.ndarray:
    """Return the share of the labels that are wrong in each row."""
    shares: np.ndarray = (predictions.truth != predictions.predicted_truth).mean(axis=1)
    return shares


def _measure_label_log_losses(predictions: LabelSetPredictions) -> np.ndarray:
    """Return the mean binary log loss of the labels of each row."""
    p = predictions.probabilities
    p_true = np.where(predictions.truth, p, 1 - p)
    eps = np.finfo(p.dtype).eps
    losses: np.ndarray = -np.log(np.clip(p_true, eps, 1 - eps)).mean(axis=1)
    return losses


def _measure_label_squared_errors(predictions: LabelSetPredictions) -> np.ndarray:
    errors: np.ndarray = ((predictions.probabilities - predictions.truth) ** 2).mean(axis=1)
    return errors


def _measure_label_ranking(predictions: LabelSetPredictions) -> np.ndarray:
    """Return the mean of the precision at the rank of each true label of a row.

    It is 1 for a row without labels, as in scikit-learn's label_ranking_average_precision_score.
    """
    p, truth = predictions.probabilities, predictions.truth
    order = np.argsort(-p, axis=1, kind="stable")
    ranked, hits = np.take_along_axis(p, order, 1), np.take_along_axis(truth, order, 1)
    hit_counts = np.cumsum(hits, axis=1)
    # Equally probable labels all have the last of their ranks.
    is_last = np.append(ranked[:, 1:] != ranked[:, :-1], np.ones((len(p), 1), bool), axis=1)
    last = np.where(is_last, np.arange(p.shape[1]), p.shape[1])
    last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    precision = np.take_along_axis(hit_counts, last, 1) / (last + 1)
    return divide((precision * hits).sum(axis=1), hits.sum(axis=1), 1.0)


# Means over rows of label sets.
OF_SETS: dict[str, Callable[[LabelSetPredictions], np.ndarray]] = {
    "accuracy": _measure_accuracy,
    "hamming_loss": _measure_label_errors,
    "label_ranking_precision": _measure_label_ranking,
    "log_loss": _measure_label_log_losses,
    "brier": _measure_label_squared_errors,
}


def measure_rows(predictions: Predictions, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Return the values of each row for the metrics in `names` that are means over rows.

    Parameters
    ----------
    predictions : Predictions
        Of `n` rows.
    names : iterable of str
        Names of metrics; other metrics are left out.

    Returns
    -------
    dict of str to ndarray of shape (n,)
    """
    functions: Mapping[str, Callable[[Any], np.ndarray]] = OF_ROWS
    if isinstance(predictions, LabelSetPredictions):
        functions = OF_SETS
    elif predictions.scale is not None:
        functions = OF_ROWS | OF_ORDERED_ROWS
    return {name: functions[name](predictions) for name in names if name in functions}


def measure_area(predictions: Predictions, k: int) -> float:
    """Return the area under the ROC curve of class `k` against the rest.

    It is NaN if all rows are of the class, or no row is. The area is the share of the pairs of a
    row of the class and another row in which the first has the higher score, where ties count half
    (Hanley and McNeil, 1982), so it follows from the ranks of the rows of the class.
    """
    scores = predictions.probabilities[:, k]
    positives = scores[predictions.find_rows(k)]
    n_positive, n_negative = len(positives), len(scores) - len(positives)
    if not n_positive or not n_negative:
        return float("nan")
    ranked = np.sort(scores)
    rank_sum = sum(int(np.searchsorted(ranked, positives, side).sum()) for side in _SIDES)
    return (rank_sum - n_positive**2) / (2 * n_positive * n_negative)


def measure_areas(predictions: Predictions) -> np.ndarray:
    """Return the area under the ROC curve of each class against the rest, shape (n_classes,)."""
    return np.array([measure_area(predictions, k) for k in range(len(predictions.classes))])


def average_areas(areas: np.ndarray, *, has_second: bool) -> float:
    """Return the area of the second of two classes, or the mean over more classes."""
    averaged = areas[1:] if has_second else areas
    return float(nan_mean(averaged[None])[0])
