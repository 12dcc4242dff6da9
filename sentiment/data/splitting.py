"""Stratified samples and splits of distinct texts."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from sentiment.data.label_sets import split_labels, stratify_sets
from sentiment.errors import TooFewClassesError, TooFewRowsError

SPLITS = ("train", "validation", "test")
# Splits by their usual names in tables, in lowercase.
_SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "development", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
# Choices of rows to learn from, by the value of `refit`, and their splits.
FITTED: dict[str, tuple[str, ...]] = {
    "train": ("train",),
    "train+validation": ("train", "validation"),
    "all": SPLITS,
}


def read_splits(values: pd.Series) -> pd.Series:
    """Return the split that each of `values` names, missing for unknown names.

    Examples
    --------
    >>> read_splits(pd.Series(["Train", "dev", "holdout"])).tolist()
    ['train', 'validation', nan]
    """
    return values.str.strip().str.lower().map(_SPLIT_NAMES).astype("str")


def list_official_splits(frame: pd.DataFrame) -> list[str]:
    """Return the official splits of `frame`; empty if it has none."""
    return [name for name in SPLITS if "split" in frame and (frame["split"] == name).any()]


def take_sample(frame: pd.DataFrame, rows: int | None, seed: int) -> pd.DataFrame:
    """Return a stratified sample of `rows` rows in their order, or `frame` if it has fewer."""
    if rows is None or rows >= len(frame):
        return frame
    strata = [name for name in ("label", "split") if name in frame]
    codes = frame.groupby(strata, sort=False).ngroup().to_numpy()
    counts = apportion(np.bincount(codes), rows)
    is_sampled = _rank(codes, np.random.default_rng(seed)) < counts[codes]
    sample: pd.DataFrame = frame.loc[is_sampled]
    return sample


def count_classes(labels: Iterable[str], separator: str | None = None) -> dict[str, int]:
    """Return how many rows each label has, the largest class first.

    Parameters
    ----------
    labels : iterable of str
        Labels, or sets of labels.
    separator : str, optional
        Between the labels of a set.
    """
    series = pd.Series(labels, dtype=object)
    if separator is not None:
        series = series.map(lambda joined: split_labels(joined, separator)).explode().dropna()
    return {str(label): int(rows) for label, rows in series.value_counts().items()}


def find_rare_classes(frame: pd.DataFrame, min_rows: int, separator: str | None) -> dict[str, int]:
    """Return the classes with fewer than `min_rows` rows and their sizes, the largest first.

    With official splits, only training rows count.
    """
    counts = count_training(frame, separator)
    return {label: rows for label, rows in counts.items() if rows < min_rows}


def count_training(frame: pd.DataFrame, separator: str | None) -> dict[str, int]:
    """Return the training rows of each class; all of its rows if there are no official splits."""
    counts = count_classes(frame["label"], separator)
    if "split" in frame:
        training = count_classes(frame["label"][frame["split"] == "train"], separator)
        counts = {label: training.get(label, 0) for label in counts}
    return counts


def check_class_sizes(
    counts: Mapping[str, int],
    needed: int,
    purpose: str,
    where: str = "the data",
    left_out: str = "",
    remedy: str = "",
) -> None:
    """Raise if there are fewer than two classes, or a class has fewer than `needed` rows.

    Parameters
    ----------
    counts : mapping of str to int
        Rows of each class, whose texts are different.
    needed : int
        Rows of each class that `purpose` needs.
    purpose, where : str
        What the rows are needed for, and where they are, for the message.
    left_out : str
        Sentence on rows that do not count.
    remedy : str
        Further remedy, besides more rows.
    """
    if len(counts) < 2:
        raise TooFewClassesError(counts, where, left_out)
    small = {label: rows for label, rows in counts.items() if rows < needed}
    if small:
        raise TooFewRowsError(small, len(counts), needed, purpose, left_out, remedy)


def assign_splits(
    frame: pd.DataFrame,
    *,
    validation_size: float,
    test_size: float,
    seed: int,
    separator: str | None = None,
) -> pd.Series:
    """Return the split of each row: "train", "validation" or "test", stratified by label.

    Every class has a row in every split; with label sets, which share rows, nearly every class has.
    Rows with an official ``split`` keep it; a missing official split is drawn from the training
    rows, as a share of these.

    Parameters
    ----------
    frame : DataFrame
        Columns ``label`` and perhaps ``split``. Each label needs at least one training row, and
        one for each split to draw.
    validation_size, test_size : float
        Shares of the rows.
    seed : int
        Seed of the random choice.
    separator : str, optional
        Between the labels of a set; see `stratify_sets`.
    """
    splits = np.full(len(frame), "train", dtype=object)
    pool = np.arange(len(frame))
    shares = {"test": test_size, "validation": validation_size}
    if official := list_official_splits(frame):
        splits = frame["split"].to_numpy(object, copy=True)
        pool = np.flatnonzero(splits == "train")
        shares = {name: share for name, share in shares.items() if name not in official}
    if separator is not None:
        shares["train"] = 1 - sum(shares.values())
        splits[pool] = stratify_sets(frame["label"].iloc[pool].to_list(), separator, shares, seed)
        return pd.Series(splits, index=frame.index, dtype="str")
    codes = pd.factorize(frame["label"].iloc[pool])[0]
    sizes = np.bincount(codes)
    ranks = _rank(codes, np.random.default_rng(seed))
    begin = np.zeros(len(sizes), np.int64)
    for split, share in shares.items():
        # At least one row of each class, and one left for training and for each later split.
        n_pending = len(shares) - list(shares).index(split)
        counts = apportion(sizes, round(share * len(pool)))
        end = begin + np.clip(counts, 1, np.maximum(sizes - begin - n_pending, 1))
        splits[pool[(begin[codes] <= ranks) & (ranks < end[codes])]] = split
        begin = end
    return pd.Series(splits, index=frame.index, dtype="str")


def apportion(sizes: np.ndarray, total: int) -> np.ndarray:
    """Return the rows of each class in a stratified sample of `total`, by largest remainders.

    Parameters
    ----------
    sizes : ndarray of int, of shape (n_classes,)
        Rows of each class.
    total : int
        At most their sum.
    """
    shares, remainders = np.divmod(sizes * total, sizes.sum())
    n_missing = total - shares.sum()
    shares[np.argsort(-remainders, kind="stable")[:n_missing]] += 1
    return shares


def _rank(codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a random rank of each row within its class, from 0."""
    order = rng.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    sizes = np.bincount(codes)
    ranks = np.empty(len(codes), np.int64)
    ranks[order] = np.arange(len(codes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return ranks
