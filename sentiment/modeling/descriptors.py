"""Descriptors of texts: a few numbers per text, and document frequencies of words."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.pipeline import Pipeline

from sentiment.modeling.pipeline import walk_steps
from sentiment.ngrams.alphabets import Words
from sentiment.ngrams.cleaning import TAG_PATTERN, CleanedTexts
from sentiment.ngrams.compiling import count_threads
from sentiment.ngrams.corpus import read_corpus
from sentiment.ngrams.counting import count_numbers
from sentiment.ngrams.rules import TokenRules, find_rules, is_letter, is_space
from sentiment.ngrams.vectorizers import CountVectorizer

DESCRIPTORS = {
    "characters": "characters of the text",
    "words": "words of the text, as the model reads it",
    "non_letters": "share of its characters that are neither letters nor white space",
    "markup": "share of its characters that are in HTML tags",
    "unknown": "share of its words that the model does not know",
}
_PLAIN_WORDS = TokenRules("word", r"\b\w\w+\b", lowercase=True, strip_accents=None)


@dataclass(frozen=True)
class Tokenization:
    """Tokenization of a model.

    Attributes
    ----------
    rules : TokenRules
        How the model splits a text into words.
    known : collection of str or None
        The words that the model knows; None for a model that does not read words.
    """

    rules: TokenRules
    vocabulary: Collection[str] | None


def find_tokenization(pipeline: Pipeline) -> Tokenization:
    """Return the tokenization of a fitted `pipeline`, from its first vectorizer of words."""
    for step in walk_steps(pipeline["features"]):
        rules = find_rules(step) if isinstance(step, CountVectorizer) else None
        if rules is not None and rules.analyzer == "word":
            vocabulary = {word for term in step.vocabulary_ for word in term.split(" ") if word}
            stop_words = step.get_stop_words() or ()  # skipped, so known
            return Tokenization(rules, vocabulary.union(word for word in stop_words if word))
    return Tokenization(_PLAIN_WORDS, None)


class TextReader:
    """Descriptors of texts and document frequencies of words, computed batch by batch.

    Parameters
    ----------
    tokenization : Tokenization
        How the model reads words.

    Attributes
    ----------
    documents : int
        Number of texts.
    """

    def __init__(self, tokenization: Tokenization) -> None:
        self.documents = 0
        self._rules = tokenization.rules
        self._words = Words()
        self._knows_words = tokenization.vocabulary is not None
        # Known words have the first numbers.
        self._words.add(list(tokenization.vocabulary or ()))
        self._known_count = self._words.size
        self._frequencies = np.zeros(self._known_count, np.int64)

    def describe(self, texts: pd.Series) -> pd.DataFrame:
        """Return the descriptors of some texts.

        Parameters
        ----------
        texts : Series of str, of shape (n,)
            None is missing.

        Returns
        -------
        DataFrame of float32, of shape (n, n_descriptors)
            The columns are those of `DESCRIPTORS`, without ``unknown`` if the model does not
            read words.
        """
        strings = _as_strings(texts)
        characters, symbols = _count_characters(strings)
        threads = count_threads(None)
        corpus = read_corpus(CleanedTexts(texts), self._rules, self._words, threads)
        word_counts = np.diff(corpus.ends, prepend=0)
        columns = {
            "characters": characters,
            "words": word_counts,
            "non_letters": _divide(symbols, characters),
            "markup": _divide(characters - _count_without_tags(strings), characters),
        }
        if self._knows_words:
            unknown_counts = _sum_runs(corpus.tokens >= self._known_count, word_counts)
            columns["unknown"] = _divide(unknown_counts, word_counts)
        frequencies = count_numbers(corpus.tokens, corpus.ends, self._words.size, threads)[:, 0]
        frequencies[: len(self._frequencies)] += self._frequencies
        self._frequencies = frequencies
        self.documents += len(texts)
        # The precision of stored references, so that equal values stay equal.
        return pd.DataFrame(columns, dtype=np.float32)

    def count_words(self) -> int:
        """Return the number of distinct words."""
        return int(np.count_nonzero(self._frequencies))

    def list_terms(self, count: int) -> pd.Series:
        """Return the document frequencies of the `count` most frequent words.

        Equally frequent words are sorted alphabetically.
        """
        frequencies = self._frequencies
        smallest = np.partition(frequencies, -count)[-count] if count < len(frequencies) else 1
        numbers = np.flatnonzero(frequencies >= max(int(smallest), 1))
        terms = pd.Series(frequencies[numbers], self._words.decode(numbers), np.int64)
        return terms.sort_index().sort_values(ascending=False, kind="stable")[:count]

    def count_terms(self, terms: Collection[str]) -> np.ndarray:
        """Return the document frequency of each of `terms`."""
        numbers = self._words.add(list(terms))
        new_count = max(self._words.size - len(self._frequencies), 0)
        self._frequencies = np.pad(self._frequencies, (0, new_count))
        counts: np.ndarray = self._frequencies[numbers]
        return counts


def _as_strings(texts: pd.Series) -> pa.LargeStringArray:
    strings = pa.array(texts, pa.large_string())
    return strings.combine_chunks() if isinstance(strings, pa.ChunkedArray) else strings


@lru_cache
def _is_symbol() -> np.ndarray:
    symbols: np.ndarray = ~(is_letter() | is_space())
    return symbols


def _count_characters(strings: pa.LargeStringArray) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of characters in each text, and of those neither letters nor spaces."""
    sizes = pc.utf8_length(strings).to_numpy(zero_copy_only=False).astype(np.int64)
    text = b"".join(strings.cast(pa.large_binary()).to_pylist()).decode()
    points = np.frombuffer(text.encode("utf-32-le"), "<u4")
    return sizes, _sum_runs(_is_symbol()[points], sizes)


def _count_without_tags(strings: pa.LargeStringArray) -> np.ndarray:
    """Return how many characters each text has outside of HTML tags."""
    plain = pc.replace_substring_regex(strings, TAG_PATTERN, "")
    sizes: np.ndarray = pc.utf8_length(plain).to_numpy(zero_copy_only=False)
    return sizes


def _sum_runs(flags: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the number of set flags in each run of the given sizes."""
    cumulative = np.searchsorted(np.flatnonzero(flags), np.cumsum(sizes))
    counts: np.ndarray = np.diff(cumulative, prepend=0)
    return counts


def _divide(counts: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Return the shares of counts in totals, 0 where a total is 0."""
    shares: np.ndarray = counts / np.maximum(totals, 1)
    return shares
