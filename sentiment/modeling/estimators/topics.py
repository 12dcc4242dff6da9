"""Topics of rows by latent semantic analysis, computed by a block Lanczos iteration."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from scipy import linalg, sparse
from sklearn.preprocessing import normalize

from sentiment.modeling.estimators.coordinate_descent import to_unsigned
from sentiment.ngrams.compiling import count_threads, kernel

# Number of directions per step, and ratio of directions to topics: with half the ratio, teachers of
# self-training are 0.2 points less accurate on 2,000 labels (docs/benchmarks.md).
_BLOCK, _OVERSAMPLING = 64, 4
# Columns multiplied at a time: 128 bytes of each row, so that all rows stay in the cache.
_COLUMNS = 32


def find_topics(X: Any, n_topics: int, random: np.random.RandomState) -> np.ndarray:
    """Return the rows of `X` in the space of its largest singular values, scaled to unit length.

    These are the left singular vectors times the singular values. The block Lanczos iteration works
    on the products of rows, since there are far fewer rows than n-grams.

    Parameters
    ----------
    X : sparse matrix of shape (n_samples, n_features)
        Features.
    n_topics : int
        Dimensions; fewer if `X` has fewer rows or columns.
    random : RandomState
        Draws the initial directions.

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
    n_topics = max(1, min(n_topics, *(size - 1 for size in X.shape)))
    size = min(max(_OVERSAMPLING * n_topics // _BLOCK, 2) * _BLOCK, *X.shape)
    # `projected` is the matrix of products of rows, projected onto the basis; only its upper
    # triangle is filled.
    basis = np.empty((X.shape[0], size), np.float32, order="F")
    projected = np.zeros((size, size), np.float32)
    block = random.standard_normal((X.shape[0], min(_BLOCK, size))).astype(np.float32)
    block = _orthonormalize(_multiply_twice(features, block))
    filled = 0
    while filled < size:
        columns = slice(filled, filled + block.shape[1])
        filled = columns.stop
        basis[:, columns] = block
        known_basis = basis[:, :filled]
        block = _multiply_twice(features, block)
        projected[:filled, columns] = known_basis.T @ block
        block = block[:, : size - filled]
        for _ in range(2):  # a single pass leaves rounding errors
            block = _orthonormalize(block - known_basis @ (known_basis.T @ block))
    eigenvalues, vectors = linalg.eigh(projected, lower=False)
    largest = np.argsort(eigenvalues)[::-1][:n_topics]
    singular_values = np.sqrt(np.maximum(eigenvalues[largest], 0))
    topics: np.ndarray = normalize((basis @ vectors[:, largest]) * singular_values)
    return topics


def _orthonormalize(block: np.ndarray) -> np.ndarray:
    basis: np.ndarray = linalg.qr(block, mode="economic", check_finite=False)[0]
    return basis


def _multiply_twice(features: sparse.csc_matrix, dense: np.ndarray) -> np.ndarray:
    """Return ``features @ features.T @ dense``, on all cores."""
    matrix = (features.data, to_unsigned(features.indices), to_unsigned(features.indptr))
    out = np.empty_like(dense, order="C")

    def multiply(start: int) -> None:
        columns = slice(start, start + _COLUMNS)
        block = np.ascontiguousarray(dense[:, columns])
        product = np.zeros_like(block)
        _add_products(*matrix, block, product)
        out[:, columns] = product

    with ThreadPoolExecutor(count_threads(None)) as pool:
        list(pool.map(multiply, range(0, dense.shape[1], _COLUMNS)))
    return out


@kernel
def _add_products(data: Any, indices: Any, indptr: Any, dense: Any, out: Any) -> None:
    """Add ``features @ features.T @ dense`` to `out`, one feature after another.

    The sum over the rows that have a feature is added to these rows at once, so that no array of
    the size of all features is needed.
    """
    width = dense.shape[1]
    sums = np.empty(width, dense.dtype)
    for j in range(len(indptr) - 1):
        sums[:] = 0
        for k in range(indptr[j], indptr[j + 1]):
            row, value = indices[k], data[k]  # read once: `out` might be the same memory
            for c in range(width):
                sums[c] += value * dense[row, c]
        for k in range(indptr[j], indptr[j + 1]):
            row, value = indices[k], data[k]
            for c in range(width):
                out[row, c] += value * sums[c]
