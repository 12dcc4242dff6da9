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
# Texts, times and addresses contain these, too, so they are only tried if no other separator fits.
LAST_SEPARATORS = (":", " ")
# A separator fits if this share of the records has the same number of fields.
_FITS, _FITS_LAST = 0.5, 0.25
# The smallest share of records at which a usual separator is certain.
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
        True if it is the whole file.
    """

    def __init__(self, data: bytes, options: ReadOptions, *, final: bool) -> None:
        self._data, self._options, self._final = data, options, final

    def detect(self) -> Dialect:
        """Return the dialect that fits best."""
        options = self._options
        quote = '"' if options.quote is None else options.quote
        best = Dialect(options.sep or ",", quote, options.escape or "")
        first = self._data.lstrip(b"\r\n").partition(b"\n")[0]
        share, count = self._rate(best)
        # A header without commas may precede texts with one comma each.
        is_plain = share >= _CERTAIN and self._count_first(best) == count
        if not is_plain or b"'" in first or b", " in first:
            best = self._choose_separator(best)
        escaped = b"\\" + best.quote.encode()
        if options.escape is None and best.quote and escaped in self._data:
            escaped_dialect = replace(best, escape="\\")
            if self._rate(escaped_dialect) > self._rate(best):
                best = escaped_dialect
        return best

    def describe(self, dialect: Dialect) -> list[str]:
        """Return the detected parts that are not certain, in words."""
        options = self._options
        detected = Dialect(
            "," if options.sep is not None else dialect.separator,
            '"' if options.quote is not None else dialect.quote,
            "" if options.escape is not None else dialect.escape,
        )
        share, count = self._rate(dialect)
        if detected.is_standard and share >= _CERTAIN:
            return []
        text = detected.describe()
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
        requested = [self._options.sep] if self._options.sep else None
        if requested is None and list_text_columns([first.decode("utf-8", "replace")]):
            requested = [","]  # a file of one column
        for separators, min_share in ((SEPARATORS, _FITS), (LAST_SEPARATORS, _FITS_LAST)):
            candidates = [
                replace(base, separator=separator)
                for separator in requested or separators
                if requested or separator.encode() in self._data
            ]
            if self._options.quote is None and b"'" in self._data:
                quoted = [replace(candidate, quote="'") for candidate in candidates]
                candidates = [
                    *(candidate for candidate in quoted if self._is_quoted(candidate)),
                    *candidates,
                ]
            if separators == LAST_SEPARATORS and not requested:
                candidates = [
                    candidate
                    for candidate in candidates
                    if self._count_first(candidate) == self._rate(candidate)[1]
                ]
            rates = [self._rate(candidate) for candidate in candidates]
            best_rate = max(rates, default=(0.0, 0))
            if best_rate[0] >= min_share or requested:
                best = candidates[rates.index(best_rate)]
                # Of separators that fit equally, take the longest, such as a comma and a space.
                longer = [
                    candidate
                    for candidate, rate in zip(candidates, rates, strict=True)
                    if best.separator in candidate.separator
                    and candidate.quote == best.quote
                    and rate[0] >= best_rate[0]
                ]
                return max(longer, key=lambda candidate: len(candidate.separator))
        # No separator fits all rows: take the one of the first line.
        counts = [(self._count_first(replace(base, separator=sign)), sign) for sign in ",;\t|"]
        max_count = max(count for count, _ in counts)
        separator = next(sign for count, sign in counts if count == max_count)
        separator = separator if max_count > 1 else ","
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
        n_fitting = float(np.sum(fields == count))
        if dialect.quote == "'":  # apostrophes in texts are rarely doubled
            broken = np.flatnonzero(split.fields < 0)
            bounds = split.bounds[broken[:_MOST_REPAIRED]].tolist()
            is_repairable = [
                repair_line(self._data[a:b], dialect, count) is not None for a, b in bounds
            ]
            n_fitting += len(broken) * (sum(is_repairable) / max(len(is_repairable), 1))
        return n_fitting / len(fields), count

    def _is_quoted(self, dialect: Dialect) -> bool:
        """Return whether there are at least half as many quoted fields as records.

        Texts contain apostrophes; a file with double quotes around fields has no other quotes.
        """
        mark, separator = re.escape(dialect.quote.encode()), re.escape(dialect.separator.encode())
        field_start = rb"(?:\A|(?<=[\r\n])|(?<=" + separator + rb"))"
        field_end = rb"(?=" + separator + rb"|[\r\n]|\Z)"
        content = rb"[^\r\n" + mark + rb"]*"
        quoted_content = content + rb"(?:" + mark * 2 + content + rb")*"
        quoted = len(re.findall(field_start + mark + quoted_content + mark + field_end, self._data))
        double_quoted = len(re.findall(field_start + rb'"[^"\r\n]*"' + field_end, self._data))
        records = int(np.sum(~self.split(dialect).is_blank))
        return not double_quoted and quoted >= max(2, records / 2)


def find_count(fields: Iterable[int]) -> int:
    """Return the most common number of fields (the largest in a tie), without broken records."""
    counts = Counter(int(count) for count in fields if count > 0)
    return max(counts, key=lambda count: (counts[count], count), default=1)
