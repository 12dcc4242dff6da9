"""Paragraph vectors (PV-DBOW): vectors of texts that predict the terms of the texts."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.preprocessing import normalize

from sentiment.modeling.estimators.coordinate_descent import to_unsigned
from sentiment.ngrams.compiling import count_threads, kernel

# Vectors are learned in two independent parts: threads share nothing, and the result is the same
# for any number of threads.
_PARTS = 2
# Random terms for each term of a row, and the learning rate of the first step, which falls to 0.
# These and the numbers below were chosen by the accuracy of teachers; see docs/benchmarks.md.
_NEGATIVES = 3
_RATE = 0.1
# Terms of a row whose errors are computed before its vector moves, so that their weights are read
# in one batch.
_BATCH = 8
# Vectors and weights are clipped to this range, which is far wider than texts need: with few
# features, which are drawn again and again, steps are too long.
_BOUND = 8.0
# Terms in fewer rows are left out, as are terms in all rows.
_MIN_DF = 5
# Passes over the rows: enough to read this number of terms, within these limits.
_TERMS, _MIN_PASSES, _MAX_PASSES = 30_000_000, 5, 20


@dataclass(frozen=True)
class _Solution:
    """Vectors of the training rows and weights of the terms, by part."""

    vectors: list[np.ndarray]
    weights: list[np.ndarray]


# The last result, by a hash of its inputs: the fits of a cross-validation learn from the same rows
# without a label.
_last: dict[bytes, _Solution] = {}


def find_vectors(X: Any, learned: np.ndarray, n_vectors: int, seed: int) -> np.ndarray:
    """Return a unit vector for each row of `X` that predicts the terms of the row.

    Vectors and weights of the terms are learned from some rows. The other rows get vectors by the
    same steps, with these weights fixed. Of a feature, only whether it is 0 matters.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Features.
    learned : ndarray of bool, of shape (n_samples,)
        True for rows to learn from.
    n_vectors : int
        Number of dimensions, rounded up to an even number; 0 for none.
    seed : int
        Seed of the initial vectors, the order of the rows and the random terms.

    Returns
    -------
    ndarray of float32, of shape (n_samples, n_vectors)
        Without columns if no term is in enough rows.

    References
    ----------
    Le and Mikolov 2014, Distributed Representations of Sentences and Documents: PV-DBOW. Mikolov
    et al. 2013, Distributed Representations of Words and Phrases and their Compositionality:
    negative sampling. Here each term of a row counts once, and a random term is drawn as often as
    rows have it.
    """
    rows = sparse.csr_matrix(X, copy=True)
    rows.sum_duplicates()
    rows.eliminate_zeros()
    df = np.bincount(rows.indices[np.repeat(learned, np.diff(rows.indptr))], minlength=X.shape[1])
    rows = rows[:, (df >= _MIN_DF) & (df < learned.sum())]
    if not rows.shape[1] or not n_vectors:
        return np.empty((len(learned), 0), np.float32)
    train_rows, other_rows = rows[learned], rows[~learned]
    vectors = np.empty((len(learned), _PARTS, -(-n_vectors // _PARTS)), np.float32)
    solution = _learn(train_rows, vectors.shape[2], seed)
    infer = partial(_run_passes, other_rows, sampled=train_rows.indices, seed=seed, frozen=True)
    other_vectors = _run_parts(lambda part: infer(part, solution.weights[part]))
    for part in range(_PARTS):
        vectors[learned, part] = solution.vectors[part]
        vectors[~learned, part] = other_vectors[part]
    vectors[np.diff(rows.indptr) == 0] = 0  # no term has moved the random initial vector
    result: np.ndarray = normalize(vectors.reshape(len(learned), -1), copy=False)
    return result


def _learn(rows: sparse.csr_matrix, width: int, seed: int) -> _Solution:
    """Return vectors and weights of `rows`, cached for the last rows."""
    content = blake2b(repr((rows.shape, width, seed)).encode())
    for array in (rows.indptr, rows.indices):
        content.update(array.astype(np.int64))
    key = content.digest()
    if (solution := _last.get(key)) is None:
        weights = [np.zeros((rows.shape[1], width), np.float32) for _ in range(_PARTS)]
        learn = partial(_run_passes, rows, sampled=rows.indices, seed=seed, frozen=False)
        vectors = _run_parts(lambda part: learn(part, weights[part]))
        solution = _Solution(vectors, weights)
        _last.clear()
        _last[key] = solution
    return solution


def _run_parts(work: Callable[[int], np.ndarray]) -> list[np.ndarray]:
    with ThreadPoolExecutor(min(_PARTS, count_threads(None))) as pool:
        return list(pool.map(work, range(_PARTS)))


def _run_passes(
    rows: sparse.csr_matrix, part: int, weights: np.ndarray, *, sampled: np.ndarray, seed: int,
    frozen: bool,
) -> np.ndarray:  # fmt: skip
    """Return the vectors of `rows`; `weights` are learned with them, unless they are frozen."""
    random = np.random.RandomState((seed, part, frozen))
    start = random.random_sample((rows.shape[0], weights.shape[1])) - 0.5
    vectors: np.ndarray = (start / weights.shape[1]).astype(np.float32)
    passes = int(np.clip(_TERMS // max(rows.nnz, 1), _MIN_PASSES, _MAX_PASSES))
    for number in range(passes):
        order = random.permutation(rows.shape[0])
        progress = (number + np.arange(len(order)) / max(len(order), 1)) / passes
        rates = (_RATE * (1 - progress)).astype(np.float32)
        move_vectors(
            to_unsigned(rows.indices), to_unsigned(rows.indptr), order, rates,
            to_unsigned(sampled), random.randint(2**31), frozen, vectors, weights,
        )  # fmt: skip
    return vectors


@partial(kernel, fastmath={"reassoc", "contract"})
def move_vectors(
    indices: Any, indptr: Any, order: Any, rates: Any, sampled: Any, seed: int, frozen: bool,
    vectors: Any, weights: Any,
) -> None:  # fmt: skip
    """Move the vector of each row toward the weights of its terms, and away from random terms.

    The weights move likewise, unless they are frozen. Steps are those of a logistic regression for
    each term, in which the dot product of both vectors is the log-odds that the row has the term.
    """
    width, draws = vectors.shape[1], np.uint64(len(sampled))
    terms = np.empty(_BATCH * (1 + _NEGATIVES), np.int64)
    errors = np.empty(len(terms), np.float32)
    vector, step = np.empty(width, np.float32), np.empty(width, np.float32)
    low, high, one = np.float32(-_BOUND), np.float32(_BOUND), np.float32(1)
    state = np.uint64(seed)
    for k in range(len(order)):
        i, rate = order[k], rates[k]
        vector[:] = vectors[i]
        begin, end = np.int64(indptr[i]), np.int64(indptr[i + 1])
        for first in range(begin, end, _BATCH):
            n_positive = min(_BATCH, int(end - first))
            count = n_positive * (1 + _NEGATIVES)
            for m in range(n_positive):
                terms[m] = indices[first + m]
            for m in range(n_positive, count):  # Knuth's linear congruential generator
                state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
                terms[m] = sampled[((state >> np.uint64(32)) * draws) >> np.uint64(32)]
            for m in range(count):
                product = np.float32(0)
                for c in range(width):
                    product += vector[c] * weights[terms[m], c]
                target = one if m < n_positive else np.float32(0)
                errors[m] = rate * (target - one / (one + np.exp(-product)))
            step[:] = 0
            for m in range(count):
                term, error = terms[m], errors[m]
                for c in range(width):
                    step[c] += error * weights[term, c]
                if not frozen:
                    for c in range(width):
                        moved = weights[term, c] + error * vector[c]
                        weights[term, c] = min(max(moved, low), high)
            for c in range(width):
                vector[c] = min(max(vector[c] + step[c], low), high)
        vectors[i] = vector
