"""Multinomial logistic regression by dual coordinate descent.

A row with cost ``c`` has a dual variable ``z_k`` for each class ``k``; they sum to ``c``. At the
optimum they are ``c`` times the probabilities of the classes. The variables of a row are optimized
together, as in Yu, Huang and Lin 2011, Dual coordinate descent methods for logistic regression and
maximum entropy models, section 5, but by Newton steps for all variables and their sum at once.

The intercepts are not penalized, as in scikit-learn: each pass penalizes only their distance from
the intercepts of the previous pass (the proximal point method, Rockafellar 1976).
"""

from typing import Any

import numpy as np
from scipy import sparse

from sentiment.modeling.estimators.coordinate_descent import Descent, to_unsigned
from sentiment.ngrams.compiling import kernel

# Initial share of a row's cost for the other classes.
_FIRST_SHARE = 1e-3
# Rows that are nearer to their optimum than this share of the farthest one are skipped in a pass.
_SKIPPED_SHARE = 0.1
# Newton steps for a row stop when one changes less than this share of all steps. Two or three
# suffice except for long rows, whose steps may oscillate; these are then solved more slowly.
_ACCURACY = 0.1
_NEWTON_STEPS, _SAFE_STEPS = 20, 100
# More dual variables than these, half a gigabyte, are stored in single precision.
_MAX_DOUBLES = 1 << 26


