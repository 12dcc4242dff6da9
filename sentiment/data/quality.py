"""What is wrong with the rows of a data set, before anything is trained on them."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from sentiment.data.cleaning import clean_text

_FAULTS = 20
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


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
        Rows whose cleaned, lower-cased text stands in an earlier row with the same label.
    conflicting_labels : int
        Rows whose text stands elsewhere with another label.
    labels : dict of str to int
        Usable rows per label.
    length_quantiles : dict of str to int
        Characters of the cleaned texts, by quantile.
    dropped : dict of str to int
        Rows left out, by reason; filled in by the preparation.
    splits : dict
        Rows per split before and after copies were dropped; filled in by the preparation.
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
    dropped: dict[str, int] = field(default_factory=dict)
    splits: dict[str, dict[str, int]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain containers."""
        return asdict(self)


def add_keys(frame: pd.DataFrame) -> pd.DataFrame:
    """Return `frame` with the columns ``length`` and ``key``.

    ``key`` is a number that two rows share if and only if their texts are the same once they are
    cleaned and lower-cased; ``length`` is the number of characters of that form, 0 for a text that
    is missing.
    """
    texts = frame["text"].to_numpy(dtype=object)
    plain = [clean_text(text).strip().lower() if isinstance(text, str) else "" for text in texts]
    codes, _ = pd.factorize(np.array(plain, dtype=object))
    return frame.assign(key=codes, length=np.fromiter(map(len, plain), dtype=np.int64))


def find_unusable(frame: pd.DataFrame) -> pd.Series:
    """Return why each row cannot be used (``missing_text``, ...), "" where it can."""
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


def find_conflicts(frame: pd.DataFrame) -> pd.Series:
    """Return which rows have a text that stands elsewhere with another label."""
    labels = pd.Series(pd.factorize(frame["label"])[0], index=frame.index).groupby(frame["key"])
    return labels.transform("min") != labels.transform("max")


def find_copies(frame: pd.DataFrame) -> pd.Series:
    """Return which rows repeat the text of an earlier row."""
    return frame["key"].duplicated()


def check_quality(frame: pd.DataFrame, unusable: pd.Series) -> QualityReport:
    """Return the report on the rows of `frame`.

    Parameters
    ----------
    frame : DataFrame
        Columns ``text``, ``label``, ``key``, ``length`` and perhaps ``fault``.
    unusable : Series of str
        From `find_unusable`.
    """
    usable = frame[unusable == ""]
    conflicts = find_conflicts(usable)
    lengths = usable["length"]
    quantiles = lengths.quantile(list(QUANTILES)) if len(usable) else pd.Series(0, QUANTILES)
    return QualityReport(
        rows=len(frame),
        unreadable=int((unusable == "unreadable").sum()),
        missing_text=int((unusable == "missing_text").sum()),
        empty_text=int((unusable == "empty_text").sum()),
        missing_label=int((unusable == "missing_label").sum()),
        duplicates=int((find_copies(usable) & ~conflicts).sum()),
        conflicting_labels=int(conflicts.sum()),
        labels={str(k): int(n) for k, n in usable["label"].value_counts().sort_index().items()},
        length_quantiles={f"{q:.0%}": int(length) for q, length in quantiles.items()},
        faults=_read_faults(frame).dropna().head(_FAULTS).to_list(),
    )
