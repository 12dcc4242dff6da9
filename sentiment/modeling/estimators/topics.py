"""Topics of rows of features: their latent semantic analysis, by a Lanczos iteration."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from scipy import linalg, sparse
from sklearn.preprocessing import normalize

from sentiment.modeling.estimators.coordinate_descent import to_unsigned
from sentiment.ngrams.compiling import count_threads, kernel

# Directions that are found at a time, and how many more than those that are wanted: with half as
# many, teachers of self-training are 0.2 points less accurate on 2,000 labels (docs/benchmarks.md).
_BLOCK, _MORE = 64, 4
# Columns that are multiplied at a time: 128 bytes of each row, so that all rows stay in the cache.
_COLUMNS = 32


def find_topics(X: Any, n_topics: int, random: np.random.RandomState) -> np.ndarray:
    """Return the rows of `X` in the space of its strongest directions, each of length one.

    The left singular vectors times the singular values, by a block Lanczos iteration. It works on
    the side of the rows, which are far fewer than n-grams.

    Parameters
    ----------
    X : sparse matrix of shape (n_samples, n_features)
        Features.
    n_topics : int
        Dimensions; fewer if `X` has fewer rows or columns.
    random : RandomState
        Draws the first directions.

    Returns
    -------
    ndarray of float32, of shape (n_samples, n_topics)

    References
    ----------
    Deerwester et al. 1990, Indexing by Latent Semantic Analysis. Musco and Musco 2015, Randomized
    Block Krylov Methods for Stronger and Faster Approximate Singular Value Decomposition. Golub
    and Van Loan 2013, Matrix Computations, section 10.3.6: block Lanczos.
    """
    features = sparse.csc_matrix(X, dtype=np.float32)
    wanted = max(1, min(n_topics, *(size - 1 for size in X.shape)))
    size = min(max(_MORE * wanted // _BLOCK, 2) * _BLOCK, *X.shape)
    # The rows' products with one another, seen in this base, are `reduced`, of which the upper
    # half is filled.
    base = np.empty((X.shape[0], size), np.float32, order="F")
    reduced = np.zeros((size, size), np.float32)
    block = random.standard_normal((X.shape[0], min(_BLOCK, size))).astype(np.float32)
    block = _orthonormalize(_multiply_twice(features, block))
    known = 0
    while known < size:
        last = slice(known, known + block.shape[1])
        known = last.stop
        base[:, last] = block
        found = base[:, :known]
        block = _multiply_twice(features, block)
        reduced[:known, last] = found.T @ block
        block = block[:, : size - known]
        for _ in range(2):  # once leaves errors of rounding
            block = _orthonormalize(block - found @ (found.T @ block))
    squares, vectors = linalg.eigh(reduced, lower=False)
    strongest = np.argsort(squares)[::-1][:wanted]
    lengths = np.sqrt(np.maximum(squares[strongest], 0))
    topics: np.ndarray = normalize((base @ vectors[:, strongest]) * lengths)
    return topics


def _orthonormalize(block: np.ndarray) -> np.ndarray:
    base: np.ndarray = linalg.qr(block, mode="economic", check_finite=False)[0]
    return base


def _multiply_twice(features: sparse.csc_matrix, dense: np.ndarray) -> np.ndarray:
    """Return ``features @ features.T @ dense``, on all cores."""
    matrix = (features.data, to_unsigned(features.indices), to_unsigned(features.indptr))
    out = np.empty_like(dense, order="C")

    def work(first: int) -> None:
        columns = slice(first, first + _COLUMNS)
        block = np.ascontiguousarray(dense[:, columns])
        product = np.zeros_like(block)
        _add_products(*matrix, block, product)
        out[:, columns] = product

    with ThreadPoolExecutor(count_threads(None)) as pool:
        list(pool.map(work, range(0, dense.shape[1], _COLUMNS)))
    return out


@kernel
def _add_products(data: Any, indices: Any, indptr: Any, dense: Any, out: Any) -> None:
    """Add ``features @ features.T @ dense`` to `out`, one feature after another.

    What a feature gathers from the rows that have it goes back to them at once, so that nothing of
    the size of all features is made.
    """
    width = dense.shape[1]
    gathered = np.empty(width, dense.dtype)
    for j in range(len(indptr) - 1):
        gathered[:] = 0
        for k in range(indptr[j], indptr[j + 1]):
            row, value = indices[k], data[k]  # read once: `out` might be the same memory
            for c in range(width):
                gathered[c] += value * dense[row, c]
        for k in range(indptr[j], indptr[j + 1]):
            row, value = indices[k], data[k]
            for c in range(width):
                out[row, c] += value * gathered[c]
