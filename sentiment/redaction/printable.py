"""Text from outside in a form that terminals and pages show and do not obey."""

import re
import unicodedata

# Joiners of emoji and of words in Persian and Indic scripts.
_JOINERS = "\u200c\u200d"
# Characters that begin or end markup of CommonMark inside a line.
_MARKUP = re.compile(r"[\\`*_\[\]<>&~]")


def make_printable(text: str, length: int | None = 200, keep: str = "") -> str:
    r"""Return the beginning of `text` with everything escaped that is not shown as a character.

    Control characters, among them those that begin escape sequences, line breaks and the marks that
    change the direction of writing are escaped as in a Python literal.

    Parameters
    ----------
    text : str
        Such as a label, a file name or a message that quotes one.
    length : int, optional
        Characters that are kept; None for all.
    keep : str
        Control characters that are not escaped, such as ``"\n"``.

    Examples
    --------
    >>> make_printable("\x1b[31mred\u202e")
    '\\x1b[31mred\\u202e'
    """
    text = text[:length]
    if text.isprintable():
        return text
    return "".join(c if _is_shown(c) or c in keep else ascii(c)[1:-1] for c in text)


def _is_shown(c: str) -> bool:
    return c.isprintable() or c in _JOINERS or unicodedata.category(c) == "Zs"


def escape_markdown(text: str) -> str:
    r"""Return `text` as Markdown that shows it literally, on one line.

    MLflow's descriptions of versions and Prefect's tables are rendered as Markdown, where a name
    such as ``[free](http://x)`` would become a link.

    Examples
    --------
    >>> escape_markdown("[free](http://x)")
    '\\[free\\](http://x)'
    """
    return _MARKUP.sub(r"\\\g<0>", make_printable(text, length=None))
