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


def quote_free_text(words: Sequence[str]) -> list[str]:
    """Return the words of a command line, quoted such that Hydra keeps all text as it was typed.

    The value of a text setting is quoted if Hydra would otherwise refuse it or read it as something
    else, such as a number, a list or a sweep. Values in quotes, ``null``, references to other
    settings (``${key}``) and the values of a sweep (``-m key=a,b``) are left as they are.

    Examples
    --------
    >>> quote_free_text(["input=a (1).csv", "deploy.threshold=0.7", "text_column=0", "seed=1"])
    ["input='a (1).csv'", 'deploy.threshold=0.7', "text_column='0'", 'seed=1']
    """
    sweeping = not _SWEEPING.isdisjoint(words)
    return [_quote_word(word, sweeping=sweeping) for word in words]


def _quote_word(word: str, *, sweeping: bool) -> str:
    parts = split_override(word)
    types, value = find_types(parts.key), parts.value
    if str not in types or dict in types or value in (None, "", "null") or parts.prefix == "~":
        return word
    read = None
    with suppress(HydraException):
        override = parse_override(word)
        read = override.value()
        is_swept = sweeping and override.is_sweep_override()
        if is_swept or is_quoted(override) or read == value or "${" in value:
            return word
    start = word.removesuffix(value)
    if list in types:
        listed = _LIST.fullmatch(value.strip())
        texts = [one.strip() for one in listed[1].split(",")] if listed else []
        if not listed or read == texts or texts == [""]:
            return word
        return f"{start}[{','.join(map(quote, texts))}]"
    is_number = isinstance(read, int | float) and not types.isdisjoint({int, float})
    return word if is_number else f"{start}{quote(value)}"
