"""Columns beside the text: their values, and their kinds, which training rows determine.

Values are texts, as in a CSV, whatever the source. So a model that learned from a CSV treats a
Parquet file or a frame in the same way.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import methodcaller
from typing import Any

import numpy as np
import pandas as pd

from sentiment.errors import count_of
from sentiment.files.columns import as_texts, strip_values

KINDS = ("number", "category", "date")
# Steps that parse a frame of texts as numbers or times; invalid values become missing. A saved
# model holds these calls, so they are functions of pandas and the standard library.
PARSERS: dict[str, dict[str, methodcaller]] = {
    "number": {
        "parse": methodcaller("apply", partial(pd.to_numeric, errors="coerce")),
        "float": methodcaller("astype", "float64"),
        "finite": methodcaller("replace", [np.inf, -np.inf], np.nan),
    },
    "date": {
        "parse": methodcaller(
            "apply", partial(pd.to_datetime, errors="coerce", format="ISO8601", utc=True)
        )
    },
    # Missing values are a separate category.
    "category": {"fill": methodcaller("fillna", "")},
}
# Parts of a date, and the pandas attributes for them.
DATE_PARTS = {"year": "year", "month": "month", "weekday": "dayofweek", "hour": "hour"}
# Smallest share of numbers or dates for a column to be of that kind.
_MIN_SHARE = 0.95
# A category of fewer training rows would not generalize to new rows.
MIN_ROWS = 5
_DATE = r"\d{4}-\d{2}"  # a number such as 2026 is not a date
_CODE = r"0\d"  # 01234 is a zip code, which 1234 is not

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Column:
    """A column beside the text that a model learns from.

    Attributes
    ----------
    name : str
        Its name.
    kind : {"number", "category", "date"}
        Kind of its values.
    levels : tuple of str
        The categories that occur in enough training rows, sorted; "" for a missing value. For
        dates, the parts that vary among training rows, such as ``month``.
    """

    name: str
    kind: str
    levels: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return name and kind, such as ``product (category, 12 values)``."""
        values = f", {count_of(len(self.levels), 'value')}" if self.kind == "category" else ""
        return f"{self.name} ({self.kind}{values})"


def name_kinds(setting: Sequence[str] | Mapping[str, str] | None) -> dict[str, str | None]:
    """Return the kind of each column that the setting ``data.extra_columns`` names.

    Examples
    --------
    >>> name_kinds(["price"]), name_kinds({"zip": "category"}), name_kinds(None)
    ({'price': None}, {'zip': 'category'}, {})
    """
    if isinstance(setting, Mapping):
        return dict(setting)
    return dict.fromkeys(setting or ())


def read_values(values: pd.Series) -> pd.Series:
    """Return values of any type as texts without white space around them, missing where empty.

    Examples
    --------
    >>> read_values(pd.Series([1.0, 2.5, None])).tolist(), read_values(pd.Series([" a "])).tolist()
    (['1', '2.5', nan], ['a'])
    """
    objects = values.astype(object)
    texts = strip_values(as_texts(objects.where(values.notna(), None)))
    return pd.Series(texts.to_pandas().to_numpy(), values.index, "str")


def parse(values: pd.Series, kind: str) -> pd.Series:
    """Return texts as numbers, times or categories, as the models of this project read them."""
    frame: Any = values.to_frame()
    for step in PARSERS[kind].values():
        frame = step(frame)
    parsed: pd.Series = frame.iloc[:, 0]
    return parsed


def decide_columns(train: pd.DataFrame, kinds: Mapping[str, str | None]) -> list[Column]:
    """Return the columns that a model can learn from, by the values of training rows.

    Columns from which nothing can be learned are left out, with a warning.

    Parameters
    ----------
    train : DataFrame
        The training rows, whose values are texts.
    kinds : mapping of str to str or None
        The kinds of the columns; None for a kind that the values determine.
    """
    columns = [_decide_column(train[name], kind) for name, kind in kinds.items()]
    return [column for column in columns if column is not None]


def _decide_column(values: pd.Series, kind: str | None) -> Column | None:
    name, present = str(values.name), values.dropna()
    if present.empty:
        log.warning("column %r is left out: empty", name)
        return None
    kind = kind or find_kind(present)
    if kind == "category":
        counts = values.fillna("").value_counts()
        levels = tuple(sorted(counts.index[counts >= MIN_ROWS]))
        if levels and levels != ("",):
            return Column(name, kind, levels)
        log.warning(
            "column %r is left out: none of its values, such as %r, is in %d training rows or more",
            name, present.iloc[0], MIN_ROWS,
        )  # fmt: skip
        return None
    unparsed = present[parse(present, kind).isna()]
    if len(unparsed) == len(present):
        log.warning(
            "column %r is left out: none of its values, such as %r, is a %s",
            name, unparsed.iloc[0], kind,
        )  # fmt: skip
        return None
    if len(unparsed):
        log.warning(
            "column %r: %s of training rows, such as %r, %s not a %s and %s as missing",
            name, count_of(len(unparsed), "value"), unparsed.iloc[0],
            *(("is", kind, "counts") if len(unparsed) == 1 else ("are", kind, "count")),
        )  # fmt: skip
    return Column(name, kind, _list_varying_parts(parse(values, kind)) if kind == "date" else ())


def _list_varying_parts(dates: pd.Series) -> tuple[str, ...]:
    """Return the parts that differ among `dates`, such as no hour of dates without a time.

    The year also marks missing dates.
    """
    return tuple(
        name
        for name, attribute in DATE_PARTS.items()
        if getattr(dates.dt, attribute).nunique() > 1 or (name == "year" and dates.hasnans)
    )


def find_kind(values: pd.Series) -> str:
    """Return the kind of nearly all of `values`: numbers, dates or, if neither, categories.

    Examples
    --------
    >>> find_kind(pd.Series(["1", "2.5"])), find_kind(pd.Series(["2026-11-24", "2026-11-25T10:00"]))
    ('number', 'date')
    >>> find_kind(pd.Series(["10115", "01067"]))
    'category'
    """
    numbers = parse(values, "number").notna() & ~values.str.match(_CODE)
    if len(values) and numbers.mean() >= _MIN_SHARE:
        return "number"
    dates = values[values.str.match(_DATE)]
    if len(dates) and parse(dates, "date").notna().sum() >= _MIN_SHARE * len(values):
        return "date"
    return "category"
