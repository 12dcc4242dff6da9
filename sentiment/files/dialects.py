"""Dialects of delimited files, and the settings that name them."""

import codecs
from dataclasses import dataclass
from typing import Any, Self

from sentiment.errors import ConfigError

# Words for separators that are hard to type on a command line.
_WORDS = {"\\t": "\t", "tab": "\t", "space": " ", "comma": ",", "semicolon": ";", "pipe": "|"}
_NO_QUOTE = "none"
_LONGEST_SEPARATOR = 8


@dataclass(frozen=True)
class Dialect:
    r"""Separator, quote and escape of a delimited file.

    Attributes
    ----------
    separator : str
        One or more characters between two fields.
    quote : str
        Character around a field that contains separators, quotes or line ends; empty if fields are
        never quoted. Two quotes in a quoted field mean one.
    escape : str
        Character that makes a following quote, separator, line end or escape plain text; empty if
        there is none.
    """

    separator: str = ","
    quote: str = '"'
    escape: str = ""

    @property
    def is_standard(self) -> bool:
        """True if any reader of CSV can parse it, given the separator."""
        return len(self.separator.encode()) == 1 and self.quote == '"' and not self.escape

    def write(self, field: str) -> str:
        """Return a field with quotes around it if it needs them."""
        if self.escape:
            field = field.replace(self.escape, self.escape * 2)
        # The first character of a longer separator may be the end of a field.
        if not self.quote or not set(field) & {self.separator[0], self.quote, "\n", "\r"}:
            return field
        return f"{self.quote}{field.replace(self.quote, self.quote * 2)}{self.quote}"

    def describe(self) -> str:
        """Return the differences from a comma and double quotes, for a message."""
        differences = [f"separator {self.separator!r}"] if self.separator != "," else []
        if self.quote != '"':
            differences.append(f"quote {self.quote}" if self.quote else "no quotes")
        if self.escape:
            differences.append(f"escape {self.escape}")
        return ", ".join(differences)


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    r"""Settings of an input; None means detection.

    Parameters
    ----------
    encoding : str, optional
        Encoding of text; default: that of a byte order mark, or UTF-8.
    sep : str, optional
        Separator of fields: one or more characters, or ``\t`` or ``tab``, ``space``.
    quote : str, optional
        Character around fields, or ``none`` if fields are never quoted.
    escape : str, optional
        Character that makes the next one plain text.
    header : bool or int, optional
        True if the first line has the column names, or the number of the line that has them.
        Columns of a file without names are ``column_1``, ``column_2`` and so on.
    table, query : str, optional
        Table or query of a database.
    """

    encoding: str | None = None
    sep: str | None = None
    quote: str | None = None
    escape: str | None = None
    header: bool | int | None = None
    table: str | None = None
    query: str | None = None

    @classmethod
    def of(cls, settings: Any) -> Self:
        """Return the options in a config, or in an object with such attributes."""
        names = cls.__dataclass_fields__
        return cls(**{name: getattr(settings, name, None) for name in names})

    def parse(self, group: str = "") -> Self:
        r"""Return the options with words and ``\t`` replaced by the characters they mean.

        Parameters
        ----------
        group : str
            Precedes the settings in messages, such as ``data.``.

        Raises
        ------
        ConfigError
            An option is invalid; the message lists all problems.
        """
        sep = None if self.sep is None else _WORDS.get(self.sep.lower(), self.sep)
        quote = "" if self.quote == _NO_QUOTE else self.quote
        problems = []
        if sep is not None and not _is_separator(sep):
            problems.append(
                f"{group}sep is {sep!r}; expected 1 to {_LONGEST_SEPARATOR} characters without "
                f"quotes and line ends, such as {group}sep=';', {group}sep=tab or {group}sep=space."
            )
        for name, value in (("quote", quote), ("escape", self.escape)):
            if value and not _is_mark(value):
                alternative = f", or {group}quote={_NO_QUOTE}" if name == "quote" else ""
                problems.append(
                    f"{group}{name} is {value!r}; expected one ASCII character that is not a "
                    f"letter, digit or white space{alternative}."
                )
        marks = [mark for mark in (sep, quote, self.escape) if mark]
        if len({mark[0] for mark in marks}) < len(marks):
            problems.append(f"{group}sep, {group}quote and {group}escape must differ.")
        if self.header is not None and not isinstance(self.header, bool) and self.header < 1:
            problems.append(
                f"{group}header is {self.header!r}; expected true, false or the number of the line "
                "that holds the column names."
            )
        if problems:
            raise ConfigError(problems)
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return type(self)(**values | {"sep": sep, "quote": quote, "escape": self.escape or None})


def find_codec(encoding: str) -> str:
    """Return Python's name of an encoding whose text can be read in blocks.

    Raises
    ------
    LookupError
        There is no such encoding.
    """
    try:
        name = codecs.lookup(encoding).name
        # Some codecs do not decode bytes to text, or only all at once.
        codecs.getincrementaldecoder(name)("surrogateescape").decode(b"").encode()
    except (LookupError, ValueError, AssertionError, AttributeError, TypeError) as error:
        raise LookupError(f"{encoding!r} is not an encoding of text") from error
    return name


def is_encoding(encoding: str) -> bool:
    """Return whether Python knows `encoding`; see `find_codec`."""
    try:
        find_codec(encoding)
    except LookupError:
        return False
    return True


def _is_separator(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_SEPARATOR and not set(text) & set('"\r\n\0')


def _is_mark(text: str) -> bool:
    is_printable = len(text) == 1 and text.isascii() and text.isprintable()
    return is_printable and not text.isalnum() and text != " "
