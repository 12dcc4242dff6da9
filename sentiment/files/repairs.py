"""Repair of lines with misplaced quotes."""

from dataclasses import dataclass

from sentiment.files.dialects import Dialect

# Limit of separators times quotes times columns, about 10 ms; usual rows need far less.
_MAX_WORK = 100_000


@dataclass(frozen=True)
class _Parse:
    """Best parse of the rest of a line: misplaced quotes, and number of equally good parses."""

    cost: int
    parses: int
    field: bytes
    next: int


def repair_line(line: bytes, dialect: Dialect, columns: int) -> list[bytes] | None:
    """Return the fields of a line with misplaced quotes, or None if they are ambiguous.

    Misplaced quotes are parsed as text. There must be exactly one parse into `columns` fields with
    the fewest misplaced quotes.

    Parameters
    ----------
    line : bytes
        One line, without its end.
    dialect : Dialect
        Separator, quote and escape.
    columns : int
        The expected number of fields.

    Examples
    --------
    >>> repair_line(b'1,"a "good" one, really",x', Dialect(), 3)
    [b'1', b'a "good" one, really', b'x']
    >>> repair_line(b'1,"open,x', Dialect(), 3)
    [b'1', b'"open', b'x']
    >>> repair_line(b'1,"open,x,y', Dialect(), 3)
    """
    separator, quote = dialect.separator.encode(), dialect.quote.encode()
    work = (line.count(separator) + 1) * (line.count(quote) + 1) * columns if quote else 0
    if not 0 < work <= _MAX_WORK:
        return None
    starts = [0]
    while (position := line.find(separator, starts[-1])) >= 0:
        starts.append(position + len(separator))
    # From the end: parses[start][k] is the best parse of line[start:] into k fields.
    parses: dict[int, dict[int, _Parse]] = {len(line) + len(separator): {0: _Parse(0, 1, b"", 0)}}
    for start in reversed(starts):
        best_parses: dict[int, _Parse] = {}
        for field, cost, next_start in _list_fields(line, start, separator, quote, dialect.escape):
            for count, rest in parses.get(next_start, {}).items():
                if count < columns:
                    _keep_best(
                        best_parses,
                        count + 1,
                        _Parse(cost + rest.cost, rest.parses, field, next_start),
                    )
        parses[start] = best_parses
    best = parses[0].get(columns)
    if best is None or best.parses > 1:
        return None
    fields, start = [], 0
    for count in range(columns, 0, -1):
        parse = parses[start][count]
        fields.append(parse.field)
        start = parse.next
    return fields


def _keep_best(best_parses: dict[int, _Parse], count: int, parse: _Parse) -> None:
    best = best_parses.get(count)
    if best is None or parse.cost < best.cost:
        best_parses[count] = parse
    elif parse.cost == best.cost:
        best_parses[count] = _Parse(best.cost, best.parses + parse.parses, best.field, best.next)


def _list_fields(
    line: bytes, start: int, separator: bytes, quote: bytes, escape: str
) -> list[tuple[bytes, int, int]]:
    """Return the fields that may begin at `start`: text, misplaced quotes, start of the next."""
    width = len(separator)
    stop = line.find(separator, start)
    stop = len(line) if stop < 0 else stop
    is_quoted = line.startswith(quote, start)
    # A field that begins with a quote is less likely to be unquoted than to have a stray quote. If
    # it also ends with a quote, it is quoted.
    candidates = [(line[start:stop], 2 if is_quoted else 0, stop + width)]
    if is_quoted and stop > start + 1 and line[start:stop].endswith(quote):
        candidates = []
    # A comma and a space are probably part of a text that has lost its quotes.
    if start > 0 and line[start : start + 1] == b" ":
        candidates = []
    end = line.find(quote, start + 1) if is_quoted else -1
    while end >= 0:
        if end + 1 == len(line) or line.startswith(separator, end + 1):
            text = line[start + 1 : end]
            if escape:
                text = text.replace(escape.encode() + quote, quote * 2)
            without_doubled = text.replace(quote * 2, b"")
            candidates.append(
                (text.replace(quote * 2, quote), without_doubled.count(quote), end + 1 + width)
            )
        end = line.find(quote, end + 1)
    return candidates
