"""Vectors of texts that predict which terms are in them: paragraph vectors, PV-DBOW."""

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

# Vectors are learned in two parts, each on its own: threads share nothing, and the result is the
# same for any number of them.
_PARTS = 2
# Random terms for each term of a row, and the rate of the first step, which falls to 0. These and
# the numbers below were chosen by the accuracy of teachers; see docs/benchmarks.md.
_NEGATIVES = 3
_RATE = 0.1
# Terms of a row whose errors are found before its vector moves, so that their weights are read
# side by side.
_BATCH = 8
# No number of a vector or of a weight leaves this range, far wider than what texts need: few
# features, which are drawn again and again, make steps too long.
_BOUND = 8.0
# Terms in fewer rows are left out, and so are terms in all rows.
_MIN_DF = 5
# Passes over the rows: as many as read so many terms, within these limits.
_TERMS, _FEWEST_PASSES, _MOST_PASSES = 30_000_000, 5, 20


@dataclass(frozen=True)
class _Learned:
    """Vectors of the rows that were learned from, and the weights of the terms, by parts."""

    vectors: list[np.ndarray]
    weights: list[np.ndarray]


# The last that was learned, by a hash of what it depends on: fits of the folds of a
# cross-validation learn from the same rows without a label.
_last: dict[bytes, _Learned] = {}


def find_vectors(X: Any, learned: np.ndarray, n_vectors: int, seed: int) -> np.ndarray:
    """Return a vector of length one for each row of `X`, which predicts the terms of the row.

    Vectors and weights of the terms are learned from some rows. The other rows get vectors by the
    same steps, with these weights. All that matters of a feature is whether it is 0.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Features.
    learned : ndarray of bool, of shape (n_samples,)
        The rows to learn from.
    n_vectors : int
        Dimensions; one more if the number is odd. 0 for none.
    seed : int
        Seed of the first vectors, the order of the rows and the random terms.

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
    known, others = rows[learned], rows[~learned]
    vectors = np.empty((len(learned), _PARTS, -(-n_vectors // _PARTS)), np.float32)
    found = _learn(known, vectors.shape[2], seed)
    steps = partial(_run_passes, others, drawn=known.indices, seed=seed, hold=True)
    more = _run_parts(lambda part: steps(part, found.weights[part]))
    for part in range(_PARTS):
        vectors[learned, part], vectors[~learned, part] = found.vectors[part], more[part]
    vectors[np.diff(rows.indptr) == 0] = 0  # no term has moved it from where it started
    result: np.ndarray = normalize(vectors.reshape(len(learned), -1), copy=False)
    return result


def _learn(rows: sparse.csr_matrix, width: int, seed: int) -> _Learned:
    """Return vectors and weights of `rows`; those of the last rows are known already."""
    content = blake2b(repr((rows.shape, width, seed)).encode())
    for places in (rows.indptr, rows.indices):
        content.update(places.astype(np.int64))
    key = content.digest()
    if (found := _last.get(key)) is None:
        weights = [np.zeros((rows.shape[1], width), np.float32) for _ in range(_PARTS)]
        steps = partial(_run_passes, rows, drawn=rows.indices, seed=seed, hold=False)
        vectors = _run_parts(lambda part: steps(part, weights[part]))
        found = _Learned(vectors, weights)
        _last.clear()
        _last[key] = found
    return found


def _run_parts(work: Callable[[int], np.ndarray]) -> list[np.ndarray]:
    with ThreadPoolExecutor(min(_PARTS, count_threads(None))) as pool:
        return list(pool.map(work, range(_PARTS)))


def _run_passes(
    rows: sparse.csr_matrix, part: int, weights: np.ndarray, *, drawn: np.ndarray, seed: int,
    hold: bool,
) -> np.ndarray:  # fmt: skip
    """Return the vectors of `rows`; `weights` are learned with them, unless `hold`."""
    random = np.random.RandomState((seed, part, hold))
    start = random.random_sample((rows.shape[0], weights.shape[1])) - 0.5
    vectors: np.ndarray = (start / weights.shape[1]).astype(np.float32)
    passes = int(np.clip(_TERMS // max(rows.nnz, 1), _FEWEST_PASSES, _MOST_PASSES))
    for number in range(passes):
        order = random.permutation(rows.shape[0])
        done = (number + np.arange(len(order)) / max(len(order), 1)) / passes
        rates = (_RATE * (1 - done)).astype(np.float32)
        move_vectors(
            to_unsigned(rows.indices), to_unsigned(rows.indptr), order, rates,
            to_unsigned(drawn), random.randint(2**31), hold, vectors, weights,
        )  # fmt: skip
    return vectors


@partial(kernel, fastmath={"reassoc", "contract"})
def move_vectors(
    indices: Any, indptr: Any, order: Any, rates: Any, drawn: Any, seed: int, hold: bool,
    vectors: Any, weights: Any,
) -> None:  # fmt: skip
    """Move the vector of each row toward the weights of its terms, and away from random ones.

    Weights of terms move likewise, unless `hold`. Steps are those of a logistic regression for
    each term, whose probability of being in a row is that of the product of their vectors.
    """
    width, draws = vectors.shape[1], np.uint64(len(drawn))
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
            own = min(_BATCH, int(end - first))
            count = own * (1 + _NEGATIVES)
            for m in range(own):
                terms[m] = indices[first + m]
            for m in range(own, count):  # a linear congruential generator, as Knuth has it
                state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
                terms[m] = drawn[((state >> np.uint64(32)) * draws) >> np.uint64(32)]
            for m in range(count):
                product = np.float32(0)
                for c in range(width):
                    product += vector[c] * weights[terms[m], c]
                truth = one if m < own else np.float32(0)
                errors[m] = rate * (truth - one / (one + np.exp(-product)))
            step[:] = 0
            for m in range(count):
                term, error = terms[m], errors[m]
                for c in range(width):
                    step[c] += error * weights[term, c]
                if not hold:
                    for c in range(width):
                        moved = weights[term, c] + error * vector[c]
                        weights[term, c] = min(max(moved, low), high)
            for c in range(width):
                vector[c] = min(max(vector[c] + step[c], low), high)
        vectors[i] = vector
