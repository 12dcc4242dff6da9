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
        For each order the columns of the first n-grams, or -1; later n-grams have no column.
    in_documents : ndarray of int, of shape (n_columns,)
        Document frequency of each.
    """

    terms: list[str]
    numbers: Mapping[int, np.ndarray]
    in_documents: np.ndarray


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
        The n-grams of the numbers.
    frequencies : mapping of int to ndarray of shape (at most size, 2)
        For each order, document frequency and total count of each n-gram; trailing n-grams in fewer
        than `low` documents may be left out.
    low, high : float
        The least and the largest number of documents.
    limit : int, optional
        Number of columns, at most. The most frequent n-grams are kept; ties are broken by the order
        of the columns.
    binary : bool
        Rank n-grams by document frequency instead of total count.
    """
    orders, numbers, often, spread = [], [], [], []
    for n, table in frequencies.items():
        in_documents = table[:, 0]
        kept = np.flatnonzero(in_documents >= max(low, 1))
        kept = kept[in_documents[kept] <= high]
        orders.append(np.full(len(kept), n))
        numbers.append(kept)
        often.append(table[kept, 0 if binary else 1])
        spread.append(in_documents[kept])
    order, number, times, in_documents = map(np.concatenate, (orders, numbers, often, spread))
    tied = np.zeros(len(times), bool)
    if limit is not None and len(times) > limit:
        least = np.partition(times, len(times) - limit)[len(times) - limit]
        tied = times[times >= least] == least
        order, number, in_documents = (
            part[times >= least] for part in (order, number, in_documents)
        )
        limit -= int(np.sum(~tied))

    sorted_places, terms = _sort_terms(ngrams, order, number)
    if tied.any():
        tied = tied[sorted_places]
        kept = ~tied | (np.cumsum(tied) <= limit)
        sorted_places = sorted_places[kept]
        terms = [term for term, keep in zip(terms, kept.tolist(), strict=True) if keep]
    order, number = order[sorted_places], number[sorted_places]
    columns = {}
    for n in frequencies:
        chosen = np.flatnonzero(order == n)
        columns[n] = np.full(number[chosen].max(initial=-1) + 2, -1, np.int32)
        columns[n][number[chosen]] = chosen
    return Columns(terms, columns, in_documents[sorted_places])


def _sort_terms(
    ngrams: Ngrams, order: np.ndarray, number: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """Return the order in which n-grams are sorted by their strings, and the sorted strings.

    No token has a character as small as the space between tokens, so n-grams are in the order of
    their tokens, one that goes on behind one that ends.
    """
    width, size = int(order.max(initial=1)), ngrams.alphabet.size
    paths = np.full((len(order), width), -1)
    for n in np.unique(order):
        paths[order == n, :n] = ngrams.list_paths(int(n), number[order == n])
    used = np.zeros(size + 1, bool)
    used[paths] = True
    tokens = np.flatnonzero(used[:size])
    decoded = ngrams.alphabet.decode(tokens)
    by_rank = sorted(range(len(decoded)), key=decoded.__getitem__)
    ranks = np.zeros(size + 1, np.int64)  # the last, which is that of no token, stays zero
    ranks[tokens[by_rank]] = np.arange(1, len(tokens) + 1)
    ranked = ranks[paths]
    bits = len(tokens).bit_length()
    if bits * width < 64:  # one number for all tokens sorts quickest
        packed = np.zeros(len(order), np.int64)
        for k in range(width):
            packed = packed << bits | ranked[:, k]
        sorted_places = np.argsort(packed)
    else:
        sorted_places = np.lexsort(ranked.T[::-1])

    # A path that ends early is filled with empty strings.
    words = [decoded[k] for k in by_rank]
    heads = np.array(["", *words], dtype=object)
    tails = np.array(["", *(ngrams.separator + word for word in words)], dtype=object)
    ranked = ranked[sorted_places]
    terms = heads[ranked[:, 0]]
    for k in range(1, width):
        terms = terms + tails[ranked[:, k]]
    return sorted_places, terms.tolist()
