"""Text on the command line, which Hydra's grammar would take apart or turn into something else."""

import re
from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString, Sweep
from hydra.errors import HydraException

from sentiment.config.schemas import find_types

_SWEEPING = {"-m", "--multirun"}
# A list of texts that have no quotes, commas or brackets themselves.
_LIST = re.compile(r"""\[([^\[\]'"]*)\]""")
_UNREADABLE = object()


def quote_free_text(words: Sequence[str]) -> list[str]:
    """Return the words of a command line so that Hydra takes every text as it was typed.

    The value of a setting that is a text is put in Hydra's quotes if Hydra would otherwise refuse
    it or read something else, such as a number, a list or a sweep. A value that is in quotes
    already, is ``null`` or refers to another setting, ``${key}``, is left as it is; so is what a
    sweep goes over (``-m key=a,b``).

    Examples
    --------
    >>> quote_free_text(["input=a (1).csv", "deploy.threshold=0.7", "text_column=0", "seed=1"])
    ["input='a (1).csv'", 'deploy.threshold=0.7', "text_column='0'", 'seed=1']
    """
    sweeping = not _SWEEPING.isdisjoint(words)
    return [_quote_word(word, sweeping=sweeping) for word in words]


def quote(value: str) -> str:
    """Return `value` in quotes that Hydra removes again, whatever characters it has."""
    # A backslash is one, but for those in front of a quote.
    escaped = re.sub(r"(\\*)(')", r"\1\1\\'", value)
    escaped = re.sub(r"(\\+)\Z", r"\1\1", escaped)
    return f"'{escaped}'"


def write_override(key: str, value: Any) -> str:
    """Return the override that gives `key` the `value`, quoted if Hydra reads something else."""
    written = f"{key}={value}"
    if not isinstance(value, str):
        return written
    try:
        read = OverridesParser.create().parse_override(written)
    except HydraException:
        return f"{key}={quote(value)}"
    return f"{key}={quote(value)}" if read.is_sweep_override() else written


def is_sweep(word: str) -> bool:
    """Return whether an override has several values, for a grid or a search."""
    return isinstance(_read(word), Sweep)


def _quote_word(word: str, *, sweeping: bool) -> str:
    key, _, value = word.partition("=")
    types = find_types(key.lstrip("+"))
    if str not in types or dict in types or value in ("", "null"):
        return word
    read = _read(word)
    if isinstance(read, QuotedString) or (sweeping and isinstance(read, Sweep)) or read == value:
        return word
    if "${" in value and read is not _UNREADABLE:
        return word
    if list in types:
        listed = _LIST.fullmatch(value.strip())
        texts = [one.strip() for one in listed[1].split(",")] if listed else []
        if not listed or read == texts or texts == [""]:
            return word
        return f"{key}=[{','.join(map(quote, texts))}]"
    is_number = isinstance(read, int | float) and not types.isdisjoint({int, float})
    return word if is_number else f"{key}={quote(value)}"


def _read(word: str) -> Any:
    """Return the value that Hydra reads in `word`, or `_UNREADABLE`."""
    try:
        return OverridesParser.create().parse_override(word)._value
    except HydraException:
        return _UNREADABLE
