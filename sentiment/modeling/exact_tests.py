"""Kernels of exact two-sample tests.

scipy's tests give the same p-values, but importing ``scipy.stats`` takes 30 MB and a second, and
they hold the GIL.
"""

import math

import numpy as np

from sentiment.ngrams.compiling import kernel


@kernel
def compute_smirnov_p_value(n, m, gap):
    """Return the probability that two samples of the same distribution differ at least as much.

    Merged and sorted, the rows of both samples are a path over a grid of `n` by `m` steps, and all
    paths are equally likely. For each point, ``reached`` is the share of the paths to it that have
    been as far from the diagonal as `gap`. It is only added and multiplied, so that small p-values
    are exact as well.

    Parameters
    ----------
    n, m : int
        Rows of the samples.
    gap : int
        Largest difference of the distribution functions, times ``n * m``.

    Returns
    -------
    float
        Two-sided p-value of the Kolmogorov-Smirnov test, conservative if values repeat.
    """
    reached = np.zeros(m + 1)
    for i in range(n + 1):
        for j in range(m + 1):
            if abs(i * m - j * n) >= gap:
                reached[j] = 1.0
            elif j > 0:
                # The probability that the last step to this point is a row of the first sample.
                share = i / (i + j)
                reached[j] = share * reached[j] + (1.0 - share) * reached[j - 1]
    return reached[m]


@kernel
def compute_fisher_p_values(sample_counts, counts, sample_sizes, sizes, p_values):
    """Compute the doubled smaller tails of hypergeometric distributions.

    Parameters
    ----------
    sample_counts, counts : ndarray of int64, of shape (n,)
        Rows of the sample, and all rows, that have a property.
    sample_sizes, sizes : ndarray of int64, of shape (n,)
        Rows of the sample, and all rows.
    p_values : ndarray of float64, of shape (n,)
        Output.
    """
    for k in range(len(sample_counts)):
        x, good, size = sample_counts[k], counts[k], sample_sizes[k]
        bad = sizes[k] - good
        point = math.exp(
            _log_binomial(good, x) + _log_binomial(bad, size - x) - _log_binomial(sizes[k], size)
        )
        # Terms decrease away from the mean.
        term = total_terms = 1.0
        if float(x) * sizes[k] <= float(size) * good:
            while x > max(0, size - bad) and term > 1e-17 * total_terms:
                term *= x / (good - x + 1.0) * ((bad - size + x) / (size - x + 1.0))
                total_terms += term
                x -= 1
        else:
            while x < min(good, size) and term > 1e-17 * total_terms:
                term *= (good - x) / (x + 1.0) * ((size - x) / (bad - size + x + 1.0))
                total_terms += term
                x += 1
        tail = point * total_terms
        p_values[k] = min(1.0, 2.0 * min(tail, 1.0 - tail + point))


@kernel
def _log_binomial(n, k):
    return math.lgamma(n + 1.0) - math.lgamma(k + 1.0) - math.lgamma(n - k + 1.0)
