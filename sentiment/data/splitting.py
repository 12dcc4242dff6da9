"""Stratified splits in which no text stands on two sides."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from sentiment.data.quality import find_conflicts, find_copies
from sentiment.errors import TooFewClassesError, TooFewRowsError

SPLITS = ("train", "validation", "test")


def take_sample(frame: pd.DataFrame, rows: int | None, seed: int) -> pd.DataFrame:
    """Return a stratified sample of `rows` rows in their old order, or `frame` if it has fewer."""
    if rows is None or rows >= len(frame):
        return frame
    strata = frame["label"] if "half" not in frame else frame["label"] + "|" + frame["half"]
    check_class_sizes(strata, 2, f"a sample of {rows:,} rows")
    if rows < strata.nunique() or len(frame) - rows < strata.nunique():
        taken = np.random.default_rng(seed).choice(len(frame), rows, replace=False)
    else:
        taken, _ = train_test_split(
            np.arange(len(frame)), train_size=rows, stratify=strata, random_state=seed
        )
    return frame.iloc[np.sort(taken)]


def check_class_sizes(
    labels: Sequence[str] | pd.Series, needed: int, purpose: str, where: str = "the data"
) -> None:
    """Raise if there are fewer than two classes, or fewer than `needed` rows of one."""
    counts = pd.Series(labels).value_counts()
    if len(counts) < 2:
        raise TooFewClassesError([str(label) for label in counts.index], where)
    if counts.min() < needed:
        raise TooFewRowsError(str(counts.idxmin()), int(counts.min()), needed, purpose)


def assign_splits(
    frame: pd.DataFrame, *, validation_size: float, test_size: float, seed: int
) -> pd.Series:
    """Return the split of each row: "train", "validation" or "test", stratified by label.

    Rows that bring a ``half`` keep it: the test half is the test split, and validation rows are
    taken from the training half as a share of it.

    Parameters
    ----------
    frame : DataFrame
        Columns ``label`` and perhaps ``half``.
    validation_size, test_size : float
        Shares of the rows.
    seed : int
        Seed of the random choice.
    """
    rows = np.arange(len(frame))
    labels = frame["label"].to_numpy(dtype=object)
    splits = np.full(len(frame), "train", dtype=object)
    if "half" in frame:
        splits[frame["half"] == "test"] = "test"
    else:
        check_class_sizes(frame["label"], 3, "a split into train, validation and test")
        _move(splits, rows, labels, "test", round(test_size * len(frame)), seed)
    training = rows[splits == "train"]
    wanted = validation_size * (len(training) if "half" in frame else len(frame))
    check_class_sizes(labels[training], 2, "a validation split")
    _move(splits, training, labels, "validation", round(wanted), seed)
    return pd.Series(splits, index=frame.index, dtype="str")


def _move(
    splits: np.ndarray, rows: np.ndarray, labels: np.ndarray, to: str, wanted: int, seed: int
) -> None:
    """Move about `wanted` of `rows` to the split `to`, with a row of each class on both sides."""
    classes = len(set(labels[rows]))
    size = min(max(wanted, classes), len(rows) - classes)
    _, moved = train_test_split(rows, test_size=size, stratify=labels[rows], random_state=seed)
    splits[moved] = to


def find_leaks(frame: pd.DataFrame, *, keep_test: bool) -> pd.Series:
    """Return why each row must leave its split, "" where it may stay.

    A text with two labels says nothing and leaves everywhere. Of the copies of a text one stays,
    in test rather than in validation and in validation rather than in training.

    Parameters
    ----------
    frame : DataFrame
        Columns ``key``, ``label`` and ``split``.
    keep_test : bool
        Whether the test split is official and stays whole, whatever it holds; its texts leave
        the other splits.
    """
    ranks = frame["split"].map({name: rank for rank, name in enumerate(reversed(SPLITS))})
    ranked = frame.iloc[np.argsort(ranks.to_numpy(), kind="stable")]
    copies = find_copies(ranked).reindex(frame.index)
    reasons = np.select([find_conflicts(frame), copies], ["conflicting_labels", "duplicates"], "")
    if keep_test:
        reasons = np.where(frame["split"] == "test", "", reasons)
    return pd.Series(reasons, index=frame.index, dtype="str")
