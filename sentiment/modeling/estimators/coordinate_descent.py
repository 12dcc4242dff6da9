"""Logistic regression by dual coordinate descent, one class against the rest at a time.

The method is algorithm 5 of Yu, Huang and Lin 2011, Dual coordinate descent methods for logistic
regression and maximum entropy models, as implemented in liblinear: rows are shuffled by the same
random generator, so the weights are the same up to rounding errors. Unlike liblinear, it reads
scipy's arrays without a copy of twice their size, and fits classes in parallel.
"""

import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from sentiment.ngrams.compiling import count_threads, kernel

# Tolerances of the Newton steps for a row, in the first pass and the smallest one.
_FIRST_TOLERANCE, _LAST_TOLERANCE = 1e-2, 1e-8
_NEWTON_STEPS = 100
# Random numbers are drawn for all rows at once; some are spare, since a few numbers are rejected.
_SPARE = 64


@dataclass(frozen=True)
class Descent:
    """Settings of a fit.

    Parameters
    ----------
    tol : float
        Largest derivative of the dual at which the descent stops.
    max_iter : int
        Maximum number of passes over the rows.
    intercept_scaling : float
        Value of a feature that all rows have, whose weight makes the intercept; 0 for none.
    seed : int
        Seed of the order of the rows, below 2**32.
    """

    tol: float
    max_iter: int
    intercept_scaling: float
    seed: int

    def separate(
        self, X: sparse.csr_matrix, is_positive: np.ndarray, cost: np.ndarray
    ) -> tuple[np.ndarray, float, int]:
        """Separate the rows of a class from the rest.

        Parameters
        ----------
        X : sparse matrix of shape (n_samples, n_features)
            In float64.
        is_positive : ndarray of bool, of shape (n_samples,)
            True for rows of the class.
        cost : ndarray of shape (n_samples,)
            Cost of an error in each row; rows of cost 0 are skipped.

        Returns
        -------
        coef : ndarray of shape (n_features,)
            Weights.
        intercept : float
            Intercept.
        n_iter : int
            Number of passes over the rows.
        """
        rows = np.argsort(is_positive, kind="stable")
        rows = rows[cost[rows] > 0]
        cost, signs = cost[rows], np.where(is_positive[rows], 1.0, -1.0)
        # Unsigned, so that the kernels need not handle negative indices.
        matrix = (X.data, to_unsigned(X.indices), to_unsigned(X.indptr))
        dual = np.empty((len(rows), 2))
        dual[:, 0] = np.minimum(0.001 * cost, 1e-8)
        dual[:, 1] = cost - dual[:, 0]
        squares, weights = np.empty(len(rows)), np.zeros(X.shape[1] + 1)
        _initialize_weights(*matrix, rows, signs, self.intercept_scaling, dual, squares, weights)
        order = np.arange(len(rows))
        generator = np.random.MT19937()
        generator._legacy_seeding(self.seed)
        draws, n_used = np.empty(0, np.uint32), 0
        tolerance = _FIRST_TOLERANCE
        n_iter = 0
        while n_iter < self.max_iter:
            n_iter += 1
            new_draws = generator.random_raw(len(rows) + _SPARE).astype(np.uint32)
            draws = np.concatenate([draws[n_used:], new_draws])
            n_used = shuffle(order, draws)
            largest, steps = descend(
                *matrix, rows, signs, self.intercept_scaling, cost, squares, dual, weights, order,
                tolerance,
            )  # fmt: skip
            if largest < self.tol:
                break
            if steps <= len(rows) // 10:
                tolerance = max(min(_LAST_TOLERANCE, self.tol), 0.1 * tolerance)
        return weights[:-1], self.intercept_scaling * float(weights[-1]), n_iter


