"""Dialects of delimited files, and the settings that name them."""

import codecs
from dataclasses import dataclass
from typing import Any, Self

from sentiment.errors import ConfigError

# Separators as people type them on a command line, which has no other way to say them.
_WORDS = {"\\t": "\t", "tab": "\t", "space": " ", "comma": ",", "semicolon": ";", "pipe": "|"}
_NO_QUOTE = "none"
_LONGEST_SEPARATOR = 8


@dataclass(frozen=True)
class Dialect:
    r"""Separator, quote and escape of a delimited file.

    Attributes
    ----------
    separator : str
        Between two fields, one character or more.
    quote : str
        Around a field that holds separators, quotes or line ends; empty where fields are never
        quoted. Two of them in a quoted field are one.
    escape : str
        In front of a quote, a separator, a line end or itself, which are plain text then; empty
        where there is none.
    """

    separator: str = ","
    quote: str = '"'
    escape: str = ""

    @property
    def is_standard(self) -> bool:
        """True if every reader of CSV reads it once it knows the separator."""
        return len(self.separator.encode()) == 1 and self.quote == '"' and not self.escape

    def write(self, field: str) -> str:
        """Return a field with quotes around it if it needs them."""
        if self.escape:
            field = field.replace(self.escape, self.escape * 2)
        # Of a longer separator, the first character alone may be the end of a field.
        if not self.quote or not set(field) & {self.separator[0], self.quote, "\n", "\r"}:
            return field
        return f"{self.quote}{field.replace(self.quote, self.quote * 2)}{self.quote}"

    def describe(self) -> str:
        """Return what differs from a comma and double quotes, for a message."""
        found = [f"separator {self.separator!r}"] if self.separator != "," else []
        if self.quote != '"':
            found.append(f"quote {self.quote}" if self.quote else "no quotes")
        if self.escape:
            found.append(f"escape {self.escape}")
        return ", ".join(found)


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    r"""Settings of an input; each is detected where it is None.

    Parameters
    ----------
    encoding : str, optional
        Of text; default: the one of a byte order mark, or UTF-8.
    sep : str, optional
        Between the fields of delimited text: a character, several, ``\t`` or ``tab``, ``space``.
    quote : str, optional
        Around fields: a character, or ``none`` where fields are never quoted.
    escape : str, optional
        In front of characters that are plain text.
    header : bool or int, optional
        Whether the first line holds the column names, or the number of the line that does.
        Columns of a file without names are ``column_1``, ``column_2`` and so on.
    table, query : str, optional
        Of a database.
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
        """Return the options that a config, or an object with such attributes, has."""
        names = cls.__dataclass_fields__
        return cls(**{name: getattr(settings, name, None) for name in names})

    def parse(self, group: str = "") -> Self:
        r"""Return the options with words and ``\t`` replaced by the characters that they mean.

        Parameters
        ----------
        group : str
            Precedes the settings in messages, such as ``data.``.

        Raises
        ------
        ConfigError
            One of them is not possible; all problems are in the message.
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
                none = f", or {group}quote={_NO_QUOTE}" if name == "quote" else ""
                problems.append(
                    f"{group}{name} is {value!r}; expected one ASCII character that is not a "
                    f"letter, digit or white space{none}."
                )
        used = [one for one in (sep, quote, self.escape) if one]
        if len({one[0] for one in used}) < len(used):
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
        # Some codecs do not make text of bytes, or do it all at once or not at all.
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
    plain = len(text) == 1 and text.isascii() and text.isprintable()
    return plain and not text.isalnum() and text != " "
