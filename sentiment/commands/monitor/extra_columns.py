"""Drift of the columns that a model reads beside the text."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from sentiment.data.columns import parse
from sentiment.modeling.drift import (
    COHEN,
    DISTANCE,
    ODDS,
    Check,
    choose_difference,
    compare_labels,
    compare_numbers,
    compare_shares,
)
from sentiment.modeling.reference import COLUMN, Reference

_MISSING, _OTHER = "missing value", "other value"
_MAX_LEVELS = 100


def check_extra_columns(
    reference: Reference, current: pd.DataFrame, distance: float, labels: float, share: float
) -> Iterator[Check]:
    """Yield the checks of all columns that the model reads beside the text.

    Numbers are compared without missing values. Each category is compared with all others; a
    missing value is a category. For numbers and dates, the share of missing values is compared; the
    dates themselves are not, since they advance with time.

    Parameters
    ----------
    reference : Reference
        Reference profile of training.
    current : DataFrame
        The current rows.
    distance, labels, share : float
        Thresholds of numbers, categories and shares.
    """
    for name, kind in reference.columns.items():
        old, new = (rows[f"{COLUMN}{name}"] for rows in (reference.rows, current))
        if kind == "category":
            yield _compare_categories(name, old, new, labels)
            continue
        old, new = parse(old, kind), parse(new, kind)
        yield _compare_missing(name, old.isna().to_numpy(), new.isna().to_numpy(), share)
        old, new = old.dropna(), new.dropna()
        if kind == "number" and len(old) and len(new):
            effect, p_value = compare_numbers(old.to_numpy(), new.to_numpy())
            yield Check(
                f"column {name}", float(old.mean()), float(new.mean()), effect, DISTANCE,
                distance, p_value,
            )  # fmt: skip


def _compare_missing(
    name: str, reference: np.ndarray, current: np.ndarray, threshold: float
) -> Check:
    counts = np.array([reference.sum()]), np.array([current.sum()])
    effects, p_values = compare_shares(*counts, (len(reference), len(current)))
    return Check(
        f"missing {name}", float(reference.mean()), float(current.mean()), abs(float(effects[0])),
        COHEN, threshold, float(p_values[0]),
    )  # fmt: skip


def _compare_categories(
    name: str, reference: pd.Series, current: pd.Series, threshold: float
) -> Check:
    """Compare the frequency of each category; all rare categories of training count as one."""
    frequent = [*reference.fillna(_MISSING).value_counts().index[:_MAX_LEVELS]]
    levels = [*frequent, _OTHER]
    old_counts, new_counts = (
        _count_levels(values.fillna(_MISSING), levels) for values in (reference, current)
    )
    ratios, p_values = compare_labels(old_counts, new_counts)
    k = choose_difference(ratios, threshold, p_values)
    return Check(
        f"column {name}", float(old_counts[k] / old_counts.sum()),
        float(new_counts[k] / new_counts.sum()), float(ratios[k]), ODDS, threshold,
        float(p_values[k]), detail=levels[k],
    )  # fmt: skip


def _count_levels(values: pd.Series, levels: list[str]) -> np.ndarray:
    """Return the count of each of `levels` in `values`; the last level counts all other values."""
    values = values.where(values.isin(levels[:-1]), levels[-1])
    counts: np.ndarray = values.value_counts().reindex(levels, fill_value=0).to_numpy()
    return counts
