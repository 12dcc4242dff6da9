"""From counts to the rows of a sparse matrix.

Counts are in compressed rows: document `d` holds ``ids[bounds[d] : bounds[d + 1]]``, each
``counts[...]`` times, in ascending order.
"""

import math

import numpy as np

from sentiment.ngrams.compiling import kernel

_ONE, _EIGHT, _32, _DIGIT = np.uint64(1), np.uint64(8), np.uint64(32), np.uint64(255)
_LOWER = np.uint64(0x00000000FFFFFFFF)


@kernel
def add_frequencies(bounds, ids, counts, rows, first, last, frequencies):
    """Add up in how many of the rows each id stands, and how often.

    Parameters
    ----------
    bounds, ids, counts : ndarray of int64, of int32, of int32
        The counts.
    rows : ndarray of int64
        The documents that count.
    first, last : int
        The range of `rows` to do.
    frequencies : ndarray of int32 or int64, of shape (some ids, 2)
        Number of documents and number of times of the first ids, added to.
    """
    for r in range(first, last):
        for k in range(bounds[rows[r]], bounds[rows[r] + 1]):
            if ids[k] >= len(frequencies):
                break
            frequencies[ids[k], 0] += 1
            frequencies[ids[k], 1] += counts[k]


@kernel
def add_numbers(numbers, ends, first, last, frequencies):
    """Add up in how many of the documents each number stands, and how often.

    Parameters
    ----------
    numbers : ndarray of int32
        One document after the other; negative ones do not count.
    ends : ndarray of int64
        Where each document ends.
    first, last : int
        The documents to do.
    frequencies : ndarray of int32 or int64, of shape (n_numbers, 3)
        Number of documents and number of times, added to, and the last document plus one.
    """
    for d in range(first, last):
        for i in range(ends[d - 1] if d > 0 else 0, ends[d]):
            number = numbers[i]
            if number >= 0:
                frequencies[number, 1] += 1
                if frequencies[number, 2] != d + 1:
                    frequencies[number, 2] = d + 1
                    frequencies[number, 0] += 1


@kernel
def count_kept(bounds, ids, rows, first, last, columns, sizes):
    """Add to `sizes` how many ids of each row have a column; see `put_entries`."""
    for r in range(first, last):
        size = 0
        for k in range(bounds[rows[r]], bounds[rows[r] + 1]):
            if ids[k] >= len(columns):
                break
            size += columns[ids[k]] >= 0
        sizes[r] += size


@kernel
def put_entries(bounds, ids, counts, rows, first, last, columns, places, entries):
    """Write column and count of each kept id into `entries`, from `places` on, and move those.

    Parameters
    ----------
    bounds, ids, counts : ndarray of int64, of int32, of int32
        The counts.
    rows : ndarray of int64
        The documents that are wanted.
    first, last : int
        The range of `rows` to do.
    columns : ndarray of int32, of shape (some ids,)
        The column of each of the first ids, or -1; all others have none.
    places : ndarray of int64, of shape (n_rows,)
        Where the next entry of each row goes.
    entries : ndarray of uint64
        The column in the upper half, the count in the lower.
    """
    for r in range(first, last):
        place = places[r]
        for k in range(bounds[rows[r]], bounds[rows[r] + 1]):
            if ids[k] >= len(columns):
                break
            column = columns[ids[k]]
            if column >= 0:
                entries[place] = np.uint64(column) << _32 | np.uint64(counts[k])
                place += 1
        places[r] = place


@kernel
def sort_entries(starts, stops, entries, first, last, n_columns):
    """Sort each row of `entries` by column; no row has a column twice.

    Parameters
    ----------
    starts, stops : ndarray of int64, of shape (n_rows,)
        Where the entries of each row start and stop.
    entries : ndarray of uint64
        From `put_entries` or `put_numbers`; changed.
    first, last : int
        The range of rows to do.
    n_columns : int
        Columns have numbers below this.
    """
    longest = 0
    for r in range(first, last):
        longest = max(longest, stops[r] - starts[r])
    other = np.empty(longest, np.uint64)
    places = np.empty(256, np.int64)
    for r in range(first, last):
        row = entries[starts[r] : stops[r]]
        size = len(row)
        # A few entries are put in their places one by one, more by their digits to the base 256.
        if size < 48:
            for k in range(1, size):
                entry, place = row[k], k
                while place > 0 and row[place - 1] > entry:
                    row[place] = row[place - 1]
                    place -= 1
                row[place] = entry
        else:
            shift = _32
            while n_columns - 1 >> (shift - _32):
                places[:] = 0
                for k in range(size):
                    places[row[k] >> shift & _DIGIT] += 1
                place = 0
                for digit in range(256):
                    place, places[digit] = place + places[digit], place
                for k in range(size):
                    digit = row[k] >> shift & _DIGIT
                    other[places[digit]] = row[k]
                    places[digit] += 1
                row[:] = other[:size]
                shift += _EIGHT


