"""Compiled loops over the bytes of delimited files."""

from sentiment.ngrams.compiling import kernel

# Codes instead of the number of fields: the record is rejected, up to the end of its first line.
STRAY, UNCLOSED, TOO_LONG, SPLIT = -1, -2, -3, -4

# Marks of fields that need conversion: doubled quotes, and escapes.
DOUBLED, ESCAPED = 1, 2

_LF, _CR, _TAB, _SPACE = 10, 13, 9, 32


@kernel
def _find_line_end(data, i, stop):
    """Return the end of the line of the byte `i`."""
    while i < stop and data[i] != _LF and data[i] != _CR:
        i += 1
    return i


@kernel
def _pass_line_end(data, i, stop):
    """Return the start of the next line."""
    if i + 1 < stop and data[i] == _CR and data[i + 1] == _LF:
        return i + 2
    return i + 1


@kernel
def _is_at(data, i, stop, mark):
    """Return whether the bytes of `mark` are at `i`; the caller has checked the first one."""
    if i + len(mark) > stop:
        return False
    k = 1
    while k < len(mark) and data[i + k] == mark[k]:
        k += 1
    return k == len(mark)


@kernel
def split_records(data, start, stop, rules, separator, escape, slots, bounds, fields, spans, marks):
    """Find the records of a part of a delimited file (RFC 4180), from `start` on.

    A quote opens a field only as its first byte, and only a separator or the end of a line may
    follow the closing quote. If a record breaks this rule, or has more than `longest` bytes, its
    first line is rejected and the next line begins a new record, so that a stray quote does not
    swallow the rows after it.

    A quote inside an unquoted field is text, unless another field seems to close it: then a
    separator may be missing before the quote.

    An incomplete record is left to a later call that sees more bytes, so records do not depend on
    how a file is cut into parts.

    Parameters
    ----------
    data : ndarray of uint8
        The bytes, of which ``data[:stop]`` is used.
    rules : tuple of (int, bool, int)
        Quote, -1 for none; whether `data` is the end of the file; the largest number of bytes of a
        record, without its line end.
    separator : ndarray of uint8
        One byte or more.
    escape : int or None
        The byte that makes the next one plain text.
    slots : ndarray of int64, of shape (n_columns,)
        Index in `spans` for the fields of each column, or -1 for a column that is not needed.
    bounds : ndarray of int64, of shape (n_records, 2)
        Written: start and end of each record, without its line end.
    fields : ndarray of int64, of shape (n_records,)
        Written: the number of fields, or `STRAY`, `UNCLOSED`, `TOO_LONG` or `SPLIT`.
    spans : ndarray of int64, of shape (n_records, n_slots, 2)
        Written: start and end of the fields, without their quotes.
    marks : ndarray of uint8, of shape (n_records, n_slots)
        Written: `DOUBLED` for fields with doubled quotes, `ESCAPED` for those with escapes.

    Returns
    -------
    n, next : int
        Number of complete records, and start of the incomplete one. If more than `longest` bytes of
        `data` follow, that record begins with a line that is too long.
    """
    quote, final, longest = rules
    first_byte, width = separator[0], len(separator)
    n, record = 0, start
    while record < stop and n < len(bounds):
        i, count, status = record, 0, 0
        complete, is_open = False, False
        edge = min(record + longest, stop)
        cut = edge < stop
        while True:
            mark = 0
            if i < stop and data[i] == quote:
                first = i + 1
                i = first
                while True:
                    # numba compiles only one of the two loops: most files have no escape.
                    if escape is None:
                        while i < edge and data[i] != quote:
                            i += 1
                    else:
                        while i < edge and data[i] != quote and data[i] != escape:
                            i += 1
                    if i >= edge:
                        break
                    if escape is not None and data[i] == escape:
                        mark |= ESCAPED
                        i += 2
                    elif i + 1 < stop and data[i + 1] == quote:
                        mark |= DOUBLED
                        i += 2
                    else:
                        break
                last = i
                if i >= edge:
                    status = UNCLOSED
                    break
                i += 1
                if not final and i < stop < i + width:  # half a separator
                    break
                if (
                    i < stop
                    and data[i] != _LF
                    and data[i] != _CR
                    and (data[i] != first_byte or not _is_at(data, i, stop, separator))
                ):
                    status = STRAY
                    break
            else:
                first, is_unbalanced = i, False
                while True:
                    while (
                        i < edge
                        and data[i] != first_byte
                        and data[i] != _LF
                        and data[i] != _CR
                        and data[i] != quote
                        and (escape is None or data[i] != escape)
                    ):
                        i += 1
                    if i >= edge or data[i] == _LF or data[i] == _CR:
                        break
                    if escape is not None and data[i] == escape:
                        mark |= ESCAPED
                        i += 2
                    elif data[i] == quote:
                        is_unbalanced = not is_unbalanced
                        i += 1
                    elif _is_at(data, i, stop, separator):
                        break
                    else:
                        i += 1
                i = min(i, stop)
                last = i
                if is_unbalanced and is_open and data[last - 1] == quote:
                    status = SPLIT
                    break
                is_open = is_open or is_unbalanced
            if cut and (i > edge or (i == edge and data[i] != _LF and data[i] != _CR)):
                status = TOO_LONG
                break
            if count < len(slots) and slots[count] >= 0:
                spans[n, slots[count], 0], spans[n, slots[count], 1] = first, last
                marks[n, slots[count]] = mark
            count += 1
            if i < stop and data[i] != _LF and data[i] != _CR:
                i += width
                continue
            # A carriage return at the end of the data may be half of a line end.
            complete = i + 1 < stop or (i < stop and data[i] == _LF) or final
            break
        if status == UNCLOSED and not (final or cut):
            break
        if status < 0:
            count = status
            i = _find_line_end(data, record, edge)
            if cut and i == edge and data[i] != _LF and data[i] != _CR:
                break
            complete = i + 1 < stop or (i < stop and data[i] == _LF) or final
        if not complete:
            break
        bounds[n, 0], bounds[n, 1], fields[n] = record, i, count
        n += 1
        record = min(_pass_line_end(data, i, stop), stop)
    return n, record


