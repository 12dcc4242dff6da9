"""Weights of features."""

from typing import Any

import numpy as np
from scipy import sparse


def compute_idf(in_documents: np.ndarray, n_documents: int, dtype: Any, *, smooth: bool) -> Any:
    """Return the inverse document frequency of each feature, as scikit-learn computes it.

    ``log((n + s) / (d + s)) + 1``, where `d` is the number of documents that hold the feature, and
    `s` is one if it is to be smoothed, as if there was one more document that holds everything.

    Parameters
    ----------
    in_documents : ndarray of int, of shape (n_features,)
        How many documents hold each feature; above 0 unless it is smoothed.
    n_documents : int
        Number of documents.
    dtype : dtype
        Of the result, a kind of float; rounding depends on it.
    smooth : bool
        Whether it is smoothed.

    Returns
    -------
    ndarray of `dtype`, of shape (n_features,)
        The weights, natural logarithms.
    """
    below = in_documents.astype(dtype) + np.array(smooth, dtype)
    return np.log(np.array(n_documents + smooth, dtype) / below) + np.array(1, dtype)


def compute_log_count_ratio(
    counts: Any, side: np.ndarray, alpha: float, weight: np.ndarray | None = None
) -> np.ndarray:
    """Return naive Bayes's log-count ratio of each feature, in natural logarithms.

    ``r = log((p / |p|) / (q / |q|))``, where ``p`` is `alpha` plus the counts of a feature in the
    rows of a class, ``q`` the same in the other rows, and ``|.|`` the sum over all features (Wang
    and Manning 2012, Baselines and Bigrams: Simple, Good Sentiment and Topic Classification,
    section 2.3).

    Parameters
    ----------
    counts : array or sparse matrix of shape (n_rows, n_features)
        Not negative.
    side : ndarray of bool, of shape (n_rows,)
        Which rows are of the class.
    alpha : float
        Above 0.
    weight : ndarray of shape (n_rows,), optional
        As how many rows each one counts; default: one each.

    Returns
    -------
    ndarray of shape (n_features,)
        Above zero where a feature speaks for the class.
    """
    weights = [rows.astype(float) if weight is None else rows * weight for rows in (side, ~side)]
    p, q = (alpha + rows @ counts for rows in weights)
    ratio: np.ndarray = np.log((p / p.sum()) / (q / q.sum()))
    return ratio


def compute_term_weights(counts: Any, y: Any, alpha: float) -> np.ndarray:
    """Return the largest log-count ratio of each feature, that of the class it speaks most for.

    Each class is set against the rest, see `compute_log_count_ratio`, and the largest of its ratios
    is a feature's weight, or 0 where all are below it. Of two classes, whose ratios have opposite
    signs, that is the absolute value of one. To take the largest is what Debole and Sebastiani
    2003, Supervised Term Weighting for Automated Text Categorization, call a global policy.

    Parameters
    ----------
    counts : array or sparse matrix of shape (n_rows, n_features)
        Not negative.
    y : array-like of shape (n_rows,) or (n_rows, n_classes)
        Labels of two classes or more; or which of several classes each row is of, as 0 and 1.
    alpha : float
        Added to all counts; above 0.

    Returns
    -------
    ndarray of shape (n_features,)
        Weights, natural logarithms.

    Raises
    ------
    ValueError
        `y` has fewer than two classes.
    """
    if np.ndim(y) == 2:
        return _find_largest_ratios(counts, sparse.csr_array(np.asarray(y, dtype=float).T), alpha)
    classes, codes = np.unique([] if y is None else np.asarray(y), return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"log_count_ratio weighs terms by their class, and y has {len(classes)} classes; "
            "expected two or more."
        )
    if len(classes) == 2:
        size: np.ndarray = np.abs(compute_log_count_ratio(counts, codes == 1, alpha))
        return size
    rows = np.arange(len(codes))
    sides = sparse.csr_array((np.ones(len(codes)), (codes, rows)), (len(classes), len(codes)))
    return _find_largest_ratios(counts, sides, alpha)


def _find_largest_ratios(counts: Any, sides: sparse.csr_array, alpha: float) -> np.ndarray:
    """Return the largest ratio of each feature over the classes, the rows of `sides`."""
    counts = sparse.csr_array(counts)
    sums = sparse.csr_array(sides @ counts)
    total = np.asarray(counts.sum(axis=0), dtype=float)
    weights = np.zeros(len(total))
    for k in range(sums.shape[0]):  # one class at a time, since all of them may not fit
        of_class = sums[[k]].toarray().ravel()
        p, q = alpha + of_class, alpha + (total - of_class)
        np.maximum(weights, np.log((p / p.sum()) / (q / q.sum())), out=weights)
    return weights
