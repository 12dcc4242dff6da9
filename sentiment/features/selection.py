"""Which n-grams become columns, and in what order."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sentiment.features.trie import Ngrams


@dataclass(frozen=True)
class Columns:
    """The columns of a matrix.

    Attributes
    ----------
    terms : list of str
        The n-gram of each column.
    numbers : dict of int to ndarray of int32
        For each order the column of each n-gram, or -1.
    """

    terms: list[str]
    numbers: Mapping[int, np.ndarray]


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
        What the numbers of n-grams stand for.
    frequencies : mapping of int to ndarray of shape (size, 2)
        For each order, in how many documents each n-gram stands, and how often.
    low, high : float
        The least and the largest number of documents.
    limit : int, optional
        The most columns. The most frequent n-grams are kept; of those that are as frequent as the
        last, the first in the order of the columns.
    binary : bool
        Whether frequency is the number of documents.
    """
    orders, numbers, often = [], [], []
    for n, table in frequencies.items():
        in_documents = table[:, 0]
        kept = np.flatnonzero((in_documents > 0) & (in_documents >= low) & (in_documents <= high))
        orders.append(np.full(len(kept), n))
        numbers.append(kept)
        often.append(table[kept, 0 if binary else 1])
    order, number, times = map(np.concatenate, (orders, numbers, often))
    tied = np.zeros(len(times), bool)
    if limit is not None and len(times) > limit:
        least = np.partition(times, len(times) - limit)[len(times) - limit]
        order, number, times = (part[times >= least] for part in (order, number, times))
        tied = times == least
        limit -= int(np.sum(~tied))

    sorted_places, terms = _sort_terms(ngrams, order, number)
    if tied.any():
        tied = tied[sorted_places]
        kept = ~tied | (np.cumsum(tied) <= limit)
        sorted_places = sorted_places[kept]
        terms = [term for term, keep in zip(terms, kept.tolist(), strict=True) if keep]
    columns = {n: np.full(len(table), -1, np.int32) for n, table in frequencies.items()}
    place = np.arange(len(terms), dtype=np.int32)
    for n in columns:
        chosen = order[sorted_places] == n
        columns[n][number[sorted_places][chosen]] = place[chosen]
    return Columns(terms, columns)


def _sort_terms(
    ngrams: Ngrams, order: np.ndarray, number: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """Return the order in which n-grams are sorted by their strings, and the sorted strings.

    No token has a character as small as the space between tokens, so n-grams are in the order of
    their tokens, one that goes on behind one that ends.
    """
    width = int(order.max(initial=1))
    paths = np.full((len(order), width), -1)
    for n in np.unique(order):
        paths[order == n, :n] = ngrams.list_paths(int(n), number[order == n])
    tokens, places = np.unique(paths, return_inverse=True)
    tokens, absent = tokens[tokens >= 0], int(tokens[:1].min(initial=0) < 0)
    ranks = np.concatenate([np.zeros(absent, np.int64), ngrams.alphabet.rank(tokens) + 1])
    ranked = ranks[places.reshape(paths.shape)]
    bits = int(ranks.max(initial=0)).bit_length()
    if bits * width < 64:  # one number for all tokens sorts quickest
        packed = np.zeros(len(order), np.int64)
        for k in range(width):
            packed = packed << bits | ranked[:, k]
        sorted_places = np.argsort(packed)
    else:
        sorted_places = np.lexsort(ranked.T[::-1])

    spelled = np.array([""] * absent + ngrams.alphabet.spell(tokens), dtype=object)
    words = spelled[places.reshape(paths.shape)[sorted_places]]
    sizes = order[sorted_places]
    terms = words[:, 0].copy()
    for k in range(1, width):
        longer = sizes > k
        terms[longer] += ngrams.separator + words[longer, k]
    return sorted_places, terms.tolist()
