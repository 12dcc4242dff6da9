"""Detection of the dialect of a delimited file from its beginning.

A dialect is rated by the share of records with the most common number of fields, as in van den
Burg, Nazabal and Sutton (2019), "Wrangling messy CSV files by detecting row and type patterns". If
a comma and double quotes fit the first record and nearly all others, no other dialect is tried.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from sentiment.errors import show_share
from sentiment.files.columns import list_text_columns
from sentiment.files.dialects import Dialect, ReadOptions
from sentiment.files.records import Split
from sentiment.files.repairs import repair_line

SEPARATORS = (", ", "; ", " | ", "||", "::", "\t\t", ",", ";", "\t", "|")
# Texts, times and addresses hold these, too, so they are only tried if no other separator fits.
LAST_SEPARATORS = (":", " ")
# A separator fits if this share of the records has the same number of fields.
_FITS, _FITS_LAST = 0.5, 0.25
# Share of records from which on a usual separator is certain.
_CERTAIN = 0.95
_MOST_REPAIRED = 50


class DialectDetector:
    """Detects the dialect of one file.

    Parameters
    ----------
    data : bytes
        The beginning of the file.
    options : ReadOptions
        The given settings, parsed.
    final : bool
        Whether it is the whole file.
    """

    def __init__(self, data: bytes, options: ReadOptions, *, final: bool) -> None:
        self._data, self._options, self._final = data, options, final

    def detect(self) -> Dialect:
        """Return the dialect that fits best."""
        given = self._options
        quote = '"' if given.quote is None else given.quote
        best = Dialect(given.sep or ",", quote, given.escape or "")
        first = self._data.lstrip(b"\r\n").partition(b"\n")[0]
        share, count = self._rate(best)
        # A header without commas may be above texts that each have one.
        plain = share >= _CERTAIN and self._count_first(best) == count
        if not plain or b"'" in first or b", " in first:
            best = self._choose_separator(best)
        escaped = b"\\" + best.quote.encode()
        if given.escape is None and best.quote and escaped in self._data:
            other = replace(best, escape="\\")
            if self._rate(other) > self._rate(best):
                best = other
        return best

    def describe(self, found: Dialect) -> list[str]:
        """Return the detected parts that are not certain, in words."""
        given = self._options
        described = Dialect(
            "," if given.sep is not None else found.separator,
            '"' if given.quote is not None else found.quote,
            "" if given.escape is not None else found.escape,
        )
        share, count = self._rate(found)
        if described.is_standard and share >= _CERTAIN:
            return []
        text = described.describe()
        if text and share < _CERTAIN:
            text += (
                f" ({show_share(share)} of the first rows have {count} fields; a text that holds "
                "the separator needs quotes around it)"
            )
        return [text] if text else []

    def split(self, dialect: Dialect) -> Split:
        """Return the records of the beginning."""
        split = Split(self._data, dialect, 0, final=self._final)
        return split if split.count else Split(self._data, dialect, 0, final=True)

    def _choose_separator(self, base: Dialect) -> Dialect:
        """Return the separator and quote that fit best."""
        first = self._data.lstrip(b"\r\n").partition(b"\n")[0].strip().strip(b'"')
        named = [self._options.sep] if self._options.sep else None
        if named is None and list_text_columns([first.decode("utf-8", "replace")]):
            named = [","]  # a file of one column
        for separators, least in ((SEPARATORS, _FITS), (LAST_SEPARATORS, _FITS_LAST)):
            found = [
                replace(base, separator=one)
                for one in named or separators
                if named or one.encode() in self._data
            ]
            if self._options.quote is None and b"'" in self._data:
                others = [replace(one, quote="'") for one in found]
                found = [*(one for one in others if self._is_quoted(one)), *found]
            if separators == LAST_SEPARATORS and not named:
                found = [one for one in found if self._count_first(one) == self._rate(one)[1]]
            rates = [self._rate(one) for one in found]
            best = max(rates, default=(0.0, 0))
            if best[0] >= least or named:
                chosen = found[rates.index(best)]
                # Of separators that fit equally, the longest is taken, such as a comma and a space.
                longer = [
                    one
                    for one, rate in zip(found, rates, strict=True)
                    if chosen.separator in one.separator
                    and one.quote == chosen.quote
                    and rate[0] >= best[0]
                ]
                return max(longer, key=lambda one: len(one.separator))
        # No separator fits all rows: take that of the first line.
        counts = [(self._count_first(replace(base, separator=one)), one) for one in ",;\t|"]
        most = max(count for count, _ in counts)
        separator = next(one for count, one in counts if count == most) if most > 1 else ","
        return replace(base, separator=separator)

    def _count_first(self, dialect: Dialect) -> int:
        return int(self.split(dialect).fields[:1].sum())

    def _rate(self, dialect: Dialect) -> tuple[float, int]:
        """Return the share of records that fit, and their number of fields."""
        split = self.split(dialect)
        fields = split.fields[~split.is_blank]
        count = find_count(fields)
        if count < 2:
            return 0.0, count
        fits = float(np.sum(fields == count))
        if dialect.quote == "'":  # apostrophes in texts are rarely doubled
            broken = np.flatnonzero(split.fields < 0)
            bounds = split.bounds[broken[:_MOST_REPAIRED]].tolist()
            good = [repair_line(self._data[a:b], dialect, count) is not None for a, b in bounds]
            fits += len(broken) * (sum(good) / max(len(good), 1))
        return fits / len(fields), count

    def _is_quoted(self, dialect: Dialect) -> bool:
        """Return whether there are at least half as many quoted fields as records.

        Texts hold apostrophes; a file with double quotes around fields has no other quotes.
        """
        mark, separator = re.escape(dialect.quote.encode()), re.escape(dialect.separator.encode())
        edge = rb"(?:\A|(?<=[\r\n])|(?<=" + separator + rb"))"
        behind = rb"(?=" + separator + rb"|[\r\n]|\Z)"
        plain = rb"[^\r\n" + mark + rb"]*"
        body = plain + rb"(?:" + mark * 2 + plain + rb")*"
        quoted = len(re.findall(edge + mark + body + mark + behind, self._data))
        double = len(re.findall(edge + rb'"[^"\r\n]*"' + behind, self._data))
        records = int(np.sum(~self.split(dialect).is_blank))
        return not double and quoted >= max(2, records / 2)


def find_count(fields: Iterable[int]) -> int:
    """Return the most common number of fields, the largest if tied; broken records do not count."""
    counts = Counter(int(count) for count in fields if count > 0)
    return max(counts, key=lambda count: (counts[count], count), default=1)
