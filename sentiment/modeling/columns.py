"""Features of the columns beside the text, in scikit-learn's own transformers."""

from calendar import day_abbr, month_abbr
from collections.abc import Iterator, Sequence
from operator import attrgetter, methodcaller
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder, StandardScaler

from sentiment.data.columns import DATE_PARTS, KINDS, PARSERS, Column, parse

# The year is a number, the other parts of a date are categories.
_PARTS = {
    name: methodcaller("apply", attrgetter(f"dt.{attribute}"))
    for name, attribute in DATE_PARTS.items()
}
_MISSING = "(missing)"


def make_encoder(columns: Sequence[Column], *, positive: bool) -> ColumnTransformer:
    """Return a transformer from a frame with `columns` of texts to a matrix.

    A missing number is replaced by the median, with a feature that marks it as missing; numbers are
    scaled. A category that is not among the levels of its column has no feature. A date is a
    number, its year, and three categories: month, weekday and hour, in UTC; of these parts, a
    column has those that differ among its training rows.

    Parameters
    ----------
    columns : sequence of Column
        At least one.
    positive : bool
        Scale numbers to the range from 0 to 1, for models that take no negative ones, instead of to
        mean 0 and variance 1.
    """
    makers = {"number": _make_number, "category": _make_category, "date": _make_date}
    of_kind = {kind: [one for one in columns if one.kind == kind] for kind in KINDS}
    return ColumnTransformer(
        [
            (kind, makers[kind](found, positive), [column.name for column in found])
            for kind, found in of_kind.items()
            if found
        ],
        sparse_threshold=1.0,  # the features of texts are sparse, too
        verbose_feature_names_out=False,
    )


def list_functions() -> list[FunctionTransformer]:
    """Return all transformers of an encoder that call a function."""
    steps = [step for steps in PARSERS.values() for step in steps.values()]
    return [FunctionTransformer(step) for step in [*steps, *_PARTS.values()]]


def list_kinds(encoder: ColumnTransformer) -> dict[str, str]:
    """Return the columns that `encoder` reads, and the kind of each."""
    return {name: kind for kind, _, names in encoder.transformers for name in names}


def count_unused(encoder: ColumnTransformer, rows: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return how many values of each column a model cannot use, by the reason.

    Parameters
    ----------
    encoder : ColumnTransformer
        Fitted.
    rows : DataFrame of str
        Its columns; None for missing values.

    Returns
    -------
    dict of str to dict of str to int
        ``missing``; ``unknown``, a category that training did not have, or too rarely; and
        ``unreadable``, a value that is not a number or date. Columns without any are left out.
    """
    found = {}
    for kind, _, names in encoder.transformers:
        part = encoder.named_transformers_[kind]
        for place, name in enumerate(names):
            missing, parsed = rows[name].isna(), parse(rows[name], kind)
            reasons = {"missing": missing}
            if kind == "category":
                levels = part["encode"].categories_[place]
                reasons["unknown"] = ~parsed.isin(levels) & ~missing
            else:
                reasons["unreadable"] = parsed.isna() & ~missing
            if any(of.any() for of in reasons.values()):
                found[name] = {reason: int(of.sum()) for reason, of in reasons.items() if of.any()}
    return found


def name_features(encoder: ColumnTransformer) -> np.ndarray:
    """Return the names of the features of a fitted encoder, such as ``product=phone``.

    A word of a text has no such name: numbers are called ``price (number)``.
    """
    made = list(_name_features(encoder))
    return np.array(made, dtype=object)


def _name_features(encoder: ColumnTransformer) -> Iterator[str]:
    fitted: list[tuple[str, Any, list[str]]] = encoder.transformers_
    for kind, part, names in fitted:
        if kind == "number":
            yield from _name_numbers(part, names, "(number)")
        elif kind == "category":
            for name, levels in zip(names, part["encode"].categories_, strict=True):
                yield from (f"{name}={level or _MISSING}" for level in levels)
        elif kind == "date":
            for of_date, inner, varied in _list_date_parts(part["parts"], names):
                if of_date == "year":
                    yield from _name_numbers(inner, varied, "(year)")
                else:
                    for name, levels in zip(varied, inner["encode"].categories_, strict=True):
                        yield from (
                            f"{name} ({of_date})={_format_part(of_date, n)}" for n in levels
                        )


def _list_date_parts(
    parts: ColumnTransformer | FeatureUnion, names: list[str]
) -> list[tuple[str, Any, list[str]]]:
    """Return the parts of dates, their fitted transformers and the columns that these read."""
    if isinstance(parts, FeatureUnion):  # of earlier versions: each part is one of all columns
        return [(name, inner, names) for name, inner in parts.transformer_list]
    return [one for one in parts.transformers_ if one[0] in DATE_PARTS]


def _name_numbers(part: Pipeline, names: Sequence[str], what: str) -> Iterator[str]:
    yield from (f"{name} {what}" for name in names)
    yield from (f"{names[k]}={_MISSING}" for k in part["impute"].indicator_.features_)


def _format_part(part: str, number: float) -> str:
    """Return a part of a date as people write it."""
    if np.isnan(number):
        return _MISSING
    names: dict[str, Any] = {"month": month_abbr, "weekday": day_abbr}
    return str(names[part][int(number)] if part in names else int(number))


def _list_parsers(kind: str) -> list[tuple[str, FunctionTransformer]]:
    return [(name, FunctionTransformer(call)) for name, call in PARSERS[kind].items()]


def _scale(*, positive: bool) -> list[tuple[str, Any]]:
    scaler = MinMaxScaler(clip=True) if positive else StandardScaler()
    imputer = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    return [("impute", imputer), ("scale", scaler)]


def _make_number(columns: Sequence[Column], positive: bool) -> Pipeline:
    return Pipeline([*_list_parsers("number"), *_scale(positive=positive)])


def _make_category(columns: Sequence[Column], positive: bool) -> Pipeline:
    levels = [list(column.levels) for column in columns]
    encoder = OneHotEncoder(categories=levels, handle_unknown="ignore")
    return Pipeline([*_list_parsers("category"), ("encode", encoder)])


def _make_date(columns: Sequence[Column], positive: bool) -> Pipeline:
    parts: list[tuple[str, Pipeline, list[str]]] = []
    # Without a part that differs in any column, the years keep the matrix from being empty.
    least = () if any(column.levels for column in columns) else ("year",)
    for name, call in _PARTS.items():
        varied = [column.name for column in columns if name in (column.levels or least)]
        last = [("encode", OneHotEncoder(handle_unknown="ignore"))]
        steps = _scale(positive=positive) if name == "year" else last
        if varied:
            parts.append((name, Pipeline([("take", FunctionTransformer(call)), *steps]), varied))
    return Pipeline([*_list_parsers("date"), ("parts", ColumnTransformer(parts))])
