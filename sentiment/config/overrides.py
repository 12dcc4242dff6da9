"""Overrides of a command line: the only module that parses and writes them.

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
    """Parts of an override.

    Attributes
    ----------
    prefix : str
        ``+`` or ``++`` if it adds something, ``~`` if it deletes something, else "".
    key : str
        Setting or group, such as ``model.C`` or ``hydra/launcher``.
    package : str, optional
        The package of a group.
    value : str, optional
        The text after ``=``, as typed; None without ``=``.
    """

    prefix: str
    key: str
    package: str | None
    value: str | None

    def is_within(self, *keys: str) -> bool:
        """Return whether it sets one of `keys`, settings or groups, or a part of one.

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


def split_override(override: str) -> SplitOverride:
    """Return the parts of an override; a key alone is one without a value.

    Examples
    --------
    >>> split_override("++model.C=0.5")
    SplitOverride(prefix='++', key='model.C', package=None, value='0.5')
    >>> split_override("~data@train")
    SplitOverride(prefix='~', key='data', package='train', value=None)
    """
    # The pattern matches any string; its groups may be empty.
    match = cast("re.Match[str]", _OVERRIDE.fullmatch(override))
    return SplitOverride(**match.groupdict())


def find_key(override: str) -> str:
    """Return the key of an override: a setting or a group."""
    return split_override(override).key


def is_within(override: str, *keys: str) -> bool:
    """Return whether an override sets one of `keys` or a part of one."""
    return split_override(override).is_within(*keys)


def find_option(arguments: Sequence[str], *names: str) -> str | None:
    """Return the last value of an option in a command line, or None.

    Examples
    --------
    >>> find_option(["-m", "--config-dir", "mine", "model=svm"], "--config-dir", "-cd")
    'mine'
    """
    last_value = None
    for argument, following in zip(arguments, [*arguments[1:], None], strict=False):
        name, sign, value = argument.partition("=")
        if name in names:
            last_value = value if sign else following
    return last_value


def parse_override(override: str) -> Override:
    """Return an override as parsed by Hydra.

    Raises
    ------
    HydraException
        It is not an override.
    """
    return _make_parser().parse_override(override)


def parse_overrides(overrides: Sequence[str], loader: ConfigLoader | None = None) -> list[Override]:
    """Return overrides as parsed by Hydra.

    Parameters
    ----------
    overrides : sequence of str
        The overrides.
    loader : ConfigLoader, optional
        Lists the files of groups, for ``glob``.

    Raises
    ------
    OverrideParseException
        One of `overrides` is invalid.
    """
    return OverridesParser.create(config_loader=loader).parse_overrides(list(overrides))


@functools.cache
def _make_parser() -> OverridesParser:
    return OverridesParser.create()


def is_sweep(override: str) -> bool:
    """Return whether an override has several values, for a grid or a search."""
    try:
        return parse_override(override).is_sweep_override()
    except HydraException:
        return False


def is_quoted(override: Override) -> bool:
    """Return whether the value of an override is a text in quotes."""
    if override.is_sweep_override() or override.value_type is None:
        return False
    return override.get_value_element_as_str()[:1] in ("'", '"')


def quote(value: str, mark: str = "'") -> str:
    """Return `value` in quotes, so that Hydra's parser returns the same value."""
    # Hydra only interprets backslashes before a quote.
    escaped = re.sub(rf"(\\*)({mark})", rf"\1\1\\{mark}", value)
    escaped = re.sub(r"(\\+)\Z", r"\1\1", escaped)
    return f"{mark}{escaped}{mark}"


def quote_typed(value: str) -> str:
    """Return a typed value in quotes, which it may have already."""
    return quote(value.strip("'\""))


def requote(override: str) -> str:
    r"""Return an override with double quotes for single ones if that is easier to type in a shell.

    A shell needs single quotes around special characters, and these cannot hold single quotes.

    Examples
    --------
    >>> print(requote(r"features.token_pattern='\b\w+\b'"))
    features.token_pattern="\b\w+\b"
    >>> requote("data.label_separator=';'")
    "data.label_separator=';'"
    """
    split = split_override(override)
    if not (split.value or "").startswith("'") or not re.search(r'["$`\\!]', override):
        return override
    with suppress(HydraException):
        parsed = parse_override(override)
        if is_quoted(parsed) and isinstance(text := parsed.value(), str):
            requoted = override.removesuffix(cast("str", split.value)) + quote(text, '"')
            return requoted if parse_override(requoted).value() == text else override
    return override


def write_override(key: str, value: Any) -> str:
    """Return the override that sets `key` to `value`, quoted if Hydra would read another value."""
    override = f"{key}={value}"
    if not isinstance(value, str):
        return override
    try:
        is_swept = parse_override(override).is_sweep_override()
    except HydraException:
        return f"{key}={quote(value)}"
    return f"{key}={quote(value)}" if is_swept else override
