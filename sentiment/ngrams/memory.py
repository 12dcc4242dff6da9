"""Count cache: counts of corpora in a folder, shared by processes."""

import hashlib
import string
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from sentiment.ngrams import storage
from sentiment.ngrams.cleaning import CleanedTexts
from sentiment.ngrams.corpus import (
    Corpus,
    count_by_word,
    count_corpus,
    make_alphabet,
    make_trie,
    number_tokens,
    read_corpus,
    skip_words,
)
from sentiment.ngrams.digests import DIGEST_BYTES, digest_texts
from sentiment.ngrams.layers import Layers
from sentiment.ngrams.packing import (
    is_valid_corpus,
    is_valid_counts,
    pack_corpus,
    pack_counts,
    unpack_corpus,
    unpack_counts,
)
from sentiment.ngrams.rules import TokenRules
from sentiment.ngrams.storage import Arrays, Entry
from sentiment.ngrams.texts import Texts
from sentiment.ngrams.trie import Ngrams

# Part of each name, so that entries of another layout are not found.
_LAYOUT = 3
# Counts of 1-3-grams of 50,000 reviews take 0.4 GB.
_MAX_BYTES = 8 * 10**9


@dataclass(frozen=True)
class Settings:
    """Settings of counting.

    Attributes
    ----------
    rules : TokenRules
        Rules that split the texts into tokens.
    ngram_range : (int, int)
        The smallest and the largest number of tokens.
    stop_words : tuple of str
        Words that are skipped.
    threads : int
        Number of threads.
    """

    rules: TokenRules
    ngram_range: tuple[int, int]
    stop_words: tuple[str, ...]
    threads: int


@dataclass(frozen=True)
class _CachedCorpus:
    """A cached corpus, and the rows of the texts in it."""

    entry: Entry
    rows: np.ndarray


@dataclass(frozen=True)
class CachedCounts:
    """Counts from the cache.

    Attributes
    ----------
    layers : Layers
        Counts of the n-grams of the texts.
    ngrams : Ngrams
        The n-grams by number.
    name : str
        Name of the entry; entries with the same name have the same numbers.
    """

    layers: Layers
    ngrams: Ngrams
    name: str


class CountMemory:
    """Cache of tokens and n-gram counts in a folder, for several processes at once.

    Texts are identified by content, so the counts of a corpus can be used for its subsets, such as
    the rows of a fold. Entries are written atomically. Damaged entries, or files that this class
    did not write, are ignored; their texts are counted again.

    Parameters
    ----------
    folder : path
        Folder of the entries.
    max_bytes : int
        Limit of the cache; beyond it, the least recently used entries are deleted.
    """

    def __init__(self, folder: str | Path, max_bytes: int = _MAX_BYTES) -> None:
        self.folder = Path(folder)
        self.max_bytes = max_bytes

    def find_or_count(self, texts: Texts, settings: Settings) -> CachedCounts:
        """Return the counts of `texts` from the cache, after adding them if necessary."""
        parent, digests = self._locate_corpora(texts, settings.rules), digest_texts(texts)
        cached = _find_corpus(parent, digests) or _make_corpus(parent, digests, texts, settings)
        return self._count(cached, settings)

    def find(self, texts: Texts, settings: Settings) -> CachedCounts | None:
        """Return the counts of `texts` if a cached corpus has all of these texts."""
        cached = _find_corpus(self._locate_corpora(texts, settings.rules), digest_texts(texts))
        return self._count(cached, settings) if cached else None

    def _locate_corpora(self, texts: Texts, rules: TokenRules) -> Path:
        """Return the folder of the corpora with the same token rules."""
        cleaned = isinstance(texts, CleanedTexts)
        return self.folder / _name(_LAYOUT, rules, cleaned, unicodedata.unidata_version)

    def _list_corpora(self) -> list[Path]:
        """Return the folders of all corpora, without other files."""
        return [
            path
            for path in self.folder.glob("*/*")
            if _is_name(path.name, 32) and _is_name(path.parent.name, 16) and storage.is_entry(path)
        ]

    def _count(self, cached: _CachedCorpus, settings: Settings) -> CachedCounts:
        entry, rows = cached.entry, cached.rows
        storage.mark_used(entry.folder)
        others = [folder for folder in self._list_corpora() if folder != entry.folder]
        storage.make_room([entry.folder, *others], self.max_bytes)
        corpus = _unpack(entry, settings.rules)
        if settings.rules.analyzer == "char_wb":
            # Only counts of words are cached: counting the n-grams of each distinct word is fast.
            trie = make_trie(corpus.alphabet, corpus.rules, len(corpus.tokens))
            layer = count_by_word(corpus, settings.ngram_range, trie, rows, settings.threads)
            return CachedCounts(layer, trie.describe(), f"{entry.stamp} {settings.ngram_range}")

        # The name depends on the stamp of the corpus, since another corpus of the same texts may
        # number the words differently.
        name = f"ngrams-{_name(sorted(settings.stop_words), entry.stamp)}"
        cached_orders = (_read_order(path) for path in entry.folder.glob(f"{name}-*"))
        largest = settings.ngram_range[1]
        order = min((n for n in cached_orders if n >= largest), default=largest)
        size, documents = corpus.alphabet.size, len(corpus.ends)

        def make() -> Arrays:
            return _make_counts(corpus, settings, order)

        folder = entry.folder / f"{name}-{order}"
        if entry.is_stored:
            counts = storage.open_or_make(
                folder, make, lambda arrays: is_valid_counts(arrays, size, documents)
            )
        else:  # counts of a corpus that is not stored could not be found
            counts = storage.make_temporary(folder, make)
        layers, ngrams = unpack_counts(
            counts.arrays, corpus.alphabet, settings.rules.separator, settings.ngram_range, rows
        )
        return CachedCounts(layers, ngrams, counts.stamp)


