"""Linear models of many labels by dual coordinate descent, several labels at a time.

Each label is a one-vs-rest problem. For the logistic loss, the method is that of
`coordinate_descent`. For the squared hinge loss, it is algorithm 1 of Hsieh, Chang, Lin, Keerthi
and Sundararajan 2008, A dual coordinate descent method for large-scale linear SVM, as in liblinear,
without shrinking. Each value of a row is read once for a block of labels, whose weights are
adjacent in memory, so that vector instructions update several of them.

Passes begin with weights in single precision, since more of them fit into the cache. They continue
in double precision if the tolerance is too fine for single precision, or if it does not converge.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import sparse

from sentiment.modeling.estimators.coordinate_descent import (
    Descent,
    to_unsigned,
    warn_if_not_converged,
)
from sentiment.ngrams.compiling import count_threads, kernel

_Loss = Literal["logistic", "squared_hinge"]

# Maximum number of labels in a block, so that their weights fit into the cache.
_BLOCK = 32
_FIRST_TOLERANCE, _LAST_TOLERANCE = 1e-2, 1e-8
_NEWTON_STEPS = 100
# Derivatives are sums of some hundred products, with relative errors of 1e-7 in single precision.
_SINGLE_TOLERANCE = 1e-4
# Maximum number of passes in single precision; where it suffices, a descent takes far fewer.
_SINGLE_PASSES = 50


@dataclass(frozen=True)
class Separation:
    """Fitted linear models, one for each label.

    Attributes
    ----------
    coef : ndarray of shape (n_labels, n_features)
        Weights of the features.
    intercept : ndarray of shape (n_labels,)
        Intercepts.
    n_iter : ndarray of int32, of shape (n_labels,)
        Number of passes over the rows.
    margins : ndarray of shape (n_samples, n_labels)
        Decision function of each row, by the weights that were fitted without the row's fold;
        shape (0, n_labels) if there are no folds.
    """

    coef: np.ndarray
    intercept: np.ndarray
    n_iter: np.ndarray
    margins: np.ndarray

    def __getitem__(self, label: int) -> "Separation":
        """Return the model of one label, by its index."""
        k = slice(label, label + 1)
        return Separation(self.coef[k], self.intercept[k], self.n_iter[k], self.margins[:, k])


def separate_labels(
    X: sparse.csr_matrix,
    truth: np.ndarray,
    costs: np.ndarray,
    descent: Descent,
    loss: _Loss = "logistic",
    folds: np.ndarray | None = None,
) -> Separation:
    """Fit a linear model for each label, on the rows with it against the other rows.

    Parameters
    ----------
    X : sparse matrix of shape (n_samples, n_features)
        Features in float64, without duplicate entries.
    truth : ndarray of bool, of shape (n_samples, n_labels)
        True for rows with a label.
    costs : ndarray of shape (2, n_labels), or (2, (n_folds + 1) * n_labels)
        Cost of an error, above 0, in rows without each label (first row) and in rows with it
        (second row). With folds, there is a column for each label in the fit without the first
        fold, then in the fit without the second fold, and so on, and last in the fit on all rows.
    descent : Descent
        Tolerance, maximum number of passes, intercept scaling and seed.
    loss : {"logistic", "squared_hinge"}, default="logistic"
        Loss function.
    folds : ndarray of int, of shape (n_samples, n_labels), optional
        Fold of each row in the cross-validation of each label, from 0; default: only the fit on all
        rows.

    Warns
    -----
    ConvergenceWarning
        A label has not converged after ``descent.max_iter`` passes.
    """
    labels, problems, threads = truth.shape[1], costs.shape[1], count_threads(None)
    count = -(-problems // _BLOCK)
    if problems >= threads:  # the same number of blocks for each thread
        count = threads * -(-count // threads)
    rows = _Rows.of(X, descent.intercept_scaling)
    coef, intercept = np.empty((labels, X.shape[1])), np.empty(labels)
    n_iter = np.empty(problems, np.int32)
    margins = np.empty((0 if folds is None else len(truth), labels))

    def fit_block(block: np.ndarray) -> None:
        fold, label = block // labels, block % labels
        signs = np.where(truth[:, label], np.int8(1), np.int8(-1))
        if folds is not None:
            held_out = folds[:, label] == fold
            signs[held_out] = 0
        weights, n_iter[block] = _separate_block(rows, signs, costs[:, block], descent, loss)
        on_all_rows = block >= problems - labels
        coef[label[on_all_rows]] = weights[:-1, on_all_rows].T
        intercept[label[on_all_rows]] = rows.bias * weights[-1, on_all_rows]
        if not on_all_rows.all():
            decisions = np.empty((len(truth), len(block)))
            _write_margins(*rows.matrix(weights.dtype), rows.bias, weights, held_out, decisions)
            for k in np.flatnonzero(~on_all_rows):
                margins[held_out[:, k], label[k]] = decisions[held_out[:, k], k]

    blocks = np.array_split(np.arange(problems), min(count, problems))
    with ThreadPoolExecutor(min(len(blocks), threads)) as pool:
        list(pool.map(fit_block, blocks))
    warn_if_not_converged(n_iter.max(), descent.max_iter, stacklevel=4)
    return Separation(coef, intercept, n_iter[-labels:], margins)


@dataclass(frozen=True)
class _Rows:
    """Arrays of a sparse matrix for the kernels, in both precisions."""

    single: np.ndarray
    double: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    squares: np.ndarray
    bias: float
    features: int

    @classmethod
    def of(cls, X: sparse.csr_matrix, bias: float) -> "_Rows":
        # Unsigned, so that the kernels need not handle negative indices.
        indices, indptr = to_unsigned(X.indices), to_unsigned(X.indptr)
        squares = np.asarray(X.multiply(X).sum(axis=1)).ravel() + bias * bias
        return cls(X.data.astype(np.float32), X.data, indices, indptr, squares, bias, X.shape[1])

    def matrix(self, dtype: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.single if dtype == np.float32 else self.double, self.indices, self.indptr


def _separate_block(
    rows: _Rows, signs: np.ndarray, costs: np.ndarray, descent: Descent, loss: _Loss
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights, shape (n_features + 1, n_labels), and the passes of a block of labels.

    The last weight of each label is that of the bias. A sign is 1 for a row with a label, -1 for a
    row without it, and 0 for a row that is skipped.
    """
    n, size = signs.shape
    hinge = loss == "squared_hinge"
    dual = np.zeros((n, size))
    if not hinge:
        dual[:] = np.minimum(0.001 * np.where(signs > 0, costs[1], costs[0]), 1e-8)
    # liblinear compares its tolerance with the largest minus the smallest derivative.
    tol = descent.tol / 2 if hinge else descent.tol

    def make_weights(dtype: Any) -> np.ndarray:
        weights = np.zeros((rows.features + 1, size), dtype)
        if dual.any():
            _add_rows(*rows.matrix(dtype), signs * dual, rows.bias, weights)
        return weights

    weights, current_tol = make_weights(np.float32), max(tol, _SINGLE_TOLERANCE)
    tolerances, largest = np.full(size, _FIRST_TOLERANCE), np.empty(size)
    steps, active = np.zeros(size, np.int64), np.ones(size, bool)
    n_iter = np.zeros(size, np.int32)
    rng = np.random.default_rng(descent.seed)
    for pass_index in range(descent.max_iter):
        if weights.dtype == np.float32 and (pass_index == _SINGLE_PASSES or not active.any()):
            if current_tol > tol:
                active[:] = True
            weights, current_tol = make_weights(np.float64), tol
        if not active.any():
            break
        n_iter[active] += 1
        _descend_labels(
            *rows.matrix(weights.dtype), signs, rows.bias, costs, rows.squares, dual, weights,
            rng.permutation(n), hinge, tolerances, active, largest, steps,
        )  # fmt: skip
        active &= ~(largest < current_tol)
        smaller = np.maximum(min(_LAST_TOLERANCE, tol), 0.1 * tolerances)
        tolerances = np.where(steps <= n // 10, smaller, tolerances)
    return weights, n_iter


@kernel
def _add_rows(data: Any, indices: Any, indptr: Any, steps: Any, bias: float, weights: Any) -> None:
    """Add each row, multiplied by the step of each label, to the weights of the label."""
    for i in range(len(steps)):
        add_row(data, indices, indptr[i], indptr[i + 1], steps[i], bias, weights)


@kernel
def add_row(
    data: Any, indices: Any, begin: Any, end: Any, steps: Any, bias: float, weights: Any
) -> None:
    """Add a row, `data[begin:end]`, multiplied by the step of each label, to its weights."""
    last, size = len(weights) - 1, weights.shape[1]
    for j in range(begin, end):
        value, feature_weights = data[j], weights[indices[j]]
        for k in range(size):
            feature_weights[k] += steps[k] * value
    for k in range(size):
        weights[last, k] += steps[k] * bias


@kernel
def _write_row_margins(
    data: Any, indices: Any, begin: Any, end: Any, bias: float, weights: Any, margins: Any
) -> None:
    """Write the margin of each label for a row, `data[begin:end]`, into `margins`."""
    last, size = len(weights) - 1, weights.shape[1]
    for k in range(size):
        margins[k] = weights[last, k] * bias
    for j in range(begin, end):
        value, feature_weights = data[j], weights[indices[j]]
        for k in range(size):
            margins[k] += feature_weights[k] * value


@kernel
def _write_margins(
    data: Any, indices: Any, indptr: Any, bias: float, weights: Any, held_out: Any, margins: Any
) -> None:
    """Write the margins of all labels into `margins`, for rows that are held out for any label."""
    for i in range(len(margins)):
        if held_out[i].any():
            _write_row_margins(data, indices, indptr[i], indptr[i + 1], bias, weights, margins[i])


@kernel
def _improve_logistic(
    a: float, b: float, dual: float, cost: float, tolerance: float
) -> tuple[float, float, int]:
    """Return the optimal dual variable of a row, the derivative before, and the Newton steps.

    A row has the variables ``z`` and ``cost - z``; see `descend` in `coordinate_descent`.
    """
    old, sign = dual, 1.0
    if 0.5 * a * (cost - 2 * old) + b < 0:
        old, sign = cost - old, -1.0
    z = 0.1 * old if cost - old < 0.5 * cost else old
    slope = a * (z - old) + sign * b + np.log(z / (cost - z))
    first, count = slope, 0
    while count <= _NEWTON_STEPS and abs(slope) >= tolerance:
        new = z - slope / (a + cost / (cost - z) / z)
        z = 0.1 * z if new <= 0 else new
        slope = a * (z - old) + sign * b + np.log(z / (cost - z))
        count += 1
    if not count:
        return dual, first, count
    return (z if sign > 0 else cost - z), first, count


@kernel
def _improve_hinge(a: float, b: float, dual: float, cost: float) -> tuple[float, float]:
    """Return the optimal dual variable of a row for the squared hinge loss, and the derivative.

    The derivative is the projected one before the step: since the variable is 0 or more, a positive
    derivative at 0 counts as 0.
    """
    curvature = 0.5 / cost
    slope = b - 1 + curvature * dual
    first = slope if dual > 0 else min(slope, 0.0)
    return max(dual - slope / (a + curvature), 0.0), first


@kernel
def _descend_labels(
    data: Any, indices: Any, indptr: Any, signs: Any, bias: float, costs: Any, squares: Any,
    dual: Any, weights: Any, order: Any, hinge: bool, tolerances: Any, active: Any, largest: Any,
    steps: Any,
) -> None:  # fmt: skip
    """Optimize the dual variable of each row, in `order`, for all labels that are active.

    `largest` becomes the largest absolute derivative of each label, and `steps` its Newton steps.
    """
    size = weights.shape[1]
    margins, moves = np.empty(size, weights.dtype), np.empty(size, weights.dtype)
    for k in range(size):
        largest[k], steps[k] = 0.0, 0
    for i in order:
        is_used = False
        for k in range(size):
            is_used |= active[k] and signs[i, k] != 0
        if not is_used:
            continue
        begin, end = indptr[i], indptr[i + 1]
        _write_row_margins(data, indices, begin, end, bias, weights, margins)
        has_moved = False
        for k in range(size):
            moves[k] = 0.0
            sign, old = signs[i, k], dual[i, k]
            if not active[k] or not sign:
                continue
            b, cost = sign * margins[k], costs[1 if sign > 0 else 0, k]
            if hinge:
                new, slope = _improve_hinge(squares[i], b, old, cost)
            else:
                new, slope, count = _improve_logistic(squares[i], b, old, cost, tolerances[k])
                steps[k] += count
            largest[k] = max(largest[k], abs(slope))
            if new != old:
                has_moved = True
                moves[k] = sign * (new - old)
                dual[i, k] = new
        if has_moved:
            add_row(data, indices, begin, end, moves, bias, weights)
