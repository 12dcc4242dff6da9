"""How often each document holds each n-gram."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sentiment.features.kernels import matrices
from sentiment.features.kernels.compiling import cut_ranges, run_threads


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
    """Return in how many documents each number stands, and how often, shape (size, 2).

    Parameters
    ----------
    numbers : ndarray of int32
        One document after the other; negative ones do not count.
    ends : ndarray of int64, of shape (n_documents,)
        Where each document ends.
    size : int
        All numbers are below.
    threads : int
        Number of threads.
    """

    def work(first: int, last: int) -> np.ndarray:
        part = np.zeros((size, 2), np.int32 if len(numbers) < 2**31 else np.int64)
        matrices.add_numbers(numbers, ends, first, last, part)
        return part

    table, *others = run_threads(work, cut_ranges(ends, threads))
    for part in others:
        table += part
    return table


def take_numbers(
    streams: Mapping[int, np.ndarray],
    ends: np.ndarray,
    columns: Mapping[int, np.ndarray],
    threads: int,
) -> Rows:
    """Return the matrix of documents whose n-grams are known by their numbers.

    Parameters
    ----------
    streams : mapping of int to ndarray of int32
        For each order the number of the n-gram at each position, or -1.
    ends : ndarray of int64, of shape (n_documents,)
        Where each document ends.
    columns : mapping of int to ndarray of int32
        For each order the column of each of the first numbers, or -1; all others have none.
    threads : int
        Number of threads.
    """
    ranges = cut_ranges(ends, threads)
    places = np.zeros(len(ends) + 1, np.int64)
    sizes = places[1:]
    for n, numbers in streams.items():
        run_threads(
            lambda a, b, n=n, s=numbers: matrices.count_numbers(s, ends, a, b, columns[n], sizes),
            ranges,
        )
    np.cumsum(sizes, out=sizes)
    entries = np.empty(places[-1], np.uint64)
    moving = places[:-1].copy()
    for n, numbers in streams.items():
        run_threads(
            lambda a, b, n=n, s=numbers: matrices.put_numbers(
                s, ends, a, b, columns[n], moving, entries
            ),
            ranges,
        )
    return sort_rows(places, entries, count_columns(columns), threads)


def count_columns(columns: Mapping[int, np.ndarray]) -> int:
    """Return how many columns there are; `columns` has the column of each n-gram, or -1."""
    return max((int(numbers.max(initial=-1)) for numbers in columns.values()), default=-1) + 1


def sort_rows(places: np.ndarray, entries: np.ndarray, width: int, threads: int) -> Rows:
    """Return the matrix whose entries are given, those of the same column of a row added up.

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
    ranges = cut_ranges(places[1:], threads)
    sizes = np.zeros(len(places) - 1, np.int64)
    run_threads(
        lambda first, last: matrices.sort_entries(
            places, entries, first, last, np.uint64(width), sizes
        ),
        ranges,
    )
    indptr = np.zeros(len(places), np.int64)
    np.cumsum(sizes, out=indptr[1:])
    indices, data = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.int32)
    run_threads(
        lambda first, last: matrices.split_entries(
            places, entries, first, last, indptr, indices, data
        ),
        ranges,
    )
    return Rows(indptr, indices, data)
