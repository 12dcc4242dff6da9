"""Counts of true and predicted classes, and metrics of these counts.

Counts are sums of weights, so that resamples are scored like splits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Self

import numpy as np
from scipy.sparse import csr_array


@dataclass(frozen=True)
class ClassCounts:
    """Row counts of each class, for `r` weightings of the rows.

    Attributes
    ----------
    right : ndarray of shape (r, n_classes)
        True positives of each class.
    predicted : ndarray of shape (r, n_classes)
        Rows that are predicted as each class.
    true : ndarray of shape (r, n_classes)
        Rows of each class. A class without rows has no precision, recall and F1, and is left out of
        their means.
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
        """Precision of each class, 0 if it is never predicted, shape (r, n_classes)."""
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
        return nan_mean(np.where(self.true > 0, getattr(self, name), np.nan))

    def weighted(self, name: str) -> np.ndarray:
        """Return the mean over classes, weighted by their rows, shape (r,)."""
        total = self.true.sum(axis=1)
        return divide((self.true * getattr(self, name)).sum(axis=1), total, np.nan)

    def micro(self, name: str) -> np.ndarray:
        """Return a metric of the summed counts of all classes, shape (r,)."""
        right, predicted, true = (
            counts.sum(axis=1)[:, None] for counts in (self.right, self.predicted, self.true)
        )
        summed = ClassCounts(right, predicted, true, self.rows, has_second=False)
        values: np.ndarray = getattr(summed, name)[:, 0]
        return values

    def matthews_corrcoef(self) -> np.ndarray:
        """Return the correlation of predicted and true classes (Gorodkin, 2004), shape (r,)."""
        square = self.rows**2
        covariance = self.right.sum(axis=1) * self.rows - (self.predicted * self.true).sum(axis=1)
        spread = (square - (self.predicted**2).sum(axis=1)) * (square - (self.true**2).sum(axis=1))
        # If one class is predicted for all rows, the spread is only a rounding error.
        return divide(covariance, np.sqrt(np.where(spread > 1e-9 * square**2, spread, 0)), 0)


def measure_kappa(counts: ClassCounts, ranks: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Return Cohen's kappa with quadratic weights (Cohen, 1968), shape (r,).

    Parameters
    ----------
    counts : ClassCounts
        Rows of each class.
    ranks : ndarray of shape (n_classes,)
        Ranks of the classes on their scale.
    squares : ndarray of shape (r,)
        Sums over rows of the squared differences of true and predicted rank.
    """
    means = [array @ ranks / counts.rows for array in (counts.true, counts.predicted)]
    spread = (counts.true + counts.predicted) @ ranks**2 / counts.rows - 2 * means[0] * means[1]
    return 1 - divide(squares / counts.rows, spread, np.nan)


@dataclass(frozen=True)
class Outcomes:
    """True and predicted classes of rows, as indicator matrices.

    Attributes
    ----------
    true, predicted : sparse array of float, of shape (n, n_classes)
        Indicators of the true and of the predicted classes of each row.
    kinds : ndarray of int, of shape (n,)
        Rows with the same number have the same true and the same predicted classes.
    """

    true: csr_array
    predicted: csr_array
    kinds: np.ndarray

    @classmethod
    def of_codes(cls, true: np.ndarray, predicted: np.ndarray, size: int) -> Self:
        """Return the outcomes of rows with one class each; a code of -1 means no class."""
        return cls(
            _make_indicators(true, size), _make_indicators(predicted, size), true * size + predicted
        )

    @classmethod
    def of_indicators(cls, true: np.ndarray, predicted: np.ndarray, kinds: np.ndarray) -> Self:
        """Return the outcomes of rows with several classes, from bool of shape (n, n_classes)."""
        return cls(csr_array(true.astype(float)), csr_array(predicted.astype(float)), kinds)

    @cached_property
    def right(self) -> csr_array:
        """Indicators of the rightly predicted classes of each row."""
        return csr_array(self.true.multiply(self.predicted))

    def count(self, weights: np.ndarray, *, has_second: bool) -> ClassCounts:
        """Return the counts of the classes for each row of `weights`, shape (r, n)."""
        # Floats, since squares of counts could overflow integers.
        right, predicted, true = weights @ self.right, weights @ self.predicted, weights @ self.true
        return ClassCounts(right, predicted, true, weights.sum(axis=1), has_second)


def _make_indicators(codes: np.ndarray, size: int) -> csr_array:
    """Return the indicator matrix of `codes`, shape (len(codes), size)."""
    has_class = codes >= 0
    indptr = np.concatenate([[0], np.cumsum(has_class)])
    data = np.ones(int(indptr[-1]))
    return csr_array((data, codes[has_class], indptr), shape=(len(codes), size))


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


def divide(numerators: np.ndarray, denominators: np.ndarray, default: float) -> np.ndarray:
    """Return the quotients, and `default` where a denominator is 0."""
    quotients = np.full(numerators.shape, default, dtype=float)
    np.divide(numerators, denominators, out=quotients, where=denominators > 0)
    return quotients


def nan_mean(values: np.ndarray) -> np.ndarray:
    """Return the mean of each row without NaN, shape (r,)."""
    is_known = ~np.isnan(values)
    return divide(np.where(is_known, values, 0).sum(axis=1), is_known.sum(axis=1), np.nan)
