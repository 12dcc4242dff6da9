"""Weights of features."""

from typing import Any

import numpy as np
from scipy import sparse


def compute_idf(
    document_frequencies: np.ndarray, n_documents: int, dtype: Any, *, smooth: bool
) -> Any:
    """Return the inverse document frequency of each feature, as scikit-learn computes it.

    It is ``log((n + s) / (d + s)) + 1``, where `d` is the document frequency, and `s` is 1 with
    smoothing, as if there was another document with all features.

    Parameters
    ----------
    document_frequencies : ndarray of int, of shape (n_features,)
        Number of documents with each feature; above 0 unless `smooth`.
    n_documents : int
        Number of documents.
    dtype : dtype
        Float type of the result; rounding depends on it.
    smooth : bool
        Whether to smooth.

    Returns
    -------
    ndarray of `dtype`, of shape (n_features,)
        The weights, natural logarithms.
    """
    denominators = document_frequencies.astype(dtype) + np.array(smooth, dtype)
    return np.log(np.array(n_documents + smooth, dtype) / denominators) + np.array(1, dtype)


def compute_log_count_ratio(
    counts: Any, is_positive: np.ndarray, alpha: float, weight: np.ndarray | None = None
) -> np.ndarray:
    """Return the naive Bayes log-count ratio of each feature, in natural logarithms.

    ``r = log((p / |p|) / (q / |q|))``, where ``p`` is `alpha` plus the counts of a feature in the
    rows of a class, ``q`` the same in the other rows, and ``|.|`` the sum over all features (Wang
    and Manning 2012, Baselines and Bigrams: Simple, Good Sentiment and Topic Classification,
    section 2.3).

    Parameters
    ----------
    counts : array or sparse matrix of shape (n_rows, n_features)
        Non-negative counts.
    is_positive : ndarray of bool, of shape (n_rows,)
        True for rows of the class.
    alpha : float
        Additive smoothing; above 0.
    weight : ndarray of shape (n_rows,), optional
        Weight of each row; default: 1.

    Returns
    -------
    ndarray of shape (n_features,)
        Positive for features that are evidence for the class.
    """
    weights = [
        mask.astype(float) if weight is None else mask * weight
        for mask in (is_positive, ~is_positive)
    ]
    p, q = (alpha + row_weights @ counts for row_weights in weights)
    ratio: np.ndarray = np.log((p / p.sum()) / (q / q.sum()))
    return ratio


def compute_term_weights(counts: Any, y: Any, alpha: float) -> np.ndarray:
    """Return the largest log-count ratio of each feature over the classes.

    The weight of a feature is the largest of its ratios of a class against the rest, see
    `compute_log_count_ratio`, or 0 if all are negative. With two classes, whose ratios have
    opposite signs, it is the absolute value of one. Debole and Sebastiani 2003, Supervised Term
    Weighting for Automated Text Categorization, call the choice of the largest a global policy.

    Parameters
    ----------
    counts : array or sparse matrix of shape (n_rows, n_features)
        Non-negative counts.
    y : array-like of shape (n_rows,) or (n_rows, n_classes)
        Labels of two classes or more, or an indicator matrix.
    alpha : float
        Additive smoothing; above 0.

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
        ratios: np.ndarray = np.abs(compute_log_count_ratio(counts, codes == 1, alpha))
        return ratios
    rows = np.arange(len(codes))
    indicators = sparse.csr_array((np.ones(len(codes)), (codes, rows)), (len(classes), len(codes)))
    return _find_largest_ratios(counts, indicators, alpha)


def _find_largest_ratios(counts: Any, indicators: sparse.csr_array, alpha: float) -> np.ndarray:
    """Return the largest ratio of each feature over the classes, the rows of `indicators`."""
    counts = sparse.csr_array(counts)
    sums = sparse.csr_array(indicators @ counts)
    total = np.asarray(counts.sum(axis=0), dtype=float)
    weights = np.zeros(len(total))
    for k in range(sums.shape[0]):  # one class at a time, since dense sums of all may not fit
        class_sums = sums[[k]].toarray().ravel()
        p, q = alpha + class_sums, alpha + (total - class_sums)
        np.maximum(weights, np.log((p / p.sum()) / (q / q.sum())), out=weights)
    return weights
