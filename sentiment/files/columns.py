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

    NumPy arrays drop zero bytes from the end of a string, so labels must not have them there.
    """
    stripped = pc.utf8_trim(pc.utf8_trim_whitespace(texts), characters="\0 \t\r\n")
    return pc.if_else(pc.equal(stripped, ""), None, stripped)


def strip_values(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """Return stripped values of a column beside the text, with truth values in lowercase.

    CSV files write ``true``, ``TRUE`` or ``True`` for one value of Parquet and JSON.
    """
    stripped = strip_labels(texts)
    folded = pc.utf8_lower(stripped)
    for written in ("True", "False"):
        stripped = pc.if_else(pc.equal(folded, written.lower()), written, stripped)
    return stripped


@dataclass(frozen=True)
class ColumnChoice:
    """A column of an input and why it was chosen.

    Attributes
    ----------
    name : str
        The name of the column.
    why : str
        Why it was chosen.
    """

    name: str
    why: str


def choose_text_column(
    path: Path, columns: Sequence[str], named: str | None, learned: str = ""
) -> ColumnChoice:
    """Return the column that holds the texts.

    Parameters
    ----------
    path : Path
        The file that has them, for messages.
    columns : sequence of str
        The columns of the file.
    named : str, optional
        The column that the user named.
    learned : str
        The column that the model learned from; "" if that is not known. It is chosen if the file
        has it, else a column with one of the usual names.

    Raises
    ------
    MissingColumnError
        The file lacks the column that was named.
    NoTextColumnError
        The file has no column that is known to hold texts.
    AmbiguousColumnError
        The file lacks the column that the model learned from, and has several of the usual names.
    """
    if named:
        if named not in columns:
            raise MissingColumnError(path, {named: "text_column"}, columns)
        return ColumnChoice(named, "it was named")
    if learned in columns:
        return ColumnChoice(learned, "the model learned from it")
    known = list_text_columns(columns)
    if not known:
        raise NoTextColumnError(path, columns, learned)
    if not learned:
        others = f", before {quote_list(known[1:])}" if known[1:] else ""
        return ColumnChoice(known[0], f"by its name{others}")
    if len(known) > 1:
        raise AmbiguousColumnError(path, learned, known, "text_column")
    return ColumnChoice(known[0], f"by its name; the model learned from {learned!r}, not there")


def check_extra_columns(path: Path, columns: Sequence[str], needed: Sequence[str]) -> None:
    """Check that an input has the columns that a model reads beside the text.

    Raises
    ------
    MissingExtraColumnsError
        It lacks some of them.
    """
    missing = [name for name in needed if name not in columns]
    if missing:
        raise MissingExtraColumnsError(path, missing, columns)


def list_text_columns(columns: Sequence[str]) -> list[str]:
    """Return the columns whose names usually mean texts, the likeliest first."""
    usual = ("text", "review", "sentence", "comment", "content", "body", "message", "tweet")
    folded = {str(column).strip().lower(): column for column in reversed(columns)}
    return [folded[name] for name in usual if name in folded]
