"""Loops over the bytes of delimited files: arrays in, arrays out."""

from sentiment.ngrams.compiling import kernel

# Takes the place of the number of fields: the record is rejected, up to the end of its first line.
STRAY, UNCLOSED, TOO_LONG, SPLIT = -1, -2, -3, -4

# What a field holds that is not text as it is.
DOUBLED, ESCAPED = 1, 2

_LF, _CR, _TAB, _SPACE = 10, 13, 9, 32


@kernel
def _find_line_end(data, i, stop):
    """Return where the line of the byte `i` ends."""
    while i < stop and data[i] != _LF and data[i] != _CR:
        i += 1
    return i


@kernel
def _pass_line_end(data, i, stop):
    """Return where the next line begins."""
    if i + 1 < stop and data[i] == _CR and data[i + 1] == _LF:
        return i + 2
    return i + 1


@kernel
def _is_at(data, i, stop, mark):
    """Return whether the bytes of `mark` are at `i`, where its first byte is known to be."""
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
    follow the one that closes it. Of what breaks this rule, the first line is given up, and the
    next one begins a record of its own, so that a quote too many does not swallow what follows.
    A quote in a field that is not quoted is text, but for one that another field seems to close:
    then a separator may be missing in front of it. What holds for a quote too many holds for a
    record of more than `longest` bytes. Whether a record is complete depends
    on the bytes that follow it only where a later call sees more of them, so that records are the
    same however a file is cut into parts.

    Parameters
    ----------
    data : ndarray of uint8
        The bytes; ``data[:stop]`` is looked at.
    rules : tuple of (int, bool, int)
        Quote, -1 for none; whether nothing follows `data`; the bytes of the longest record,
        without the end of its line.
    separator : ndarray of uint8
        One byte or more.
    escape : int or None
        The byte in front of one that is plain text.
    slots : ndarray of int64, of shape (n_columns,)
        Where the bounds of the fields of a column go, or -1 for a column that is not wanted.
    bounds : ndarray of int64, of shape (n_records, 2)
        Written: where each record starts and ends, without the end of its line.
    fields : ndarray of int64, of shape (n_records,)
        Written: the number of fields, or `STRAY`, `UNCLOSED`, `TOO_LONG` or `SPLIT`.
    spans : ndarray of int64, of shape (n_records, n_slots, 2)
        Written: where the fields start and end, without their quotes.
    marks : ndarray of uint8, of shape (n_records, n_slots)
        Written: `DOUBLED` for fields with doubled quotes, `ESCAPED` for those with escapes.

    Returns
    -------
    n, next : int
        How many records there are, and where the one starts that is not complete. If more than
        `longest` bytes of `data` follow, that record begins with a line which is too long.
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
                    # numba compiles the two loops apart: most files have no escape to look for.
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
            # A carriage return at the very end may be half of the end of a line.
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
    """Copy fields one after the other, with doubled quotes as one and without escapes.

    Parameters
    ----------
    data, spans, marks : ndarray
        From `split_records`, of one slot.
    rules : tuple of (int, int)
        Quote and escape, -1 for none.
    separator : ndarray of uint8
        An escape in front of its first byte is one.
    out : ndarray of uint8
        Written: room for all fields.
    offsets : ndarray of int64, of shape (n_fields + 1,)
        Written: where they start.
    blank : ndarray of bool, of shape (n_fields,)
        Written: whether there is nothing but white space in a field.
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
                    # In front of other bytes it is text, such as in C:\\films.
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
def join_rows(data, bounds, endings, ends, out):
    """Write each record and its ending, one after the other.

    Parameters
    ----------
    data, bounds : ndarray of uint8, of int64
        The bytes, and where each record starts and ends, shape (n_records, 2).
    endings, ends : ndarray of uint8, of int64
        What is added to them, and where each of that starts, shape (n_records + 1,).
    out : ndarray of uint8
        Written: as long as all of them.
    """
    k = 0
    for n in range(len(bounds)):
        size = bounds[n, 1] - bounds[n, 0]
        out[k : k + size] = data[bounds[n, 0] : bounds[n, 1]]
        k += size
        size = ends[n + 1] - ends[n]
        out[k : k + size] = endings[ends[n] : ends[n + 1]]
        k += size
