"""Overrides, the words of a command line: the only module that parses and writes them.

Hydra's parser takes a millisecond, and refuses overrides that are not quoted yet or whose passwords
are redacted. Where only the key matters, `split_override` is enough.
"""

import functools
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

# In keys, a backslash precedes special characters.
_OVERRIDE = re.compile(
    r"(?P<prefix>~|\+{0,2})(?P<key>(?:\\.?|[^\\=@])*)(?:@(?P<package>(?:\\.?|[^\\=])*))?"
    r"(?:=(?P<value>.*))?",
    re.DOTALL,
)


@dataclass(frozen=True)
class SplitOverride:
    """An override in its parts.

    Attributes
    ----------
    prefix : str
        ``+`` or ``++`` if it adds something, ``~`` if it deletes something, or nothing.
    key : str
        Setting or group, such as ``model.C`` or ``hydra/launcher``.
    package : str, optional
        The package of a group.
    value : str, optional
        What follows ``=``, as it was typed; None without ``=``.
    """

    prefix: str
    key: str
    package: str | None
    value: str | None

    def is_within(self, *keys: str) -> bool:
        """Return whether it sets one of `keys`, which are settings or groups, or a part of one.

        Examples
        --------
        >>> split_override("+search.n_trials=3").is_within("search", "outputs")
        True
        >>> split_override("searching=3").is_within("search")
        False
        """
        return any(
            self.key == key or (self.key.startswith(key) and self.key[len(key)] in "./[")
            for key in keys
        )


def split_override(word: str) -> SplitOverride:
    """Return the parts of an override; a key alone is one without a value.

    Examples
    --------
    >>> split_override("++model.C=0.5")
    SplitOverride(prefix='++', key='model.C', package=None, value='0.5')
    >>> split_override("~data@train")
    SplitOverride(prefix='~', key='data', package='train', value=None)
    """
    # The pattern matches any string; its parts may be empty.
    parts = cast("re.Match[str]", _OVERRIDE.fullmatch(word))
    return SplitOverride(**parts.groupdict())


def find_key(word: str) -> str:
    """Return the key of an override: a setting or a group."""
    return split_override(word).key


def is_within(word: str, *keys: str) -> bool:
    """Return whether an override sets one of `keys` or a part of one."""
    return split_override(word).is_within(*keys)


def find_option(words: Sequence[str], *names: str) -> str | None:
    """Return the last value of an option in a command line, or None.

    Examples
    --------
    >>> find_option(["-m", "--config-dir", "mine", "model=svm"], "--config-dir", "-cd")
    'mine'
    """
    found = None
    for word, following in zip(words, [*words[1:], None], strict=False):
        name, sign, value = word.partition("=")
        if name in names:
            found = value if sign else following
    return found


def parse_override(word: str) -> Override:
    """Return an override as Hydra's parser reads it.

    Raises
    ------
    HydraException
        It is not an override.
    """
    return _make_parser().parse_override(word)


def parse_overrides(words: Sequence[str], loader: ConfigLoader | None = None) -> list[Override]:
    """Return overrides as Hydra reads them.

    Parameters
    ----------
    words : sequence of str
        The overrides.
    loader : ConfigLoader, optional
        Lists the files of groups, for ``glob``.

    Raises
    ------
    OverrideParseException
        One of them is not an override.
    """
    return OverridesParser.create(config_loader=loader).parse_overrides(list(words))


@functools.cache
def _make_parser() -> OverridesParser:
    return OverridesParser.create()


def is_sweep(word: str) -> bool:
    """Return whether an override has several values, for a grid or a search."""
    try:
        return parse_override(word).is_sweep_override()
    except HydraException:
        return False


def is_quoted(override: Override) -> bool:
    """Return whether the value of an override is a text in quotes."""
    if override.is_sweep_override() or override.value_type is None:
        return False
    return override.get_value_element_as_str()[:1] in ("'", '"')


def quote(value: str, mark: str = "'") -> str:
    """Return `value` in quotes, such that Hydra's parser returns the same value."""
    # Hydra only interprets backslashes in front of a quote.
    escaped = re.sub(rf"(\\*)({mark})", rf"\1\1\\{mark}", value)
    escaped = re.sub(r"(\\+)\Z", r"\1\1", escaped)
    return f"{mark}{escaped}{mark}"


def quote_typed(value: str) -> str:
    """Return a typed value in quotes; it may have some already."""
    return quote(value.strip("'\""))


def requote(word: str) -> str:
    r"""Return an override whose text in single quotes is in double ones if that is easier to type.

    A shell needs single quotes around special characters, and these cannot hold single quotes.

    Examples
    --------
    >>> print(requote(r"features.token_pattern='\b\w+\b'"))
    features.token_pattern="\b\w+\b"
    >>> requote("data.label_separator=';'")
    "data.label_separator=';'"
    """
    parts = split_override(word)
    if not (parts.value or "").startswith("'") or not re.search(r'["$`\\!]', word):
        return word
    with suppress(HydraException):
        override = parse_override(word)
        if is_quoted(override) and isinstance(text := override.value(), str):
            changed = word.removesuffix(cast("str", parts.value)) + quote(text, '"')
            return changed if parse_override(changed).value() == text else word
    return word


def write_override(key: str, value: Any) -> str:
    """Return the override that sets `key` to `value`, quoted if Hydra would read another value."""
    written = f"{key}={value}"
    if not isinstance(value, str):
        return written
    try:
        is_swept = parse_override(written).is_sweep_override()
    except HydraException:
        return f"{key}={quote(value)}"
    return f"{key}={quote(value)}" if is_swept else written
