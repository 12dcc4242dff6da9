"""Logistic regressions of several classes, each against the rest, by descents that share rows.

The method is that of `coordinate_descent`. Classes are descended in blocks: each row is read once
for a block, whose weights of a feature are side by side in memory. Reading rows is most of the
work, so that a class costs a fraction of what it would alone. All classes take the rows in the same
random order, which liblinear would draw for each anew: both end at the same optimum, within `tol`.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from scipy import sparse

from sentiment.modeling.estimators.coordinate_descent import (
    FIRST_TOLERANCE,
    LAST_TOLERANCE,
    Descent,
    to_unsigned,
    warn_if_cut_short,
)
from sentiment.ngrams.compiling import count_threads, kernel

# Classes of a block: their weights of a feature fill a line of the cache.
LANES = 8
# Rows that are drawn one after another, some hundred kilobytes of short texts.
CHUNK = 256
# Of these steps, those that Newton's method would take too far halve an interval.
NEWTON_STEPS = 100


def separate_classes(
    descent: Descent, X: sparse.csr_matrix, codes: np.ndarray, classes: int, cost: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Separate the rows of each class from the rest; blocks of classes share the cores.

    Parameters
    ----------
    descent : Descent
        Settings.
    X : sparse matrix of shape (n_samples, n_features)
        In float64.
    codes : ndarray of int, of shape (n_samples,)
        The place of each row's class.
    classes : int
        Number of classes.
    cost : ndarray of shape (n_samples,)
        Cost of an error in each row; rows without any are skipped.

    Returns
    -------
    coef : ndarray of shape (n_classes, n_features)
    intercept : ndarray of shape (n_classes,)
    n_iter : ndarray of int32, of shape (n_classes,)

    Warns
    -----
    ConvergenceWarning
        A class took `max_iter` passes.
    """
    # In a random order, of which those of a chunk are neighbors in memory.
    rows = np.random.default_rng(descent.seed).permutation(np.flatnonzero(cost > 0))
    X, codes, cost = X[rows], codes[rows], cost[rows]
    coef = np.empty((classes, X.shape[1]))
    intercept, n_iter = np.empty(classes), np.empty(classes, np.int32)
    threads = count_threads(None)
    # No more in a block than keeps all cores busy.
    size = min(LANES, -(-classes // threads))

    def separate(first: int) -> None:
        last = min(first + size, classes)
        weights, n_iter[first:last] = _separate_block(descent, X, codes, first, last, cost)
        coef[first:last] = weights[:-1, : last - first].T
        intercept[first:last] = descent.intercept_scaling * weights[-1, : last - first]

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(separate, range(0, classes, size)))
    warn_if_cut_short(n_iter, descent.max_iter)
    return coef, intercept, n_iter


def _separate_block(
    descent: Descent, X: sparse.csr_matrix, codes: np.ndarray, first: int, last: int,
    cost: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return the weights of classes, shape (n_features + 1, LANES), and the passes of each."""
    lanes = codes - first
    matrix = (X.data, to_unsigned(X.indices), to_unsigned(X.indptr))
    least = np.repeat(np.minimum(0.001 * cost, 1e-8)[:, np.newaxis], LANES, axis=1)
    logits = np.log(least / (cost[:, np.newaxis] - least))
    squares, weights = np.empty(len(cost)), np.zeros((X.shape[1] + 1, LANES))
    start_block(*matrix, lanes, descent.intercept_scaling, least, squares, weights)
    rng = np.random.default_rng(descent.seed)
    active = np.arange(LANES) < last - first
    tolerances = np.full(LANES, FIRST_TOLERANCE)
    n_iter = np.zeros(LANES, np.int32)
    while active.any() and n_iter.max() < descent.max_iter:
        n_iter += active
        order = _draw_order(len(cost), rng)
        largest, steps = np.zeros(LANES), np.zeros(LANES, np.int64)
        descend_block(
            *matrix, lanes, descent.intercept_scaling, cost, squares, logits, least, weights,
            order, active, tolerances, largest, steps,
        )  # fmt: skip
        active &= largest >= descent.tol
        finer = np.maximum(min(LAST_TOLERANCE, descent.tol), 0.1 * tolerances)
        tolerances = np.where(steps <= len(cost) // 10, finer, tolerances)
    return weights, n_iter[: last - first]


def _draw_order(rows: int, rng: np.random.Generator) -> np.ndarray:
    """Return an order of the rows, chunk by chunk, so that a cache holds those that come next."""
    chunks = rng.permutation(-(-rows // CHUNK))
    order = CHUNK * chunks[:, np.newaxis] + rng.permutation(CHUNK)
    return order[order < rows]


@kernel
def start_block(
    data: Any, indices: Any, indptr: Any, lanes: Any, bias: float, least: Any,
    squares: Any, weights: Any,
) -> None:  # fmt: skip
    """Fill `squares` with the squared length of each row, and `weights` with those of `least`."""
    last = len(weights) - 1
    for i in range(len(lanes)):
        squares[i] = bias * bias
        for k in range(indptr[i], indptr[i + 1]):
            squares[i] += data[k] * data[k]
            for lane in range(LANES):
                step = least[i, lane] if lanes[i] == lane else -least[i, lane]
                weights[indices[k], lane] += step * data[k]
        for lane in range(LANES):
            step = least[i, lane] if lanes[i] == lane else -least[i, lane]
            weights[last, lane] += step * bias


@kernel
def descend_block(
    data: Any, indices: Any, indptr: Any, lanes: Any, bias: float, costs: Any,
    squares: Any, logits: Any, least: Any, weights: Any, order: Any, active: Any, tolerances: Any,
    largest: Any, steps: Any,
) -> None:  # fmt: skip
    """Improve the dual variable of each row and active class, in `order`.

    `lanes` has the place of each row's class in the block. `largest` takes the largest derivative
    of each class, and `steps` its Newton steps. A variable, between 0 and the cost of its row, is
    kept as its logit, ``u = log(z / (cost - z))``, and its distance to the nearer end. Its best
    value is where ``u + b + a * (z - old) = 0``: between the old logit and ``-b``.
    """
    last = len(weights) - 1
    margins, moves = np.empty(LANES), np.empty(LANES)
    for i in order:
        cost, a = costs[i], squares[i]
        begin, end = indptr[i], indptr[i + 1]
        for lane in range(LANES):
            margins[lane] = weights[last, lane] * bias
        for k in range(begin, end):
            value, column = data[k], indices[k]
            for lane in range(LANES):
                margins[lane] += weights[column, lane] * value
        moved = False
        for lane in range(LANES):
            moves[lane] = 0.0
            if not active[lane]:
                continue
            side = 1.0 if lanes[i] == lane else -1.0
            b, first = side * margins[lane], logits[i, lane]
            slope = first + b
            largest[lane] = max(largest[lane], abs(slope))
            if abs(slope) < tolerances[lane]:
                continue
            old = rest = least[i, lane]
            u, change = first, 0.0
            low, high = min(first, -b), max(first, -b)
            for _ in range(NEWTON_STEPS):
                steps[lane] += 1
                u -= slope / (1 + a * rest * (cost - rest) / cost)
                if not low <= u <= high:
                    u = 0.5 * (low + high)
                rest = cost / (1 + np.exp(abs(u)))
                change = rest - old if (u > 0) == (first > 0) else cost - rest - old
                if first > 0:
                    change = -change
                slope = u + b + a * change
                if abs(slope) < tolerances[lane]:
                    break
                if slope > 0:
                    high = u
                else:
                    low = u
            logits[i, lane], least[i, lane] = u, rest
            moves[lane] = change * side
            moved = True
        if moved:
            for k in range(begin, end):
                value, column = data[k], indices[k]
                for lane in range(LANES):
                    weights[column, lane] += moves[lane] * value
            for lane in range(LANES):
                weights[last, lane] += moves[lane] * bias
