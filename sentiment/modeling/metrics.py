"""Formulas of metrics: counts of classes, losses of rows and areas under curves in, numbers out.

They take counts that are sums of weights, so that a resample is measured like a split.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.sparse import csr_array

if TYPE_CHECKING:
    from sentiment.modeling.predictions import LabelSetPredictions, Predictions


@dataclass(frozen=True)
class ClassCounts:
    """Rows of each class, for `r` weightings of the rows at a time.

    Attributes
    ----------
    right : ndarray of shape (r, n_classes)
        Rows of a class that were predicted to be of it.
    predicted : ndarray of shape (r, n_classes)
        Rows that were predicted to be of a class.
    true : ndarray of shape (r, n_classes)
        Rows that are of a class. One without rows has no precision, recall and F1, and is left out
        of their means.
    rows : ndarray of shape (r,)
        All rows.
    has_second : bool
        True if the second of two classes is the positive one.
    """

    right: np.ndarray
    predicted: np.ndarray
    true: np.ndarray
    rows: np.ndarray
    has_second: bool

    @cached_property
    def precision(self) -> np.ndarray:
        """Precision of each class, zero where none was predicted, shape (r, n_classes)."""
        return divide(self.right, self.predicted, 0)

    @cached_property
    def recall(self) -> np.ndarray:
        """Recall of each class, shape (r, n_classes)."""
        return divide(self.right, self.true, 0)

    @cached_property
    def f1(self) -> np.ndarray:
        """F1 of each class, shape (r, n_classes)."""
        return divide(2 * self.right, self.predicted + self.true, 0)

    def of_second(self, name: str) -> np.ndarray:
        """Return a metric of the second of two classes, or its mean over more, shape (r,)."""
        if not self.has_second:
            return self.macro(name)
        second: np.ndarray = np.where(self.true[:, 1] > 0, getattr(self, name)[:, 1], np.nan)
        return second

    def macro(self, name: str) -> np.ndarray:
        """Return the unweighted mean over classes, shape (r,)."""
        return mean_of_known(np.where(self.true > 0, getattr(self, name), np.nan))

    def weighted(self, name: str) -> np.ndarray:
        """Return the mean over classes, weighted by their rows, shape (r,)."""
        total = self.true.sum(axis=1)
        return divide((self.true * getattr(self, name)).sum(axis=1), total, np.nan)

    def micro(self, name: str) -> np.ndarray:
        """Return a metric of the counts of all classes together, shape (r,)."""
        right, predicted, true = (
            part.sum(axis=1)[:, None] for part in (self.right, self.predicted, self.true)
        )
        together = ClassCounts(right, predicted, true, self.rows, has_second=False)
        found: np.ndarray = getattr(together, name)[:, 0]
        return found

    def matthews_corrcoef(self) -> np.ndarray:
        """Return the correlation of predicted and true classes (Gorodkin, 2004), shape (r,)."""
        square = self.rows**2
        covariance = self.right.sum(axis=1) * self.rows - (self.predicted * self.true).sum(axis=1)
        spread = (square - (self.predicted**2).sum(axis=1)) * (square - (self.true**2).sum(axis=1))
        # If one class is predicted for all rows, nothing varies but by rounding.
        return divide(covariance, np.sqrt(np.where(spread > 1e-9 * square**2, spread, 0)), 0)


def measure_kappa(counts: ClassCounts, ranks: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Return Cohen's kappa with quadratic weights (Cohen, 1968), shape (r,).

    Parameters
    ----------
    counts : ClassCounts
        Rows of each class.
    ranks : ndarray of shape (n_classes,)
        Places of the classes on their scale.
    squares : ndarray of shape (r,)
        Sums over rows of the squared differences of true and predicted rank.
    """
    means = [part @ ranks / counts.rows for part in (counts.true, counts.predicted)]
    spread = (counts.true + counts.predicted) @ ranks**2 / counts.rows - 2 * means[0] * means[1]
    return 1 - divide(squares / counts.rows, spread, np.nan)


@dataclass(frozen=True)
class Outcomes:
    """True and predicted classes of rows, as matrices that weights of rows are multiplied by.

    Attributes
    ----------
    true, predicted : sparse array of float, of shape (n, n_classes)
        One for each class that a row is of, or was predicted to be of.
    kinds : ndarray of int, of shape (n,)
        Rows with the same number have the same true and the same predicted classes.
    """

    true: csr_array
    predicted: csr_array
    kinds: np.ndarray

    @classmethod
    def of_codes(cls, true: np.ndarray, predicted: np.ndarray, size: int) -> Self:
        """Return the outcomes of rows of one class each; a code of -1 is not a class."""
        return cls(_mark(true, size), _mark(predicted, size), true * size + predicted)

    @classmethod
    def of_indicators(cls, true: np.ndarray, predicted: np.ndarray, kinds: np.ndarray) -> Self:
        """Return the outcomes of rows of any number of classes, of bool (n, n_classes)."""
        return cls(csr_array(true.astype(float)), csr_array(predicted.astype(float)), kinds)

    @cached_property
    def right(self) -> csr_array:
        """One for each class that a row is of and was predicted to be of."""
        return csr_array(self.true.multiply(self.predicted))

    def count(self, weights: np.ndarray, *, has_second: bool) -> ClassCounts:
        """Return the counts of the classes under each row of `weights`, shape (r, n)."""
        # Floats, as squares of counts are too large for integers.
        right, predicted, true = weights @ self.right, weights @ self.predicted, weights @ self.true
        return ClassCounts(right, predicted, true, weights.sum(axis=1), has_second)


