"""Kernels that count the units of words, such as character n-grams, from the counts of the words.

Counts are in CSR form: document `d` contains the words ``ids[bounds[d] : bounds[d + 1]]``, with
``counts[bounds[d] : bounds[d + 1]]``.
"""

import numpy as np

from sentiment.ngrams.compiling import kernel

_32 = np.uint64(32)


@kernel
def multiply_frequencies(bounds, ids, counts, rows, first, last, unit_ends, units, frequencies):
    """Add the document frequency and the total count of each unit in some rows.

    Parameters
    ----------
    bounds, ids, counts : ndarray of int64, of int32, of int32
        The counts of words.
    rows : ndarray of int64
        The documents to count.
    first, last : int
        The range of `rows` to process.
    unit_ends, units : ndarray of int64, of int32
        The units of all words, in order, and their end for each word; negative units are skipped.
    frequencies : ndarray of int64, of shape (n_units, 2)
        Document frequency and total count; added to.
    """
    last_rows = np.full(len(frequencies), -1, np.int64)
    for r in range(first, last):
        for k in range(bounds[rows[r]], bounds[rows[r] + 1]):
            for u in range(unit_ends[ids[k] - 1] if ids[k] > 0 else 0, unit_ends[ids[k]]):
                unit = units[u]
                if unit >= 0:
                    frequencies[unit, 1] += counts[k]
                    if last_rows[unit] != r:
                        last_rows[unit] = r
                        frequencies[unit, 0] += 1


@kernel
def multiply_entries(bounds, ids, counts, rows, first, last, unit_bounds, unit_ids, unit_counts,
                     n_columns):  # fmt: skip
    """Return the entries of rows, a column and a count each, from the columns of the words.

    Parameters
    ----------
    bounds, ids, counts, rows, first, last
        See `multiply_frequencies`.
    unit_bounds, unit_ids, unit_counts : ndarray of int64, of int32, of int32
        Counts of the columns of each word, in CSR form.
    n_columns : int
        Number of columns.

    Returns
    -------
    entries : ndarray of uint64
        Entries of all rows, in order: the column in the upper half, the count in the lower.
    sizes : ndarray of int64, of shape (last - first,)
        Number of entries of each row.
    """
    sums = np.zeros(n_columns, np.int64)
    touched = np.empty(n_columns, np.int64)
    entries = np.empty(1024, np.uint64)
    sizes = np.empty(last - first, np.int64)
    total = 0
    for r in range(first, last):
        size = 0
        for k in range(bounds[rows[r]], bounds[rows[r] + 1]):
            for u in range(unit_bounds[ids[k]], unit_bounds[ids[k] + 1]):
                column = unit_ids[u]
                if sums[column] == 0:
                    touched[size] = column
                    size += 1
                sums[column] += counts[k] * unit_counts[u]
        if total + size > len(entries):
            larger = np.empty(max(total + size, 2 * len(entries)), np.uint64)
            larger[:total] = entries[:total]
            entries = larger
        for t in range(size):
            column = touched[t]
            entries[total + t] = np.uint64(column) << _32 | np.uint64(sums[column])
            sums[column] = 0
        sizes[r - first] = size
        total += size
    return entries[:total].copy(), sizes
