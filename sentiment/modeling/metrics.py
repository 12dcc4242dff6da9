"""Metrics of predictions: losses of rows and areas under curves; see `outcomes` for the others."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

from sentiment.modeling.outcomes import divide, mean_of_known
from sentiment.modeling.predictions import LabelSetPredictions, Predictions

AREAS = ("roc_auc", "roc_auc_ovr")
KAPPA = "quadratic_kappa"


def _measure_hits(predictions: Predictions, k: int) -> np.ndarray:
    """Return whether the true class of each row is among its `k` most probable ones."""
    p, rows = predictions.probabilities, np.arange(len(predictions.labels))
    own = p[rows, predictions.codes][:, None]
    # Of equally probable classes the first comes first, as where one is predicted.
    before = (p > own) | ((p == own) & (np.arange(p.shape[1]) < predictions.codes[:, None]))
    hits: np.ndarray = (before.sum(axis=1) < k).astype(float)
    return hits


def _measure_log_losses(predictions: Predictions) -> np.ndarray:
    p = predictions.probabilities
    own = p[np.arange(len(p)), predictions.codes]
    tiny = np.finfo(p.dtype).eps  # as scikit-learn's log_loss has it
    losses: np.ndarray = -np.log(np.clip(own, tiny, 1 - tiny))
    return losses


def _measure_squared_errors(predictions: Predictions) -> np.ndarray:
    """Return the squared errors summed over classes (Brier, 1950), halved for two classes."""
    p = predictions.probabilities
    own = p[np.arange(len(p)), predictions.codes]
    errors: np.ndarray = np.einsum("ij,ij->i", p, p) - 2 * own + 1
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
# The same of labels on a scale.
OF_ORDERED_ROWS: dict[str, Callable[[Predictions], np.ndarray]] = {
    "accuracy_within_one": lambda made: (np.abs(made.rank_errors) <= 1).astype(float),
    "mean_absolute_error": lambda made: np.abs(made.errors),
}


def _measure_label_errors(predictions: LabelSetPredictions) -> np.ndarray:
    """Return the share of the labels that are wrong in each row."""
    shares: np.ndarray = (predictions.truth != predictions.predicted_truth).mean(axis=1)
    return shares


def _measure_label_log_losses(predictions: LabelSetPredictions) -> np.ndarray:
    """Return the mean log loss of the labels of each row, each a problem of two classes."""
    p = predictions.probabilities
    own = np.where(predictions.truth, p, 1 - p)
    tiny = np.finfo(p.dtype).eps
    losses: np.ndarray = -np.log(np.clip(own, tiny, 1 - tiny)).mean(axis=1)
    return losses


def _measure_label_squared_errors(predictions: LabelSetPredictions) -> np.ndarray:
    errors: np.ndarray = ((predictions.probabilities - predictions.truth) ** 2).mean(axis=1)
    return errors


def _measure_label_ranking(predictions: LabelSetPredictions) -> np.ndarray:
    """Return the precision at the rank of each true label, averaged over those of a row.

    It is 1 for a row without labels, as in scikit-learn's label_ranking_average_precision_score.
    """
    p, truth = predictions.probabilities, predictions.truth
    order = np.argsort(-p, axis=1, kind="stable")
    ranked, hits = np.take_along_axis(p, order, 1), np.take_along_axis(truth, order, 1)
    found = np.cumsum(hits, axis=1)
    # Of equally probable labels, all have the last rank.
    ends = np.append(ranked[:, 1:] != ranked[:, :-1], np.ones((len(p), 1), bool), axis=1)
    last = np.where(ends, np.arange(p.shape[1]), p.shape[1])
    last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    precision = np.take_along_axis(found, last, 1) / (last + 1)
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
    """Return the values of each row for those of `names` that are means over rows.

    Parameters
    ----------
    predictions : Predictions
        Of `n` rows.
    names : iterable of str
        Names of metrics; others are left out.

    Returns
    -------
    dict of str to ndarray of shape (n,)
    """
    known: Mapping[str, Callable[[Any], np.ndarray]] = OF_ROWS
    if isinstance(predictions, LabelSetPredictions):
        known = OF_SETS
    elif predictions.scale is not None:
        known = OF_ROWS | OF_ORDERED_ROWS
    return {name: known[name](predictions) for name in names if name in known}


def measure_area(predictions: Predictions, k: int) -> float:
    """Return the area under the ROC curve of class `k` against the rest.

    It is NaN where all rows are of the class, or none. The area is the share of the pairs of a row
    of the class and another row in which the first has the higher score, ties counting half (Hanley
    and McNeil, 1982); so it is made of the ranks of the rows of the class.
    """
    scores = predictions.probabilities[:, k]
    own = scores[predictions.find_rows(k)]
    others = len(scores) - len(own)
    if not len(own) or not others:
        return float("nan")
    ranked = np.sort(scores)
    below = sum(int(np.searchsorted(ranked, own, side).sum()) for side in ("left", "right"))
    return (below - len(own) ** 2) / (2 * len(own) * others)


def measure_areas(predictions: Predictions) -> np.ndarray:
    """Return the area under the ROC curve of each class against the rest, shape (n_classes,)."""
    return np.array([measure_area(predictions, k) for k in range(len(predictions.classes))])


def average_areas(areas: np.ndarray, *, has_second: bool) -> float:
    """Return the area of the second of two classes, or the mean of those of more."""
    known = areas[1:] if has_second else areas
    return float(mean_of_known(known[None])[0])
