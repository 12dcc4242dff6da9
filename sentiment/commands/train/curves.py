"""Numbers behind the figures of a split: plain arrays, which a process that draws can be sent."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from sentiment.modeling.evaluation import Predictions

MAX_CURVES = 10  # more curves than this cannot be distinguished


@dataclass(frozen=True)
class Curve:
    """A curve of one class against the rest.

    Attributes
    ----------
    label : str
        The class.
    x, y : ndarray of shape (n_points,)
        The points.
    area : float
        Under the curve: ROC AUC, or average precision.
    """

    label: str
    x: np.ndarray
    y: np.ndarray
    area: float


@dataclass(frozen=True)
class Curves:
    """Numbers behind the figures of one split.

    Attributes
    ----------
    split : str
        Its name.
    rows : int
        Number of its rows.
    classes : list of str
        All classes, sorted.
    confusion : ndarray of shape (n_classes, n_classes)
        Counts; rows are true classes, columns predicted ones.
    roc, precision_recall : list of Curve
        Of the positive class of two, or the most frequent of many.
    calibration : ndarray of shape (3, n_bins)
        Confidence, accuracy and rows of the bins of `calibration_table`.
    """

    split: str
    rows: int
    classes: list[str]
    confusion: np.ndarray
    roc: list[Curve]
    precision_recall: list[Curve]
    calibration: np.ndarray


def measure_curves(predictions: "Predictions", split: str) -> Curves:
    """Return what the figures of `predictions` show.

    Examples
    --------
    >>> from sentiment.modeling.evaluation import Predictions
    >>> probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    >>> made = Predictions(np.array(["a", "a", "b"]), probabilities, np.array(["a", "b"]))
    >>> curves = measure_curves(made, "test")
    >>> curves.confusion.tolist()
    [[1, 1], [0, 1]]
    >>> [(curve.label, curve.area) for curve in curves.roc]
    [('b', 1.0)]
    """
    from sklearn import metrics

    from sentiment.modeling.evaluation import calibration_table

    table = calibration_table(predictions)
    return Curves(
        split=split,
        rows=len(predictions.labels),
        classes=[str(label) for label in predictions.classes],
        confusion=metrics.confusion_matrix(
            predictions.labels, predictions.predicted, labels=predictions.classes
        ),
        roc=_trace(predictions, metrics.roc_curve, metrics.roc_auc_score),
        precision_recall=_trace(
            predictions,
            lambda hits, p: metrics.precision_recall_curve(hits, p)[1::-1],
            metrics.average_precision_score,
        ),
        calibration=table[["confidence", "accuracy", "rows"]].to_numpy().T,
    )


def _trace(
    predictions: "Predictions", trace: Callable[..., Any], measure: Callable[..., float]
) -> list[Curve]:
    curves = []
    for k in _choose_classes(predictions):
        hits, probabilities = predictions.indicators[:, k], predictions.probabilities[:, k]
        x, y = trace(hits, probabilities)[:2]
        label = str(predictions.classes[k])
        curves.append(Curve(label, x, y, float(measure(hits, probabilities))))
    return curves


def _choose_classes(predictions: "Predictions") -> list[int]:
    """Return the classes to draw: the positive one of two, the most frequent of many."""
    if len(predictions.classes) == 2:
        return [1]
    counts = predictions.indicators.sum(axis=0)
    frequent = np.argsort(-counts, kind="stable")[:MAX_CURVES]
    return sorted(int(k) for k in frequent if 0 < counts[k] < len(predictions.labels))
