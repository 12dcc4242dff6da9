"""Free text on the command line, which Hydra's grammar would take apart."""

import re

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from hydra.errors import HydraException

# Settings that are text as it stands: paths, queries, reviews, the words of other scripts.
_FREE_TEXT = {
    *("current", "input", "output", "deploy.run", "query", "text", "force"),
    *("deploy.threshold", "flow.cron", "train", "predict", "monitor", "promote"),
}


def quote_free_text(words: list[str]) -> list[str]:
    """Return the words of a command line with the values of such settings in quotes.

    A value that is in Hydra's own quotes already, refers to another setting, ``${key}``, or is
    ``null``, is left as it is.
    """
    return [_quote(word) for word in words]


def _quote(word: str) -> str:
    key, _, value = word.partition("=")
    if key not in _FREE_TEXT or value in ("", "null") or "${" in value or _is_quoted(word):
        return word
    # A backslash is one, but for those in front of a quote.
    escaped = re.sub(r"(\\*)(')", r"\1\1\\'", value)
    escaped = re.sub(r"(\\+)\Z", r"\1\1", escaped)
    return f"{key}='{escaped}'"


def _is_quoted(word: str) -> bool:
    try:
        return isinstance(OverridesParser.create().parse_override(word)._value, QuotedString)
    except HydraException:
        return False
