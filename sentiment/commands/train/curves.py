"""Data of the figures of a split: plain arrays that can be sent to the process that draws."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from sentiment.modeling.predictions import Predictions

_MAX_CURVES = 6  # more cannot be distinguished
# A confusion matrix of more classes is not readable; the rest are one row and one column.
_MAX_CONFUSED = 15
MAX_PANELS = 12  # classes whose terms are drawn
MAX_CANDIDATES = 50  # the most frequent classes, whose curves may be drawn


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
    """Data of the figures of one split.

    Attributes
    ----------
    split : str
        Its name.
    rows : int
        Number of its rows.
    classes : int
        Number of classes.
    confused : list of str
        All classes in their order; of many classes, those that are confused most, and "n others".
    confusion : ndarray of shape (n_confused, n_confused)
        Counts; rows are true classes, columns predicted ones. Empty if rows have several labels.
    roc, precision_recall : list of Curve
        Curves of the second of two classes, or of each of a few classes; of many classes, those of
        the three with the largest and the three with the smallest area under the ROC curve.
    calibration : ndarray of shape (3, n_bins)
        Confidence, accuracy and rows of the bins of `calibration_table`. Empty if rows have several
        labels.
    """

    split: str
    rows: int
    classes: int
    confused: list[str]
    confusion: np.ndarray
    roc: list[Curve]
    precision_recall: list[Curve]
    calibration: np.ndarray


def measure_curves(predictions: "Predictions", split: str) -> Curves:
    """Return the data of the figures of `predictions`.

    Examples
    --------
    >>> from sentiment.modeling.predictions import Predictions
    >>> probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    >>> predictions = Predictions(np.array(["a", "a", "b"]), probabilities, np.array(["a", "b"]))
    >>> curves = measure_curves(predictions, "test")
    >>> curves.confusion.tolist()
    [[1, 1], [0, 1]]
    >>> [(curve.label, curve.area) for curve in curves.roc]
    [('b', 1.0)]
    """
    from sklearn import metrics

    from sentiment.modeling.evaluation import calibration_table

    confused, confusion, calibration = list[str](), np.empty((0, 0)), np.empty((3, 0))
    if predictions.separator is None:
        confused, confusion = _count_confusions(predictions)
        table = calibration_table(predictions)
        calibration = table[["confidence", "accuracy", "rows"]].to_numpy().T
    drawn = _choose_classes(predictions)
    return Curves(
        split=split,
        rows=len(predictions.labels),
        classes=len(predictions.classes),
        confused=confused,
        confusion=confusion,
        roc=_trace(predictions, drawn, metrics.roc_curve, metrics.roc_auc_score),
        precision_recall=_trace(
            predictions,
            drawn,
            lambda hits, p: metrics.precision_recall_curve(hits, p)[1::-1],
            metrics.average_precision_score,
        ),
        calibration=calibration,
    )


def _count_confusions(predictions: "Predictions") -> tuple[list[str], np.ndarray]:
    """Return the confusion matrix; of many classes, those confused least are merged."""
    true, predicted = predictions.codes, predictions.predicted_codes
    names, size = [str(label) for label in predictions.classes], len(predictions.classes)
    if size > _MAX_CONFUSED:
        wrong = true != predicted
        errors = np.bincount(true[wrong], minlength=size)
        errors += np.bincount(predicted[wrong], minlength=size)
        # Ties, such as of classes that are never confused, go to the more frequent class.
        order = np.lexsort((-np.bincount(true, minlength=size), -errors))
        confused = np.sort(order[: _MAX_CONFUSED - 1])
        places = np.full(size, len(confused))
        places[confused] = np.arange(len(confused))
        true, predicted = places[true], places[predicted]
        names = [*(names[k] for k in confused), f"{size - len(confused):,} others"]
    size = len(names)
    counts = np.bincount(true * size + predicted, minlength=size**2).reshape(size, size)
    return names, counts


def _trace(
    predictions: "Predictions",
    classes: Sequence[int],
    trace: Callable[..., Any],
    measure: Callable[..., float],
) -> list[Curve]:
    curves = []
    for k in classes:
        hits, probabilities = predictions.find_rows(k), predictions.probabilities[:, k]
        x, y = trace(hits, probabilities)[:2]
        label = str(predictions.classes[k])
        curves.append(Curve(label, x, y, float(measure(hits, probabilities))))
    return curves


def _choose_classes(predictions: "Predictions") -> list[int]:
    """Return the classes whose curves are drawn; of many classes, the largest area comes first."""
    from sentiment.modeling.metrics import measure_area

    if predictions.has_second:
        return [1]
    counts = predictions.count_classes().true[0]
    frequent = np.argsort(-counts, kind="stable")[:MAX_CANDIDATES]
    candidates = [int(k) for k in frequent if 0 < counts[k] < len(predictions.labels)]
    if len(candidates) <= _MAX_CURVES:
        return sorted(candidates)
    ranked = sorted(candidates, key=lambda k: -measure_area(predictions, k))
    return [*ranked[: _MAX_CURVES // 2], *ranked[-_MAX_CURVES // 2 :]]
