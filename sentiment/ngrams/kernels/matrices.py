"""Kernels that build the rows of a sparse matrix from counts.

Counts are in CSR form: document `d` contains ``ids[bounds[d] : bounds[d + 1]]``, in ascending
order, with ``counts[bounds[d] : bounds[d + 1]]``.
"""

import math

import numpy as np

from sentiment.ngrams.compiling import kernel

_ONE, _EIGHT, _32, _DIGIT = np.uint64(1), np.uint64(8), np.uint64(32), np.uint64(255)
_LOWER = np.uint64(0x00000000FFFFFFFF)


@kernel
def add_frequencies(bounds, ids, counts, rows, first, last, frequencies):
    """Add the document frequency and the total count of each id in some rows.

    Parameters
    ----------
    bounds, ids, counts : ndarray of int64, of int32, of int32
        The counts.
    rows : ndarray of int64
        The documents to count.
    first, last : int
        The range of `rows` to process.
    frequencies : ndarray of int32 or int64, of shape (some ids, 2)
        Document frequency and total count of the first ids; added to.
    """
    for r in range(first, last):
        for k in range(bounds[rows[r]], bounds[rows[r] + 1]):
            if ids[k] >= len(frequencies):
                break
            frequencies[ids[k], 0] += 1
            frequencies[ids[k], 1] += counts[k]


