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
    choose,
    compare_labels,
    compare_numbers,
    compare_shares,
)
from sentiment.modeling.reference import COLUMN, Reference

_MISSING, _OTHER = "missing value", "other value"
_MOST_LEVELS = 100


def check_extra_columns(
    reference: Reference, current: pd.DataFrame, distance: float, labels: float, share: float
) -> Iterator[Check]:
    """Yield the checks of all columns that the model reads beside the text.

    Numbers are compared where they are there, and categories each with all others, of which missing
    values are one. Of dates, which move on, and of numbers, how many are missing is compared.

    Parameters
    ----------
    reference : Reference
        Rows of training.
    current : DataFrame
        The rows of a file.
    distance, labels, share : float
        Thresholds of numbers, categories and shares.
    """
    for name, kind in reference.columns.items():
        before, after = (rows[f"{COLUMN}{name}"] for rows in (reference.rows, current))
        if kind == "category":
            yield _compare_categories(name, before, after, labels)
            continue
        before, after = parse(before, kind), parse(after, kind)
        yield _compare_missing(name, before.isna().to_numpy(), after.isna().to_numpy(), share)
        old, new = before.dropna().to_numpy(), after.dropna().to_numpy()
        if kind == "number" and len(old) and len(new):
            size, p_value = compare_numbers(old, new)
            yield Check(
                f"column {name}", float(old.mean()), float(new.mean()), size, DISTANCE, distance,
                p_value,
            )  # fmt: skip


def _compare_missing(name: str, before: np.ndarray, after: np.ndarray, threshold: float) -> Check:
    counts = np.array([before.sum()]), np.array([after.sum()])
    effects, p_values = compare_shares(counts[0], counts[1], (len(before), len(after)))
    return Check(
        f"missing {name}", float(before.mean()), float(after.mean()), abs(float(effects[0])),
        COHEN, threshold, float(p_values[0]),
    )  # fmt: skip


def _compare_categories(name: str, before: pd.Series, after: pd.Series, threshold: float) -> Check:
    """Compare how frequent each category is; those that are rare in training are one."""
    levels = [*before.fillna(_MISSING).value_counts().index[:_MOST_LEVELS]]
    names = [*levels, _OTHER]
    old, new = (_count(values.fillna(_MISSING), names) for values in (before, after))
    ratios, p_values = compare_labels(old, new)
    chosen = choose(ratios, threshold, p_values)
    return Check(
        f"column {name}", float(old[chosen] / old.sum()), float(new[chosen] / new.sum()),
        float(ratios[chosen]), ODDS, threshold, float(p_values[chosen]), detail=names[chosen],
    )  # fmt: skip


def _count(values: pd.Series, names: list[str]) -> np.ndarray:
    """Return how many of `values` are each of `names`, the last of which is all others."""
    known = values.where(values.isin(names[:-1]), names[-1])
    counts: np.ndarray = known.value_counts().reindex(names, fill_value=0).to_numpy()
    return counts
