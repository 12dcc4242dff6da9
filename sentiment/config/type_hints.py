"""Type hints of settings: conversion and check of one value.

A hint is built from ``str``, ``int``, ``float``, ``bool``, ``None``, ``list[...]``,
``dict[str, ...]``, ``Any`` and unions of them. ``Annotated[..., Rule(...)]`` narrows it.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

from sentiment.errors import suggest

# Characters of a value that a message quotes.
_SHOWN = 60
# Larger numbers do not fit into the integers of compiled code.
_LARGEST = 2**63
WRONG: Final = object()
_PLAIN = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True)
class Rule:
    """A restriction on the values of a type.

    Attributes
    ----------
    expected : str or callable
        The expected value, for messages, or a function that returns it.
    holds : callable
        Returns whether a value of the right type is allowed.
    names : tuple of str
        The allowed values, if they can be listed.
    limits : tuple of (str, float)
        Limits of a range in terms of JSON Schema, for editors: ``("exclusiveMinimum", 0)``.
    list_more : callable
        Returns further allowed values, which depend on the working folder.
    is_secret : bool
        Whether a value may be a secret, which messages must not show.
    """

    expected: str | Callable[[], str]
    holds: Callable[[Any], bool]
    names: tuple[str, ...] = ()
    limits: tuple[tuple[str, float], ...] = ()
    list_more: Callable[[], Iterable[str]] = tuple
    is_secret: bool = False

    def describe(self) -> str:
        """Return the expected value, for messages."""
        return self.expected if isinstance(self.expected, str) else self.expected()


def one_of(*names: str) -> Rule:
    """Return the rule that a value is one of `names`."""
    return Rule(f"one of {', '.join(names)}", names.__contains__, names)


def list_hints(schema: type) -> Mapping[str, Any]:
    """Return the type hint of each field of the dataclass `schema`."""
    return _read_hints(schema)


@cache  # each check of a config asks for them all
def _read_hints(schema: type) -> Mapping[str, Any]:
    hints = get_type_hints(schema, include_extras=True)
    return MappingProxyType({field.name: hints[field.name] for field in fields(schema)})


def convert(hint: Any, value: Any) -> Any:
    """Return `value` converted to the type `hint`, or `WRONG` if that is impossible.

    Numbers and truth values become strings where a string is expected, such as for column names of
    pandas. Strings become numbers or truth values where they can be parsed, since environment
    variables are strings.

    Examples
    --------
    >>> convert(str, 0), convert(int | None, "7"), convert(int, True) is WRONG
    ('0', 7, True)
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin is Annotated:
        converted = convert(arguments[0], value)
        holds = converted is not WRONG and all(rule.holds(converted) for rule in arguments[1:])
        return converted if holds else WRONG
    if origin in (Union, UnionType):
        return _convert_union(arguments, value)
    if origin is list:
        return _convert_list(arguments[0], value)
    if origin is dict:
        return _convert_dict(arguments[1], value)
    # Classes outside of this project may have other hints.
    return _CONVERTERS[hint](value) if hint in _CONVERTERS else value


def describe(hint: Any) -> str:
    """Return the expected value of a type, for messages: ``a whole number, or null``."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return str(arguments[-1].describe())
    if origin in (Union, UnionType):
        descriptions = [describe(member) for member in arguments if member is not NoneType]
        null = ", or null" if NoneType in arguments else ""
        return ", or ".join(descriptions) + null
    if origin is list:
        return f"a list [...], each {describe(arguments[0])}"
    if origin is dict:
        return f"names with values {{name: ...}}, each {describe(arguments[1])}"
    return _PLAIN.get(hint, "a value")


def _list_names(hint: Any) -> tuple[str, ...]:
    """Return the values of a choice; empty for other types."""
    if get_origin(hint) is Annotated:
        rules = get_args(hint)[1:]
        return tuple(name for rule in rules for name in (*rule.names, *rule.list_more()))
    return tuple(name for argument in get_args(hint) for name in _list_names(argument))


def list_types(hint: Any) -> set[Any]:
    """Return the plain types of a value, or of its items if it is a list.

    ``None`` is not among them.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return list_types(arguments[0])
    if origin in (Union, UnionType):
        return set().union(*map(list_types, arguments))
    if origin in (list, dict):
        return {origin, *(list_types(arguments[0]) if origin is list else ())}
    return set() if hint is NoneType else {hint}


def describe_problem(hint: Any, value: Any, path: str) -> str:
    """Return the message for an invalid `value` of the setting `path`."""
    suggestion = _suggest(value, _list_names(hint)) if isinstance(value, str) else ""
    displayed = "***" if _is_secret(hint) and isinstance(value, str) else show(value)
    return f"{path} is {displayed}; expected {describe(hint)}.{suggestion}"


def _suggest(value: str, names: Iterable[str]) -> str:
    # Metrics have longer names elsewhere: validation/accuracy, my_package.metrics.cost.
    return suggest(re.split("[./]", value)[-1], names) or suggest(value, names)


def _is_secret(hint: Any) -> bool:
    if get_origin(hint) is Annotated:
        return any(rule.is_secret for rule in get_args(hint)[1:])
    return any(_is_secret(argument) for argument in get_args(hint))


def show(value: Any) -> str:
    """Return a value for a message, in YAML's form and cut to one line."""
    match value:
        case None:
            text = "null"
        case bool():
            text = str(value).lower()
        case _:
            text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text):,} characters)"


def _convert_union(members: tuple[Any, ...], value: Any) -> Any:
    if value is None:
        return None if NoneType in members else WRONG
    members = tuple(member for member in members if member is not NoneType)
    # A string of digits fits str and int, so the types that the value has already come first.
    same_type = [member for member in members if type(value) in list_types(member)]
    for member in [*same_type, *members]:
        if (converted := convert(member, value)) is not WRONG:
            return converted
    return WRONG


def _convert_list(hint: Any, value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return WRONG
    converted = [convert(hint, item) for item in value]
    return WRONG if any(item is WRONG for item in converted) else converted


def _convert_dict(hint: Any, value: Any) -> Any:
    if not isinstance(value, Mapping):
        return WRONG
    converted = {_convert_text(key): convert(hint, item) for key, item in value.items()}
    is_wrong = any(item is WRONG for pair in converted.items() for item in pair)
    return WRONG if is_wrong else converted


def _convert_text(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    # Paths and names cannot hold a zero byte.
    is_valid = isinstance(value, str | int | float) and "\0" not in str(value)
    return str(value) if is_valid else WRONG


def _convert_bool(value: Any) -> Any:
    booleans = {"true": True, "false": False}
    return value if isinstance(value, bool) else booleans.get(str(value).lower(), WRONG)


def _convert_int(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            return WRONG
    is_int = isinstance(value, int) and not isinstance(value, bool)
    return value if is_int and abs(value) < _LARGEST else WRONG


def _convert_float(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return WRONG
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return WRONG
    return number if math.isfinite(number) else WRONG


_CONVERTERS: dict[Any, Callable[[Any], Any]] = {
    str: _convert_text,
    bool: _convert_bool,
    int: _convert_int,
    float: _convert_float,
    NoneType: lambda value: None if value is None else WRONG,
}