@lru_cache(maxsize=4)
def _unpack(entry: Entry, rules: TokenRules) -> Corpus:
    """Return the corpus of `entry`, cached for all trials on its texts."""
    return unpack_corpus(entry.arrays, rules)


def _find_corpus(parent: Path, digests: np.ndarray) -> _CachedCorpus | None:
    """Return a cached corpus with all texts."""
    for folder in sorted(path for path in parent.glob("*") if _is_name(path.name, 32)):
        entry = storage.open_entry(folder, is_valid_corpus)
        rows = None if entry is None else _find_rows(entry, digests.tobytes())
        if entry is not None and rows is not None:
            return _CachedCorpus(entry, rows)
    return None


@lru_cache(maxsize=16)  # for the folds of a cross-validation
def _find_rows(entry: Entry, digests: bytes) -> np.ndarray | None:
    """Return the row of each text in a corpus, or None if a text is missing."""
    corpus_digests = _split_digests(entry.arrays["digests"].tobytes())
    row_of_digest = {digest: row for row, digest in enumerate(corpus_digests)}
    rows = np.array([row_of_digest.get(digest, -1) for digest in _split_digests(digests)], np.int64)
    return None if -1 in rows else rows


def _split_digests(digests: bytes) -> list[bytes]:
    return [digests[k : k + DIGEST_BYTES] for k in range(0, len(digests), DIGEST_BYTES)]


def _make_corpus(
    parent: Path, digests: np.ndarray, texts: Texts, settings: Settings
) -> _CachedCorpus:
    def read() -> Arrays:
        alphabet = make_alphabet(settings.rules)
        corpus = read_corpus(texts, settings.rules, alphabet, settings.threads)
        return {"digests": digests, **pack_corpus(corpus)}

    name = hashlib.sha256(digests.tobytes()).hexdigest()[:32]
    entry = storage.open_or_make(parent / name, read, is_valid_corpus)
    return _CachedCorpus(entry, np.arange(len(digests)))


def _make_counts(corpus: Corpus, settings: Settings, order: int) -> Arrays:
    tokens, ends = skip_words(corpus, settings.stop_words)
    trie = make_trie(corpus.alphabet, corpus.rules, len(tokens))
    layers = number_tokens(tokens, ends, (1, order), trie, settings.threads)
    return pack_counts(layers, trie.describe(), settings.threads)


def count_texts(texts: Texts, settings: Settings) -> CachedCounts:
    """Return the counts of `texts`, without the cache."""
    rules, threads = settings.rules, settings.threads
    corpus = read_corpus(texts, rules, make_alphabet(rules), threads)
    trie = make_trie(corpus.alphabet, rules, len(corpus.tokens))
    layers = count_corpus(corpus, settings.ngram_range, settings.stop_words, trie, threads)
    return CachedCounts(layers, trie.describe(), "")


def _name(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _is_name(name: str, length: int) -> bool:
    return len(name) == length and set(name) <= set(string.hexdigits)


def _read_order(path: Path) -> int:
    order = path.name.rpartition("-")[2]
    return int(order) if order.isdecimal() else 0
