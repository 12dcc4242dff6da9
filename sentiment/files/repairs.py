"""Repair of lines with misplaced quotes."""

from dataclasses import dataclass

from sentiment.files.dialects import Dialect

# Limit of separators times quotes times columns, about 10 ms; rows of texts need far less.
_MOST_WAYS = 100_000


@dataclass(frozen=True)
class _Way:
    """Best way to read the rest of a line: misplaced quotes, and number of equally good ways."""

    cost: int
    ways: int
    field: bytes
    next: int


def repair_line(line: bytes, dialect: Dialect, columns: int) -> list[bytes] | None:
    """Return the fields of a line whose quotes break the rules, or None if that is not certain.

    Misplaced quotes are read as text. There must be exactly one way to read `columns` fields with
    the fewest misplaced quotes.

    Parameters
    ----------
    line : bytes
        One line, without its end.
    dialect : Dialect
        How fields are marked.
    columns : int
        The number of fields that it must have.

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
    if not 0 < work <= _MOST_WAYS:
        return None
    starts = [0]
    while (place := line.find(separator, starts[-1])) >= 0:
        starts.append(place + len(separator))
    # From the end: ways[start][k] is the best way to read line[start:] as k fields.
    ways: dict[int, dict[int, _Way]] = {len(line) + len(separator): {0: _Way(0, 1, b"", 0)}}
    for start in reversed(starts):
        found: dict[int, _Way] = {}
        for field, cost, after in _list_fields(line, start, separator, quote, dialect.escape):
            for count, rest in ways.get(after, {}).items():
                if count < columns:
                    _keep_best(found, count + 1, _Way(cost + rest.cost, rest.ways, field, after))
        ways[start] = found
    best = ways[0].get(columns)
    if best is None or best.ways > 1:
        return None
    fields, start = [], 0
    for count in range(columns, 0, -1):
        way = ways[start][count]
        fields.append(way.field)
        start = way.next
    return fields


def _keep_best(found: dict[int, _Way], count: int, way: _Way) -> None:
    best = found.get(count)
    if best is None or way.cost < best.cost:
        found[count] = way
    elif way.cost == best.cost:
        found[count] = _Way(best.cost, best.ways + way.ways, best.field, best.next)


def _list_fields(
    line: bytes, start: int, separator: bytes, quote: bytes, escape: str
) -> list[tuple[bytes, int, int]]:
    """Return the fields that may begin at `start`: text, quotes out of place, the next start."""
    width = len(separator)
    stop = line.find(separator, start)
    stop = len(line) if stop < 0 else stop
    opened = line.startswith(quote, start)
    # That a field begins with a quote and is not quoted is less likely than a stray quote in it;
    # it ends with one, too, only if it is quoted.
    found = [(line[start:stop], 2 if opened else 0, stop + width)]
    if opened and stop > start + 1 and line[start:stop].endswith(quote):
        found = []
    # A comma and a space are part of a text whose quotes are lost.
    if start > 0 and line[start : start + 1] == b" ":
        found = []
    end = line.find(quote, start + 1) if opened else -1
    while end >= 0:
        if end + 1 == len(line) or line.startswith(separator, end + 1):
            text = line[start + 1 : end]
            if escape:
                text = text.replace(escape.encode() + quote, quote * 2)
            plain = text.replace(quote * 2, b"")
            found.append((text.replace(quote * 2, quote), plain.count(quote), end + 1 + width))
        end = line.find(quote, end + 1)
    return found
