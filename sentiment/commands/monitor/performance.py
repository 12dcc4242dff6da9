"""Accuracy over time and against training."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sentiment.data.label_sets import list_labels, make_indicators
from sentiment.data.labels import sort_labels
from sentiment.modeling.decision_rules import UNSURE
from sentiment.modeling.drift import Check, choose, compute_p_values

# With fewer rows, a window is too uncertain: the interval of an accuracy of 90 % is 12 points wide.
_LEAST_ROWS = 100


@dataclass(frozen=True)
class Accuracy:
    """Accuracy on some rows, with its interval.

    Attributes
    ----------
    since : str
        Time or number of the first of these rows.
    rows, right : int
        Number of rows, and of those with a right prediction.
    value, low, high : float
        Their share, and Wilson's interval of 95 %.
    """

    since: str
    rows: int
    right: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Performance:
    """Accuracy where the true labels are known.

    Attributes
    ----------
    reference, current : Accuracy
        On validation rows at training, and on the rows of the file.
    windows : list of Accuracy
        On runs of equally many of these rows, in the order of their time.
    recalls : dict of str to (Accuracy, Accuracy)
        The two accuracies on the rows of each true label that both have.
    """

    reference: Accuracy
    current: Accuracy
    windows: list[Accuracy]
    recalls: dict[str, tuple[Accuracy, Accuracy]]

    def list_checks(self, points: float, errors: float) -> list[Check]:
        """Return the checks of whether the accuracy has fallen, and the recall of a label.

        Parameters
        ----------
        points : float
            Smallest fall that matters.
        errors : float
            Smallest fall that matters, as a share of the errors in the reference; the smaller of
            both limits counts.
        """
        checks = [_check_fall("accuracy", {"": (self.reference, self.current)}, points, errors)]
        if self.recalls:
            checks.append(_check_fall("recall", self.recalls, points, errors))
        return checks


def _check_fall(
    name: str, pairs: dict[str, tuple[Accuracy, Accuracy]], points: float, errors: float
) -> Check:
    """Return the check of the pair with the most significant fall among those that matter."""
    rows = np.array([[one.rows for one in pair] for pair in pairs.values()]).T
    wrong = rows - np.array([[one.right for one in pair] for pair in pairs.values()]).T
    before, after = wrong / rows
    thresholds = np.minimum(points, errors * before)
    p_values = compute_p_values(wrong[0], wrong[1], (rows[0], rows[1])) * len(pairs)
    chosen = choose(after - before, thresholds, p_values)
    return Check(
        name=name,
        reference=float(1 - before[chosen]),
        current=float(1 - after[chosen]),
        effect=float(after[chosen] - before[chosen]),
        measure="fall",
        threshold=float(thresholds[chosen]),
        p_value=min(float(p_values[chosen]), 1.0),
        detail=list(pairs)[chosen],
    )


def measure_performance(
    reference: pd.DataFrame, current: pd.DataFrame, windows: int, separator: str | None = None
) -> Performance | None:
    """Return the accuracy over time, or None if no true label is known.

    Parameters
    ----------
    reference, current : DataFrame
        ``label`` and ``prediction``; the current rows in the order of their time, in column
        ``time`` if it is known. Rows without a label or a prediction are skipped.
    windows : int
        How many windows there are at most; each has a hundred rows or more, if there are as many.
    separator : str, optional
        Between the labels of a set. A set is right if all of its labels are; the recall of a label
        is that of the rows that have it.
    """
    reference, known = select_known(reference, current)
    if known.empty or reference.empty:
        return None
    places = known["time"] if "time" in known else pd.Series(known.index + 1)
    since = places.astype(str).tolist()
    right = _find_right(known)
    count = int(np.clip(len(known) // _LEAST_ROWS, 1, windows))
    parts = np.array_split(np.arange(len(known)), count)
    both = _find_right(reference), right
    hits = [_find_hits(rows, separator) for rows in (reference, known)]
    return Performance(
        reference=_measure("", both[0]),
        current=_measure(since[0], right),
        windows=[_measure(since[part[0]], right[part]) for part in parts],
        recalls={
            label: (_measure("", hits[0][label]), _measure("", hits[1][label]))
            for label in sort_labels({*hits[0]} & {*hits[1]})
        },
    )


def select_known(
    reference: pd.DataFrame, current: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of both whose true label and prediction are known."""
    if "label" not in current:
        return reference, current.iloc[:0]
    known = current[current["label"].notna() & (current["prediction"] != UNSURE)]
    return reference[reference["prediction"] != UNSURE], known


def _find_hits(rows: pd.DataFrame, separator: str | None) -> dict[str, np.ndarray]:
    """Return for each true label whether it was predicted for the rows that have it."""
    labels, predicted = rows["label"].tolist(), rows["prediction"].tolist()
    if separator is None:
        right = _find_right(rows)
        return {str(name): right[np.array(labels) == name] for name in set(labels)}
    names = list_labels(labels, separator)
    truth, found = (
        make_indicators(sets, names, separator).toarray() for sets in (labels, predicted)
    )
    return {name: found[truth[:, k], k] for k, name in enumerate(names)}


def _find_right(rows: pd.DataFrame) -> np.ndarray:
    right: np.ndarray = (rows["label"] == rows["prediction"]).to_numpy()
    return right


def _measure(since: str, right: np.ndarray) -> Accuracy:
    from scipy.stats import binomtest

    count, rows = int(right.sum()), len(right)
    ends = binomtest(count, rows).proportion_ci(method="wilson")
    return Accuracy(since, rows, count, count / rows, ends.low, ends.high)
