"""Two-sample tests of drift: effect sizes, p-values and alarms.

A difference is an alarm if it is both larger than a threshold and significant: irrelevant
differences raise no alarm in large samples, and noise raises none in small ones. Holm's (1979)
correction for all checks of a run bounds the probability of any false alarm by `alpha`, however the
checks depend on each other. Each test is exact or conservative at every sample size, so the bound
holds even for a file of one row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from sentiment.data.label_sets import make_indicators
from sentiment.modeling.exact_tests import compute_fisher_p_values, compute_smirnov_p_value
from sentiment.modeling.statistics import adjust_p_values

# Effect sizes.
DISTANCE, ODDS, COHEN = "Wasserstein / std", "odds ratio", "Cohen's h"
# Effect sizes with a direction: above 0, the current rows are worse.
FALL, WORSENING = "fall", "worse by a share"
# The largest sample for which the test of numbers is exact, as in scipy's ks_2samp.
_MAX_EXACT = 10_000


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
        Effect size of the difference.
    measure : str
        Name of the effect size.
    threshold : float
        Smallest effect size that matters.
    p_value : float
        Probability of a difference this large between samples of the same distribution;
        `decide_alarms` corrects it for all checks of the run.
    detail : str
        The label or word that was compared, if it is one of many.
    drifted : bool
        Whether it is an alarm; set by `decide_alarms`.
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


def decide_alarms(checks: Sequence[Check], alpha: float) -> list[Check]:
    """Return the checks of a run with corrected p-values and alarms.

    Parameters
    ----------
    checks : sequence of Check
        All checks of the run.
    alpha : float
        The largest probability of a false alarm in any check.
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
        Wasserstein distance in standard deviations of the reference, as Evidently uses for large
        samples; a deviation below a thousandth counts as a thousandth.
    p_value : float
        Of the two-sided Kolmogorov-Smirnov test: exact up to 10,000 rows, conservative for repeated
        values. The asymptotic p-value would be near 0 for a single row outside of a small
        reference.
    """
    scale = max(float(np.std(reference, dtype=np.float64)), 1e-3)
    n, m = len(reference), len(current)
    pooled = np.sort(np.concatenate([reference, current], dtype=np.float64))
    reference_ranks, current_ranks = (
        np.searchsorted(np.sort(sample), pooled, side="right") for sample in (reference, current)
    )
    gaps = np.abs(reference_ranks * m - current_ranks * n)
    distance = float(gaps[:-1] @ np.diff(pooled)) / (n * m) / scale
    gap = int(gaps.max())
    if max(n, m) <= _MAX_EXACT:
        return distance, float(compute_smirnov_p_value(n, m, gap))
    from scipy.stats import kstwo

    return distance, float(kstwo.sf(gap / (n * m), round(n * m / (n + m))))


def compare_labels(
    reference: np.ndarray, current: np.ndarray, rows: tuple[int, int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return how the odds of each label have changed, and the p-values of their equality.

    Each label is compared with all others together, so that frequent labels do not hide a change of
    a rare one, and a small sample of the others does not hide a change of a frequent one.

    Parameters
    ----------
    reference, current : ndarray of int, of shape (n_labels,)
        Rows of each label.
    rows : (int, int), optional
        Numbers of all rows of both samples, if a row may have several labels or none.

    Returns
    -------
    ratios : ndarray of float, of shape (n_labels,)
        Odds ratio of the rise or fall, at least 1. Half a row is added to each count (Haldane,
        1956), so that it is finite if a label vanishes; 1 for a label without any rows.
    p_values : ndarray of float, of shape (n_labels,)
        Of `compute_p_values`, times the number of tested labels (Bonferroni); two labels are one
        test.
    """
    sizes = rows or (int(reference.sum()), int(current.sum()))
    reference_odds, current_odds = (
        (counts + 0.5) / (size - counts + 0.5)
        for counts, size in zip((reference, current), sizes, strict=True)
    )
    tested = int(np.count_nonzero(reference + current))
    p_values = compute_p_values(reference, current, sizes) * (tested if tested > 2 or rows else 1)
    changes = current_odds / reference_odds
    ratios = np.where(reference + current > 0, np.maximum(changes, 1 / changes), 1.0)
    return ratios, np.minimum(p_values, 1.0)


