"""Alphabets of n-grams: words, numbered in order of appearance, or characters."""

import secrets
from collections.abc import Collection
from typing import Any, Protocol, Self

import numpy as np

from sentiment.ngrams.compiling import run_threads, split_work
from sentiment.ngrams.kernels import tokenizing
from sentiment.ngrams.rules import NO_END, TokenRules, classify, is_space
from sentiment.ngrams.texts import TextBytes, join_utf8

# Hashes differ from process to process, so that nobody can craft texts whose tokens collide. Keys
# are always compared in full, so collisions would cost time, not correctness.
SECRET = np.uint64(secrets.randbits(63) << 1 | 1)

_ALL_WORD_BYTES = np.full(256, tokenizing.WORD, np.uint8)
_NO_POINTS = np.empty(0, np.uint8)
_INITIAL_SIZE = 2**12


class Alphabet(Protocol):
    """Numbers for tokens."""

    @property
    def size(self) -> int:
        """Number of tokens; they are numbered from 0."""

    def read(
        self, texts: TextBytes, rules: TokenRules, threads: int, *, frozen: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the tokens of `texts`, int32, and the end of each document, int64.

        New tokens are added or, if `frozen`, numbered -1.
        """

    def decode(self, tokens: np.ndarray) -> list[str]:
        """Return `tokens` as strings."""


class Words:
    """An alphabet of words.

    Attributes
    ----------
    size : int
        Number of words.
    """

    def __init__(self) -> None:
        self.size = 0
        self._slots = np.zeros((_INITIAL_SIZE, 2), np.uint64)
        self._store = np.empty(_INITIAL_SIZE, np.uint8)
        self._bounds = np.zeros(_INITIAL_SIZE + 1, np.int64)
        self._packs = np.empty(_INITIAL_SIZE, np.uint64)

    @classmethod
    def from_bytes(cls, store: np.ndarray, bounds: np.ndarray) -> Self:
        """Return an alphabet from the `store` and `bounds` of another one."""
        words = cls()
        words._number_words(store, bounds, frozen=False)
        return words

    @property
    def store(self) -> np.ndarray:
        """All words in UTF-8, one after the other: uint8."""
        return self._store[: self._bounds[self.size]]

    @property
    def bounds(self) -> np.ndarray:
        """Start of each word in `store`, and the end of the last: shape (size + 1,), int64."""
        return self._bounds[: self.size + 1]

    def read(
        self, texts: TextBytes, rules: TokenRules, threads: int, *, frozen: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the words of `texts` and the end of each document."""
        kinds, points = classify(rules)
        sizes = np.empty(len(texts), np.int64)
        jobs: list[tuple[Any, ...]] = []
        for first, last in split_work(texts.work(), threads):
            alphabet = self if frozen or not jobs else Words()
            jobs.append(
                (alphabet, texts, first, last, kinds, points, *rules.lengths, frozen, sizes)
            )
        tokens = run_threads(Words._read, jobs)
        if not frozen:
            # Each further thread has numbered its words in its own alphabet.
            tokens[1:] = [
                self._number_words(alphabet.store, alphabet.bounds, frozen=False)[ids]
                for (alphabet, *_), ids in zip(jobs[1:], tokens[1:], strict=True)
            ]
        return np.concatenate(tokens), np.cumsum(sizes)

    def find(self, words: Collection[str]) -> np.ndarray:
        """Return the numbers of the known words among `words`."""
        numbers = self._number_words(*join_utf8(words), frozen=True)
        return numbers[numbers >= 0]

    def add(self, words: Collection[str]) -> np.ndarray:
        """Return the numbers of `words`, adding new words; no word may be empty."""
        return self._number_words(*join_utf8(words), frozen=False)

    def _read(
        self, texts: TextBytes, first: int, last: int, kinds: np.ndarray, points: np.ndarray,
        min_length: int, max_length: int, frozen: bool, sizes: np.ndarray,
    ) -> np.ndarray:  # fmt: skip
        byte_counts = texts.ends - texts.starts
        ids = np.empty(int(byte_counts[first:last].sum()), np.int32)
        position, count = first, 0
        while True:
            position, self.size, count = tokenizing.tokenize(
                texts.text, texts.starts, texts.ends, texts.tags, position, last, kinds, points,
                min_length, max_length, SECRET, frozen, self._slots, self._store, self._bounds,
                self._packs, self.size, ids, count, sizes,
            )  # fmt: skip
            if position == last:
                return ids[:count].copy()
            self._reserve(int(byte_counts[position]))

    def _reserve(self, length: int) -> None:
        """Reserve memory for a document of `length` bytes, and more."""
        self._store = _enlarge(self._store, self.bounds[-1], self.bounds[-1] + length)
        self._bounds = _enlarge(self._bounds, self.size + 1, self.size + length + 1)
        self._packs = _enlarge(self._packs, self.size, self.size + length)
        if 2 * (self.size + length) > len(self._slots):
            capacity = 1 << (4 * (self.size + length)).bit_length()
            self._slots = np.zeros((capacity, 2), np.uint64)
            tokenizing.fill_slots(self._packs, self.size, SECRET, self._slots)

    def _number_words(self, store: np.ndarray, bounds: np.ndarray, *, frozen: bool) -> np.ndarray:
        """Return the numbers of all non-empty words in `store`, in order."""
        count = len(bounds) - 1
        words = TextBytes(store, bounds[:-1], bounds[1:], np.zeros(count, bool), cleaned=False)
        return self._read(
            words,
            0,
            count,
            _ALL_WORD_BYTES,
            _NO_POINTS,
            1,
            NO_END,
            frozen,
            np.empty(count, np.int64),
        )

    def decode(self, tokens: np.ndarray) -> list[str]:
        """Return `tokens` as strings."""
        store = self.store.tobytes()
        starts, ends = self.bounds[tokens].tolist(), self.bounds[tokens + 1].tolist()
        return [
            store[a:b].decode("utf-8", "surrogatepass") for a, b in zip(starts, ends, strict=True)
        ]


def _enlarge(array: np.ndarray, size: int, min_size: int) -> np.ndarray:
    """Return `array`, or a larger copy of its first `size` items if it is below `min_size`."""
    if min_size <= len(array):
        return array
    larger = np.empty(2 * min_size, array.dtype)
    larger[:size] = array[:size]
    return larger


class Characters:
    """The alphabet of all code points."""

    size = 0x110000

    def read(
        self, texts: TextBytes, rules: TokenRules, threads: int, *, frozen: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the characters of `texts` and the end of each document."""
        results = run_threads(
            lambda first, last: tokenizing.read_characters(
                texts.text, texts.starts, texts.ends, texts.tags, first, last, is_space(),
                not texts.cleaned,
            ),
            split_work(texts.work(), threads),
        )  # fmt: skip
        points = [points for points, _ in results]
        sizes = np.concatenate([sizes for _, sizes in results])
        return np.concatenate(points) if len(points) > 1 else points[0], np.cumsum(sizes)

    def decode(self, tokens: np.ndarray) -> list[str]:
        """Return `tokens` as strings."""
        return [chr(point) for point in tokens.tolist()]
