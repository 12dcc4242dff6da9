"""From a data set to three clean splits and a report on what was left out."""

import hashlib
import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from sentiment.data.datasets import Dataset
from sentiment.data.quality import QualityReport, add_keys, check_quality, find_unusable
from sentiment.data.splitting import (
    SPLITS,
    assign_splits,
    check_class_sizes,
    find_leaks,
    take_sample,
)
from sentiment.errors import BadRowsError, EmptyDataError

# What says that something is wrong with a row; copies are no mistake.
_BAD = ("unreadable", "missing_text", "empty_text", "missing_label", "conflicting_labels")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreparedData:
    """Three splits, each a frame with ``text`` and ``label``, and the report on their source.

    Attributes
    ----------
    train, validation, test : DataFrame
        Columns ``text`` (as it was read; cleaning is the pipeline's work) and ``label``.
    report : QualityReport
        What was read and what was dropped.
    fingerprint : str
        SHA-256 over the texts, labels and splits, in hexadecimal digits.
    """

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame
    report: QualityReport
    fingerprint: str

    @property
    def classes(self) -> list[str]:
        """Labels of the training split, sorted."""
        return sorted(self.train["label"].unique())


def prepare_data(dataset: Dataset, seed: int) -> PreparedData:
    """Read `dataset`, check it, drop what cannot be used and split the rest.

    Raises
    ------
    SentimentError
        The data cannot be read, has bad rows that may not be dropped, fewer than two classes, or
        too few rows of a class.
    """
    frame = add_keys(dataset.read())
    unusable = find_unusable(frame)
    report = check_quality(frame, unusable)
    _stop_at_bad_rows(dataset, report)

    usable = frame[unusable == ""]
    if usable.empty:
        first = f"; the first: {report.faults[0]}" if report.faults else ""
        reason = f"none of its {len(frame):,} rows is usable{first}"
        raise EmptyDataError(f"data={dataset.name}", reason)
    check_class_sizes(usable["label"], 1, "training")
    sample = take_sample(usable, dataset.limit, seed)
    sample = sample.assign(
        split=assign_splits(
            sample,
            validation_size=dataset.validation_size,
            test_size=dataset.test_size,
            seed=seed,
        )
    )
    leaks = find_leaks(sample, keep_test="half" in sample)
    kept = sample[leaks == ""]
    for name in SPLITS:
        where = f"the {name} split, once copies are dropped,"
        check_class_sizes(kept.loc[kept["split"] == name, "label"], 1, "evaluation", where)

    dropped = pd.concat([unusable, leaks])
    report.dropped = {str(k): int(n) for k, n in dropped[dropped != ""].value_counts().items()}
    before, after = sample["split"].value_counts(), kept["split"].value_counts()
    report.splits = {
        name: {"before_duplicates": int(before[name]), "rows": int(after[name])} for name in SPLITS
    }
    log.info("data: %s", report.to_dict())
    parts = {
        name: kept.loc[kept["split"] == name, ["text", "label"]].reset_index(drop=True)
        for name in SPLITS
    }
    return PreparedData(**parts, report=report, fingerprint=fingerprint(kept))


def _stop_at_bad_rows(dataset: Dataset, report: QualityReport) -> None:
    bad = {reason: getattr(report, reason) for reason in _BAD if getattr(report, reason)}
    if bad and dataset.on_bad_rows == "error":
        raise BadRowsError(bad, report.rows, report.faults)


def fingerprint(frame: pd.DataFrame) -> str:
    """Return the SHA-256 of the columns ``text``, ``label`` and ``split``, in their order."""
    digest = hashlib.sha256()
    for column in ("text", "label", "split"):
        strings = pa.array(frame[column], type=pa.large_string())
        if isinstance(strings, pa.ChunkedArray):
            strings = strings.combine_chunks()
        _, offsets, characters = strings.buffers()
        ends = np.frombuffer(offsets, dtype="<i8")[strings.offset :][: len(strings) + 1]
        # The lengths tell apart "ab", "c" and "a", "bc".
        digest.update(np.diff(ends).tobytes())
        digest.update(memoryview(characters)[ends[0] : ends[-1]])
    return digest.hexdigest()
