"""How often each document holds each n-gram."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sentiment.features.kernels import matrices, ngrams
from sentiment.features.kernels.compiling import cut_ranges, run_threads


@dataclass(frozen=True)
class Rows:
    """A sparse matrix in compressed rows, sorted by column.

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


@dataclass(frozen=True)
class Counts:
    """How often each document holds each of some ids, in compressed rows.

    Attributes
    ----------
    bounds : ndarray of int64, of shape (n_documents + 1,)
        Document `d` holds ``ids[bounds[d] : bounds[d + 1]]``.
    ids, counts : ndarray of int32
        The ids and how often each stands in the document.
    """

    bounds: np.ndarray
    ids: np.ndarray
    counts: np.ndarray

    def sum_work(self, rows: np.ndarray) -> np.ndarray:
        """Return the number of counts up to and with each of `rows`."""
        return np.cumsum(self.bounds[rows + 1] - self.bounds[rows])


def count_ids(ids: np.ndarray, ends: np.ndarray, threads: int) -> Counts:
    """Return how often each document holds each of `ids`.

    Parameters
    ----------
    ids : ndarray of int32
        One document after the other; negative ones do not count.
    ends : ndarray of int64
        Where each document ends.
    threads : int
        Number of threads.
    """
    parts = run_threads(
        lambda first, last: ngrams.count_in_documents(ids, ends, first, last),
        cut_ranges(ends, threads),
    )
    bounds = np.zeros(len(ends) + 1, np.int64)
    np.cumsum(np.concatenate([sizes for _, _, sizes in parts]), out=bounds[1:])
    if len(parts) == 1:
        return Counts(bounds, parts[0][0], parts[0][1])
    found, counts = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    return Counts(bounds, found, counts)


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
        For each order the column of each number, or -1.
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
    return _sort(places, entries, _count_columns(columns), threads)


class Layers(Protocol):
    """Counts of the n-grams of several orders; an order is a number of tokens."""

    n_documents: int

    def sum_frequencies(
        self, rows: np.ndarray, sizes: list[int], threads: int
    ) -> dict[int, np.ndarray]:
        """Return in how many of `rows` each n-gram stands, and how often.

        Returns
        -------
        dict of int to ndarray of int, of shape (sizes[order - 1], 2)
            A table for each order.
        """

    def take(self, columns: Mapping[int, np.ndarray], rows: np.ndarray, threads: int) -> Rows:
        """Return the matrix of `rows`, with the n-grams that have a column in `columns`."""


class NgramLayers:
    """Counts of n-grams.

    Parameters
    ----------
    orders : mapping of int to Counts
        The counts of the n-grams of each order.
    n_documents : int
        Number of documents.
    """

    def __init__(self, orders: Mapping[int, Counts], n_documents: int) -> None:
        self.orders = orders
        self.n_documents = n_documents

    def sum_frequencies(
        self, rows: np.ndarray, sizes: list[int], threads: int
    ) -> dict[int, np.ndarray]:
        """Return in how many of `rows` each n-gram stands, and how often."""

        def work(found: Counts, size: int, first: int, last: int) -> np.ndarray:
            # Half the bytes are half the way to the memory, and nearly always enough.
            most = int(found.counts.max(initial=0)) * len(rows)
            kind = np.int32 if most < 2**31 else np.int64
            part = np.zeros((size, 2), kind)
            matrices.add_frequencies(found.bounds, found.ids, found.counts, rows, first, last, part)
            return part

        return {
            n: _sum_up(
                run_threads(
                    work,
                    [
                        (found, sizes[n - 1], *ends)
                        for ends in cut_ranges(found.sum_work(rows), threads)
                    ],
                )
            )
            for n, found in self.orders.items()
        }

    def take(self, columns: Mapping[int, np.ndarray], rows: np.ndarray, threads: int) -> Rows:
        """Return the matrix of `rows`, with the n-grams that have a column in `columns`."""
        work = np.arange(len(rows)) + sum(found.sum_work(rows) for found in self.orders.values())
        ranges = cut_ranges(work, threads)
        sizes = np.zeros(len(rows), np.int64)
        for n, found in self.orders.items():
            run_threads(
                lambda a, b, n=n, c=found: matrices.count_kept(
                    c.bounds, c.ids, rows, a, b, columns[n], sizes
                ),
                ranges,
            )
        indptr = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(sizes, out=indptr[1:])
        entries = np.empty(indptr[-1], np.uint64)
        places = indptr[:-1].copy()
        for n, found in self.orders.items():
            run_threads(
                lambda a, b, n=n, c=found: matrices.put_entries(
                    c.bounds, c.ids, c.counts, rows, a, b, columns[n], places, entries
                ),
                ranges,
            )
        return _sort(indptr, entries, _count_columns(columns), threads)


class SpelledLayers:
    """Counts of words, and of the character n-grams of each word.

    Parameters
    ----------
    words : Counts
        Counts of words.
    spelling : NgramLayers
        Its documents are the words.
    """

    def __init__(self, words: Counts, spelling: NgramLayers) -> None:
        self.words = words
        self.spelling = spelling
        self.n_documents = len(words.bounds) - 1

    def sum_frequencies(
        self, rows: np.ndarray, sizes: list[int], threads: int
    ) -> dict[int, np.ndarray]:
        """Return in how many of `rows` each n-gram stands, and how often."""
        words = self.words
        ranges = cut_ranges(words.sum_work(rows), threads)

        def work(units: Counts, size: int, first: int, last: int) -> np.ndarray:
            part = np.zeros((size, 2), np.int64)
            matrices.multiply_frequencies(
                words.bounds, words.ids, words.counts, rows, first, last,
                units.bounds, units.ids, units.counts, part,
            )  # fmt: skip
            return part

        return {
            n: _sum_up(run_threads(work, [(units, sizes[n - 1], *ends) for ends in ranges]))
            for n, units in self.spelling.orders.items()
        }

    def take(self, columns: Mapping[int, np.ndarray], rows: np.ndarray, threads: int) -> Rows:
        """Return the matrix of `rows`, with the n-grams that have a column in `columns`."""
        words = self.words
        units = self.spelling.take(columns, np.arange(self.spelling.n_documents), threads)
        width = _count_columns(columns)
        parts = run_threads(
            lambda first, last: matrices.multiply_entries(
                words.bounds, words.ids, words.counts, rows, first, last,
                units.indptr, units.indices, units.data, width,
            ),
            cut_ranges(words.sum_work(rows), threads),
        )  # fmt: skip
        indptr = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(np.concatenate([sizes for _, sizes in parts]), out=indptr[1:])
        return _sort(indptr, np.concatenate([entries for entries, _ in parts]), width, threads)


def _count_columns(columns: Mapping[int, np.ndarray]) -> int:
    return max((int(numbers.max(initial=-1)) for numbers in columns.values()), default=-1) + 1


def _sum_up(parts: list[np.ndarray]) -> np.ndarray:
    """Return the sum of `parts`, in the first of them."""
    for part in parts[1:]:
        parts[0] += part
    return parts[0]


def _sort(places: np.ndarray, entries: np.ndarray, width: int, threads: int) -> Rows:
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