def fit_multinomial(
    descent: Descent, X: sparse.csr_matrix, codes: np.ndarray, n_classes: int, cost: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """Fit the weights of all classes, those of scikit-learn's multinomial logistic regression.

    Parameters
    ----------
    descent : Descent
        Settings. Passes stop when no probability of a row is farther than a quarter of `tol` from
        its optimum given the other rows. With an `intercept_scaling` of 0, there are no intercepts.
    X : sparse matrix of shape (n_samples, n_features)
        In float64.
    codes : ndarray of int, of shape (n_samples,)
        Index of each row's class.
    n_classes : int
        Number of classes.
    cost : ndarray of shape (n_samples,)
        Cost of an error in each row; rows of cost 0 are skipped.

    Returns
    -------
    coef : ndarray of shape (n_classes, n_features)
        Weights, in Fortran order.
    intercept : ndarray of shape (n_classes,)
        Intercepts.
    n_iter : int
        Number of passes over the rows.
    """
    rows = np.flatnonzero(cost > 0)
    codes, cost = codes[rows], cost[rows]
    matrix = (X.data, to_unsigned(X.indices), to_unsigned(X.indptr))
    bias = 1.0 if descent.intercept_scaling else 0.0
    single = len(rows) * n_classes > _MAX_DOUBLES
    dual = np.empty((len(rows), n_classes), np.float32 if single else np.float64)
    dual[:] = (_FIRST_SHARE / (n_classes - 1) * cost)[:, np.newaxis]
    dual[np.arange(len(rows)), codes] = (1 - _FIRST_SHARE) * cost
    weights, squares = np.zeros((X.shape[1] + 1, n_classes)), np.empty(len(rows))
    _initialize_weights(*matrix, rows, codes, cost, bias, dual, squares, weights)
    intercept = np.zeros(n_classes)
    # The largest error of a probability whose log-odds have an error of `tol`.
    tol = descent.tol / 4
    rng, skip_distance = np.random.default_rng(descent.seed), 0.0
    n_iter = 0
    while n_iter < descent.max_iter:
        n_iter += 1
        intercept += bias * weights[-1]
        order = rng.permutation(len(rows))
        farthest = descend_classes(
            *matrix, rows, cost, bias, squares, dual, weights, intercept, order, skip_distance
        )
        if farthest < tol:
            break
        skip_distance = _SKIPPED_SHARE * max(min(farthest, 0.1), tol)
    return weights[:-1].T, intercept + bias * weights[-1], n_iter


@kernel
def _initialize_weights(
    data: Any, indices: Any, indptr: Any, rows: Any, codes: Any, costs: Any, bias: float, dual: Any,
    squares: Any, weights: Any,
) -> None:  # fmt: skip
    """Write the squared norm of each row into `squares`, and add the weights of `dual`."""
    last, steps = len(weights) - 1, np.empty(dual.shape[1])
    for i in range(len(rows)):
        for k in range(len(steps)):
            steps[k] = -dual[i, k]
        steps[codes[i]] += costs[i]
        squares[i] = bias * bias
        for j in range(indptr[rows[i]], indptr[rows[i] + 1]):
            value, feature_weights = data[j], weights[indices[j]]
            squares[i] += value * value
            for k in range(len(steps)):
                feature_weights[k] += steps[k] * value
        for k in range(len(steps)):
            weights[last, k] += steps[k] * bias


@kernel
def _solve_safely(a: float, cost: float, margins: Any, old: Any, z: Any) -> None:
    """Write the optimal dual variables of a row into `z`, by steps that always converge.

    Each variable is a function of the multiplier, `z = omega(x) / a` where `omega(x)` is the
    solution of `log(omega) + omega = x` (Wright's omega). Their sum is convex and rises with the
    multiplier, so that Newton steps from a multiplier that is too large converge to the sum `cost`.
    """
    scale, multiplier = np.log(a), np.inf
    for k in range(len(z)):
        # With this multiplier, the variable alone is the whole cost.
        upper = np.log(cost) + a * (cost - old[k]) - margins[k]
        multiplier = min(multiplier, upper)
    for _ in range(_SAFE_STEPS):
        total, slope = 0.0, 0.0
        for k in range(len(z)):
            x = margins[k] + a * old[k] + multiplier + scale
            log = x if x < 1 else np.log(x)
            for _ in range(_SAFE_STEPS):
                omega = np.exp(log)
                step = (log + omega - x) / (1 + omega)
                log -= step
                if abs(step) <= 1e-12 * (1 + abs(log)):
                    break
            omega = np.exp(log)
            z[k] = omega / a
            total += z[k]
            slope += z[k] / (1 + omega)
        multiplier -= (total - cost) / slope
        if total - cost <= 1e-12 * cost:
            break


@kernel
def descend_classes(
    data: Any, indices: Any, indptr: Any, rows: Any, costs: Any, bias: float, squares: Any,
    dual: Any, weights: Any, intercept: Any, order: Any, skip_distance: float,
) -> float:  # fmt: skip
    """Optimize the dual variables of each row, in `order`; return the largest distance.

    Distances are between probabilities before and at the optimum of a row; rows with a distance up
    to `skip_distance` are skipped. The variables ``z`` of a row minimize
    ``sum(z * log(z) - margins * z + a / 2 * (z - old)**2)`` at a constant sum, by Newton steps for
    the logarithms of ``z`` and the multiplier of the sum.
    """
    last, size = len(weights) - 1, dual.shape[1]
    margins, logs, z = np.empty(size), np.empty(size), np.empty(size)
    farthest = 0.0
    for i in order:
        a, cost, old = squares[i], costs[i], dual[i]
        log_cost = np.log(cost)
        begin, end = indptr[rows[i]], indptr[rows[i] + 1]
        for k in range(size):
            margins[k] = intercept[k] + weights[last, k] * bias
        for j in range(begin, end):
            value, feature_weights = data[j], weights[indices[j]]
            for k in range(size):
                margins[k] += feature_weights[k] * value
        # The steps begin at the probabilities of the current margins.
        highest, total = margins.max(), 0.0
        for k in range(size):
            z[k] = np.exp(margins[k] - highest)
            total += z[k]
        factor, distance = cost / total, 0.0
        for k in range(size):
            z[k] *= factor
            distance = max(distance, abs(z[k] - old[k]))
        farthest = max(farthest, distance / cost)
        if distance <= skip_distance * cost:
            continue
        offset = log_cost - highest - np.log(total)
        for k in range(size):
            logs[k] = margins[k] + offset
        change, moved = np.inf, 0.0
        for _ in range(_NEWTON_STEPS):
            numerator, denominator = cost, 0.0
            for k in range(size):
                slope = logs[k] - margins[k] + a * (z[k] - old[k])
                share = z[k] / (1 + a * z[k])
                numerator += share * slope - z[k]
                denominator += share
            multiplier, change, moved, total = numerator / denominator, 0.0, 0.0, 0.0
            for k in range(size):
                slope = logs[k] - margins[k] + a * (z[k] - old[k])
                logs[k] = min(logs[k] + (multiplier - slope) / (1 + a * z[k]), log_cost)
                new = np.exp(logs[k])
                change = max(change, abs(new - z[k]))
                moved = max(moved, abs(new - old[k]))
                z[k] = new
                total += new
            # Steps that are too long are limited to the cost for each class, and sum to more.
            change = max(change, abs(total - cost))
            if change <= _ACCURACY * moved:
                break
        if not change <= _ACCURACY * moved:
            _solve_safely(a, cost, margins, old, z)
        factor = cost / z.sum()
        for k in range(size):
            previous = float(old[k])
            old[k] = factor * z[k]
            # The difference of the stored values, so that `weights` always agree with `dual`.
            z[k] = previous - float(old[k])
        for j in range(begin, end):
            value, feature_weights = data[j], weights[indices[j]]
            for k in range(size):
                feature_weights[k] += z[k] * value
        for k in range(size):
            weights[last, k] += z[k] * bias
    return farthest
