"""Packing of corpora and counts into named arrays, and checks of such arrays.

The kernels do not check indices, so no number in an array may point outside of another one.
"""

import numpy as np

from sentiment.ngrams.alphabets import Alphabet, Characters, Words
from sentiment.ngrams.corpus import Corpus
from sentiment.ngrams.counting import Rows, take_numbers
from sentiment.ngrams.digests import DIGEST_BYTES
from sentiment.ngrams.layers import KeptLayers, NumberedLayers
from sentiment.ngrams.rules import TokenRules
from sentiment.ngrams.storage import Arrays
from sentiment.ngrams.trie import Ngrams

# Errors of missing arrays, or of arrays of another shape.
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


def is_sound_corpus(arrays: Arrays) -> bool:
    """Return whether no number in `arrays` points outside of them."""
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
                and Words.from_bytes(store, bounds).size == size  # no word is empty or there twice
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
            by_rank = np.argsort(-totals[:, 1])
            by_rank = by_rank[: np.count_nonzero(totals[:, 1])]  # some numbers are not taken
            keys, totals = ngrams.keys[n - 2][by_rank], totals[by_rank]
            if n > 2:
                prefixes = ranks[(keys >> np.uint64(32)).astype(np.int64)].astype(np.uint64)
                keys = prefixes << np.uint64(32) | keys & np.uint64(0xFFFFFFFF)
            ranks = np.full(len(layers.frequencies[n]), -1, np.int32)
            ranks[by_rank] = np.arange(len(by_rank), dtype=np.int32)
            arrays[f"keys-{n}"] = keys
        found = take_numbers({n: numbers}, layers.ends, {n: ranks}, threads)
        arrays |= {
            f"totals-{n}": totals,
            f"bounds-{n}": found.indptr,
            f"ids-{n}": found.indices,
            f"counts-{n}": found.data,
        }
    return arrays


def unpack_counts(
    arrays: Arrays,
    alphabet: Alphabet,
    separator: str,
    ngram_range: tuple[int, int],
    rows: np.ndarray,
) -> tuple[KeptLayers, Ngrams]:
    """Return the counts of some orders in some rows, and the n-grams of their numbers."""
    smallest, largest = ngram_range
    # No document may be long enough for longer n-grams.
    kept = [n for n in range(smallest, largest + 1) if f"bounds-{n}" in arrays]
    orders = {
        n: Rows(arrays[f"bounds-{n}"], arrays[f"ids-{n}"], arrays[f"counts-{n}"]) for n in kept
    }
    totals = {n: arrays[f"totals-{n}"] for n in kept}
    keys = [arrays[f"keys-{n}"] for n in range(2, largest + 1) if f"keys-{n}" in arrays]
    return KeptLayers(orders, totals, rows), Ngrams(alphabet, separator, keys)


def is_sound_counts(arrays: Arrays, alphabet_size: int, documents: int) -> bool:
    """Return whether no number in `arrays` points outside of them."""
    try:
        before, n = alphabet_size, 1
        while f"ids-{n}" in arrays:
            size = alphabet_size
            if n > 1:
                keys = arrays[f"keys-{n}"]
                size = len(keys)
                parts = (keys >> np.uint64(32), keys & np.uint64(0xFFFFFFFF))
                if not _is_within(parts[0], before) or not _is_within(parts[1], alphabet_size):
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
            before, n = size, n + 1
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
