"""Counts of the n-grams of several orders; an order is a number of tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sentiment.ngrams.compiling import run_threads, split_work
from sentiment.ngrams.counting import Rows, count_columns, sort_rows, take_numbers
from sentiment.ngrams.kernels import matrices, word_counts

# For each order, a table of shape (n_ngrams, 2): document frequency and total count of each n-gram.
_Frequencies = Mapping[int, np.ndarray]
# Blocks of documents of a thread, whose entries are sorted one block after the other.
_BLOCKS = 32


class Layers(Protocol):
    """Counts of the n-grams of some documents."""

    @property
    def n_documents(self) -> int:
        """Number of documents."""

    def is_empty(self) -> bool:
        """Return whether no document has an n-gram."""

    def count_frequencies(
        self, sizes: list[int], min_documents: float, threads: int
    ) -> _Frequencies:
        """Return the document frequency and the total count of each n-gram.

        Parameters
        ----------
        sizes : list of int
            Number of n-grams of each order, from one token on.
        min_documents : float
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
        For each order, the number of the n-gram at each position, or -1.
    ends : ndarray of int64, of shape (n_documents,)
        End of each document.
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

    def count_frequencies(
        self, sizes: list[int], min_documents: float, threads: int
    ) -> _Frequencies:
        """Return the document frequency and the total count of each n-gram."""
        return self.frequencies

    def take(self, columns: Mapping[int, np.ndarray], threads: int) -> Rows:
        """Return the matrix of the documents, with the n-grams that have a column in `columns`."""
        return take_numbers(self.streams, self.ends, columns, threads)


@dataclass(frozen=True)
class CachedLayers:
    """Selected documents of a corpus with cached counts.

    Attributes
    ----------
    orders : mapping of int to Rows
        For each order, the count of each n-gram in each document.
    totals : mapping of int to ndarray of int
        A table for each order, of all documents. N-grams of more than one token are numbered by
        total count, the most frequent first, so that only the first numbers matter.
    rows : ndarray of int64
        The selected documents.
    """

    orders: Mapping[int, Rows]
    totals: _Frequencies
    rows: np.ndarray

    @property
    def n_documents(self) -> int:
        """Number of selected documents."""
        return len(self.rows)

    def is_empty(self) -> bool:
        """Return whether no document has an n-gram."""
        return not any(counts.sum_work(self.rows)[-1:].any() for counts in self.orders.values())

    def count_frequencies(
        self, sizes: list[int], min_documents: float, threads: int
    ) -> _Frequencies:
        """Return the document frequency and the total count of each n-gram."""
        rows, tables = self.rows, {}
        for n, counts in self.orders.items():
            repeats = np.bincount(rows, minlength=len(counts.indptr) - 1)
            # With repeated rows, n-grams could be more frequent than in the whole corpus.
            is_unique = int(repeats.max(initial=0)) <= 1
            is_frequent = self.totals[n][:, 1] >= (max(min_documents, 1) if is_unique else 1)
            size = len(is_frequent) - int(is_frequent[::-1].argmax()) if is_frequent.any() else 0
            total = self.totals[n][:size]
            # Count the selected documents or the others, whichever are fewer.
            if is_unique and 2 * len(rows) > len(repeats):
                others = np.flatnonzero(repeats == 0)
                tables[n] = total - _count_rows(counts, others, total, threads)
            else:
                tables[n] = _count_rows(counts, rows, total, threads)
        return tables

    def take(self, columns: Mapping[int, np.ndarray], threads: int) -> Rows:
        """Return the matrix of the documents, with the n-grams that have a column in `columns`."""
        rows = self.rows
        work = np.arange(len(rows)) + sum(counts.sum_work(rows) for counts in self.orders.values())
        ranges = split_work(work, threads)
        sizes = np.zeros(len(rows), np.int64)
        for n, c in self.orders.items():
            run_threads(
                lambda a, b, n=n, c=c: matrices.count_entries(
                    c.indptr, c.indices, rows, a, b, columns[n], sizes
                ),
                ranges,
            )
        indptr = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(sizes, out=indptr[1:])
        entries = np.empty(indptr[-1], np.uint64)
        next_entries = indptr[:-1].copy()
        for n, c in self.orders.items():
            run_threads(
                lambda a, b, n=n, c=c: matrices.put_entries(
                    c.indptr, c.indices, c.data, rows, a, b, columns[n], next_entries, entries
                ),
                ranges,
            )
        return sort_rows(indptr, entries, count_columns(columns), threads)


