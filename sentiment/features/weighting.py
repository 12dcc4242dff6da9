"""Weights of features that know the classes."""

from typing import Any

import numpy as np


def compute_log_count_ratio(counts: Any, side: np.ndarray, alpha: float) -> np.ndarray:
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

    Returns
    -------
    ndarray of shape (n_features,)
        Above zero where a feature speaks for the class.
    """
    p, q = (alpha + rows.astype(float) @ counts for rows in (side, ~side))
    ratio: np.ndarray = np.log((p / p.sum()) / (q / q.sum()))
    return ratio
