"""Counts of the n-grams of several orders; an order is a number of tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sentiment.ngrams.compiling import cut_ranges, run_threads
from sentiment.ngrams.counting import Rows, count_columns, sort_rows, take_numbers
from sentiment.ngrams.kernels import matrices, word_counts

# For each order a table of shape (n_ngrams, 2): document frequency and total count of each n-gram.
_Frequencies = Mapping[int, np.ndarray]


class Layers(Protocol):
    """Counts of the n-grams of some documents."""

    @property
    def n_documents(self) -> int:
        """Number of documents."""

    def is_empty(self) -> bool:
        """Return whether no document has an n-gram."""

    def count_frequencies(self, sizes: list[int], least: float, threads: int) -> _Frequencies:
        """Return in how many documents each n-gram stands, and how often.

        Parameters
        ----------
        sizes : list of int
            Number of n-grams of each order, from one token on.
        least : float
            Trailing n-grams in fewer documents may be left out.
        threads : int
            Number of threads.

        Returns
        -------
        mapping of int to ndarray of int, of shape (at most sizes[order - 1], 2)
            A table for each order.
        """

    def take(self, columns: Mapping[int, np.ndarray], threads: int) -> Rows:
        """Return the matrix of the documents, with the n-grams that have a column in `columns`."""


@dataclass(frozen=True)
class NumberedLayers:
    """Documents as numbers of n-grams.

    Attributes
    ----------
    streams : mapping of int to ndarray of int32
        For each order the number of the n-gram at each position, or -1.
    ends : ndarray of int64, of shape (n_documents,)
        Where each document ends.
    frequencies : mapping of int to ndarray of int
        A table for each order.
    """

    streams: Mapping[int, np.ndarray]
    ends: np.ndarray
    frequencies: _Frequencies

    @property
    def n_documents(self) -> int:
        """Number of documents."""
        return len(self.ends)

    def is_empty(self) -> bool:
        """Return whether no document has an n-gram."""
        return not any(table.any() for table in self.frequencies.values())

    def count_frequencies(self, sizes: list[int], least: float, threads: int) -> _Frequencies:
        """Return in how many documents each n-gram stands, and how often."""
        return self.frequencies

    def take(self, columns: Mapping[int, np.ndarray], threads: int) -> Rows:
        """Return the matrix of the documents, with the n-grams that have a column in `columns`."""
        return take_numbers(self.streams, self.ends, columns, threads)


@dataclass(frozen=True)
class KeptLayers:
    """Cached counts of a corpus, of which some documents are selected.

    Attributes
    ----------
    orders : mapping of int to Rows
        For each order the count of each n-gram in each document.
    totals : mapping of int to ndarray of int
        A table for each order, of all documents. N-grams of more than one token are numbered by
        total count, the most frequent first, so that only the first numbers matter.
    rows : ndarray of int64
        The documents that are wanted.
    """

    orders: Mapping[int, Rows]
    totals: _Frequencies
    rows: np.ndarray

    @property
    def n_documents(self) -> int:
        """Number of documents that are wanted."""
        return len(self.rows)

    def is_empty(self) -> bool:
        """Return whether no document has an n-gram."""
        return not any(found.sum_work(self.rows)[-1:].any() for found in self.orders.values())

    def count_frequencies(self, sizes: list[int], least: float, threads: int) -> _Frequencies:
        """Return in how many documents each n-gram stands, and how often."""
        rows, tables = self.rows, {}
        for n, found in self.orders.items():
            times = np.bincount(rows, minlength=len(found.indptr) - 1)
            # With repeated rows, n-grams would be more frequent than in total.
            once = int(times.max(initial=0)) <= 1
            often = self.totals[n][:, 1] >= (max(least, 1) if once else 1)
            total = self.totals[n][: len(often) - int(often[::-1].argmax()) if often.any() else 0]
            # Count the selected documents or the others, whichever are fewer.
            if once and 2 * len(rows) > len(times):
                tables[n] = total - _add_up(found, np.flatnonzero(times == 0), total, threads)
            else:
                tables[n] = _add_up(found, rows, total, threads)
        return tables

    def take(self, columns: Mapping[int, np.ndarray], threads: int) -> Rows:
        """Return the matrix of the documents, with the n-grams that have a column in `columns`."""
        rows = self.rows
        work = np.arange(len(rows)) + sum(found.sum_work(rows) for found in self.orders.values())
        ranges = cut_ranges(work, threads)
        sizes = np.zeros(len(rows), np.int64)
        for n, c in self.orders.items():
            run_threads(
                lambda a, b, n=n, c=c: matrices.count_kept(
                    c.indptr, c.indices, rows, a, b, columns[n], sizes
                ),
                ranges,
            )
        indptr = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(sizes, out=indptr[1:])
        entries = np.empty(indptr[-1], np.uint64)
        places = indptr[:-1].copy()
        for n, c in self.orders.items():
            run_threads(
                lambda a, b, n=n, c=c: matrices.put_entries(
                    c.indptr, c.indices, c.data, rows, a, b, columns[n], places, entries
                ),
                ranges,
            )
        return sort_rows(indptr, entries, count_columns(columns), threads)


@dataclass(frozen=True)
class WordLayers:
    """Cached counts of words, of which some documents are selected, and the n-grams of each word.

    Attributes
    ----------
    words : Rows
        The count of each word in each document.
    streams : mapping of int to ndarray of int32
        For each order the number of the n-gram at each position of the words, or -1.
    ends : ndarray of int64, of shape (n_words,)
        Where each word ends.
    rows : ndarray of int64
        The documents that are wanted.
    """

    words: Rows
    streams: Mapping[int, np.ndarray]
    ends: np.ndarray
    rows: np.ndarray

    @property
    def n_documents(self) -> int:
        """Number of documents that are wanted."""
        return len(self.rows)

    def is_empty(self) -> bool:
        """Return whether no document has an n-gram."""
        return not self.words.sum_work(self.rows)[-1:].any()

    def count_frequencies(self, sizes: list[int], least: float, threads: int) -> _Frequencies:
        """Return in how many documents each n-gram stands, and how often."""
        words, rows = self.words, self.rows
        ranges = cut_ranges(words.sum_work(rows), threads)

        def work(n: int, first: int, last: int) -> np.ndarray:
            part = np.zeros((sizes[n - 1], 2), np.int64)
            word_counts.multiply_frequencies(
                words.indptr, words.indices, words.data, rows, first, last,
                self.ends, self.streams[n], part,
            )  # fmt: skip
            return part

        return {
            n: _sum_up(run_threads(work, [(n, *found) for found in ranges])) for n in self.streams
        }

    def take(self, columns: Mapping[int, np.ndarray], threads: int) -> Rows:
        """Return the matrix of the documents, with the n-grams that have a column in `columns`."""
        words, rows = self.words, self.rows
        units = take_numbers(self.streams, self.ends, columns, threads)
        width = count_columns(columns)
        parts = run_threads(
            lambda first, last: word_counts.multiply_entries(
                words.indptr, words.indices, words.data, rows, first, last,
                units.indptr, units.indices, units.data, width,
            ),
            cut_ranges(words.sum_work(rows), threads),
        )  # fmt: skip
        indptr = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(np.concatenate([sizes for _, sizes in parts]), out=indptr[1:])
        return sort_rows(indptr, np.concatenate([entries for entries, _ in parts]), width, threads)


def _add_up(found: Rows, rows: np.ndarray, like: np.ndarray, threads: int) -> np.ndarray:
    """Return a table of the first n-grams in `rows`, in the shape of another table."""

    def work(first: int, last: int) -> np.ndarray:
        part: np.ndarray = np.zeros(like.shape, like.dtype)
        matrices.add_frequencies(found.indptr, found.indices, found.data, rows, first, last, part)
        return part

    return _sum_up(run_threads(work, cut_ranges(found.sum_work(rows), threads)))


def _sum_up(parts: list[np.ndarray]) -> np.ndarray:
    """Return the sum of `parts`, in the first of them."""
    first, *others = parts
    for part in others:
        first += part
    return first
