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
    number, its year, and three categories: month, weekday and hour, in UTC; a column has only the
    parts that vary among its training rows.

    Parameters
    ----------
    columns : sequence of Column
        At least one.
    positive : bool
        Scale numbers to the range from 0 to 1, for models that take no negative values, instead of
        to mean 0 and variance 1.
    """
    makers = {"number": _make_number, "category": _make_category, "date": _make_date}
    by_kind = {kind: [column for column in columns if column.kind == kind] for kind in KINDS}
    return ColumnTransformer(
        [
            (kind, makers[kind](group, positive), [column.name for column in group])
            for kind, group in by_kind.items()
            if group
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
    """Return how many values of each column a model cannot use, by reason.

    Parameters
    ----------
    encoder : ColumnTransformer
        Fitted.
    rows : DataFrame of str
        Its columns; None for missing values.

    Returns
    -------
    dict of str to dict of str to int
        ``missing``; ``unknown``, a category that is missing or too rare in training rows; and
        ``unreadable``, a value that is not a number or date. Columns without any are left out.
    """
    unused = {}
    for kind, _, names in encoder.transformers:
        transformer = encoder.named_transformers_[kind]
        for k, name in enumerate(names):
            is_missing, parsed = rows[name].isna(), parse(rows[name], kind)
            masks = {"missing": is_missing}
            if kind == "category":
                levels = transformer["encode"].categories_[k]
                masks["unknown"] = ~parsed.isin(levels) & ~is_missing
            else:
                masks["unreadable"] = parsed.isna() & ~is_missing
            counts = {reason: int(mask.sum()) for reason, mask in masks.items() if mask.any()}
            if counts:
                unused[name] = counts
    return unused


def name_features(encoder: ColumnTransformer) -> np.ndarray:
    """Return the names of the features of a fitted encoder, such as ``product=phone``.

    A word of a text has no such name: numbers are called ``price (number)``.
    """
    return np.array(list(_name_features(encoder)), dtype=object)


def _name_features(encoder: ColumnTransformer) -> Iterator[str]:
    fitted: list[tuple[str, Any, list[str]]] = encoder.transformers_
    for kind, transformer, names in fitted:
        if kind == "number":
            yield from _name_numbers(transformer, names, "(number)")
        elif kind == "category":
            for name, levels in zip(names, transformer["encode"].categories_, strict=True):
                yield from (f"{name}={level or _MISSING}" for level in levels)
        elif kind == "date":
            for part, inner, varying in _list_date_parts(transformer["parts"], names):
                if part == "year":
                    yield from _name_numbers(inner, varying, "(year)")
                else:
                    for name, levels in zip(varying, inner["encode"].categories_, strict=True):
                        yield from (f"{name} ({part})={_format_part(part, n)}" for n in levels)


def _list_date_parts(
    parts: ColumnTransformer | FeatureUnion, names: list[str]
) -> list[tuple[str, Any, list[str]]]:
    """Return the parts of dates, with their fitted transformers and the columns that these read."""
    if isinstance(parts, FeatureUnion):  # earlier versions transform all columns for each part
        return [(name, inner, names) for name, inner in parts.transformer_list]
    return [fitted for fitted in parts.transformers_ if fitted[0] in DATE_PARTS]


def _name_numbers(pipeline: Pipeline, names: Sequence[str], suffix: str) -> Iterator[str]:
    yield from (f"{name} {suffix}" for name in names)
    yield from (f"{names[k]}={_MISSING}" for k in pipeline["impute"].indicator_.features_)


def _format_part(part: str, number: float) -> str:
    """Return a part of a date for people, such as ``Mon``."""
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
    # If no part varies in any column, years keep the matrix from being empty.
    default = () if any(column.levels for column in columns) else ("year",)
    for name, call in _PARTS.items():
        varying = [column.name for column in columns if name in (column.levels or default)]
        encoding = [("encode", OneHotEncoder(handle_unknown="ignore"))]
        steps = _scale(positive=positive) if name == "year" else encoding
        if varying:
            parts.append((name, Pipeline([("take", FunctionTransformer(call)), *steps]), varying))
    return Pipeline([*_list_parsers("date"), ("parts", ColumnTransformer(parts))])
