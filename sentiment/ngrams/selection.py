"""Selection of the n-grams that become columns, and their order."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sentiment.ngrams.trie import Ngrams


@dataclass(frozen=True)
class Columns:
    """The columns of a matrix.

    Attributes
    ----------
    terms : list of str
        The n-gram of each column.
    numbers : dict of int to ndarray of int32
        For each order, the columns of the first n-grams, or -1; later n-grams have no column.
    document_frequencies : ndarray of int, of shape (n_columns,)
        Document frequency of each n-gram.
    """

    terms: list[str]
    numbers: Mapping[int, np.ndarray]
    document_frequencies: np.ndarray


def choose_columns(
    ngrams: Ngrams,
    frequencies: Mapping[int, np.ndarray],
    low: float,
    high: float,
    limit: int | None,
    *,
    binary: bool,
) -> Columns:
    """Return columns for the n-grams that are neither too rare nor too common.

    Parameters
    ----------
    ngrams : Ngrams
        The n-grams by number.
    frequencies : mapping of int to ndarray of shape (at most size, 2)
        For each order, document frequency and total count of each n-gram; trailing n-grams in fewer
        than `low` documents may be left out.
    low, high : float
        The smallest and the largest number of documents.
    limit : int, optional
        Maximum number of columns. The most frequent n-grams are selected; ties are broken by the
        order of the columns.
    binary : bool
        Rank n-grams by document frequency instead of total count.
    """
    arrays = []
    for n, table in frequencies.items():
        dfs = table[:, 0]
        selected = np.flatnonzero(dfs >= max(low, 1))
        selected = selected[dfs[selected] <= high]
        counts = table[selected, 0 if binary else 1]
        arrays.append((np.full(len(selected), n), selected, counts, dfs[selected]))
    order, number, count, df = map(np.concatenate, zip(*arrays, strict=True))
    is_tied = np.zeros(len(count), bool)
    if limit is not None and len(count) > limit:
        threshold = np.partition(count, len(count) - limit)[len(count) - limit]
        is_frequent = count >= threshold
        is_tied = count[is_frequent] == threshold
        order, number, df = order[is_frequent], number[is_frequent], df[is_frequent]
        limit -= int(np.sum(~is_tied))

    sort_order, terms = _sort_terms(ngrams, order, number)
    if is_tied.any():
        is_tied = is_tied[sort_order]
        is_kept = ~is_tied | (np.cumsum(is_tied) <= limit)
        sort_order = sort_order[is_kept]
        terms = [term for term, keep in zip(terms, is_kept.tolist(), strict=True) if keep]
    order, number = order[sort_order], number[sort_order]
    columns = {}
    for n in frequencies:
        indices = np.flatnonzero(order == n)
        columns[n] = np.full(number[indices].max(initial=-1) + 2, -1, np.int32)
        columns[n][number[indices]] = indices
    return Columns(terms, columns, df[sort_order])


def _sort_terms(
    ngrams: Ngrams, order: np.ndarray, number: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """Return the order in which n-grams are sorted by their strings, and the sorted strings.

    No token has a character as small as the space between tokens, so n-grams are sorted by their
    tokens, and a prefix comes first.
    """
    width, size = int(order.max(initial=1)), ngrams.alphabet.size
    paths = np.full((len(order), width), -1)
    for n in np.unique(order):
        paths[order == n, :n] = ngrams.list_paths(int(n), number[order == n])
    is_used = np.zeros(size + 1, bool)
    is_used[paths] = True
    tokens = np.flatnonzero(is_used[:size])
    strings = ngrams.alphabet.decode(tokens)
    token_order = sorted(range(len(strings)), key=strings.__getitem__)
    ranks = np.zeros(size + 1, np.int64)  # the last rank, of a missing token, stays 0
    ranks[tokens[token_order]] = np.arange(1, len(tokens) + 1)
    ranked = ranks[paths]
    bits = len(tokens).bit_length()
    if bits * width < 64:  # sorting one number for all tokens is fastest
        packed = np.zeros(len(order), np.int64)
        for k in range(width):
            packed = packed << bits | ranked[:, k]
        sort_order = np.argsort(packed)
    else:
        sort_order = np.lexsort(ranked.T[::-1])

    # Shorter paths are padded with empty strings.
    strings = [strings[k] for k in token_order]
    heads = np.array(["", *strings], dtype=object)
    tails = np.array(["", *(ngrams.separator + string for string in strings)], dtype=object)
    ranked = ranked[sort_order]
    terms = heads[ranked[:, 0]]
    for k in range(1, width):
        terms = terms + tails[ranked[:, k]]
    return sort_order, terms.tolist()
