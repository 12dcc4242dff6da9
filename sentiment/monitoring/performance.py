"""How often the model is right, over time and against training."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sentiment.decisions import UNSURE
from sentiment.monitoring.drift import Check, compare_shares
from sentiment.statistics import wilson_interval

# A window of fewer rows says little: the interval of an accuracy of 90 % is 12 points wide.
_LEAST_ROWS = 100


@dataclass(frozen=True)
class Accuracy:
    """The share of right answers among some rows.

    Attributes
    ----------
    since : str
        Time or number of the first of these rows.
    rows, right : int
        How many there are, and how many of them were answered rightly.
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
    """How often the model is right where the true labels are known.

    Attributes
    ----------
    reference, current : Accuracy
        On validation rows at training, and on the rows of the file.
    windows : list of Accuracy
        On runs of equally many of these rows, in the order of their time.
    """

    reference: Accuracy
    current: Accuracy
    windows: list[Accuracy]

    def check(self, threshold: float) -> Check:
        """Return the check of whether the accuracy has fallen."""
        before, after = self.reference, self.current
        # Of errors, which are the rarer, since the test is exact for what is rare.
        wrong = [np.array([one.rows - one.right]) for one in (before, after)]
        _, p_values = compare_shares(wrong[0], wrong[1], (before.rows, after.rows))
        return Check(
            name="accuracy",
            reference=before.value,
            current=after.value,
            effect=before.value - after.value,
            measure="fall",
            threshold=threshold,
            p_value=float(p_values[0]),
        )


def measure_performance(
    reference: pd.DataFrame, current: pd.DataFrame, windows: int
) -> Performance | None:
    """Return how often rows were answered rightly, or None where no true label is known.

    Parameters
    ----------
    reference, current : DataFrame
        ``label`` and ``prediction``; the current rows in the order of their time, which stands in
        ``time`` if it is known. Those without a label or without an answer are passed over.
    windows : int
        How many windows there are at most; each has a hundred rows or more, if there are as many.
    """
    if "label" not in current:
        return None
    known = current[current["label"].notna() & (current["prediction"] != UNSURE)]
    reference = reference[reference["prediction"] != UNSURE]
    if known.empty or reference.empty:
        return None
    places = known["time"] if "time" in known else pd.Series(known.index + 1)
    since = places.astype(str).tolist()
    right = (known["label"] == known["prediction"]).to_numpy()
    count = int(np.clip(len(known) // _LEAST_ROWS, 1, windows))
    parts = np.array_split(np.arange(len(known)), count)
    return Performance(
        reference=_measure("", (reference["label"] == reference["prediction"]).to_numpy()),
        current=_measure(since[0], right),
        windows=[_measure(since[part[0]], right[part]) for part in parts],
    )


def _measure(since: str, right: np.ndarray) -> Accuracy:
    count, rows = int(right.sum()), len(right)
    low, high = wilson_interval(np.array([count]), np.array([rows]))[:, 0].tolist()
    return Accuracy(since, rows, count, count / rows, low, high)
