"""Whether two samples differ, by how much, and when that is an alarm: arrays in, results out.

A difference is an alarm if it is both larger than a threshold and significant. So a large sample
raises no alarm at what nobody would care about, and a small one none at noise. Significance is
that of all checks of a run together: Holm's (1979) correction bounds the probability of any false
alarm by `alpha`, however the checks depend on each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats
from scipy.spatial.distance import jensenshannon

from sentiment.statistics import adjust_p_values

_LEAST_EXPECTED = 5


@dataclass(frozen=True)
class Check:
    """One thing that was compared.

    Attributes
    ----------
    name : str
        What was compared.
    reference, current : float
        What it is in the reference and in the current rows: a mean, a share or a count.
    effect : float
        How large the difference is, in the units of `measure`.
    measure : str
        How the size of a difference is measured.
    threshold : float
        Smaller differences do not matter.
    p_value : float
        How probable a difference like this is between samples of the same; corrected for all
        checks of the run once `decide` has seen them.
    detail : str
        The label or the word that `reference` and `current` are of, if they are of one.
    drifted : bool
        Whether it is an alarm, once `decide` has seen all checks.
    """

    name: str
    reference: float
    current: float
    effect: float
    measure: str
    threshold: float
    p_value: float
    detail: str = ""
    drifted: bool = False


def decide(checks: Sequence[Check], alpha: float) -> list[Check]:
    """Return the checks of a run with corrected p-values and verdicts.

    Parameters
    ----------
    checks : sequence of Check
        All that were made.
    alpha : float
        The largest probability of a false alarm in any of them.
    """
    corrected = adjust_p_values([check.p_value for check in checks])
    return [
        replace(check, p_value=p, drifted=check.effect >= check.threshold and p < alpha)
        for check, p in zip(checks, corrected.tolist(), strict=True)
    ]


def compare_numbers(reference: np.ndarray, current: np.ndarray) -> tuple[float, float]:
    """Return how far two samples of numbers lie apart, and the p-value of their equality.

    Parameters
    ----------
    reference, current : ndarray of float, of shape (n_reference,) and (n_current,)
        The samples.

    Returns
    -------
    distance : float
        Wasserstein's distance in standard deviations of the reference, which Evidently takes for
        large samples as well; a deviation below a thousandth counts as one.
    p_value : float
        Of the two-sided test of Kolmogorov and Smirnov, asymptotic; conservative where values
        repeat.
    """
    scale = max(float(np.std(reference, dtype=np.float64)), 1e-3)
    distance = float(stats.wasserstein_distance(reference, current)) / scale
    return distance, float(stats.ks_2samp(reference, current, method="asymp").pvalue)


def compare_labels(reference: np.ndarray, current: np.ndarray) -> tuple[float, float]:
    """Return how far two distributions over labels lie apart, and the p-value of their equality.

    Parameters
    ----------
    reference, current : ndarray of int, of shape (n_labels,)
        Rows of each label.

    Returns
    -------
    distance : float
        The distance of Jensen and Shannon with natural logarithms, from 0 to 0.83.
    p_value : float
        Of Pearson's chi-squared test of homogeneity; the rarest labels are taken together until
        five rows are expected of them in both samples (Cochran, 1954).
    """
    table = np.array([reference, current])
    table = table[:, np.argsort(table.sum(axis=0))]
    smaller = table.sum(axis=1).min() / table.sum()
    while table.shape[1] > 1 and table[:, 0].sum() * smaller < _LEAST_EXPECTED:
        table = np.column_stack([table[:, :2].sum(axis=1), table[:, 2:]])
    distance = float(jensenshannon(reference, current))
    if table.shape[1] == 1:
        return distance, 1.0
    return distance, float(stats.chi2_contingency(table, correction=False).pvalue)


def compare_shares(
    reference: np.ndarray, current: np.ndarray, sizes: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return by how much shares differ, and the p-values of their equality.

    Parameters
    ----------
    reference, current : ndarray of int, of shape (n,)
        Rows that have a property, for `n` properties.
    sizes : (int, int)
        Rows in the reference and in the current sample.

    Returns
    -------
    effects : ndarray of float, of shape (n,)
        Cohen's (1988) h, the difference of ``2 arcsin sqrt(share)``; above 0 for a rise.
    p_values : ndarray of float, of shape (n,)
        Of the two-sided conditional test of Przyborowski and Wilenski (1940), exact for rare
        properties and conservative for others: given how many rows have the property in all,
        those of the current sample are binomial.
    """
    before, after = (
        2 * np.arcsin(np.sqrt(counts / max(size, 1)))
        for counts, size in zip((reference, current), sizes, strict=True)
    )
    total, share = reference + current, sizes[1] / max(sum(sizes), 1)
    tails = np.minimum(
        stats.binom.cdf(current, total, share), stats.binom.sf(current - 1, total, share)
    )
    return after - before, np.minimum(2 * tails, 1.0)


def compare_terms(
    reference: np.ndarray, current: np.ndarray, sizes: tuple[int, int], tested: int
) -> pd.DataFrame:
    """Return how the share of documents that hold a term has changed, for each term.

    Parameters
    ----------
    reference, current : ndarray of int, of shape (n_terms,)
        Documents that hold each term.
    sizes : (int, int)
        Documents of both samples.
    tested : int
        How many terms these were chosen from, for which the p-values are corrected (Bonferroni).

    Returns
    -------
    DataFrame
        One row per term: shares ``reference`` and ``current``, ``effect`` (Cohen's h) and
        ``p_value``.
    """
    effects, p_values = compare_shares(reference, current, sizes)
    return pd.DataFrame(
        {
            "reference": reference / max(sizes[0], 1),
            "current": current / max(sizes[1], 1),
            "effect": effects,
            "p_value": np.minimum(p_values * max(tested, len(effects)), 1.0),
        }
    )
