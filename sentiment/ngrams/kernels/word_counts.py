"""Counts of what words are made of, from the counts of the words.

Counts are in compressed rows: document `d` holds the words ``ids[bounds[d] : bounds[d + 1]]``, each
``counts[...]`` times.
"""

import numpy as np

from sentiment.ngrams.compiling import kernel

_32 = np.uint64(32)


@kernel
def multiply_frequencies(bounds, ids, counts, rows, first, last, unit_ends, units, frequencies):
    """Add up in how many of the rows each id stands, where words stand for ids.

    Parameters
    ----------
    bounds, ids, counts : ndarray of int64, of int32, of int32
        The counts of words.
    rows : ndarray of int64
        The documents that count.
    first, last : int
        The range of `rows` to do.
    unit_ends, units : ndarray of int64, of int32
        What each word stands for, one after the other; negative ones do not count.
    frequencies : ndarray of int64, of shape (n_ids, 2)
        Number of documents and number of times, added to.
    """
    seen = np.full(len(frequencies), -1, np.int64)
    for r in range(first, last):
        for k in range(bounds[rows[r]], bounds[rows[r] + 1]):
            for u in range(unit_ends[ids[k] - 1] if ids[k] > 0 else 0, unit_ends[ids[k]]):
                found = units[u]
                if found >= 0:
                    frequencies[found, 1] += counts[k]
                    if seen[found] != r:
                        seen[found] = r
                        frequencies[found, 0] += 1


@kernel
def multiply_entries(bounds, ids, counts, rows, first, last, unit_bounds, unit_ids, unit_counts,
                     n_columns):  # fmt: skip
    """Return the entries of rows, a column and a count each, where words stand for columns.

    Parameters
    ----------
    bounds, ids, counts, rows, first, last
        As of `multiply_frequencies`.
    unit_bounds, unit_ids, unit_counts : ndarray of int64, of int32, of int32
        What each word stands for, as counts of columns.
    n_columns : int
        Number of columns.

    Returns
    -------
    entries : ndarray of uint64
        One row after the other: the column in the upper half, the count in the lower.
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
