"""Logistic regression of many labels by coordinate descent in the dual, several at a time.

Each label is set against the rest as in `coordinate_descent`, whose method this is. But a value of
a row is read once for a block of labels, whose weights lie side by side, so that one instruction
serves several of them.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from scipy import sparse

from sentiment.modeling.estimators.coordinate_descent import Descent, to_unsigned, warn_if_cut_short
from sentiment.ngrams.compiling import count_threads, kernel

# Labels of a block at most: more weights leave the cache of a core.
_BLOCK = 16
_FIRST_TOLERANCE, _LAST_TOLERANCE = 1e-2, 1e-8
_NEWTON_STEPS = 100


def separate_labels(
    X: sparse.csr_matrix, truth: np.ndarray, costs: np.ndarray, descent: Descent
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Separate the rows of each label from the rest.

    Parameters
    ----------
    X : sparse matrix of shape (n_samples, n_features)
        In float64, no value of which is in several parts.
    truth : ndarray of bool, of shape (n_samples, n_labels)
        True for rows with a label.
    costs : ndarray of shape (2, n_labels)
        Cost of an error in a row without each label, and in one with it; above 0.
    descent : Descent
        When to stop.

    Returns
    -------
    coef : ndarray of shape (n_labels, n_features)
        Weights.
    intercept : ndarray of shape (n_labels,)
        The intercepts.
    n_iter : ndarray of int32, of shape (n_labels,)
        Passes over the rows.

    Warns
    -----
    ConvergenceWarning
        A label took ``descent.max_iter`` passes.
    """
    labels, threads = truth.shape[1], count_threads(None)
    count = -(-labels // _BLOCK)
    if labels >= threads:  # as many blocks for each core
        count = threads * -(-count // threads)
    blocks = np.array_split(np.arange(labels), min(count, labels))
    with ThreadPoolExecutor(min(len(blocks), threads)) as pool:
        fitted = pool.map(
            lambda block: _separate_block(
                X, np.ascontiguousarray(truth[:, block]), costs[:, block].copy(), descent
            ),
            blocks,
        )
        weights, n_iter = zip(*fitted, strict=True)
    warn_if_cut_short(max(n.max() for n in n_iter), descent.max_iter, stacklevel=4)
    whole = np.vstack(weights)
    return whole[:, :-1], descent.intercept_scaling * whole[:, -1], np.concatenate(n_iter)


def _separate_block(
    X: sparse.csr_matrix, truth: np.ndarray, costs: np.ndarray, descent: Descent
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of some labels, that of the intercept last, and their passes."""
    rows, size = truth.shape
    cost = np.where(truth, costs[1], costs[0])
    dual = np.minimum(0.001 * cost, 1e-8)
    weights, squares = np.zeros((X.shape[1] + 1, size)), np.empty(rows)
    matrix = (X.data, to_unsigned(X.indices), to_unsigned(X.indptr))
    bias = descent.intercept_scaling
    start_labels(*matrix, np.where(truth, dual, -dual), bias, squares, weights)
    tolerances, largest = np.full(size, _FIRST_TOLERANCE), np.empty(size)
    steps, active = np.zeros(size, np.int64), np.ones(size, bool)
    n_iter = np.zeros(size, np.int32)
    rng = np.random.default_rng(descent.seed)
    for _ in range(descent.max_iter):
        n_iter[active] += 1
        order = rng.permutation(rows)
        descend_labels(
            *matrix, truth, bias, costs, squares, dual, weights, order, tolerances, active,
            largest, steps,
        )  # fmt: skip
        active &= ~(largest < descent.tol)
        if not active.any():
            break
        closer = np.maximum(min(_LAST_TOLERANCE, descent.tol), 0.1 * tolerances)
        tolerances = np.where(steps <= rows // 10, closer, tolerances)
    return np.ascontiguousarray(weights.T), n_iter


@kernel
def start_labels(
    data: Any, indices: Any, indptr: Any, steps: Any, bias: float, squares: Any, weights: Any
) -> None:
    """Fill `squares` with the squared length of each row, and `weights` with those of `steps`."""
    last, size = len(weights) - 1, weights.shape[1]
    for i in range(len(squares)):
        squares[i] = bias * bias
        of_row = steps[i]
        for j in range(indptr[i], indptr[i + 1]):
            value, of_column = data[j], weights[indices[j]]
            squares[i] += value * value
            for k in range(size):
                of_column[k] += of_row[k] * value
        for k in range(size):
            weights[last, k] += of_row[k] * bias


@kernel
def descend_labels(
    data: Any, indices: Any, indptr: Any, truth: Any, bias: float, costs: Any, squares: Any,
    dual: Any, weights: Any, order: Any, tolerances: Any, active: Any, largest: Any, steps: Any,
) -> None:  # fmt: skip
    """Improve the dual variables of each row, in `order`, for all labels that are active.

    Of each label, `largest` becomes the largest derivative and `steps` the Newton steps. A row has
    ``z`` and ``cost - z``; see `descend` in `coordinate_descent`.
    """
    last, size = len(weights) - 1, weights.shape[1]
    margins, moves = np.empty(size), np.empty(size)
    for k in range(size):
        largest[k], steps[k] = 0.0, 0
    for i in order:
        a, begin, end = squares[i], indptr[i], indptr[i + 1]
        for k in range(size):
            margins[k] = weights[last, k] * bias
        for j in range(begin, end):
            value, of_column = data[j], weights[indices[j]]
            for k in range(size):
                margins[k] += of_column[k] * value
        moved = False
        for k in range(size):
            moves[k] = 0.0
            if not active[k]:
                continue
            side = 1.0 if truth[i, k] else -1.0
            cost = costs[1, k] if truth[i, k] else costs[0, k]
            b, old, sign = side * margins[k], dual[i, k], 1.0
            if 0.5 * a * (cost - 2 * old) + b < 0:
                old, sign = cost - old, -1.0
            z = 0.1 * old if cost - old < 0.5 * cost else old
            slope = a * (z - old) + sign * b + np.log(z / (cost - z))
            largest[k] = max(largest[k], abs(slope))
            count = 0
            while count <= _NEWTON_STEPS and abs(slope) >= tolerances[k]:
                new = z - slope / (a + cost / (cost - z) / z)
                z = 0.1 * z if new <= 0 else new
                slope = a * (z - old) + sign * b + np.log(z / (cost - z))
                count += 1
            steps[k] += count
            if count:
                moved = True
                moves[k] = sign * (z - old) * side
                dual[i, k] = z if sign > 0 else cost - z
        if moved:
            for j in range(begin, end):
                value, of_column = data[j], weights[indices[j]]
                for k in range(size):
                    of_column[k] += moves[k] * value
            for k in range(size):
                weights[last, k] += moves[k] * bias