@kernel
def add_numbers(numbers, ends, first, last, frequencies):
    """Add the document frequency and the total count of each number in some documents.

    Parameters
    ----------
    numbers : ndarray of int32
        Numbers of all documents, in order; negative numbers are skipped.
    ends : ndarray of int64
        End of each document.
    first, last : int
        The range of documents to process.
    frequencies : ndarray of int32 or int64, of shape (n_numbers, 3)
        Document frequency and total count, added to, and the last document plus one.
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
def count_entries(bounds, ids, rows, first, last, columns, sizes):
    """Add the number of ids with a column to the size of each row; see `put_entries`."""
    for r in range(first, last):
        size = 0
        for k in range(bounds[rows[r]], bounds[rows[r] + 1]):
            if ids[k] >= len(columns):
                break
            size += columns[ids[k]] >= 0
        sizes[r] += size


@kernel
def put_entries(bounds, ids, counts, rows, first, last, columns, next_entries, entries):
    """Write column and count of each id with a column into `entries`, and advance `next_entries`.

    Parameters
    ----------
    bounds, ids, counts : ndarray of int64, of int32, of int32
        The counts.
    rows : ndarray of int64
        The selected documents.
    first, last : int
        The range of `rows` to process.
    columns : ndarray of int32, of shape (some ids,)
        The column of each of the first ids, or -1; later ids have no column.
    next_entries : ndarray of int64, of shape (n_rows,)
        Index of the next entry of each row; advanced.
    entries : ndarray of uint64
        Output: the column in the upper half, the count in the lower.
    """
    for r in range(first, last):
        position = next_entries[r]
        for k in range(bounds[rows[r]], bounds[rows[r] + 1]):
            if ids[k] >= len(columns):
                break
            column = columns[ids[k]]
            if column >= 0:
                entries[position] = np.uint64(column) << _32 | np.uint64(counts[k])
                position += 1
        next_entries[r] = position


@kernel
def sort_entries(starts, stops, entries, first, last, n_columns):
    """Sort each row of `entries` by column; no row has a column twice.

    Parameters
    ----------
    starts, stops : ndarray of int64, of shape (n_rows,)
        Start and stop of the entries of each row.
    entries : ndarray of uint64
        From `put_entries` or `put_numbers`; modified.
    first, last : int
        The range of rows to process.
    n_columns : int
        Number of columns.
    """
    longest = 0
    for r in range(first, last):
        longest = max(longest, stops[r] - starts[r])
    buffer = np.empty(longest, np.uint64)
    digit_starts = np.empty(256, np.int64)
    for r in range(first, last):
        row = entries[starts[r] : stops[r]]
        size = len(row)
        # Insertion sort for a few entries, else radix sort to the base 256.
        if size < 48:
            for k in range(1, size):
                entry, position = row[k], k
                while position > 0 and row[position - 1] > entry:
                    row[position] = row[position - 1]
                    position -= 1
                row[position] = entry
        else:
            shift = _32
            while n_columns - 1 >> (shift - _32):
                digit_starts[:] = 0
                for k in range(size):
                    digit_starts[row[k] >> shift & _DIGIT] += 1
                position = 0
                for digit in range(256):
                    position, digit_starts[digit] = position + digit_starts[digit], position
                for k in range(size):
                    digit = row[k] >> shift & _DIGIT
                    buffer[digit_starts[digit]] = row[k]
                    digit_starts[digit] += 1
                row[:] = buffer[:size]
                shift += _EIGHT


@kernel
def split_entries(starts, entries, first, last, indptr, indices, data):
    """Write columns and counts of the entries of each row into `indices` and `data`.

    Parameters
    ----------
    starts : ndarray of int64, of shape (n_rows,)
        Start of the entries of each row.
    entries : ndarray of uint64
        From `sort_entries`.
    first, last : int
        The range of rows to process.
    indptr : ndarray of int64, of shape (n_rows + 1,)
        Start of each row in `indices` and `data`.
    indices, data : ndarray of int32
        Output: columns and counts.
    """
    for r in range(first, last):
        for k in range(indptr[r + 1] - indptr[r]):
            entry = entries[starts[r] + k]
            indices[indptr[r] + k] = entry >> _32
            data[indptr[r] + k] = entry & _LOWER


@kernel
def count_numbers(numbers, ends, first, last, columns, sizes):
    """Add the count of numbers with a column to the size of each document; see `put_numbers`."""
    last_number = np.uint32(len(columns) - 1)
    for d in range(first, last):
        size = 0
        for i in range(ends[d - 1] if d > 0 else 0, ends[d]):
            size += columns[min(np.uint32(numbers[i]), last_number)] >= 0
        sizes[d] += size


@kernel
def put_numbers(numbers, ends, first, last, columns, starts, stops, last_entries, entries):
    """Write an entry for each column of each document, and advance `stops`.

    Parameters
    ----------
    numbers : ndarray of int32
        Numbers of all documents, in order; negative numbers have no column.
    ends : ndarray of int64, of shape (n_documents,)
        End of each document.
    first, last : int
        The range of documents to process.
    columns : ndarray of int32, of shape (some numbers + 1,)
        The column of each of the first numbers, or -1; the last item is -1, for all other numbers.
    starts, stops : ndarray of int64, of shape (last - first,)
        Start of the entries of each document, and their current stop; advanced.
    last_entries : ndarray of int32, of shape (n_columns,)
        Index of the last entry of each column; any initial values will do.
    entries : ndarray of uint64
        Output: the column in the upper half, the count in the lower.
    """
    last_number = np.uint32(len(columns) - 1)
    row_columns = np.empty(64, np.int32)
    for d in range(first, last):
        begin = ends[d - 1] if d > 0 else 0
        if len(row_columns) < ends[d] - begin:
            row_columns = np.empty(2 * (ends[d] - begin), np.int32)
        # Without branches, many columns are loaded from memory in parallel.
        size = 0
        for i in range(begin, ends[d]):
            column = columns[min(np.uint32(numbers[i]), last_number)]
            row_columns[size] = column
            size += column >= 0
        start, stop = starts[d - first], stops[d - first]
        for k in range(size):
            column = np.uint64(row_columns[k])
            entry = last_entries[column]
            if start <= entry < stop and entries[entry] >> _32 == column:
                entries[entry] += _ONE
            else:
                last_entries[column] = stop
                entries[stop] = column << _32 | _ONE
                stop += 1
        stops[d - first] = stop


@kernel
def weigh_rows(indptr, indices, data, first, last, weights, sublinear, norm):
    """Turn counts into TF-IDF, in place.

    Parameters
    ----------
    indptr, indices, data : ndarray
        A CSR matrix of floats.
    first, last : int
        The range of rows to process.
    weights : ndarray of float, of shape (n_columns,) or (0,)
        Factor of each column; empty for none.
    sublinear : bool
        Whether to replace a count by one plus its logarithm first.
    norm : int
        Norm that scales each row: 1, 2, or 0 for none.
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
def copy_rows(bounds, columns, values, shift, next_entries, wide_columns, wide_values):
    """Copy the rows of a matrix into a wider one, and advance `next_entries`.

    Parameters
    ----------
    bounds, columns, values : ndarray
        The matrix, in CSR form.
    shift : int
        First column of this matrix in the wider one.
    next_entries : ndarray of int, of shape (n_rows,)
        Index of the next entry of each row; advanced.
    wide_columns, wide_values : ndarray
        Output: entries of the wider matrix.
    """
    for r in range(len(next_entries)):
        position = next_entries[r]
        for k in range(bounds[r], bounds[r + 1]):
            wide_columns[position] = columns[k] + shift
            wide_values[position] = values[k]
            position += 1
        next_entries[r] = position
