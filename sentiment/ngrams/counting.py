"""Counts of n-grams per document."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sentiment.ngrams.compiling import run_threads, split_work
from sentiment.ngrams.kernels import matrices

# Number of entries, eight bytes each, that are collected and sorted at a time.
_BLOCK = 2**14


@dataclass(frozen=True)
class Rows:
    """A sparse matrix of counts in CSR form, sorted by column.

    Attributes
    ----------
    indptr : ndarray of int64, of shape (n_rows + 1,)
        Row `r` is at ``indptr[r] : indptr[r + 1]``.
    indices, data : ndarray of int32
        Columns and counts.
    """

    indptr: np.ndarray
    indices: np.ndarray
    data: np.ndarray

    def sum_work(self, rows: np.ndarray) -> np.ndarray:
        """Return the cumulative number of counts in `rows`."""
        return np.cumsum(self.indptr[rows + 1] - self.indptr[rows])


def count_numbers(numbers: np.ndarray, ends: np.ndarray, size: int, threads: int) -> np.ndarray:
    """Return the document frequency and total count of each number, shape (size, 2).

    Parameters
    ----------
    numbers : ndarray of int32
        Numbers of all documents, in order; negative numbers are skipped.
    ends : ndarray of int64, of shape (n_documents,)
        End of each document.
    size : int
        Upper bound of the numbers, exclusive.
    threads : int
        Number of threads.
    """

    def count_range(first: int, last: int) -> np.ndarray:
        # int32 takes half of the memory bandwidth of int64, and nearly always suffices.
        table = np.zeros((size, 3), np.int32 if len(numbers) < 2**31 else np.int64)
        matrices.add_numbers(numbers, ends, first, last, table)
        return table

    total, *tables = run_threads(count_range, split_work(ends, threads))
    for table in tables:
        total += table
    return total[:, :2]


def take_numbers(
    streams: Mapping[int, np.ndarray],
    ends: np.ndarray,
    columns: Mapping[int, np.ndarray],
    threads: int,
) -> Rows:
    """Return the count matrix of documents given as numbers of n-grams.

    Parameters
    ----------
    streams : mapping of int to ndarray of int32
        For each order, the number of the n-gram at each position, or -1.
    ends : ndarray of int64, of shape (n_documents,)
        End of each document.
    columns : mapping of int to ndarray of int32
        For each order, the columns of the first numbers, or -1; later numbers have no column.
    threads : int
        Number of threads.
    """
    width = count_columns(columns)
    columns = {n: _append_missing(columns[n]) for n in streams}
    ranges = split_work(ends, threads)
    # Bounds of the rows if no row had an n-gram twice.
    bounds = np.zeros(len(ends) + 1, np.int64)
    sizes = bounds[1:]
    for n, numbers in streams.items():
        run_threads(
            lambda a, b, n=n, s=numbers: matrices.count_numbers(s, ends, a, b, columns[n], sizes),
            ranges,
        )
    np.cumsum(sizes, out=sizes)
    indptr = np.zeros(len(ends) + 1, np.int64)
    indices, data = np.empty(bounds[-1], np.int32), np.empty(bounds[-1], np.int32)

    def take_range(first: int, last: int) -> int:
        last_entries = np.zeros(width, np.int32)
        start = free = int(bounds[first])
        for a, b in _split_blocks(bounds, first, last):
            starts = bounds[a:b] - bounds[a]
            stops = starts.copy()
            entries = np.empty(bounds[b] - bounds[a], np.uint64)
            for n, s in streams.items():
                matrices.put_numbers(
                    s, ends, a, b, columns[n], starts, stops, last_entries, entries
                )
            matrices.sort_entries(starts, stops, entries, 0, b - a, np.uint64(width))
            indptr[a + 1 : b + 1] = stops - starts
            block = np.concatenate([[0], np.cumsum(stops - starts)])
            matrices.split_entries(starts, entries, 0, b - a, block, indices[free:], data[free:])
            free += int(block[-1])
        return free - start

    range_sizes = run_threads(take_range, ranges)
    np.cumsum(indptr, out=indptr)
    for (first, _), size in zip(ranges, range_sizes, strict=True):
        for array in (indices, data):
            array[indptr[first] :][:size] = array[bounds[first] :][:size]
    for array in (indices, data):
        array.resize(indptr[-1], refcheck=False)  # without a copy
    return Rows(indptr, indices, data)


def _append_missing(columns: np.ndarray) -> np.ndarray:
    """Return `columns` with -1 as the last column."""
    has_missing: bool = len(columns) > 0 and columns[-1] < 0
    return columns if has_missing else np.append(columns, np.int32(-1))


def _split_blocks(bounds: np.ndarray, first: int, last: int) -> list[tuple[int, int]]:
    """Return ranges of documents whose entries fit into the cache of a core."""
    targets = np.arange(bounds[first], bounds[last], _BLOCK)[1:]
    documents = [first, *np.searchsorted(bounds[: last + 1], targets).tolist(), last]
    return [(a, b) for a, b in pairwise(documents) if a < b]


def count_columns(columns: Mapping[int, np.ndarray]) -> int:
    """Return the number of columns; `columns` has the column of each n-gram, or -1."""
    return max((int(numbers.max(initial=-1)) for numbers in columns.values()), default=-1) + 1


def sort_rows(indptr: np.ndarray, entries: np.ndarray, width: int, threads: int) -> Rows:
    """Return a matrix of unsorted entries, with the columns of each row sorted.

    Parameters
    ----------
    indptr : ndarray of int64, of shape (n_rows + 1,)
        Row `r` is at ``indptr[r] : indptr[r + 1]``.
    entries : ndarray of uint64
        A column in the upper half, a count in the lower; modified.
    width : int
        Number of columns.
    threads : int
        Number of threads.
    """
    starts, stops = indptr[:-1], indptr[1:]
    indices, data = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.int32)

    def sort_range(first: int, last: int) -> None:
        matrices.sort_entries(starts, stops, entries, first, last, np.uint64(width))
        matrices.split_entries(starts, entries, first, last, indptr, indices, data)

    run_threads(sort_range, split_work(stops, threads))
    return Rows(indptr, indices, data)
