"""Preparation of data: from a data set to three clean splits and a quality report."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Number

import numpy as np
import pandas as pd
import pyarrow as pa

from sentiment.data.choosing import choose_rows
from sentiment.data.columns import Column, decide_columns, name_kinds, parse, read_values
from sentiment.data.copies import add_keys, find_surplus
from sentiment.data.datasets import Dataset
from sentiment.data.label_sets import sort_label_sets
from sentiment.data.labels import make_scale, sort_labels
from sentiment.data.quality import (
    QualityReport,
    check_quality,
    count_labels,
    find_absent_classes,
    find_unusable,
)
from sentiment.data.splitting import SPLITS, assign_splits, count_classes, list_official_splits
from sentiment.errors import BadRowsError, ConfigError, EmptyDataError, quote_list, suggest
from sentiment.files.columns import as_texts

# Reasons that point to a mistake in a row, unlike being a copy.
_BAD = ("unreadable", "missing_text", "empty_text", "missing_label", "conflicting_labels")
# Reason of rows that a model learns from as texts without a label.
_UNLABELLED = "unlabelled"

# Tags of a run: digests of its rows, of columns beside the text, and of texts without a label.
DIGESTS = FINGERPRINT, COLUMNS_DIGEST, UNLABELLED_DIGEST = (
    "data.fingerprint", "data.columns", "data.unlabelled",
)  # fmt: skip

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreparedData:
    """Training, validation and test split of a data set, and its quality report.

    Attributes
    ----------
    name : str
        Name of the data set.
    train, validation, test : DataFrame
        Columns ``text`` (uncleaned; the pipeline cleans it) and ``label``, then `columns`, whose
        values are texts.
    report : QualityReport
        Counts of the rows that were read and dropped.
    fingerprint : str
        SHA-256 over the texts, labels and splits, in hexadecimal digits. It does not depend on
        other columns, since scores on the same rows are comparable.
    columns_fingerprint : str
        SHA-256 over the values of `columns`, "" without any.
    scale : dict of str to float, optional
        Values of ordered labels, from the lowest to the highest; see `make_scale`.
    unlabelled : Series of str
        Texts without a label to learn from, none of which is in a split.
    unlabelled_fingerprint : str
        SHA-256 over `unlabelled`, "" without any.
    columns : sequence of Column
        Columns to learn from beside the text; training rows determine their kinds.
    official_test : bool
        True if the data set comes with its own test split, like a benchmark.
    separator : str, optional
        Between the labels of a row, if a row may have several.
    is_sample : bool
        True if the number of rows was limited.
    """

    name: str
    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame
    report: QualityReport
    fingerprint: str
    columns_fingerprint: str = ""
    unlabelled: pd.Series = field(default_factory=lambda: pd.Series(dtype="str"))
    unlabelled_fingerprint: str = ""
    columns: Sequence[Column] = ()
    official_test: bool = False
    scale: Mapping[str, float] | None = None
    separator: str | None = None
    is_sample: bool = False

    @property
    def digests(self) -> dict[str, str]:
        """Digests of all training data, by the tags of a run that hold them."""
        digests = (self.fingerprint, self.columns_fingerprint, self.unlabelled_fingerprint)
        return {tag: digest for tag, digest in zip(DIGESTS, digests, strict=True) if digest}

    def choose_fitted(self, refit: str | None) -> str:
        """Return which rows the final model learns from, a key of `FITTED`.

        Parameters
        ----------
        refit : {"auto", "all", "train+validation"}, optional
            ``"auto"`` is ``"all"``, but ``"train+validation"`` with an official test split, whose
            scores are compared with published ones.
        """
        if refit == "auto":
            return "train+validation" if self.official_test else "all"
        return refit or "train"

    def gather(self, splits: Sequence[str]) -> pd.DataFrame:
        """Return the rows of `splits`, in their order."""
        frames: list[pd.DataFrame] = [getattr(self, name) for name in splits]
        return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)

    def list_examples(self, count: int) -> list[dict[str, str | float | None]]:
        """Return the first training rows as input examples, with numbers parsed."""
        rows = self.train.iloc[:count].drop(columns="label")
        for column in self.columns:
            if column.kind == "number":
                rows = rows.assign(**{column.name: parse(rows[column.name], column.kind)})
        records = rows.astype(object).to_dict("records")
        return [{str(name): None if v != v else v for name, v in row.items()} for row in records]

    @property
    def rows(self) -> int:
        """Number of labelled rows of all splits."""
        return sum(len(getattr(self, name)) for name in SPLITS)

    @property
    def rows_without_class(self) -> int:
        """Number of rows of all splits that have none of several possible labels."""
        return sum(int((getattr(self, name)["label"] == "").sum()) for name in SPLITS)

    @property
    def class_rows(self) -> dict[str, int]:
        """Number of rows of each class in all splits, in the order of the scale if there is one."""
        counts = self.report.splits.values()
        names = self.scale or self.report.splits["train"]
        return {label: sum(rows.get(label, 0) for rows in counts) for label in names}

    @property
    def classes(self) -> list[str]:
        """Labels of the training split, in the order of `sort_labels`."""
        return sort_labels(count_classes(self.train["label"], self.separator))


def prepare_data(dataset: Dataset, seed: int) -> PreparedData:
    """Read and check `dataset`, drop unusable rows and copies, and split the rest.

    Raises
    ------
    SentimentError
        The data cannot be read, have bad rows that must not be dropped, fewer than two classes, or
        too few rows of a class.
    """
    frame, extra = _split_columns(_read(dataset), dataset)
    frame, candidates, unusable = _find_unlabelled(frame, dataset)
    usable, report = _drop_rows(frame, unusable, dataset)
    official = list_official_splits(frame)
    sample, not_sampled = choose_rows(usable, official, report, dataset, seed)
    separator = dataset.label_separator
    scale = make_scale(sample["label"].unique(), dataset.ordered)
    splits = assign_splits(
        sample,
        validation_size=dataset.validation_size,
        test_size=dataset.test_size,
        seed=seed,
        separator=separator,
    )
    sample = sample.assign(split=splits)
    columns = decide_columns(
        extra.loc[sample.index[sample["split"] == "train"]], name_kinds(dataset.extra_columns)
    )
    extra = extra.loc[sample.index, [column.name for column in columns]]
    rows = sample[["text", "label"]].join(extra)
    frames = {name: rows[sample["split"] == name].reset_index(drop=True) for name in SPLITS}
    report.splits = {name: count_labels(frames[name]["label"], separator) for name in SPLITS}
    report.warnings |= dict(find_absent_classes(report.splits, not_sampled))
    unlabelled = _list_unlabelled(candidates, frame[unusable != _UNLABELLED], report)
    unlabelled_digest = fingerprint(unlabelled.to_frame(), ["text"]) if report.unlabelled else ""
    log.info("data: %s", report.abridge())
    return PreparedData(
        name=dataset.name,
        **frames,
        report=report,
        fingerprint=fingerprint(sample),
        columns_fingerprint=fingerprint(extra, [*extra.columns]) if columns else "",
        unlabelled=unlabelled,
        unlabelled_fingerprint=unlabelled_digest,
        columns=columns,
        official_test="test" in official,
        scale=scale,
        separator=separator,
        is_sample=dataset.limit is not None,
    )


def _find_unlabelled(
    frame: pd.DataFrame, dataset: Dataset
) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
    """Return the rows with their keys, the texts without a label, and why rows cannot be used.

    If ``dataset.on_missing_label`` asks for it, rows without a label become such texts; their
    reason is ``unlabelled``.
    """
    frame, unlabelled = _add_keys(frame, dataset.read_unlabelled())
    if dataset.label_separator is not None:
        frame["label"] = sort_label_sets(frame["label"], dataset.label_separator)
    unusable = find_unusable(frame)
    if dataset.on_missing_label == "unlabelled":
        is_unlabelled = unusable == "missing_label"
        if "split" in frame:
            is_unlabelled &= ~frame["split"].isin(["validation", "test"])
        unlabelled = pd.concat([frame.loc[is_unlabelled, ["text", "key", "length"]], unlabelled])
        unusable = unusable.mask(is_unlabelled, _UNLABELLED)
    return frame, unlabelled, unusable


def _drop_rows(
    frame: pd.DataFrame, unusable: pd.Series, dataset: Dataset
) -> tuple[pd.DataFrame, QualityReport]:
    """Return `frame` without unusable rows and copies, and the report on all of its rows.

    Copies have to be dropped before any split, or a text might be in two splits.

    Raises
    ------
    SentimentError
        There are bad rows, which must not be dropped, or no usable ones.
    """
    report = check_quality(frame, unusable, dataset.label_separator)
    _stop_at_bad_rows(dataset, report)
    # Each selection copies its columns, so texts are left out.
    surplus = find_surplus(frame.drop(columns="text")[unusable == ""])
    reasons = unusable.where(unusable != "", surplus.reindex(frame.index))
    report.dropped = {str(k): int(n) for k, n in reasons[reasons != ""].value_counts().items()}
    if surplus.empty:
        why = report.describe_dropped()
        reason = f"none of its {len(frame):,} rows is usable ({why})" if why else "it has no rows"
        expected = "at least one row with a text and a label"
        raise EmptyDataError(f"data={dataset.name}", reason, expected)
    report.without_label = report.dropped.pop(_UNLABELLED, 0)
    return frame[reasons == ""], report


def _read(dataset: Dataset) -> pd.DataFrame:
    """Return the frame that `dataset` reads, checked, since the class may be the user's."""
    kind = type(dataset).__name__
    if not isinstance(dataset, Dataset):
        raise ConfigError(
            [f"data is a {kind}; expected a class derived from sentiment.data.datasets.Dataset."]
        )
    frame = dataset.read()
    returned = list(frame.columns) if isinstance(frame, pd.DataFrame) else type(frame).__name__
    if (
        not isinstance(returned, list)
        or not {"text", "label"} <= set(returned)
        or len(set(returned)) < len(returned)
    ):
        raise ConfigError(
            [
                f"data: {kind}.read returned {returned}; expected a DataFrame with text and label, "
                "each once."
            ]
        )
    frame = frame.reset_index(drop=True)
    frame = frame.assign(**{name: _read_strings(frame[name], kind) for name in ("text", "label")})
    unknown = set(frame["split"].dropna()) - set(SPLITS) if "split" in returned else set()
    if unknown:
        raise ConfigError(
            [f"data: {kind}.read gave the splits {sorted(map(str, unknown))}; expected {SPLITS}."]
        )
    used = {"text", "label", "split", "fault", *name_kinds(dataset.extra_columns)}
    if unused := [str(name) for name in returned if name not in used]:
        log.warning(
            "data: %s.read returned %s, which nothing uses: splits of the data are read from "
            "'split', and data.extra_columns names columns to learn from",
            kind, quote_list(unused),
        )  # fmt: skip
    return frame