@kernel
def gather_fields(data, spans, marks, rules, separator, out, offsets, blank):
    """Copy fields one after the other, without escapes and the second of doubled quotes.

    Parameters
    ----------
    data, spans, marks : ndarray
        From `split_records`, of one slot.
    rules : tuple of (int, int)
        Quote and escape, -1 for none.
    separator : ndarray of uint8
        Separator; its first byte can be escaped.
    out : ndarray of uint8
        Written: the fields, for which it is large enough.
    offsets : ndarray of int64, of shape (n_fields + 1,)
        Written: the starts of the fields.
    blank : ndarray of bool, of shape (n_fields,)
        Written: True for fields that only have white space.
    """
    quote, escape = rules
    k = 0
    for n in range(len(spans)):
        offsets[n] = k
        empty = True
        i, end = spans[n, 0], spans[n, 1]
        while i < end and (data[i] == _SPACE or _TAB <= data[i] <= _CR):
            i += 1
        empty = i == end
        i = spans[n, 0]
        if marks[n] == 0:
            out[k : k + end - i] = data[i:end]
            k += end - i
        elif marks[n] == DOUBLED:
            while i < end:
                start = i
                while i < end and data[i] != quote:
                    i += 1
                i = min(i + 1, end)  # with the first of two
                out[k : k + i - start] = data[start:i]
                k += i - start
                i += 1
        else:
            while i < end:
                if data[i] == escape and i + 1 < end:
                    # Before any other byte it is text, such as in C:\\films.
                    after = data[i + 1]
                    if after in (quote, escape, _LF, _CR) or after == separator[0]:
                        i += 1
                    out[k] = data[i]
                    k += 1
                    i += 1
                else:
                    out[k] = data[i]
                    k += 1
                    i += 2 if marks[n] & DOUBLED and data[i] == quote else 1
        blank[n] = empty
    offsets[len(spans)] = k


@kernel
def join_rows(data, bounds, endings, ending_starts, out):
    """Write each record and its ending, one after the other.

    Parameters
    ----------
    data, bounds : ndarray of uint8, of int64
        The bytes, and start and end of each record, of shape (n_records, 2).
    endings, ending_starts : ndarray of uint8, of int64
        The endings to add, and the start of each, of shape (n_records + 1,).
    out : ndarray of uint8
        Written: the records with their endings.
    """
    k = 0
    for n in range(len(bounds)):
        size = bounds[n, 1] - bounds[n, 0]
        out[k : k + size] = data[bounds[n, 0] : bounds[n, 1]]
        k += size
        size = ending_starts[n + 1] - ending_starts[n]
        out[k : k + size] = endings[ending_starts[n] : ending_starts[n + 1]]
        k += size
