"""What columns hold, as texts, and which of them holds the texts."""

from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc


def as_text(value: object) -> str | None:
    """Return a string or number as text that can be stored, or None for something else."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None or value != value or isinstance(value, list | dict):  # not a number
        return None
    # Half a surrogate pair, which JSON can carry, is no text that could be stored.
    return str(value).encode("utf-8", "replace").decode()


def as_texts(values: Iterable[object]) -> pa.LargeStringArray:
    """Return each of `values` as `as_text` does, null for None."""
    return pa.array([as_text(value) for value in values], pa.large_string())


def strip_labels(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """Return `texts` without white space and zero bytes around them, null where nothing is left.

    Arrays of numpy drop zero bytes from the end of a text, so no label can have them there.
    """
    stripped = pc.utf8_trim(pc.utf8_trim_whitespace(texts), characters="\0 \t\r\n")
    return pc.if_else(pc.equal(stripped, ""), None, stripped)


def find_text_column(columns: Sequence[str]) -> str | None:
    """Return the column that holds the texts by its usual name, or None."""
    usual = ("text", "review", "sentence", "comment", "content", "body", "message", "tweet")
    folded = {str(column).strip().lower(): column for column in reversed(columns)}
    return next((folded[name] for name in usual if name in folded), None)
