"""Two-sample tests: how large a difference is, how significant, and whether it is an alarm.

A difference is an alarm if it is both larger than a threshold and significant: irrelevant
differences raise no alarm in large samples, and noise raises none in small ones. Significance is
that of all checks of a run together: Holm's (1979) correction bounds the probability of any false
alarm by `alpha`, however the checks depend on each other. Each test is exact or conservative at
every sample size, so the bound holds for a file of one row as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from sentiment.data.label_sets import make_indicators
from sentiment.modeling.exact_tests import compute_fisher_p_values, compute_smirnov_p_value
from sentiment.modeling.statistics import adjust_p_values

# How the size of a difference is measured.
DISTANCE, ODDS, COHEN = "Wasserstein / std", "odds ratio", "Cohen's h"
# Rows of a sample up to which the test of numbers is exact, as of scipy's ks_2samp.
_MOST_EXACT = 10_000


@dataclass(frozen=True)
class Check:
    """One comparison between the current rows and the reference.

    Attributes
    ----------
    name : str
        What was compared.
    reference, current : float
        Value in the reference and in the current rows: a mean, a share or a count.
    effect : float
        How large the difference is, in the units of `measure`.
    measure : str
        How the size of a difference is measured.
    threshold : float
        Smaller differences do not matter.
    p_value : float
        Probability of a difference this large between samples of the same distribution; `decide`
        corrects it for all checks of the run.
    detail : str
        The label or word that was compared, if it was one of many.
    drifted : bool
        Whether it is an alarm, as `decide` finds.
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
    """Return the distance of two samples of numbers, and the p-value of their equality.

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
        Of the two-sided test of Kolmogorov and Smirnov: exact up to 10,000 rows, conservative
        where values repeat. The asymptotic one calls a single row that lies outside of a small
        reference all but impossible.
    """
    scale = max(float(np.std(reference, dtype=np.float64)), 1e-3)
    n, m = len(reference), len(current)
    both = np.sort(np.concatenate([reference, current], dtype=np.float64))
    below, other = (
        np.searchsorted(np.sort(one), both, side="right") for one in (reference, current)
    )
    gaps = np.abs(below * m - other * n)
    distance = float(gaps[:-1] @ np.diff(both)) / (n * m) / scale
    gap = int(gaps.max())
    if max(n, m) <= _MOST_EXACT:
        return distance, float(compute_smirnov_p_value(n, m, gap))
    from scipy.stats import kstwo

    return distance, float(kstwo.sf(gap / (n * m), round(n * m / (n + m))))


def compare_labels(
    reference: np.ndarray, current: np.ndarray, rows: tuple[int, int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return how the odds of each label have changed, and the p-values of their equality.

    Each label is compared with all others together, so that a rare one is seen beside frequent
    ones, and a frequent one is not hidden by a small sample of the rest.

    Parameters
    ----------
    reference, current : ndarray of int, of shape (n_labels,)
        Rows of each label.
    rows : (int, int), optional
        All rows of both, where a row may have several labels or none.

    Returns
    -------
    ratios : ndarray of float, of shape (n_labels,)
        The factor by which the odds rose or fell, at least 1. Half a row is added to each count
        (Haldane, 1956), so that it is finite where a label vanishes; a label without any rows has
        not changed.
    p_values : ndarray of float, of shape (n_labels,)
        Of `compute_p_values`, times the labels that were tested (Bonferroni); two labels make one
        test.
    """
    sizes = rows or (int(reference.sum()), int(current.sum()))
    before, after = (
        (counts + 0.5) / (size - counts + 0.5)
        for counts, size in zip((reference, current), sizes, strict=True)
    )
    tested = int(np.count_nonzero(reference + current))
    p_values = compute_p_values(reference, current, sizes) * (tested if tested > 2 or rows else 1)
    ratios = np.where(reference + current > 0, np.maximum(after / before, before / after), 1.0)
    return ratios, np.minimum(p_values, 1.0)


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
        Of `compute_p_values`.
    """
    before, after = (
        2 * np.arcsin(np.sqrt(counts / max(size, 1)))
        for counts, size in zip((reference, current), sizes, strict=True)
    )
    return after - before, compute_p_values(reference, current, sizes)


def compute_p_values(
    reference: np.ndarray,
    current: np.ndarray,
    sizes: tuple[int, int] | tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """Return the p-values of the equality of shares, by Fisher's exact test.

    Given how many rows have a property in all, those among the current ones are hypergeometric.
    The smaller of both tails is doubled, which is conservative at any size and for any share.

    Parameters
    ----------
    reference, current : ndarray of int, of shape (n,)
        Rows that have a property, for `n` properties.
    sizes : (int, int) or (ndarray, ndarray)
        Rows in the reference and in the current sample, of each property or of all.

    Returns
    -------
    ndarray of float, of shape (n,)
    """
    given = current, reference + current, sizes[1], np.add(*sizes)
    p_values = np.empty(len(current))
    # Copies, since kernels are compiled for contiguous arrays that can be written to.
    compute_fisher_p_values(
        *(np.array(one, np.int64) for one in np.broadcast_arrays(*given)), p_values
    )
    return p_values


def choose(effects: np.ndarray, thresholds: np.ndarray | float, p_values: np.ndarray) -> int:
    """Return which of several differences to report: of those that matter, the most significant.

    Parameters
    ----------
    effects, p_values : ndarray of float, of shape (n,)
        Sizes and significance of the differences, at least one.
    thresholds : ndarray of float, of shape (n,), or float
        Where a difference begins to matter; if none does, all are candidates.
    """
    large = effects >= thresholds
    candidates = large if large.any() else np.ones_like(large)
    return int(np.lexsort((-effects, p_values, ~candidates))[0])


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


def check_numbers(name: str, reference: np.ndarray, current: np.ndarray, threshold: float) -> Check:
    """Return the check of two samples of numbers; parameters are as of `compare_numbers`."""
    before, after = (float(np.mean(values, dtype=np.float64)) for values in (reference, current))
    distance, p_value = compare_numbers(reference, current)
    return Check(name, before, after, distance, DISTANCE, threshold, p_value)


def check_labels(
    reference: pd.Series,
    current: pd.Series,
    classes: Sequence[str],
    separator: str | None,
    threshold: float,
) -> Check:
    """Return the check of the predicted label that changed most, each compared with all others.

    Parameters
    ----------
    reference, current : Series of str
        Predictions.
    classes : sequence of str
        What can be predicted.
    separator : str, optional
        Between the labels of a set, if predictions are label sets.
    threshold : float
        The factor of the odds from which a change matters.
    """
    before, after = (count_labels(one, classes, separator) for one in (reference, current))
    sizes = len(reference), len(current)
    ratios, p_values = compare_labels(before, after, sizes if separator else None)
    chosen = choose(ratios, threshold, p_values)
    return Check(
        "prediction", float(before[chosen] / sizes[0]), float(after[chosen] / sizes[1]),
        float(ratios[chosen]), ODDS, threshold, float(p_values[chosen]), detail=classes[chosen],
    )  # fmt: skip


def count_labels(predicted: pd.Series, classes: Sequence[str], separator: str | None) -> np.ndarray:
    """Return how many rows were given each of `classes`, shape (n_classes,)."""
    if separator is None:
        return predicted.value_counts().reindex([*classes], fill_value=0).to_numpy()
    found = make_indicators(predicted.tolist(), [*classes], separator)
    return np.asarray(found.sum(axis=0)).ravel()
