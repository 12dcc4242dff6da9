"""Quoting of text on the command line that Hydra's grammar would split or convert."""

import re
from collections.abc import Sequence
from contextlib import suppress

from hydra.errors import HydraException

from sentiment.config.overrides import is_quoted, parse_override, quote, split_override
from sentiment.config.schemas import find_types

_SWEEPING = {"-m", "--multirun"}
# A list of strings without quotes, commas or brackets.
_LIST = re.compile(r"""\[([^\[\]'"]*)\]""")


def quote_free_text(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a command line, quoted so that Hydra keeps all text as it was typed.

    The value of a text setting is quoted if Hydra would otherwise refuse it or parse it as another
    type, such as a number, a list or a sweep. Values in quotes, ``null``, references to other
    settings (``${key}``) and the values of a sweep (``-m key=a,b``) are not changed.

    Examples
    --------
    >>> quote_free_text(["input=a (1).csv", "deploy.threshold=0.7", "text_column=0", "seed=1"])
    ["input='a (1).csv'", 'deploy.threshold=0.7', "text_column='0'", 'seed=1']
    """
    sweeping = not _SWEEPING.isdisjoint(arguments)
    return [_quote_word(argument, sweeping=sweeping) for argument in arguments]


def _quote_word(override: str, *, sweeping: bool) -> str:
    split = split_override(override)
    types, value = find_types(split.key), split.value
    if str not in types or dict in types or value in (None, "", "null") or split.prefix == "~":
        return override
    parsed_value = None
    with suppress(HydraException):
        parsed = parse_override(override)
        parsed_value = parsed.value()
        is_swept = sweeping and parsed.is_sweep_override()
        if is_swept or is_quoted(parsed) or parsed_value == value or "${" in value:
            return override
    prefix = override.removesuffix(value)
    if list in types:
        list_match = _LIST.fullmatch(value.strip())
        items = [item.strip() for item in list_match[1].split(",")] if list_match else []
        if not list_match or parsed_value == items or items == [""]:
            return override
        return f"{prefix}[{','.join(map(quote, items))}]"
    is_number = isinstance(parsed_value, int | float) and not types.isdisjoint({int, float})
    return override if is_number else f"{prefix}{quote(value)}"
