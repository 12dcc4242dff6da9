"""Counts that are kept in a folder, so that no text is counted twice."""

import dataclasses
import hashlib
import string
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sentiment.data.cleaning import CleanedTexts
from sentiment.features import storage
from sentiment.features.corpus import Corpus, count_corpus, make_alphabet, make_trie, read_corpus
from sentiment.features.counting import Layers
from sentiment.features.packing import (
    DIGEST_BYTES,
    is_sound_corpus,
    is_sound_counts,
    pack_corpus,
    pack_counts,
    unpack_corpus,
    unpack_counts,
)
from sentiment.features.rules import TokenRules
from sentiment.features.storage import Arrays
from sentiment.features.texts import Texts, to_utf8
from sentiment.features.trie import Ngrams

# Part of every name: entries of another layout are never found.
_LAYOUT = 1
# Counts of 1-3-grams of 50,000 reviews take 0.4 GB.
MOST_BYTES = 8 * 10**9


@dataclass(frozen=True)
class Settings:
    """How texts are counted.

    Attributes
    ----------
    rules : TokenRules
        What a token is.
    ngram_range : (int, int)
        The smallest and the largest number of tokens.
    stop_words : tuple of str
        Words that are passed over.
    threads : int
        Number of threads.
    """

    rules: TokenRules
    ngram_range: tuple[int, int]
    stop_words: tuple[str, ...]
    threads: int


@dataclass(frozen=True)
class _Found:
    """A corpus on the disk and the place of each text in it."""

    entry: Path
    arrays: Arrays
    rows: np.ndarray


@dataclass(frozen=True)
class Recalled:
    """Counts from a folder.

    Attributes
    ----------
    layers : Layers
        Counts of the n-grams of all documents of an entry.
    ngrams : Ngrams
        What their numbers stand for.
    rows : ndarray of int64
        The place of each of the texts among the documents.
    name : str
        The entry; the same name stands for the same numbers.
    """

    layers: Layers
    ngrams: Ngrams
    rows: np.ndarray
    name: str


class CountMemory:
    """Tokens and n-gram counts in a folder, to be used by several processes at once.

    Texts are known by their content, whatever other texts they stand with: counts of a corpus
    also serve any of its parts, such as the rows of a fold. An entry appears when it is complete.
    What is damaged, or was not written by this class, is counted anew.

    Parameters
    ----------
    folder : path
        Where the entries are.
    most_bytes : int
        Entries that were not used for longest are deleted when all take more than this.
    """

    def __init__(self, folder: str | Path, most_bytes: int = MOST_BYTES) -> None:
        self.folder = Path(folder)
        self.most_bytes = most_bytes

    def recall(self, texts: Texts, settings: Settings) -> Recalled:
        """Return the counts of `texts`, which are made and kept if they are not there."""
        home, digests = self._name_home(texts, settings.rules), digest_texts(texts)
        found = _find_corpus(home, digests) or _make_corpus(home, digests, texts, settings)
        return self._count(found, settings)

    def find(self, texts: Texts, settings: Settings) -> Recalled | None:
        """Return the counts of `texts` if they belong to a corpus that is there."""
        found = _find_corpus(self._name_home(texts, settings.rules), digest_texts(texts))
        return self._count(found, settings) if found else None

    def _name_home(self, texts: Texts, rules: TokenRules) -> Path:
        """Return the folder of all corpora whose tokens are made in the same way."""
        cleaned = isinstance(texts, CleanedTexts)
        return self.folder / _name(_LAYOUT, rules, cleaned, unicodedata.unidata_version)

    def _list_corpora(self) -> list[Path]:
        """Return the folders of all corpora; there may be other things, which are not ours."""
        return [
            path
            for path in self.folder.glob("*/*")
            if _is_name(path.name, 32) and _is_name(path.parent.name, 16)
        ]

    def _count(self, found: _Found, settings: Settings) -> Recalled:
        storage.mark_used(found.entry)
        others = [group for group in self._list_corpora() if group != found.entry]
        storage.make_room([found.entry, *others], self.most_bytes)
        corpus = unpack_corpus(found.arrays, settings.rules)
        rows, name = found.rows, storage.read_stamp(found.arrays)
        if settings.rules.analyzer == "char_wb":
            # Words are kept; to spell each of them once takes no long time.
            layers, ngrams = _count_corpus(corpus, settings)
            return Recalled(layers, ngrams, rows, f"{name} {settings.ngram_range}")

        stop_words = f"ngrams-{_name(sorted(settings.stop_words))}"
        made = (_read_order(path) for path in found.entry.glob(f"{stop_words}-*"))
        largest = settings.ngram_range[1]
        order = min((n for n in made if n >= largest), default=largest)
        size, documents = corpus.alphabet.size, len(corpus.ends)
        arrays = storage.open_or_make(
            found.entry / f"{stop_words}-{order}",
            lambda: pack_counts(
                *_count_corpus(corpus, dataclasses.replace(settings, ngram_range=(1, order)))
            ),
            lambda read: is_sound_counts(read, size, documents),
        )
        layers, ngrams = unpack_counts(
            arrays, corpus.alphabet, settings.rules.separator, settings.ngram_range, documents
        )
        return Recalled(layers, ngrams, rows, storage.read_stamp(arrays))


