"""Quality report on a data set before training."""

import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from sentiment.data.copies import find_conflicts, find_copies, fold_text
from sentiment.data.labels import sort_labels
from sentiment.data.splitting import count_classes
from sentiment.errors import list_first, list_reasons, quote_list, quote_name

_MAX_FAULTS = 20
_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
# Usual marks of missing values, in lowercase.
_MISSING = {"nan", "null", "none", "na", "n/a", "<na>", "#n/a", "-", "?"}
# Separators of several labels in one cell, and the number of such labels in a warning.
_SEPARATORS, _MAX_LISTED = "|;,/", 3
# Classes whose row counts are logged.
_MAX_LOGGED = 20


@dataclass
class QualityReport:
    """Counts and sizes of a labelled data set, as it was read.

    Attributes
    ----------
    rows : int
        Rows read.
    unreadable : int
        Rows that cannot be read, such as those with too many fields.
    missing_text, empty_text, missing_label : int
        Rows without a text, with a text that is empty after cleaning, without a label.
    duplicates : int
        Rows whose text (as `fold_text` compares it) is in an earlier row with the same label.
    conflicting_labels : int
        Rows whose text occurs with another label, too.
    labels : dict of str to int
        Usable rows per label.
    length_quantiles : dict of str to int
        Characters of the cleaned texts, by quantile.
    warnings : dict of str to str
        Possible mistakes in the data, by kind.
    dropped : dict of str to int
        Rows left out, by reason; filled in by the preparation.
    without_label : int
        Rows without a label that became unlabelled texts; filled in by the preparation.
    not_sampled : int
        Rows that ``data.limit`` left out; filled in by the preparation.
    rare : dict of str to int
        Rows of the classes that were dropped or merged; filled in by the preparation.
    merged_into : str
        Label of the classes that were merged, "" if none were; filled in by the preparation.
    unlabelled : int
        Texts without a label to learn from; filled in by the preparation.
    unlabelled_dropped : dict of str to int
        Such texts left out, by reason; filled in by the preparation.
    splits : dict of str to dict of str to int
        Rows of each split, by label; filled in by the preparation.
    faults : list of str
        Where and why the first unreadable rows cannot be read.
    """

    rows: int
    unreadable: int
    missing_text: int
    empty_text: int
    missing_label: int
    duplicates: int
    conflicting_labels: int
    labels: dict[str, int]
    length_quantiles: dict[str, int]
    warnings: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    without_label: int = 0
    not_sampled: int = 0
    rare: dict[str, int] = field(default_factory=dict)
    merged_into: str = ""
    unlabelled: int = 0
    unlabelled_dropped: dict[str, int] = field(default_factory=dict)
    splits: dict[str, dict[str, int]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain containers."""
        return asdict(self)

    def abridge(self) -> dict[str, Any]:
        """Return the report as `to_dict` does, with the counts of the first classes only."""
        report = self.to_dict()
        counts = {name: _abridge_counts(report[name]) for name in ("labels", "rare")}
        splits = {name: _abridge_counts(rows) for name, rows in self.splits.items()}
        return report | counts | {"splits": splits}

    def describe_dropped(self) -> str:
        """Return the numbers of dropped rows by reason, and the first row that is unreadable."""
        first = f"; the first: {self.faults[0]}" if self.faults else ""
        return f"{list_reasons(self.dropped)}{first}"


def _abridge_counts(counts: dict[str, int]) -> dict[str, Any]:
    """Return the first counts, and how many others there are."""
    hidden_count = len(counts) - _MAX_LOGGED
    first: dict[str, Any] = dict(list(counts.items())[:_MAX_LOGGED])
    return first | {"...": f"{hidden_count:,} more"} if hidden_count > 0 else first


def find_unusable(frame: pd.DataFrame) -> pd.Series:
    """Return why each row cannot be used, such as ``missing_text``; "" for usable rows."""
    reasons = np.select(
        [
            _read_faults(frame).notna(),
            frame["text"].isna(),
            frame["length"] == 0,
            frame["label"].isna(),
        ],
        ["unreadable", "missing_text", "empty_text", "missing_label"],
        default="",
    )
    return pd.Series(reasons, index=frame.index, dtype="str")


def _read_faults(frame: pd.DataFrame) -> pd.Series:
    return frame["fault"] if "fault" in frame else pd.Series(None, frame.index, dtype="str")


def check_quality(
    frame: pd.DataFrame, unusable: pd.Series, separator: str | None = None
) -> QualityReport:
    """Return the report on the rows of `frame`.

    Parameters
    ----------
    frame : DataFrame
        Columns ``text``, ``label``, ``key``, ``length`` and perhaps ``fault``.
    unusable : Series of str
        From `find_unusable`.
    separator : str, optional
        Between the labels of a row that has several.
    """
    usable = frame[unusable == ""]
    faults = _read_faults(frame).dropna()
    conflicts = find_conflicts(usable)
    lengths = usable["length"]
    quantiles = lengths.quantile(list(_QUANTILES)) if len(usable) else pd.Series(0, _QUANTILES)
    labels = count_labels(usable["label"], separator)
    return QualityReport(
        rows=len(frame),
        unreadable=int((unusable == "unreadable").sum()),
        missing_text=int((unusable == "missing_text").sum()),
        empty_text=int((unusable == "empty_text").sum()),
        missing_label=int((unusable == "missing_label").sum()),
        duplicates=int((find_copies(usable) & ~conflicts).sum()),
        conflicting_labels=int(conflicts.sum()),
        labels=labels,
        length_quantiles={f"{q:.0%}": int(length) for q, length in quantiles.items()},
        warnings=dict(
            [
                *_warn_of_similar_labels(labels),
                *_warn_of_missing_marks(labels),
                *_warn_of_joined_labels(labels),
                *_warn_of_faults(faults, len(frame)),
            ]
        ),
        faults=faults.head(_MAX_FAULTS).to_list(),
    )


def count_labels(labels: pd.Series, separator: str | None = None) -> dict[str, int]:
    """Return how many rows each label has, labels in order."""
    counts = count_classes(labels, separator)
    return {label: counts[label] for label in sort_labels(counts)}


def find_absent_classes(
    splits: Mapping[str, Mapping[str, int]], not_sampled: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Yield a warning about classes without rows in a split or in the sample.

    Parameters
    ----------
    splits : mapping of str to mapping
        Rows of each label, by split.
    not_sampled : collection of str
        Labels without rows after `data.limit`.
    """
    classes = {label for counts in splits.values() for label in counts}
    absent = {split: sort_labels(classes - set(counts)) for split, counts in splits.items()}
    absent["the sample of data.limit"] = sort_labels(not_sampled)
    clauses = [
        f"{split} has none of {quote_list(labels, _MAX_LISTED)}"
        for split, labels in absent.items()
        if labels
    ]
    if clauses:
        yield "absent_classes", f"some classes have no row in a split: {'; '.join(clauses)}"


def _warn_of_faults(faults: pd.Series, rows: int) -> Iterator[tuple[str, str]]:
    """Yield a warning about rows that cannot be read."""
    if len(faults):
        yield (
            "unreadable",
            f"{len(faults):,} of {rows:,} rows cannot be read; the first: {faults.iloc[0]}",
        )


def _warn_of_similar_labels(labels: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Yield a warning about labels that may be the same: ``Pos`` and ``pos``, ``1`` and ``1.0``."""
    similar: dict[str, list[str]] = {}
    for label in labels:
        similar.setdefault(_fold_label(label), []).append(label)
    groups = [
        " and ".join(f"{_escape_label(label)} ({labels[label]:,} rows)" for label in names)
        for names in similar.values()
        if len(names) > 1
    ]
    if groups:
        yield (
            "similar_labels",
            f"these labels differ only in capitals, white space, the Unicode form of letters (NFC "
            f"or NFD) or how a number is written, and are separate classes: {'; '.join(groups)}. "
            "Make them one in the data if they are.",
        )


def _escape_label(label: str) -> str:
    """Return a label in quotes; escape its non-ASCII characters if it is not in the NFC form."""
    return repr(label) if unicodedata.is_normalized("NFC", label) else ascii(label)


def _warn_of_missing_marks(labels: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Yield a warning about labels that usually mark a missing value, such as ``NaN``."""
    markers = [label for label in labels if label.strip().lower() in _MISSING]
    if markers:
        listed = ", ".join(f"{quote_name(label)} ({labels[label]:,} rows)" for label in markers)
        yield (
            "missing_labels",
            f"these labels are classes, though they usually mark a missing label: {listed}. "
            "Leave the cells empty if they do.",
        )


def _fold_label(label: str) -> str:
    folded = fold_text(label).replace(" ", "")
    try:
        return repr(float(folded))
    except ValueError:
        return folded


def _warn_of_joined_labels(labels: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Yield a warning about labels that may be several, such as ``a|b`` beside ``a``."""
    for separator, joined in find_joined_labels(labels):
        listed = list_first(
            [f"{quote_name(label)} ({labels[label]:,} rows)" for label in joined], _MAX_LISTED
        )
        yield (
            "joined_labels",
            f"these labels look like several with {separator!r} between them, but each is "
            f"taken as one class: {listed}. If they are several, set "
            f"'data.label_separator=\"{separator}\"'.",
        )


def find_joined_labels(labels: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each likely separator, with the labels that it splits into other labels.

    Examples
    --------
    >>> list(find_joined_labels(["late", "late|refund", "refund", "a, b"]))
    [('|', ['late|refund'])]
    """
    for separator in _SEPARATORS:
        parts = {label: label.split(separator) for label in labels if separator in label}
        single = {label.strip() for label in labels if label not in parts}
        # A comma in one label may be part of its name, but not if all parts are labels themselves.
        joined = [
            label for label, names in parts.items() if single.issuperset(map(str.strip, names))
        ]
        if joined:
            yield separator, joined
