"""Accuracy over time and against training."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sentiment.data.label_sets import list_labels, make_indicators
from sentiment.data.labels import sort_labels
from sentiment.modeling.decision_rules import UNSURE
from sentiment.modeling.drift import FALL, Check, choose_difference, compute_p_values

# A smaller window is too uncertain: the interval of an accuracy of 90 % is 12 points wide.
_MIN_ROWS = 100


@dataclass(frozen=True)
class Accuracy:
    """Accuracy on a set of rows, with its interval.

    Attributes
    ----------
    since : str
        Time or number of the first of these rows.
    rows, right : int
        Number of rows, and of rows with a right prediction.
    value, low, high : float
        The share of right predictions, and Wilson's interval of 95 %.
    """

    since: str
    rows: int
    right: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Performance:
    """Accuracy on rows with a true label.

    Attributes
    ----------
    reference, current : Accuracy
        On validation rows at training, and on current rows.
    windows : list of Accuracy
        On consecutive windows of current rows, of equal size, in the order of their time.
    recalls : dict of str to (Accuracy, Accuracy)
        The same two accuracies on the rows of each true label that both have.
    """

    reference: Accuracy
    current: Accuracy
    windows: list[Accuracy]
    recalls: dict[str, tuple[Accuracy, Accuracy]]

    def list_checks(self, points: float, errors: float) -> list[Check]:
        """Return the checks for a fall of the accuracy, and of the recall of a label.

        Parameters
        ----------
        points : float
            Smallest fall that matters.
        errors : float
            Smallest fall that matters, as a share of the errors in the reference; the smaller
            of the two limits applies.
        """
        checks = [_check_fall("accuracy", {"": (self.reference, self.current)}, points, errors)]
        if self.recalls:
            checks.append(_check_fall("recall", self.recalls, points, errors))
        return checks


def _check_fall(
    name: str, pairs: dict[str, tuple[Accuracy, Accuracy]], points: float, errors: float
) -> Check:
    """Return the check of the most significant fall among the falls that matter."""
    rows = np.array([[accuracy.rows for accuracy in pair] for pair in pairs.values()]).T
    right = np.array([[accuracy.right for accuracy in pair] for pair in pairs.values()]).T
    wrong = rows - right
    old_error, new_error = wrong / rows
    thresholds = np.minimum(points, errors * old_error)
    p_values = compute_p_values(wrong[0], wrong[1], (rows[0], rows[1])) * len(pairs)
    k = choose_difference(new_error - old_error, thresholds, p_values)
    return Check(
        name=name,
        reference=float(1 - old_error[k]),
        current=float(1 - new_error[k]),
        effect=float(new_error[k] - old_error[k]),
        measure=FALL,
        threshold=float(thresholds[k]),
        p_value=min(float(p_values[k]), 1.0),
        detail=list(pairs)[k],
    )


def measure_performance(
    reference: pd.DataFrame, current: pd.DataFrame, windows: int, separator: str | None = None
) -> Performance | None:
    """Return the accuracy over time, or None if no true label is known.

    Parameters
    ----------
    reference, current : DataFrame
        ``label`` and ``prediction``; the current rows are in the order of their time, which is in
        column ``time`` if it is known. Rows without a label or a prediction are skipped.
    windows : int
        Maximum number of windows. If there are several, each has at least a hundred rows.
    separator : str, optional
        Between the labels of a set. A set is right if all of its labels are; the recall of a label
        is the share of the rows with it for which it was predicted.
    """
    reference, current = select_labelled(reference, current)
    if current.empty or reference.empty:
        return None
    times = current["time"] if "time" in current else pd.Series(current.index + 1)
    since = times.astype(str).tolist()
    is_right = _is_right(current)
    n_windows = int(np.clip(len(current) // _MIN_ROWS, 1, windows))
    reference_hits, current_hits = (_find_hits(rows, separator) for rows in (reference, current))
    return Performance(
        reference=_make_accuracy("", _is_right(reference)),
        current=_make_accuracy(since[0], is_right),
        windows=[
            _make_accuracy(since[rows[0]], is_right[rows])
            for rows in np.array_split(np.arange(len(current)), n_windows)
        ],
        recalls={
            label: (
                _make_accuracy("", reference_hits[label]),
                _make_accuracy("", current_hits[label]),
            )
            for label in sort_labels({*reference_hits} & {*current_hits})
        },
    )


def select_labelled(
    reference: pd.DataFrame, current: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of both that have a true label and a prediction."""
    if "label" not in current:
        return reference, current.iloc[:0]
    current = current[current["label"].notna() & (current["prediction"] != UNSURE)]
    return reference[reference["prediction"] != UNSURE], current


def _find_hits(rows: pd.DataFrame, separator: str | None) -> dict[str, np.ndarray]:
    """Return for each label whether it was predicted, for each row with that true label."""
    labels, predictions = rows["label"].tolist(), rows["prediction"].tolist()
    if separator is None:
        is_right = _is_right(rows)
        return {str(name): is_right[np.array(labels) == name] for name in set(labels)}
    names = list_labels(labels, separator)
    is_true, is_predicted = (
        make_indicators(sets, names, separator).toarray() for sets in (labels, predictions)
    )
    return {name: is_predicted[is_true[:, k], k] for k, name in enumerate(names)}


def _is_right(rows: pd.DataFrame) -> np.ndarray:
    is_right: np.ndarray = (rows["label"] == rows["prediction"]).to_numpy()
    return is_right


def _make_accuracy(since: str, is_right: np.ndarray) -> Accuracy:
    from scipy.stats import binomtest

    right, rows = int(is_right.sum()), len(is_right)
    interval = binomtest(right, rows).proportion_ci(method="wilson")
    return Accuracy(since, rows, right, right / rows, interval.low, interval.high)