def _find_corpus(home: Path, digests: np.ndarray) -> _Found | None:
    """Return a corpus that holds all texts."""
    for entry in sorted(path for path in home.glob("*") if _is_name(path.name, 32)):
        arrays = storage.open_entry(entry, is_sound_corpus)
        if arrays is None or len(arrays["digests"]) < len(digests):
            continue
        known = arrays["digests"].view(f"S{DIGEST_BYTES}").ravel()
        order = np.argsort(known)
        wanted = digests.view(known.dtype).ravel()
        places = np.minimum(np.searchsorted(known, wanted, sorter=order), len(known) - 1)
        rows = order[places]
        if np.array_equal(arrays["digests"][rows], digests):
            return _Found(entry, arrays, rows)
    return None


def _make_corpus(home: Path, digests: np.ndarray, texts: Texts, settings: Settings) -> _Found:
    def read() -> Arrays:
        alphabet = make_alphabet(settings.rules)
        corpus = read_corpus(texts, settings.rules, alphabet, settings.threads)
        return {"digests": digests, **pack_corpus(corpus)}

    entry = home / hashlib.sha256(digests.tobytes()).hexdigest()[:32]
    arrays = storage.open_or_make(entry, read, is_sound_corpus)
    return _Found(entry, arrays, np.arange(len(digests)))


def count_texts(texts: Texts, settings: Settings) -> Recalled:
    """Return the counts of `texts`, which are not kept."""
    rules, threads = settings.rules, settings.threads
    corpus = read_corpus(texts, rules, make_alphabet(rules), threads)
    layers, ngrams = _count_corpus(corpus, settings)
    return Recalled(layers, ngrams, np.arange(layers.n_documents), "")


def _count_corpus(corpus: Corpus, settings: Settings) -> tuple[Layers, Ngrams]:
    trie = make_trie(corpus.alphabet, corpus.rules, len(corpus.tokens))
    layers = count_corpus(corpus, settings.ngram_range, settings.stop_words, trie, settings.threads)
    return layers, trie.describe()


def digest_texts(texts: Texts) -> np.ndarray:
    """Return BLAKE2b of each text as it was read, shape (n_texts, 16), uint8."""
    source, bounds = to_utf8(texts.raw if isinstance(texts, CleanedTexts) else texts)
    view = source.data
    digests = b"".join(
        hashlib.blake2b(view[a:b], digest_size=DIGEST_BYTES).digest()
        for a, b in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    )
    return np.frombuffer(digests, np.uint8).reshape(-1, DIGEST_BYTES)


def _name(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _is_name(name: str, length: int) -> bool:
    return len(name) == length and set(name) <= set(string.hexdigits)


def _read_order(path: Path) -> int:
    order = path.name.rpartition("-")[2]
    return int(order) if order.isdecimal() else 0