@dataclass(frozen=True)
class WordLayers:
    """Selected documents of a corpus with cached counts of words, and the n-grams of each word.

    Attributes
    ----------
    words : Rows
        The count of each word in each document.
    streams : mapping of int to ndarray of int32
        For each order, the number of the n-gram at each position of the words, or -1.
    ends : ndarray of int64, of shape (n_words,)
        End of each word.
    rows : ndarray of int64
        The selected documents.
    """

    words: Rows
    streams: Mapping[int, np.ndarray]
    ends: np.ndarray
    rows: np.ndarray

    @property
    def n_documents(self) -> int:
        """Number of selected documents."""
        return len(self.rows)

    def is_empty(self) -> bool:
        """Return whether no document has an n-gram."""
        return not self.words.sum_work(self.rows)[-1:].any()

    def count_frequencies(
        self, sizes: list[int], min_documents: float, threads: int
    ) -> _Frequencies:
        """Return the document frequency and the total count of each n-gram."""
        words, rows = self.words, self.rows
        ranges = split_work(words.sum_work(rows), threads)

        def count_range(n: int, first: int, last: int) -> np.ndarray:
            table = np.zeros((sizes[n - 1], 2), np.int64)
            word_counts.multiply_frequencies(
                words.indptr, words.indices, words.data, rows, first, last,
                self.ends, self.streams[n], table,
            )  # fmt: skip
            return table

        return {
            n: _sum_tables(run_threads(count_range, [(n, *bounds) for bounds in ranges]))
            for n in self.streams
        }

    def take(self, columns: Mapping[int, np.ndarray], threads: int) -> Rows:
        """Return the matrix of the documents, with the n-grams that have a column in `columns`."""
        words, rows = self.words, self.rows
        units = take_numbers(self.streams, self.ends, columns, threads)
        width, work = count_columns(columns), words.sum_work(rows)

        def take_range(first: int, last: int) -> list[Rows]:
            # In blocks, since unsorted entries take twice the memory of sorted ones.
            blocks = []
            before = work[first - 1] if first else 0
            for start, stop in split_work(work[first:last] - before, _BLOCKS):
                entries, sizes = word_counts.multiply_entries(
                    words.indptr, words.indices, words.data, rows, first + start, first + stop,
                    units.indptr, units.indices, units.data, width,
                )  # fmt: skip
                blocks.append(sort_rows(np.append(0, np.cumsum(sizes)), entries, width, threads=1))
            return blocks

        parts = run_threads(take_range, split_work(work, threads))
        blocks = [block for part in parts for block in part]
        indptr = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(np.concatenate([np.diff(block.indptr) for block in blocks]), out=indptr[1:])
        indices, data = [block.indices for block in blocks], [block.data for block in blocks]
        del parts, blocks
        all_indices = np.concatenate(indices)
        indices.clear()  # before the other copy
        return Rows(indptr, all_indices, np.concatenate(data))


def _count_rows(counts: Rows, rows: np.ndarray, like: np.ndarray, threads: int) -> np.ndarray:
    """Return the table of the n-grams in `rows`, with the shape and the dtype of `like`."""

    def count_range(first: int, last: int) -> np.ndarray:
        table: np.ndarray = np.zeros(like.shape, like.dtype)
        matrices.add_frequencies(
            counts.indptr, counts.indices, counts.data, rows, first, last, table
        )
        return table

    return _sum_tables(run_threads(count_range, split_work(counts.sum_work(rows), threads)))


def _sum_tables(tables: list[np.ndarray]) -> np.ndarray:
    """Return the sum of `tables`, in place in the first one."""
    total, *others = tables
    for table in others:
        total += table
    return total