def _mark(codes: np.ndarray, size: int) -> csr_array:
    """Return ones in the columns of `codes`, shape (len(codes), size)."""
    known = codes >= 0
    indptr = np.concatenate([[0], np.cumsum(known)])
    return csr_array((np.ones(int(indptr[-1])), codes[known], indptr), shape=(len(codes), size))


OF_COUNTS: dict[str, Callable[[ClassCounts], np.ndarray]] = {
    "balanced_accuracy": partial(ClassCounts.macro, name="recall"),
    "matthews_corrcoef": ClassCounts.matthews_corrcoef,
    **{
        f"{name}{average}": partial(measure, name=name)
        for name in ("precision", "recall", "f1")
        for average, measure in (
            ("", ClassCounts.of_second),
            ("_macro", ClassCounts.macro),
            ("_micro", ClassCounts.micro),
            ("_weighted", ClassCounts.weighted),
        )
    },
}


def _measure_hits(predictions: "Predictions", k: int) -> np.ndarray:
    """Return whether the true class of each row is among its `k` most probable ones."""
    p, rows = predictions.probabilities, np.arange(len(predictions.labels))
    own = p[rows, predictions.codes][:, None]
    # Of equally probable classes the first comes first, as where one is predicted.
    before = (p > own) | ((p == own) & (np.arange(p.shape[1]) < predictions.codes[:, None]))
    hits: np.ndarray = (before.sum(axis=1) < k).astype(float)
    return hits


def _measure_log_losses(predictions: "Predictions") -> np.ndarray:
    p = predictions.probabilities
    own = p[np.arange(len(p)), predictions.codes]
    tiny = np.finfo(p.dtype).eps  # as scikit-learn's log_loss has it
    losses: np.ndarray = -np.log(np.clip(own, tiny, 1 - tiny))
    return losses


def _measure_squared_errors(predictions: "Predictions") -> np.ndarray:
    """Return the squared errors summed over classes (Brier, 1950), halved for two classes."""
    p = predictions.probabilities
    own = p[np.arange(len(p)), predictions.codes]
    errors: np.ndarray = np.einsum("ij,ij->i", p, p) - 2 * own + 1
    halved: np.ndarray = np.maximum(errors, 0) / (2 if p.shape[1] == 2 else 1)
    return halved


def _measure_accuracy(predictions: "Predictions") -> np.ndarray:
    right: np.ndarray = predictions.right.astype(float)
    return right


# Means over rows: functions from predictions to a number for each row.
OF_ROWS: dict[str, "Callable[[Predictions], np.ndarray]"] = {
    "accuracy": _measure_accuracy,
    "top_3_accuracy": partial(_measure_hits, k=3),
    "log_loss": _measure_log_losses,
    "brier": _measure_squared_errors,
}
# The same of labels on a scale.
OF_ORDERED_ROWS: dict[str, "Callable[[Predictions], np.ndarray]"] = {
    "accuracy_within_one": lambda made: (np.abs(made.rank_errors) <= 1).astype(float),
    "mean_absolute_error": lambda made: np.abs(made.errors),
}
KAPPA = "quadratic_kappa"


def _measure_label_errors(predictions: "LabelSetPredictions") -> np.ndarray:
    """Return the share of the labels that are wrong in each row."""
    shares: np.ndarray = (predictions.truth != predictions.predicted_truth).mean(axis=1)
    return shares


def _measure_label_log_losses(predictions: "LabelSetPredictions") -> np.ndarray:
    """Return the mean log loss of the labels of each row, each a problem of two classes."""
    p = predictions.probabilities
    own = np.where(predictions.truth, p, 1 - p)
    tiny = np.finfo(p.dtype).eps
    losses: np.ndarray = -np.log(np.clip(own, tiny, 1 - tiny)).mean(axis=1)
    return losses


def _measure_label_squared_errors(predictions: "LabelSetPredictions") -> np.ndarray:
    errors: np.ndarray = ((predictions.probabilities - predictions.truth) ** 2).mean(axis=1)
    return errors


def _measure_label_ranking(predictions: "LabelSetPredictions") -> np.ndarray:
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
OF_SETS: dict[str, "Callable[[LabelSetPredictions], np.ndarray]"] = {
    "accuracy": _measure_accuracy,
    "hamming_loss": _measure_label_errors,
    "label_ranking_precision": _measure_label_ranking,
    "log_loss": _measure_label_log_losses,
    "brier": _measure_label_squared_errors,
}
AREAS = ("roc_auc", "roc_auc_ovr")


def measure_area(predictions: "Predictions", k: int) -> float:
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


def measure_areas(predictions: "Predictions") -> np.ndarray:
    """Return the area under the ROC curve of each class against the rest, shape (n_classes,)."""
    return np.array([measure_area(predictions, k) for k in range(len(predictions.classes))])


def average_areas(areas: np.ndarray, *, has_second: bool) -> float:
    """Return the area of the second of two classes, or the mean of those of more."""
    known = areas[1:] if has_second else areas
    return float(mean_of_known(known[None])[0])


def divide(above: np.ndarray, below: np.ndarray, otherwise: float) -> np.ndarray:
    """Return the quotients, and `otherwise` where one would be of nothing."""
    quotients = np.full(above.shape, otherwise, dtype=float)
    np.divide(above, below, out=quotients, where=below > 0)
    return quotients


def mean_of_known(values: np.ndarray) -> np.ndarray:
    """Return the mean of each row of numbers without those that are NaN, shape (r,)."""
    known = ~np.isnan(values)
    return divide(np.where(known, values, 0).sum(axis=1), known.sum(axis=1), np.nan)
