"""Packing of corpora and counts into named arrays, and checks of such arrays.

The kernels do not check indices, so all numbers that index another array are checked here.
"""

import numpy as np

from sentiment.ngrams.alphabets import Alphabet, Characters, Words
from sentiment.ngrams.corpus import Corpus
from sentiment.ngrams.counting import Rows, take_numbers
from sentiment.ngrams.digests import DIGEST_BYTES
from sentiment.ngrams.layers import CachedLayers, NumberedLayers
from sentiment.ngrams.rules import TokenRules
from sentiment.ngrams.storage import Arrays
from sentiment.ngrams.trie import Ngrams

# Errors of missing arrays, or of arrays with unexpected shapes.
_MISFIT = (IndexError, KeyError, TypeError, ValueError)


def pack_corpus(corpus: Corpus) -> Arrays:
    """Return a corpus as arrays, for `unpack_corpus`."""
    arrays = {"tokens": corpus.tokens, "ends": corpus.ends}
    if isinstance(corpus.alphabet, Words):
        arrays |= {"store": corpus.alphabet.store, "bounds": corpus.alphabet.bounds}
    return arrays


def unpack_corpus(arrays: Arrays, rules: TokenRules) -> Corpus:
    """Return the corpus that was packed."""
    alphabet: Alphabet = Characters()
    if "store" in arrays:
        alphabet = Words.from_bytes(arrays["store"], arrays["bounds"])
    return Corpus(arrays["tokens"], arrays["ends"], alphabet, rules)


def is_valid_corpus(arrays: Arrays) -> bool:
    """Return whether all indices in the `arrays` of a corpus are within bounds."""
    try:
        tokens, ends, digests = arrays["tokens"], arrays["ends"], arrays["digests"]
        size = Characters.size
        if "bounds" in arrays:
            store, bounds = arrays["store"], arrays["bounds"]
            size = len(bounds) - 1
            if not (
                store.dtype == np.uint8
                and store.ndim == 1
                and bounds[0] == 0
                and _is_rising(bounds, len(store))
                and Words.from_bytes(store, bounds).size == size  # no empty or duplicate word
            ):
                return False
        return (
            tokens.dtype == np.int32
            and tokens.ndim == 1
            and _is_rising(ends, len(tokens))
            and _is_within(tokens, size)
            and digests.shape == (len(ends), DIGEST_BYTES)
            and digests.dtype == np.uint8
        )
    except _MISFIT:
        return False


def pack_counts(layers: NumberedLayers, ngrams: Ngrams, threads: int) -> Arrays:
    """Return counts as arrays, for `unpack_counts`; `layers` has all orders from one token on.

    N-grams of more than one token are renumbered, the most frequent first.
    """
    size = ngrams.alphabet.size
    ranks = np.arange(size, dtype=np.int32)
    arrays: Arrays = {}
    for n, numbers in layers.streams.items():
        totals = layers.frequencies[n]
        if n > 1:
            order = np.argsort(-totals[:, 1])
            order = order[: np.count_nonzero(totals[:, 1])]  # some numbers are not used
            keys, totals = ngrams.keys[n - 2][order], totals[order]
            if n > 2:
                prefixes = ranks[(keys >> np.uint64(32)).astype(np.int64)].astype(np.uint64)
                keys = prefixes << np.uint64(32) | keys & np.uint64(0xFFFFFFFF)
            ranks = np.full(len(layers.frequencies[n]), -1, np.int32)
            ranks[order] = np.arange(len(order), dtype=np.int32)
            arrays[f"keys-{n}"] = keys
        counts = take_numbers({n: numbers}, layers.ends, {n: ranks}, threads)
        arrays |= {
            f"totals-{n}": totals,
            f"bounds-{n}": counts.indptr,
            f"ids-{n}": counts.indices,
            f"counts-{n}": counts.data,
        }
    return arrays


def unpack_counts(
    arrays: Arrays,
    alphabet: Alphabet,
    separator: str,
    ngram_range: tuple[int, int],
    rows: np.ndarray,
) -> tuple[CachedLayers, Ngrams]:
    """Return the counts of some orders in some rows, and the n-grams by number."""
    smallest, largest = ngram_range
    # An order is missing if no document is long enough.
    available = [n for n in range(smallest, largest + 1) if f"bounds-{n}" in arrays]
    orders = {
        n: Rows(arrays[f"bounds-{n}"], arrays[f"ids-{n}"], arrays[f"counts-{n}"]) for n in available
    }
    totals = {n: arrays[f"totals-{n}"] for n in available}
    keys = [arrays[f"keys-{n}"] for n in range(2, largest + 1) if f"keys-{n}" in arrays]
    return CachedLayers(orders, totals, rows), Ngrams(alphabet, separator, keys)


def is_valid_counts(arrays: Arrays, alphabet_size: int, documents: int) -> bool:
    """Return whether all indices in the `arrays` of counts are within bounds."""
    try:
        previous_size, n = alphabet_size, 1
        while f"ids-{n}" in arrays:
            size = alphabet_size
            if n > 1:
                keys = arrays[f"keys-{n}"]
                size = len(keys)
                prefixes, tokens = keys >> np.uint64(32), keys & np.uint64(0xFFFFFFFF)
                if not (_is_within(prefixes, previous_size) and _is_within(tokens, alphabet_size)):
                    return False
            bounds, ids, counts, totals = (
                arrays[f"{name}-{n}"] for name in ("bounds", "ids", "counts", "totals")
            )
            if not (
                len(bounds) == documents + 1
                and bounds[0] == 0
                and _is_rising(bounds, len(ids))
                and ids.dtype == counts.dtype == np.int32
                and ids.ndim == counts.ndim == 1
                and _is_within(ids, size)
                and len(counts) == len(ids)
                and counts.min(initial=1) > 0
                and totals.dtype in (np.int32, np.int64)
                and totals.shape == (size, 2)
            ):
                return False
            previous_size, n = size, n + 1
        return n > 1
    except _MISFIT:
        return False


def _is_rising(bounds: np.ndarray, last: int) -> bool:
    return bool(
        bounds.dtype == np.int64
        and bounds.ndim == 1
        and bounds.min(initial=0) >= 0
        and np.all(bounds[1:] >= bounds[:-1])
        and (bounds[-1] if len(bounds) else 0) == last
    )


def _is_within(numbers: np.ndarray, size: int) -> bool:
    return len(numbers) == 0 or bool(numbers.min() >= 0 and numbers.max() < size)
