"""Columns of inputs as text, and the choice of the column of texts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from sentiment.errors import (
    AmbiguousColumnError,
    MissingColumnError,
    MissingExtraColumnsError,
    NoTextColumnError,
    quote_list,
)


def as_text(value: object) -> str | None:
    """Return a string or number as text that can be stored, or None for other values."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None or value != value or isinstance(value, list | dict):  # not a number
        return None
    # Half a surrogate pair, which JSON can carry, cannot be stored as text.
    return str(value).encode("utf-8", "replace").decode()


def as_texts(values: Iterable[object]) -> pa.LargeStringArray:
    """Return `values` as an array of text by `as_text`, with nulls for None."""
    return pa.array([as_text(value) for value in values], pa.large_string())


def strip_labels(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """Return stripped `texts`, also without zero bytes at their ends; null for empty ones.

    NumPy arrays drop zero bytes from the end of a string, so labels must not end with them.
    """
    stripped = pc.utf8_trim(pc.utf8_trim_whitespace(texts), characters="\0 \t\r\n")
    return pc.if_else(pc.equal(stripped, ""), None, stripped)


def strip_values(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """Return stripped values of a column beside the text, with truth values in lowercase.

    CSV files have ``true``, ``TRUE`` or ``True`` for one value of Parquet and JSON.
    """
    stripped = strip_labels(texts)
    lowercase = pc.utf8_lower(stripped)
    for truth_value in ("True", "False"):
        stripped = pc.if_else(pc.equal(lowercase, truth_value.lower()), truth_value, stripped)
    return stripped


@dataclass(frozen=True)
class ColumnChoice:
    """A column of an input and the reason for its choice.

    Attributes
    ----------
    name : str
        The name of the column.
    why : str
        Reason for its choice.
    """

    name: str
    why: str


def choose_text_column(
    path: Path, columns: Sequence[str], requested: str | None, training_column: str = ""
) -> ColumnChoice:
    """Return the column that holds the texts.

    Parameters
    ----------
    path : Path
        The file, for messages.
    columns : sequence of str
        The columns of the file.
    requested : str, optional
        The column that the user named.
    training_column : str
        The column that the model learned from; "" if it is unknown. It is chosen if the file has
        it; otherwise, a column with one of the usual names is chosen.

    Raises
    ------
    MissingColumnError
        The file lacks the column that the user named.
    NoTextColumnError
        The file has no column that is known to hold texts.
    AmbiguousColumnError
        The file lacks the column that the model learned from, and has several of the usual names.
    """
    if requested:
        if requested not in columns:
            raise MissingColumnError(path, {requested: "text_column"}, columns)
        return ColumnChoice(requested, "it was named")
    if training_column in columns:
        return ColumnChoice(training_column, "the model learned from it")
    candidates = list_text_columns(columns)
    if not candidates:
        raise NoTextColumnError(path, columns, training_column)
    if not training_column:
        others = f", before {quote_list(candidates[1:])}" if candidates[1:] else ""
        return ColumnChoice(candidates[0], f"by its name{others}")
    if len(candidates) > 1:
        raise AmbiguousColumnError(path, training_column, candidates, "text_column")
    return ColumnChoice(
        candidates[0], f"by its name; the model learned from {training_column!r}, not there"
    )


def check_extra_columns(path: Path, columns: Sequence[str], required: Sequence[str]) -> None:
    """Check that an input has the columns that a model reads beside the text.

    Raises
    ------
    MissingExtraColumnsError
        Some columns are missing.
    """
    missing = [name for name in required if name not in columns]
    if missing:
        raise MissingExtraColumnsError(path, missing, columns)


def list_text_columns(columns: Sequence[str]) -> list[str]:
    """Return the columns with usual names for texts, the likeliest first."""
    usual_names = ("text", "review", "sentence", "comment", "content", "body", "message", "tweet")
    by_lowercase = {str(column).strip().lower(): column for column in reversed(columns)}
    return [by_lowercase[name] for name in usual_names if name in by_lowercase]