def compare_shares(
    reference: np.ndarray, current: np.ndarray, sizes: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the differences of shares, and the p-values of their equality.

    Parameters
    ----------
    reference, current : ndarray of int, of shape (n,)
        Rows that have a property, for `n` properties.
    sizes : (int, int)
        Rows in the reference and in the current sample.

    Returns
    -------
    effects : ndarray of float, of shape (n,)
        Cohen's (1988) h, the difference of ``2 arcsin sqrt(share)``; positive for a rise.
    p_values : ndarray of float, of shape (n,)
        Of `compute_p_values`.
    """
    reference_angles, current_angles = (
        2 * np.arcsin(np.sqrt(counts / max(size, 1)))
        for counts, size in zip((reference, current), sizes, strict=True)
    )
    return current_angles - reference_angles, compute_p_values(reference, current, sizes)


def compute_p_values(
    reference: np.ndarray,
    current: np.ndarray,
    sizes: tuple[int, int] | tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """Return the p-values of the equality of shares, by Fisher's exact test.

    Given the number of rows with a property in both samples, their number in the current sample has
    a hypergeometric distribution. The smaller tail is doubled, which is conservative at any size
    and for any share.

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
    counts = current, reference + current, sizes[1], np.add(*sizes)
    p_values = np.empty(len(current))
    # Copies, since kernels are compiled for contiguous, writable arrays.
    compute_fisher_p_values(
        *(np.array(array, np.int64) for array in np.broadcast_arrays(*counts)), p_values
    )
    return p_values


def choose_difference(
    effects: np.ndarray, thresholds: np.ndarray | float, p_values: np.ndarray
) -> int:
    """Return the index of the difference to report: the most significant one that matters.

    Parameters
    ----------
    effects, p_values : ndarray of float, of shape (n,)
        Sizes and significance of the differences, at least one.
    thresholds : ndarray of float, of shape (n,), or float
        Smallest differences that matter; if none is as large, all are candidates.
    """
    large = effects >= thresholds
    candidates = large if large.any() else np.ones_like(large)
    return int(np.lexsort((-effects, p_values, ~candidates))[0])


def compare_terms(
    reference: np.ndarray, current: np.ndarray, sizes: tuple[int, int], tested: int
) -> pd.DataFrame:
    """Return the change of the document frequency of each term.

    Parameters
    ----------
    reference, current : ndarray of int, of shape (n_terms,)
        Documents that contain each term.
    sizes : (int, int)
        Documents of both samples.
    tested : int
        Number of terms that these were chosen from, for the correction of p-values (Bonferroni).

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
    """Return the check of two samples of numbers; see `compare_numbers`."""
    reference_mean, current_mean = (
        float(np.mean(sample, dtype=np.float64)) for sample in (reference, current)
    )
    distance, p_value = compare_numbers(reference, current)
    return Check(name, reference_mean, current_mean, distance, DISTANCE, threshold, p_value)


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
        Labels that can be predicted.
    separator : str, optional
        Between the labels of a set, if predictions are label sets.
    threshold : float
        Smallest odds ratio that matters.
    """
    reference_counts, current_counts = (
        count_labels(predictions, classes, separator) for predictions in (reference, current)
    )
    sizes = len(reference), len(current)
    ratios, p_values = compare_labels(
        reference_counts, current_counts, sizes if separator else None
    )
    k = choose_difference(ratios, threshold, p_values)
    return Check(
        "prediction", float(reference_counts[k] / sizes[0]), float(current_counts[k] / sizes[1]),
        float(ratios[k]), ODDS, threshold, float(p_values[k]), detail=classes[k],
    )  # fmt: skip


def count_labels(predicted: pd.Series, classes: Sequence[str], separator: str | None) -> np.ndarray:
    """Return how many rows are predicted as each of `classes`, shape (n_classes,)."""
    if separator is None:
        return predicted.value_counts().reindex([*classes], fill_value=0).to_numpy()
    indicators = make_indicators(predicted.tolist(), [*classes], separator)
    return np.asarray(indicators.sum(axis=0)).ravel()