def _read_strings(values: pd.Series, kind: str) -> pd.Series:
    """Return texts or labels as strings; labels may be numbers or truth values."""
    if isinstance(values.dtype, pd.StringDtype):
        return values
    types = (str,) if values.name == "text" else (str, Number, np.bool)
    for value in values.dropna():
        if not isinstance(value, types):
            expected = "strings" if values.name == "text" else "strings or numbers"
            raise ConfigError(
                [
                    f"data: {kind}.read returned a {type(value).__name__} in the column "
                    f"{values.name!r}; expected {expected}."
                ]
            )
    texts = as_texts(values.astype(object).where(values.notna(), None))
    return pd.Series(texts.to_pandas().to_numpy(), dtype="str", name=values.name)


def _add_keys(frame: pd.DataFrame, texts: pd.Series) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return `frame` and a frame of `texts` with the columns of `add_keys`, with shared keys."""
    if texts.empty:
        keyed = add_keys(frame)
        return keyed, keyed.loc[[], ["text", "key", "length"]]
    all_texts = pd.concat([frame["text"], texts], ignore_index=True)
    keyed = add_keys(all_texts.to_frame("text"))
    labelled = keyed[: len(frame)].set_index(frame.index)
    unlabelled = keyed[len(frame) :]
    return frame.assign(key=labelled["key"], length=labelled["length"]), unlabelled


def _list_unlabelled(
    candidates: pd.DataFrame, frame: pd.DataFrame, report: QualityReport
) -> pd.Series:
    """Return the distinct texts of `candidates` that no labelled row has.

    Texts of all labelled rows are excluded, even of dropped rows, so that no model learns from a
    text of the validation or test split.
    """
    reasons = np.select(
        [
            candidates["length"] == 0,
            candidates["key"].isin(frame["key"]),
            candidates["key"].duplicated(),
        ],
        ["empty_text", "labelled", "duplicates"],
        "",
    )
    counts = pd.Series(reasons, dtype="str").value_counts()
    report.unlabelled = int(counts.get("", 0))
    report.unlabelled_dropped = {str(k): int(n) for k, n in counts.items() if k}
    texts: pd.Series = candidates["text"][reasons == ""].reset_index(drop=True)
    return texts


def _split_columns(frame: pd.DataFrame, dataset: Dataset) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the standard columns, and the extra columns to learn from."""
    names = [*name_kinds(dataset.extra_columns)]
    missing = [name for name in names if name not in frame]
    if missing:
        available = [str(name) for name in frame.columns if name not in ("text", "label")]
        raise ConfigError(
            [
                f"data.extra_columns names {quote_list(missing)}, which data={dataset.name} does "
                f"not have; beside text and label, it has "
                f"{quote_list(available) if available else 'no columns'}."
                + "".join(suggest(name, available) for name in missing)
            ]
        )
    return frame.drop(columns=names), frame[names].apply(read_values) if names else frame[[]]


def _stop_at_bad_rows(dataset: Dataset, report: QualityReport) -> None:
    bad = {reason: getattr(report, reason) for reason in _BAD if getattr(report, reason)}
    if bad and dataset.on_bad_rows == "error":
        raise BadRowsError(bad, report.rows, report.faults)


def fingerprint(frame: pd.DataFrame, columns: Sequence[str] = ("text", "label", "split")) -> str:
    """Return the SHA-256 of the texts in `columns`, in their order."""
    digest = hashlib.sha256()
    for column in columns:
        strings = pa.array(frame[column], type=pa.large_string())
        if isinstance(strings, pa.ChunkedArray):
            strings = strings.combine_chunks()
        _, offset_buffer, characters = strings.buffers()
        offsets = np.frombuffer(offset_buffer, dtype="<i8")[strings.offset :][: len(strings) + 1]
        # The lengths distinguish "ab", "c" and "a", "bc".
        digest.update(np.diff(offsets).tobytes())
        digest.update(memoryview(characters)[offsets[0] : offsets[-1]])
    return digest.hexdigest()
