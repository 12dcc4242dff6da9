"""Counts of true and predicted classes, and the metrics that they give.

Counts are sums of weights, so that a resample is measured like a split.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Self

import numpy as np
from scipy.sparse import csr_array


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


def divide(above: np.ndarray, below: np.ndarray, otherwise: float) -> np.ndarray:
    """Return the quotients, and `otherwise` where one would be of nothing."""
    quotients = np.full(above.shape, otherwise, dtype=float)
    np.divide(above, below, out=quotients, where=below > 0)
    return quotients


def mean_of_known(values: np.ndarray) -> np.ndarray:
    """Return the mean of each row of numbers without those that are NaN, shape (r,)."""
    known = ~np.isnan(values)
    return divide(np.where(known, values, 0).sum(axis=1), known.sum(axis=1), np.nan)
