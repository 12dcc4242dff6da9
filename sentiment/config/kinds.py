"""Which settings are texts, by the types in the schemas."""

from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType
from typing import Any, get_args, get_type_hints

from sentiment.config.composing import SCHEMAS


class Kind(Enum):
    """Kinds of settings whose values are texts, or may be."""

    TEXT = "a text"
    NUMBER_OR_TEXT = "a number or a text"
    TEXTS = "a list of texts"


# Groups are composed of files that may each have settings of their own, so the schemas do not hold
# them. These are their texts; a test compares them with the classes that the files name.


@dataclass
class DataTexts:
    """Texts of the group ``data``."""

    name: str
    source: str
    on_bad_rows: str
    path: str
    text_column: str
    label_column: str
    encoding: str | None
    sep: str | None
    quote: str | None
    escape: str | None
    table: str | None
    query: str | None


@dataclass
class FeaturesTexts:
    """Texts of the group ``features`` that may have any characters."""

    token_pattern: str


@dataclass
class DeployTexts:
    """Texts of the group ``deploy``."""

    run: str
    metric: str
    threshold: float | str
    empty: str
    format: str | None
    address: str | None


@dataclass
class TrackingTexts:
    """Texts of the group ``tracking``."""

    uri: str
    artifacts: str
    experiment: str


GROUPS: dict[str, type] = {
    "data": DataTexts,
    "features": FeaturesTexts,
    "deploy": DeployTexts,
    "tracking": TrackingTexts,
}


def find_kind(key: str) -> Kind | None:
    """Return the kind of the setting `key` if its value is a text or may be one.

    Parameters
    ----------
    key : str
        Dotted, such as ``deploy.threshold``. Parts of a group may have the same settings as the
        group itself: ``features.parts.words.token_pattern``.
    """
    parents, _, name = key.rpartition(".")
    return _list_kinds().get((parents.partition(".")[0], name))


@cache
def _list_kinds() -> dict[tuple[str, str], Kind]:
    """Return the kinds of all settings that are texts, by group ("" for none) and name."""
    kinds = {}
    for group, schema in [*(("", schema) for schema in SCHEMAS.values()), *GROUPS.items()]:
        kinds.update(_walk(schema, group))
    return kinds


def _walk(schema: type, group: str) -> dict[tuple[str, str], Kind]:
    hints, kinds = get_type_hints(schema), {}
    for field in fields(schema):
        hint = hints[field.name]
        if isinstance(hint, type) and is_dataclass(hint):
            kinds.update(_walk(hint, field.name))
        elif (kind := classify(hint)) is not None:
            kinds[group, field.name] = kind
    return kinds


def classify(hint: Any) -> Kind | None:
    """Return the kind of a setting by its type; None if it is never a text."""
    if hint == list[str]:
        return Kind.TEXTS
    types = set(get_args(hint) or [hint]) - {NoneType}
    if types == {str}:
        return Kind.TEXT
    return Kind.NUMBER_OR_TEXT if str in types and types <= {str, int, float} else None
