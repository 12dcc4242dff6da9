"""Loops of the exact two-sample tests: numbers in, numbers out.

Those of scipy give the same p-values, but its ``stats`` takes 30 MB and a second to import, and
holds the GIL while it computes.
"""

import math

import numpy as np

from sentiment.ngrams.compiling import kernel


@kernel
def compute_smirnov_p_value(n, m, gap):
    """Return how likely two samples of one distribution differ as much as these.

    Merged and sorted, the rows of both samples are a path over a grid of `n` by `m` steps, and all
    paths are equally likely. To each point, this is the share of the paths that have been too far
    from the diagonal; it only adds and multiplies, so that small p-values are exact as well.

    Parameters
    ----------
    n, m : int
        Rows of the samples.
    gap : int
        Largest difference of the distribution functions, times ``n * m``.

    Returns
    -------
    float
        The two-sided p-value of Kolmogorov and Smirnov, conservative where values repeat.
    """
    reached = np.zeros(m + 1)
    for i in range(n + 1):
        for j in range(m + 1):
            if abs(i * m - j * n) >= gap:
                reached[j] = 1.0
            elif j > 0:
                # The last step to this point is one of the first sample with this probability.
                share = i / (i + j)
                reached[j] = share * reached[j] + (1.0 - share) * reached[j - 1]
    return reached[m]


@kernel
def compute_fisher_p_values(found, marked, drawn, total, p_values):
    """Compute the doubled smaller tails of hypergeometric distributions.

    Parameters
    ----------
    found : ndarray of int64, of shape (n,)
        Rows of the sample that have a property.
    marked : ndarray of int64, of shape (n,)
        All rows that have it.
    drawn, total : ndarray of int64, of shape (n,)
        Rows of the sample, and all rows.
    p_values : ndarray of float64, of shape (n,)
        Written.
    """
    for k in range(len(found)):
        x, good, size = found[k], marked[k], drawn[k]
        bad = total[k] - good
        point = math.exp(
            _log_binomial(good, x) + _log_binomial(bad, size - x) - _log_binomial(total[k], size)
        )
        # Away from the mean, terms fall from one to the next.
        term = total_terms = 1.0
        if float(x) * total[k] <= float(size) * good:
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
