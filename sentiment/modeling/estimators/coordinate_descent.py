"""Logistic regression by coordinate descent in the dual, one class against the rest at a time.

The method is that of Yu, Huang and Lin 2011, Dual coordinate descent methods for logistic
regression and maximum entropy models, algorithm 5, as liblinear has it: the same order of rows,
drawn by the same generator, and so the same weights but for rounding. Unlike liblinear, it reads
scipy's arrays as they are, without a copy of twice their size, and fits classes side by side.
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

# How far the Newton steps for a row go at first, and at most in the end.
_FIRST_TOLERANCE, _LAST_TOLERANCE = 1e-2, 1e-8
_NEWTON_STEPS = 100
# Random numbers are drawn for all rows at once; a few more, for those that are drawn again.
_SPARE = 64


@dataclass(frozen=True)
class Descent:
    """Settings of a fit.

    Parameters
    ----------
    tol : float
        Largest derivative of the dual at which the descent stops.
    max_iter : int
        Passes over the rows at most.
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
        self, X: sparse.csr_matrix, side: np.ndarray, cost: np.ndarray
    ) -> tuple[np.ndarray, float, int]:
        """Separate the rows of a class from the rest.

        Parameters
        ----------
        X : sparse matrix of shape (n_samples, n_features)
            In float64.
        side : ndarray of bool, of shape (n_samples,)
            Which rows are of the class.
        cost : ndarray of shape (n_samples,)
            Cost of an error in each row; rows without any are skipped.

        Returns
        -------
        coef : ndarray of shape (n_features,)
            Weights.
        intercept : float
            The intercept.
        n_iter : int
            Passes over the rows.
        """
        rows = np.argsort(side, kind="stable")
        rows = rows[cost[rows] > 0]
        cost, signs = cost[rows], np.where(side[rows], 1.0, -1.0)
        # Unsigned, so that the kernels need not look for negative places.
        matrix = (X.data, to_unsigned(X.indices), to_unsigned(X.indptr))
        dual = np.empty((len(rows), 2))
        dual[:, 0] = np.minimum(0.001 * cost, 1e-8)
        dual[:, 1] = cost - dual[:, 0]
        squares, weights = np.empty(len(rows)), np.zeros(X.shape[1] + 1)
        _start_weights(*matrix, rows, signs, self.intercept_scaling, dual, squares, weights)
        order = np.arange(len(rows))
        generator = np.random.MT19937()
        generator._legacy_seeding(self.seed)
        draws, used = np.empty(0, np.uint32), 0
        tolerance = _FIRST_TOLERANCE
        n_iter = 0
        while n_iter < self.max_iter:
            n_iter += 1
            more = generator.random_raw(len(rows) + _SPARE).astype(np.uint32)
            draws = np.concatenate([draws[used:], more])
            used = shuffle(order, draws)
            largest, steps = descend(
                *matrix, rows, signs, self.intercept_scaling, cost, squares, dual, weights, order,
                tolerance,
            )  # fmt: skip
            if largest < self.tol:
                break
            if steps <= len(rows) // 10:
                tolerance = max(min(_LAST_TOLERANCE, self.tol), 0.1 * tolerance)
        return weights[:-1], self.intercept_scaling * float(weights[-1]), n_iter


def fit_side_by_side(
    fit: Callable[[int], tuple[np.ndarray, float, int]], classes: int, max_iter: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what `fit` returns for the place of each class, stacked; classes share the cores.

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
    warn_if_cut_short(max(n_iter), max_iter, stacklevel=4)
    return np.vstack(coef), np.array(intercept), np.array(n_iter, np.int32)


def warn_if_cut_short(n_iter: int, max_iter: int, stacklevel: int) -> None:
    """Warn that a descent took as many passes as it may."""
    if n_iter >= max_iter:
        warnings.warn(
            f"Coordinate descent did not converge in {max_iter} passes, increase max_iter.",
            ConvergenceWarning,
            stacklevel=stacklevel,
        )


def sum_parts(X: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return `X` itself, or a copy in which no value is in several parts."""
    if X.has_canonical_format:
        return X
    whole = X.copy()
    whole.sum_duplicates()
    return whole


def to_unsigned(places: np.ndarray) -> np.ndarray:
    """Return a view of places, none of them negative, as unsigned integers of the same width."""
    return places.view(f"u{places.dtype.itemsize}")


@kernel
def _start_weights(
    data: Any, indices: Any, indptr: Any, rows: Any, signs: Any, bias: float, dual: Any,
    squares: Any, weights: Any,
) -> None:  # fmt: skip
    """Fill `squares` with the squared length of each row, and `weights` with those of `dual`."""
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

    A number below a limit is made without bias as in Lemire 2019, Fast Random Integer Generation
    in an Interval: some draws are drawn again.
    """
    used = 0
    for i in range(len(order)):
        limit = np.uint64(len(order) - i)
        while True:
            product = np.uint64(draws[used]) * limit
            used += 1
            low = product & np.uint64(0xFFFFFFFF)
            if low >= limit or low >= (np.uint64(1 << 32) - limit) % limit:
                break
        j = i + np.int64(product >> np.uint64(32))
        order[i], order[j] = order[j], order[i]
    return used


@kernel
def descend(
    data: Any, indices: Any, indptr: Any, rows: Any, signs: Any, bias: float, costs: Any,
    squares: Any, dual: Any, weights: Any, order: Any, tolerance: float,
) -> tuple[float, int]:  # fmt: skip
    """Improve both dual variables of each row, in `order`; return the largest derivative and steps.

    A row has ``z`` and ``cost - z``; the one that is nearer to its best value is improved by
    Newton steps, until the derivative is below `tolerance`.
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
        one, sign = 0, 1.0
        if 0.5 * a * (dual[i, 1] - dual[i, 0]) + b < 0:
            one, sign = 1, -1.0
        old = dual[i, one]
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
            dual[i, one], dual[i, 1 - one] = z, cost - z
            step = sign * (z - old) * signs[i]
            for k in range(begin, end):
                weights[indices[k]] += step * data[k]
            weights[last] += step * bias
    return largest, steps
