"""Detection of the layout of a delimited file: where its column names and rows are."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sentiment.files.columns import list_text_columns
from sentiment.files.detection import LAST_SEPARATORS, SEPARATORS, DialectDetector, find_count
from sentiment.files.dialects import Dialect, ReadOptions
from sentiment.files.records import Split, decode, read_fields
from sentiment.files.repairs import repair_line

# Number of records at the beginning that may precede the rows, and size of the sample of rows.
_MOST_PREAMBLE, _SAMPLE_ROWS = 30, 200
# Excel's first line that names the separator.
_SEP_LINE = re.compile(rb'\A"?sep=([^\r\n"]{1,8})"?(\r\n|\n|\r)', re.IGNORECASE)
_KINDS = {
    "a number": re.compile(r"[-+]?[$€£]?\d[\d.,]*%?"),
    "a date or time": re.compile(r"\d{1,4}[-/.:]\d{1,2}(?:[-/.:]\d{1,4})?(?:[ T].*)?"),
    "an address": re.compile(r"(?:https?://|www\.)\S+|[^@\s]+@[^@\s]+\.[^@\s]+"),
}
# Longest column name, in characters.
_LONGEST_NAME, _MOST_WORDS = 60, 9
# Number of rows below which the kinds of columns are unknown, and the share of rows that must be of
# the same kind, or have the same value, as the first line for that to be a row.
_FEWEST, _ALIKE, _REPEATED = 3, 0.8, 0.05


@dataclass(frozen=True)
class Layout:
    """Layout of a delimited file: dialect, column names and first row.

    Attributes
    ----------
    dialect : Dialect
        Separator, quote and escape.
    columns : list of str
        Their names.
    header : bytes or None
        The line of column names as it is in the file; None if it is missing or damaged.
    preamble : list of (int, int)
        Start and end of the lines in front of the rows that are neither column names nor empty.
    start : int
        Where the first row begins.
    newline : bytes
        The end of a line.
    assumed : list of str
        Detected parts that are not certain.
    """

    dialect: Dialect
    columns: list[str]
    header: bytes | None
    preamble: list[tuple[int, int]]
    start: int
    newline: bytes
    assumed: list[str]


def detect_layout(data: bytes, options: ReadOptions, *, final: bool) -> Layout:
    """Return the layout of a file that begins with `data`.

    Parameters
    ----------
    data : bytes
        The beginning of the file; without data, there are no columns.
    options : ReadOptions
        The given settings, parsed; others are detected.
    final : bool
        Whether it is the whole file.
    """
    assumed: list[str] = []
    begin = 0
    named = _SEP_LINE.match(data)
    if named:
        begin = named.end()
        separator = named[1].decode("utf-8", "replace")
        if options.sep is None:
            options = replace(options, sep="\t" if separator == "\\t" else separator)
            assumed.append(f"its first line names the separator: {separator!r}")
    if not data[begin:].strip():
        return Layout(Dialect(), [], None, [], len(data), b"\n", assumed)
    layout = _Finder(data[begin:], options, final=final).find()
    return replace(
        layout,
        preamble=[(begin + a, begin + b) for a, b in layout.preamble],
        start=begin + layout.start,
        assumed=assumed + layout.assumed,
    )


class _Finder:
    """Finds the layout of one file."""

    def __init__(self, data: bytes, options: ReadOptions, *, final: bool) -> None:
        self._data, self._options = data, options
        detector = DialectDetector(data, options, final=final)
        self._dialect = detector.detect()
        self._assumed = detector.describe(self._dialect)
        split = detector.split(self._dialect)
        self._records = np.flatnonzero(~split.is_blank)
        self._fields, self._bounds = split.fields, split.bounds
        self._count = find_count(self._fields[self._records])

    def find(self) -> Layout:
        if not len(self._records):  # the first line is too long
            return Layout(self._dialect, [], self._data, [], 0, b"\n", [])
        if self._options.header is False:
            return self._make_headerless([])
        if self._options.header is None:
            return self._find_header()
        return self._take_header(int(self._options.header))

    def _find_header(self) -> Layout:
        places = self._records[:_MOST_PREAMBLE].tolist()
        fits = [p for p in places if self._fields[p] == self._count and not self._is_sparse(p)]
        first = fits[0] if fits else places[0]
        before = places[: places.index(first)]
        named = [p for p in [*before, first] if list_text_columns(self._read(p) or [])]
        if named and named[0] != first:  # the number of names differs from the number of fields
            place = named[0]
            return self._make(place, before[: before.index(place)], self._repair_names(place))
        reason = self._find_data(first) if fits else None
        if before and not self._is_names(first):
            # The names may be in a line above with another number of fields.
            line, names = before[-1], self._repair_names(before[-1])
            if names is not None or (reason is None and self._fields[line] != 1):
                return self._make(line, before[:-1], names)
        if reason is None:
            if before:
                self._assumed.append(
                    f"the column names are in line {self._find_line(first)}, below lines that are "
                    "not rows; else set header=<line>"
                )
            return self._make(first, before)
        if before:
            reason = (
                f"line {self._find_line(before[-1])} above the rows does not have their "
                f"{self._count} fields"
            )
        self._assumed.append(
            f"no line of column names, since {reason}; if there is one, set header=<line>"
        )
        return self._make_headerless(before)

    def _take_header(self, line: int) -> Layout:
        wanted = [p for p in self._records.tolist() if self._find_line(p) >= line]
        place = wanted[0] if wanted else int(self._records[-1])
        before = [p for p in self._records.tolist() if p < place]
        fits = self._fields[place] == self._count
        return self._make(place, before, None if fits else self._repair_names(place))

    def _make(self, place: int, before: Sequence[int], names: list[str] | None = None) -> Layout:
        start = self._find_next(place)
        return Layout(
            dialect=self._dialect,
            columns=names or self._read(place) or [],
            header=self._line(place) if names is None else None,
            preamble=[self._span(p) for p in before],
            start=start,
            newline=self._data[self._span(place)[1] : start] or b"\n",
            assumed=self._assumed,
        )

    def _make_headerless(self, before: Sequence[int]) -> Layout:
        first = int(self._records[0])
        start = self._find_next(before[-1]) if before else self._span(first)[0]
        return Layout(
            dialect=self._dialect,
            columns=[f"column_{k + 1}" for k in range(self._count)],
            header=None,
            preamble=[self._span(p) for p in before],
            start=start,
            newline=self._data[self._span(first)[1] : self._find_next(first)] or b"\n",
            assumed=self._assumed,
        )

    def _repair_names(self, place: int) -> list[str] | None:
        """Return the column names in a damaged line if their number fits the rows, else None."""
        line, count, dialect = self._line(place), self._count, self._dialect
        names = self._read(place)
        where = f"line {self._find_line(place)}"
        if names is None:
            found = repair_line(line, dialect, count)
            if found is None:
                return None
            self._assumed.append(f"{where} holds the column names, without a stray quote")
            return [one.decode("utf-8", "replace").strip(dialect.quote) for one in found]
        given = [name for name in names if name.strip()]
        if len(names) > count == len(given):
            self._assumed.append(f"{where} holds the column names, without empty ones")
            return given
        for separator in (*SEPARATORS, *LAST_SEPARATORS):
            other = read_fields(line, replace(dialect, separator=separator))
            if other is not None and len(other) == count > 1:
                self._assumed.append(
                    f"{where} holds the column names, with the separator {separator!r}"
                )
                return other
        return None

    def _find_data(self, place: int) -> str | None:
        """Return why a record is a row instead of column names, or None."""
        names = self._read(place)
        if names is None or list_text_columns(names) or _is_range(names):
            return None
        for number, (name, others) in enumerate(
            zip(names, self._read_below(place), strict=True), 1
        ):
            if len(name) > _LONGEST_NAME and len(name.split()) > _MOST_WORDS:
                return f"column {number} of the first line is a text"
            kind = _find_kind(name)
            if kind and kind == _find_common_kind(others):
                return f"column {number} is {kind} in the first line as in the others"
            if name and others.count(name) >= max(2, len(others) * _REPEATED):
                return f"{name!r} is in column {number} of other lines, too"
        return None

    def _is_names(self, place: int) -> bool:
        """Return whether a record certainly holds the column names."""
        names = self._read(place)
        if names is None or list_text_columns(names):
            return names is not None
        kinds = [_find_common_kind(others) for others in self._read_below(place)]
        return any(
            kind and not _find_kind(name) for name, kind in zip(names, kinds, strict=True)
        ) and not self._find_data(place)

    def _read_below(self, place: int) -> list[list[str]]:
        """Return the columns of the records below `place`, without repeated names."""
        below = self._records[self._records > place]
        below = below[self._fields[below] == self._count][:_SAMPLE_ROWS]
        split = Split(self._data, self._dialect, self._count, final=True, wanted=range(self._count))
        columns = [decode(split.gather(k, below)) for k in range(self._count)]
        names = self._read(place)
        rows = [row for row in zip(*columns, strict=True) if list(row) != names]
        return [list(column) for column in zip(*rows, strict=True)] or [[]] * self._count

    def _is_sparse(self, place: int) -> bool:
        """Return whether most fields of a record are empty, as in a title above a table."""
        names = self._read(place) or []
        return len(names) > 2 and sum(not name.strip() for name in names) > len(names) / 2

    def _read(self, place: int) -> list[str] | None:
        return read_fields(self._line(place), self._dialect)

    def _line(self, place: int) -> bytes:
        a, b = self._span(place)
        return self._data[a:b]

    def _span(self, place: int) -> tuple[int, int]:
        a, b = self._bounds[place].tolist()
        return a, b

    def _find_line(self, place: int) -> int:
        before = self._data[: self._span(place)[0]]
        return before.count(b"\n") + 1 if b"\n" in self._data else before.count(b"\r") + 1

    def _find_next(self, place: int) -> int:
        end = self._span(place)[1]
        return end + (2 if self._data[end : end + 2] == b"\r\n" else 1)


def _find_kind(value: str) -> str | None:
    return next((kind for kind, form in _KINDS.items() if form.fullmatch(value.strip())), None)


def _find_common_kind(values: Sequence[str]) -> str | None:
    """Return the kind of nearly all values that are not empty, or None."""
    counts = Counter(_find_kind(one) for one in values if one)
    kind, count = counts.most_common(1)[0] if counts.total() >= _FEWEST else (None, 0)
    return kind if count >= _ALIKE * counts.total() else None


def _is_range(names: Sequence[str]) -> bool:
    """Return whether columns are numbered, as pandas writes them without names."""
    numbers = [name for name in names if name]
    return [str(k) for k in range(len(numbers))] == numbers
