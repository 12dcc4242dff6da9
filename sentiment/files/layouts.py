"""Detection of the layout of a delimited file: the positions of column names and rows."""

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
# Number of rows below which the kinds of columns are unknown; shares of rows with the kind, or the
# value, of the first line that make the first line a row.
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
        The line of column names in the file; None if it is missing or damaged.
    preamble : list of (int, int)
        Start and end of the lines before the rows that are neither column names nor empty.
    start : int
        Start of the first row.
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
        True if it is the whole file.
    """
    assumed: list[str] = []
    offset = 0
    separator_line = _SEP_LINE.match(data)
    if separator_line:
        offset = separator_line.end()
        separator = separator_line[1].decode("utf-8", "replace")
        if options.sep is None:
            options = replace(options, sep="\t" if separator == "\\t" else separator)
            assumed.append(f"its first line names the separator: {separator!r}")
    if not data[offset:].strip():
        return Layout(Dialect(), [], None, [], len(data), b"\n", assumed)
    layout = _LayoutFinder(data[offset:], options, final=final).find()
    return replace(
        layout,
        preamble=[(offset + a, offset + b) for a, b in layout.preamble],
        start=offset + layout.start,
        assumed=assumed + layout.assumed,
    )


class _LayoutFinder:
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
        return self._use_header_line(int(self._options.header))

    def _find_header(self) -> Layout:
        candidates = self._records[:_MOST_PREAMBLE].tolist()
        matching = [
            p for p in candidates if self._fields[p] == self._count and not self._is_sparse(p)
        ]
        first = matching[0] if matching else candidates[0]
        above = candidates[: candidates.index(first)]
        with_names = [p for p in [*above, first] if list_text_columns(self._read(p) or [])]
        if (
            with_names and with_names[0] != first
        ):  # the number of names differs from the number of fields
            record = with_names[0]
            return self._make(record, above[: above.index(record)], self._repair_names(record))
        reason = self._find_data(first) if matching else None
        if above and not self._is_names(first):
            # The names may be in a line above that has another number of fields.
            line, names = above[-1], self._repair_names(above[-1])
            if names is not None or (reason is None and self._fields[line] != 1):
                return self._make(line, above[:-1], names)
        if reason is None:
            if above:
                self._assumed.append(
                    f"the column names are in line {self._find_line(first)}, below lines that are "
                    "not rows; else set header=<line>"
                )
            return self._make(first, above)
        if above:
            reason = (
                f"line {self._find_line(above[-1])} above the rows does not have their "
                f"{self._count} fields"
            )
        self._assumed.append(
            f"no line of column names, since {reason}; if there is one, set header=<line>"
        )
        return self._make_headerless(above)

    def _use_header_line(self, line: int) -> Layout:
        from_line = [p for p in self._records.tolist() if self._find_line(p) >= line]
        record = from_line[0] if from_line else int(self._records[-1])
        above = [p for p in self._records.tolist() if p < record]
        has_count = self._fields[record] == self._count
        return self._make(record, above, None if has_count else self._repair_names(record))

    def _make(self, record: int, above: Sequence[int], names: list[str] | None = None) -> Layout:
        start = self._find_next(record)
        return Layout(
            dialect=self._dialect,
            columns=names or self._read(record) or [],
            header=self._line(record) if names is None else None,
            preamble=[self._span(p) for p in above],
            start=start,
            newline=self._data[self._span(record)[1] : start] or b"\n",
            assumed=self._assumed,
        )

    def _make_headerless(self, above: Sequence[int]) -> Layout:
        first_record = int(self._records[0])
        start = self._find_next(above[-1]) if above else self._span(first_record)[0]
        return Layout(
            dialect=self._dialect,
            columns=[f"column_{k + 1}" for k in range(self._count)],
            header=None,
            preamble=[self._span(p) for p in above],
            start=start,
            newline=self._data[self._span(first_record)[1] : self._find_next(first_record)]
            or b"\n",
            assumed=self._assumed,
        )

    def _repair_names(self, record: int) -> list[str] | None:
        """Return the column names in a damaged line, or None if their number does not fit."""
        line, count, dialect = self._line(record), self._count, self._dialect
        names = self._read(record)
        location = f"line {self._find_line(record)}"
        if names is None:
            fields = repair_line(line, dialect, count)
            if fields is None:
                return None
            self._assumed.append(f"{location} holds the column names, without a stray quote")
            return [field.decode("utf-8", "replace").strip(dialect.quote) for field in fields]
        non_empty = [name for name in names if name.strip()]
        if len(names) > count == len(non_empty):
            self._assumed.append(f"{location} holds the column names, without empty ones")
            return non_empty
        for separator in (*SEPARATORS, *LAST_SEPARATORS):
            names_by_separator = read_fields(line, replace(dialect, separator=separator))
            if names_by_separator is not None and len(names_by_separator) == count > 1:
                self._assumed.append(
                    f"{location} holds the column names, with the separator {separator!r}"
                )
                return names_by_separator
        return None

    def _find_data(self, record: int) -> str | None:
        """Return the reason why a record is a row instead of column names, or None."""
        names = self._read(record)
        if names is None or list_text_columns(names) or _is_range(names):
            return None
        for number, (name, values) in enumerate(
            zip(names, self._read_below(record), strict=True), 1
        ):
            if len(name) > _LONGEST_NAME and len(name.split()) > _MOST_WORDS:
                return f"column {number} of the first line is a text"
            kind = _find_kind(name)
            if kind and kind == _find_common_kind(values):
                return f"column {number} is {kind} in the first line as in the others"
            if name and values.count(name) >= max(2, len(values) * _REPEATED):
                return f"{name!r} is in column {number} of other lines, too"
        return None

    def _is_names(self, record: int) -> bool:
        """Return whether a record certainly has the column names."""
        names = self._read(record)
        if names is None or list_text_columns(names):
            return names is not None
        kinds = [_find_common_kind(values) for values in self._read_below(record)]
        return any(
            kind and not _find_kind(name) for name, kind in zip(names, kinds, strict=True)
        ) and not self._find_data(record)

    def _read_below(self, record: int) -> list[list[str]]:
        """Return the columns of the records below `record`, without repeated names."""
        below = self._records[self._records > record]
        below = below[self._fields[below] == self._count][:_SAMPLE_ROWS]
        split = Split(self._data, self._dialect, self._count, final=True, needed=range(self._count))
        columns = [decode(split.gather(k, below)) for k in range(self._count)]
        names = self._read(record)
        rows = [row for row in zip(*columns, strict=True) if list(row) != names]
        return [list(column) for column in zip(*rows, strict=True)] or [[]] * self._count

    def _is_sparse(self, record: int) -> bool:
        """Return whether most fields of a record are empty, as in a title above a table."""
        names = self._read(record) or []
        return len(names) > 2 and sum(not name.strip() for name in names) > len(names) / 2

    def _read(self, record: int) -> list[str] | None:
        return read_fields(self._line(record), self._dialect)

    def _line(self, record: int) -> bytes:
        a, b = self._span(record)
        return self._data[a:b]

    def _span(self, record: int) -> tuple[int, int]:
        a, b = self._bounds[record].tolist()
        return a, b

    def _find_line(self, record: int) -> int:
        preceding = self._data[: self._span(record)[0]]
        return preceding.count(b"\n") + 1 if b"\n" in self._data else preceding.count(b"\r") + 1

    def _find_next(self, record: int) -> int:
        end = self._span(record)[1]
        return end + (2 if self._data[end : end + 2] == b"\r\n" else 1)


def _find_kind(value: str) -> str | None:
    return next((kind for kind, form in _KINDS.items() if form.fullmatch(value.strip())), None)


def _find_common_kind(values: Sequence[str]) -> str | None:
    """Return the kind of nearly all non-empty values, or None."""
    counts = Counter(_find_kind(value) for value in values if value)
    kind, count = counts.most_common(1)[0] if counts.total() >= _FEWEST else (None, 0)
    return kind if count >= _ALIKE * counts.total() else None


def _is_range(names: Sequence[str]) -> bool:
    """Return whether columns are numbered, as pandas writes columns without names."""
    numbers = [name for name in names if name]
    return [str(k) for k in range(len(numbers))] == numbers
