"""Counts of n-grams per document."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sentiment.ngrams.compiling import cut_ranges, run_threads
from sentiment.ngrams.kernels import matrices

# Entries of eight bytes that are gathered and sorted at a time.
_BLOCK = 2**14


@dataclass(frozen=True)
class Rows:
    """A sparse matrix of counts in compressed rows, sorted by column.

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
        """Return the number of counts up to and with each of `rows`."""
        return np.cumsum(self.indptr[rows + 1] - self.indptr[rows])


def count_numbers(numbers: np.ndarray, ends: np.ndarray, size: int, threads: int) -> np.ndarray:
    """Return the document frequency and total count of each number, shape (size, 2).

    Parameters
    ----------
    numbers : ndarray of int32
        One document after the other; negative numbers are skipped.
    ends : ndarray of int64, of shape (n_documents,)
        Where each document ends.
    size : int
        Upper bound of the numbers, exclusive.
    threads : int
        Number of threads.
    """

    def work(first: int, last: int) -> np.ndarray:
        # Half of the bytes take half of the memory bandwidth, and are nearly always enough.
        part = np.zeros((size, 3), np.int32 if len(numbers) < 2**31 else np.int64)
        matrices.add_numbers(numbers, ends, first, last, part)
        return part

    table, *others = run_threads(work, cut_ranges(ends, threads))
    for part in others:
        table += part
    return table[:, :2]


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
        For each order the number of the n-gram at each position, or -1.
    ends : ndarray of int64, of shape (n_documents,)
        Where each document ends.
    columns : mapping of int to ndarray of int32
        For each order the columns of the first numbers, or -1; later numbers have no column.
    threads : int
        Number of threads.
    """
    width = count_columns(columns)
    columns = {n: _end_with_none(columns[n]) for n in streams}
    ranges = cut_ranges(ends, threads)
    places = np.zeros(len(ends) + 1, np.int64)
    most = places[1:]
    for n, numbers in streams.items():
        run_threads(
            lambda a, b, n=n, s=numbers: matrices.count_numbers(s, ends, a, b, columns[n], most),
            ranges,
        )
    np.cumsum(most, out=most)
    indptr = np.zeros(len(ends) + 1, np.int64)
    indices, data = np.empty(places[-1], np.int32), np.empty(places[-1], np.int32)

    def take_some(first: int, last: int) -> int:
        met = np.zeros(width, np.int32)
        start = free = int(places[first])
        for a, b in _cut_blocks(places, first, last):
            starts = places[a:b] - places[a]
            stops = starts.copy()
            entries = np.empty(places[b] - places[a], np.uint64)
            for n, s in streams.items():
                matrices.put_numbers(s, ends, a, b, columns[n], starts, stops, met, entries)
            matrices.sort_entries(starts, stops, entries, 0, b - a, np.uint64(width))
            indptr[a + 1 : b + 1] = stops - starts
            bounds = np.concatenate([[0], np.cumsum(stops - starts)])
            matrices.split_entries(starts, entries, 0, b - a, bounds, indices[free:], data[free:])
            free += int(bounds[-1])
        return free - start

    sizes = run_threads(take_some, ranges)
    np.cumsum(indptr, out=indptr)
    for (first, _), size in zip(ranges, sizes, strict=True):
        for part in (indices, data):
            part[indptr[first] :][:size] = part[places[first] :][:size]
    for part in (indices, data):
        part.resize(indptr[-1], refcheck=False)  # in its place
    return Rows(indptr, indices, data)


def _end_with_none(columns: np.ndarray) -> np.ndarray:
    ended: bool = len(columns) > 0 and columns[-1] < 0
    return columns if ended else np.append(columns, np.int32(-1))


def _cut_blocks(places: np.ndarray, first: int, last: int) -> list[tuple[int, int]]:
    """Return ranges of documents whose entries fit into the cache of a core."""
    goals = np.arange(places[first], places[last], _BLOCK)[1:]
    marks = [first, *np.searchsorted(places[: last + 1], goals).tolist(), last]
    return [(a, b) for a, b in pairwise(marks) if a < b]


def count_columns(columns: Mapping[int, np.ndarray]) -> int:
    """Return how many columns there are; `columns` has the column of each n-gram, or -1."""
    return max((int(numbers.max(initial=-1)) for numbers in columns.values()), default=-1) + 1


def sort_rows(places: np.ndarray, entries: np.ndarray, width: int, threads: int) -> Rows:
    """Return a matrix of unsorted entries, with the columns of each row sorted.

    Parameters
    ----------
    places : ndarray of int64, of shape (n_rows + 1,)
        Row `r` is at ``places[r] : places[r + 1]``.
    entries : ndarray of uint64
        A column in the upper half, a count in the lower; changed.
    width : int
        Number of columns.
    threads : int
        Number of threads.
    """
    starts, stops = places[:-1], places[1:]
    indices, data = np.empty(places[-1], np.int32), np.empty(places[-1], np.int32)

    def sort_some(first: int, last: int) -> None:
        matrices.sort_entries(starts, stops, entries, first, last, np.uint64(width))
        matrices.split_entries(starts, entries, first, last, places, indices, data)

    run_threads(sort_some, cut_ranges(stops, threads))
    return Rows(places, indices, data)