@kernel
def split_entries(starts, entries, first, last, indptr, indices, data):
    """Write columns and counts of the entries of each row into `indices` and `data`.

    Parameters
    ----------
    starts : ndarray of int64, of shape (n_rows,)
        Where the entries of each row start.
    entries : ndarray of uint64
        From `sort_entries`.
    first, last : int
        The range of rows to do.
    indptr : ndarray of int64, of shape (n_rows + 1,)
        Where each row starts in `indices` and `data`.
    indices, data : ndarray of int32
        Columns and counts.
    """
    for r in range(first, last):
        for k in range(indptr[r + 1] - indptr[r]):
            entry = entries[starts[r] + k]
            indices[indptr[r] + k] = entry >> _32
            data[indptr[r] + k] = entry & _LOWER


@kernel
def count_numbers(numbers, ends, first, last, columns, sizes):
    """Add to `sizes` how many of the numbers of each document have a column; see `put_numbers`."""
    most = np.uint32(len(columns) - 1)
    for d in range(first, last):
        size = 0
        for i in range(ends[d - 1] if d > 0 else 0, ends[d]):
            size += columns[min(np.uint32(numbers[i]), most)] >= 0
        sizes[d] += size


@kernel
def put_numbers(numbers, ends, first, last, columns, starts, stops, met, entries):
    """Write an entry for each column of each document, from `stops` on, and move those.

    Parameters
    ----------
    numbers : ndarray of int32
        One document after the other; negative ones have no column.
    ends : ndarray of int64, of shape (n_documents,)
        Where each document ends.
    first, last : int
        The range of documents to do.
    columns : ndarray of int32, of shape (some numbers + 1,)
        The column of each of the first numbers, or -1, and -1 for all others.
    starts, stops : ndarray of int64, of shape (last - first,)
        Where the entries of each document start and, so far, stop.
    met : ndarray of int32, of shape (n_columns,)
        Where the last entry of each column is; what is in it from before does no harm.
    entries : ndarray of uint64
        The column in the upper half, the count in the lower.
    """
    most = np.uint32(len(columns) - 1)
    kept = np.empty(64, np.int32)
    for d in range(first, last):
        begin = ends[d - 1] if d > 0 else 0
        if len(kept) < ends[d] - begin:
            kept = np.empty(2 * (ends[d] - begin), np.int32)
        # Without a branch the memory fetches many columns side by side.
        size = 0
        for i in range(begin, ends[d]):
            column = columns[min(np.uint32(numbers[i]), most)]
            kept[size] = column
            size += column >= 0
        start, stop = starts[d - first], stops[d - first]
        for k in range(size):
            column = np.uint64(kept[k])
            place = met[column]
            if start <= place < stop and entries[place] >> _32 == column:
                entries[place] += _ONE
            else:
                met[column] = stop
                entries[stop] = column << _32 | _ONE
                stop += 1
        stops[d - first] = stop


@kernel
def weigh_rows(indptr, indices, data, first, last, weights, sublinear, norm):
    """Turn counts into TF-IDF, in place.

    Parameters
    ----------
    indptr, indices, data : ndarray
        A matrix in compressed rows, of floats.
    first, last : int
        The range of rows to do.
    weights : ndarray of float, of shape (n_columns,) or (0,)
        What each column is multiplied by; none if empty.
    sublinear : bool
        Whether a count becomes one plus its logarithm first.
    norm : int
        The norm that each row gets in the end: 1, 2, or 0 for leaving it as it is.
    """
    logarithms = np.ones(64)
    for count in range(2, len(logarithms)):
        logarithms[count] = math.log(count) + 1
    for r in range(first, last):
        total = 0.0
        for k in range(indptr[r], indptr[r + 1]):
            value = data[k]
            if sublinear:
                small = value < len(logarithms)
                value = logarithms[int(value)] if small else math.log(value) + 1
            if len(weights):
                value *= weights[indices[k]]
            data[k] = value
            total += abs(value) if norm == 1 else value * value
        if norm == 0 or total == 0:
            continue
        if norm == 2:
            total = math.sqrt(total)
        for k in range(indptr[r], indptr[r + 1]):
            data[k] /= total


@kernel
def copy_rows(bounds, columns, values, shift, places, wide_columns, wide_values):
    """Copy the rows of a matrix into a wider one, from `places` on, and move those.

    Parameters
    ----------
    bounds, columns, values : ndarray
        The matrix, in compressed rows.
    shift : int
        Column of the wider matrix that is the first one of this.
    places : ndarray of int, of shape (n_rows,)
        Where the next entry of each row goes.
    wide_columns, wide_values : ndarray
        Entries of the wider matrix, written.
    """
    for r in range(len(places)):
        place = places[r]
        for k in range(bounds[r], bounds[r + 1]):
            wide_columns[place] = columns[k] + shift
            wide_values[place] = values[k]
            place += 1
        places[r] = place