def fit_classes(
    fit: Callable[[int], tuple[np.ndarray, float, int]], classes: int, max_iter: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the results of `fit` for the index of each class, stacked; classes run in parallel.

    Returns
    -------
    coef : ndarray of shape (n_classes, n_features)
    intercept : ndarray of shape (n_classes,)
    n_iter : ndarray of int32, of shape (n_classes,)

    Warns
    -----
    ConvergenceWarning
        A fit took `max_iter` passes.
    """
    with ThreadPoolExecutor(min(classes, count_threads(None))) as pool:
        coef, intercept, n_iter = zip(*pool.map(fit, range(classes)), strict=True)
    warn_if_not_converged(max(n_iter), max_iter, stacklevel=4)
    return np.vstack(coef), np.array(intercept), np.array(n_iter, np.int32)


def warn_if_not_converged(n_iter: int, max_iter: int, stacklevel: int) -> None:
    """Warn if a descent took `max_iter` passes."""
    if n_iter >= max_iter:
        warnings.warn(
            f"Coordinate descent did not converge in {max_iter} passes, increase max_iter.",
            ConvergenceWarning,
            stacklevel=stacklevel,
        )


def sum_duplicates(X: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return `X`, or a copy whose duplicate entries are summed if it has any."""
    if X.has_canonical_format:
        return X
    summed = X.copy()
    summed.sum_duplicates()
    return summed


def to_unsigned(indices: np.ndarray) -> np.ndarray:
    """Return a view of non-negative indices as unsigned integers of the same width."""
    return indices.view(f"u{indices.dtype.itemsize}")


@kernel
def _initialize_weights(
    data: Any, indices: Any, indptr: Any, rows: Any, signs: Any, bias: float, dual: Any,
    squares: Any, weights: Any,
) -> None:  # fmt: skip
    """Write the squared norm of each row into `squares`, and add the weights of `dual`."""
    last = len(weights) - 1
    for i in range(len(rows)):
        step = signs[i] * dual[i, 0]
        squares[i] = bias * bias
        for k in range(indptr[rows[i]], indptr[rows[i] + 1]):
            squares[i] += data[k] * data[k]
            weights[indices[k]] += step * data[k]
        weights[last] += step * bias


@kernel
def shuffle(order: Any, draws: Any) -> int:
    """Shuffle `order` by 32-bit random numbers; return how many were used.

    Numbers below a limit are unbiased, since some draws are rejected: Lemire 2019, Fast Random
    Integer Generation in an Interval.
    """
    n_used = 0
    for i in range(len(order)):
        limit = np.uint64(len(order) - i)
        while True:
            product = np.uint64(draws[n_used]) * limit
            n_used += 1
            low = product & np.uint64(0xFFFFFFFF)
            if low >= limit or low >= (np.uint64(1 << 32) - limit) % limit:
                break
        j = i + np.int64(product >> np.uint64(32))
        order[i], order[j] = order[j], order[i]
    return n_used


@kernel
def descend(
    data: Any, indices: Any, indptr: Any, rows: Any, signs: Any, bias: float, costs: Any,
    squares: Any, dual: Any, weights: Any, order: Any, tolerance: float,
) -> tuple[float, int]:  # fmt: skip
    """Optimize the dual variables of each row, in `order`; return the largest derivative and steps.

    A row has the variables ``z`` and ``cost - z``; Newton steps optimize the one that is nearer to
    its optimum, until the derivative is below `tolerance`.
    """
    last = len(weights) - 1
    largest, steps = 0.0, 0
    for i in order:
        cost, a = costs[i], squares[i]
        begin, end = indptr[rows[i]], indptr[rows[i] + 1]
        margin = 0.0
        for k in range(begin, end):
            margin += weights[indices[k]] * data[k]
        b = signs[i] * (margin + weights[last] * bias)
        v, sign = 0, 1.0
        if 0.5 * a * (dual[i, 1] - dual[i, 0]) + b < 0:
            v, sign = 1, -1.0
        old = dual[i, v]
        z = 0.1 * old if cost - old < 0.5 * cost else old
        slope = a * (z - old) + sign * b + np.log(z / (cost - z))
        largest = max(largest, abs(slope))
        count = 0
        while count <= _NEWTON_STEPS and abs(slope) >= tolerance:
            new = z - slope / (a + cost / (cost - z) / z)
            z = 0.1 * z if new <= 0 else new
            slope = a * (z - old) + sign * b + np.log(z / (cost - z))
            count += 1
        steps += count
        if count:
            dual[i, v], dual[i, 1 - v] = z, cost - z
            step = sign * (z - old) * signs[i]
            for k in range(begin, end):
                weights[indices[k]] += step * data[k]
            weights[last] += step * bias
    return largest, steps
