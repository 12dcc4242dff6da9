"""Choice of the rows to split: a sample, rare classes, and checks that all splits have rows."""

from collections.abc import Sequence
from itertools import islice

import pandas as pd

from sentiment.data.datasets import Dataset
from sentiment.data.label_sets import rename_labels
from sentiment.data.quality import QualityReport, find_joined_labels
from sentiment.data.splitting import (
    SPLITS,
    check_class_sizes,
    count_classes,
    count_training,
    find_rare_classes,
    list_official_splits,
    take_sample,
)
from sentiment.errors import EmptySplitError, TooFewRowsError, UnlearnedClassesError, list_counts


def choose_rows(
    usable: pd.DataFrame,
    official: Sequence[str],
    report: QualityReport,
    dataset: Dataset,
    seed: int,
) -> tuple[pd.DataFrame, set[str]]:
    """Return the rows to split, and the classes that the sample of ``dataset.limit`` lacks.

    Rare classes are dropped or merged, as ``dataset.rare`` asks.

    Raises
    ------
    SentimentError
        There are fewer than two classes, or too few rows of a class or a split.
    """
    separator = dataset.label_separator
    left_out = _describe_left_out(report)
    _check_official_splits(usable, official, left_out)
    counts = count_classes(usable["label"], separator)
    check_class_sizes(counts, 1, "training", left_out=left_out)
    sample = take_sample(usable, dataset.limit, seed)
    report.not_sampled = len(usable) - len(sample)
    not_sampled = counts.keys() - count_classes(sample["label"], separator).keys()
    sample = _handle_rare_classes(dataset, sample, report)
    left_out = _describe_left_out(report)
    remedy = "raise data.limit" if report.not_sampled else ""
    _check_official_splits(sample, official, left_out, remedy)
    for joint, joined in islice(find_joined_labels(report.labels), 1):
        remedy = f"set 'data.label_separator=\"{joint}\"' if {joined[0]!r} is several labels"
    _check_splits(sample, left_out, remedy, separator)
    return sample, not_sampled


def _describe_left_out(report: QualityReport) -> str:
    """Return sentences on dropped rows and merged classes, "" if there are none."""
    total = sum(report.dropped.values())
    why = report.describe_dropped()
    left_out = f"{total:,} of {report.rows:,} rows are left out ({why})." if total else ""
    names = f"{list_counts(report.rare)} {'is' if len(report.rare) == 1 else 'are'}"
    merged = f"{names} merged into {report.merged_into!r}." if report.merged_into else ""
    return " ".join(filter(None, [left_out, merged]))


def _handle_rare_classes(
    dataset: Dataset, frame: pd.DataFrame, report: QualityReport
) -> pd.DataFrame:
    """Return `frame` with rare classes dropped or merged, as ``dataset.rare`` asks.

    Raises
    ------
    TooFewRowsError
        There are rare classes, and ``dataset.rare`` is "error".
    """
    n_parts = 1 + len(_list_drawn_splits(frame))
    min_rows = max(dataset.min_per_class or 0, n_parts)
    separator = dataset.label_separator
    rare = find_rare_classes(frame, min_rows, separator)
    if not rare or (dataset.rare == "error" and (min_rows == n_parts or not all(rare.values()))):
        return frame  # `_check_splits` reports small classes
    class_sizes = count_classes(frame["label"], separator)
    if dataset.rare == "error":
        raise TooFewRowsError(
            rare, len(class_sizes), min_rows, "data.min_per_class", min_per_class=min_rows
        )
    report.rare = {label: class_sizes[label] for label in rare}
    if dataset.rare == "merge":
        report.merged_into = dataset.rare_label
        merged = dict.fromkeys(rare, dataset.rare_label)
        return frame.assign(label=rename_labels(frame["label"], merged, separator))
    # A row keeps the other labels of its set; a row with rare labels only is dropped.
    labels = rename_labels(frame["label"], dict.fromkeys(rare, ""), separator)
    is_rare = (labels == "") & (frame["label"] != "")
    if is_rare.any():
        report.dropped["rare_class"] = int(is_rare.sum())
    return frame.assign(label=labels)[~is_rare]


def _list_drawn_splits(frame: pd.DataFrame) -> list[str]:
    """Return the splits to draw from the training rows of `frame`."""
    official = list_official_splits(frame)
    return [name for name in SPLITS if name not in official and name != "train"]


def _check_official_splits(
    frame: pd.DataFrame, official: Sequence[str], left_out: str, remedy: str = ""
) -> None:
    """Check that every official split, and the training split, still has rows."""
    for split in ["train", *official] if official else []:
        if not (frame["split"] == split).any():
            raise EmptySplitError(split, official, left_out, remedy)


def _check_splits(frame: pd.DataFrame, left_out: str, remedy: str, separator: str | None) -> None:
    """Check that each class has enough rows for all splits."""
    official, drawn = list_official_splits(frame), _list_drawn_splits(frame)
    counts = count_training(frame, separator)
    if not official:
        purpose = "a split into train, validation and test"
        check_class_sizes(counts, len(SPLITS), purpose, left_out=left_out, remedy=remedy)
        return
    for split in official:
        rows = count_classes(frame["label"][frame["split"] == split], separator)
        check_class_sizes(rows, 1, split, f"the {split} split", left_out)
    if unlearned := [label for label, rows in counts.items() if not rows]:
        class_sizes = count_classes(frame["label"], separator)
        missing = {label: class_sizes[label] for label in unlearned}
        raise UnlearnedClassesError(missing, len(counts), left_out)
    purpose = f"a split of the training rows into {' and '.join(['train', *drawn])}"
    check_class_sizes(counts, 1 + len(drawn), purpose, "the training split", left_out, remedy)
