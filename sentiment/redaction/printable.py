"""Safe forms of untrusted text for terminals and pages."""

import re
import unicodedata
from collections.abc import Mapping
from html import escape

# Joiners of emoji and of words in Persian and Indic scripts.
_JOINERS = "\u200c\u200d"
# Characters that begin or end markup of CommonMark inside a line.
_MARKUP = re.compile(r"[\\`*_\[\]<>&~]")
# Longer than usual paths and readable lines.
_LONG_WORD = re.compile(r"[^\s'\"]{501,}")
_LONG_LINE = re.compile(r"(.{2000}).{1501,}(.{500})")


def make_printable(text: str, length: int | None = 200, keep: str = "") -> str:
    r"""Return the beginning of `text` with all characters escaped that are not visible.

    Control characters (including those that begin escape sequences), line breaks and the marks that
    change the direction of text are escaped as in a Python literal.

    Parameters
    ----------
    text : str
        Such as a label, a file name or a message that quotes one.
    length : int, optional
        Largest number of characters; None for all.
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


def shorten(message: str) -> str:
    """Return `message` with very long words and lines cut, such as typed values.

    The beginning of a word is kept; of a line, the end as well, which has the remedy.

    Examples
    --------
    >>> shorten(f"there is no setting {'x' * 2000!r}.")
    "there is no setting 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx... (2,000 characters)'."
    """
    short_words = _LONG_WORD.sub(
        lambda word: f"{word[0][:40]}... ({len(word[0]):,} characters)", message
    )
    return _LONG_LINE.sub(r"\1 ... \2", short_words)


def cut_end(text: str, length: int) -> str:
    """Return `text` in at most `length` characters, the last one an ellipsis if it is cut."""
    return text if len(text) <= length else f"{text[: max(length, 1) - 1]}…"


def cut_middle(name: str, length: int = 80) -> str:
    """Return `name` in at most `length` characters; the middle is cut, since names differ at ends.

    Examples
    --------
    >>> cut_middle("customer service, returns", 18)
    'customer … returns'
    """
    last = length // 2 - 1
    return name if len(name) <= length else f"{name[: length - last - 1]}…{name[-last:]}"


def show_name(name: str) -> str:
    r"""Return the name of a class or person as pages show it: printable, and not very long.

    Examples
    --------
    >>> show_name("\u202eevil")
    '\\u202eevil'
    """
    return cut_middle(make_printable(name, None))


def mark_spaces(term: str) -> str:
    """Return `term` with open boxes for the spaces at its ends, which set character n-grams apart.

    Examples
    --------
    >>> mark_spaces("not a ")
    'not a␣'
    """
    start, end = len(term) - len(term.lstrip(" ")), len(term.rstrip(" "))
    return "␣" * start + term[start:end] + "␣" * (len(term) - max(start, end))


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


def tabulate_html(facts: Mapping[str, str]) -> str:
    """Return `facts` as an HTML table for notebooks; facts without a value are omitted.

    Examples
    --------
    >>> tabulate_html({"labels": "5 <b>", "rejected": ""})
    "<table style='text-align:left'><tr><th>labels</th><td>5 &lt;b&gt;</td></tr></table>"
    """
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
        for name, value in facts.items()
        if value
    )
    return f"<table style='text-align:left'>{rows}</table>"
