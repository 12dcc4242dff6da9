"""Corpora: texts as numbers of tokens, and the counts of their n-grams."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import cast

import numpy as np

from sentiment.ngrams.alphabets import Alphabet, Characters, Words
from sentiment.ngrams.counting import count_numbers, take_numbers
from sentiment.ngrams.kernels import tokenizing
from sentiment.ngrams.layers import Layers, NumberedLayers, WordLayers
from sentiment.ngrams.rules import TokenRules, is_space
from sentiment.ngrams.texts import Texts, encode_texts
from sentiment.ngrams.trie import Trie


@dataclass(frozen=True)
class Corpus:
    """Texts as tokens.

    Attributes
    ----------
    tokens : ndarray of int32
        Tokens of all documents, in order.
    ends : ndarray of int64, of shape (n_documents,)
        End of each document in `tokens`.
    alphabet : Alphabet
        Numbers of the tokens. For n-grams of characters inside words, tokens are words.
    rules : TokenRules
        Rules that split the texts into tokens.
    """

    tokens: np.ndarray
    ends: np.ndarray
    alphabet: Alphabet
    rules: TokenRules


def make_alphabet(rules: TokenRules) -> Alphabet:
    """Return an empty alphabet for tokens of `rules`."""
    return Characters() if rules.analyzer == "char" else Words()


def make_trie(alphabet: Alphabet, rules: TokenRules, expected: int = 0) -> Trie:
    """Return an empty trie for the n-grams of tokens of `alphabet`; see `Trie`."""
    if isinstance(alphabet, Words) and rules.analyzer == "char_wb":
        # Each word is counted once, with a space at both ends.
        word_chars = len(alphabet.store) + 2 * alphabet.size
        return Trie(Characters(), rules.separator, min(expected, word_chars))
    return Trie(alphabet, rules.separator, expected)


def read_corpus(
    texts: Texts,
    rules: TokenRules,
    alphabet: Alphabet,
    threads: int,
    *,
    frozen: bool = False,
) -> Corpus:
    """Return `texts` as tokens.

    Parameters
    ----------
    texts : collection of str
        One text per document.
    rules : TokenRules
        Rules that split the texts into tokens.
    alphabet : Alphabet
        Numbers of the tokens.
    threads : int
        Number of threads.
    frozen : bool
        Number new tokens -1 instead of adding them to `alphabet`.
    """
    tokens, ends = alphabet.read(encode_texts(texts, rules, threads), rules, threads, frozen=frozen)
    return Corpus(tokens, ends, alphabet, rules)


def count_corpus(
    corpus: Corpus,
    ngram_range: tuple[int, int],
    stop_words: Collection[str],
    trie: Trie,
    threads: int,
) -> Layers:
    """Return the counts of the n-grams of `corpus`.

    Parameters
    ----------
    corpus : Corpus
        The tokens.
    ngram_range : (int, int)
        The smallest and the largest number of tokens.
    stop_words : collection of str
        Words to skip; the words around them become neighbors.
    trie : Trie
        Numbers of the n-grams.
    threads : int
        Number of threads.
    """
    if corpus.rules.analyzer == "char_wb":
        return count_by_word(corpus, ngram_range, trie, np.arange(len(corpus.ends)), threads)
    tokens, ends = skip_words(corpus, stop_words)
    return number_tokens(tokens, ends, ngram_range, trie, threads)


def number_tokens(
    tokens: np.ndarray, ends: np.ndarray, ngram_range: tuple[int, int], trie: Trie, threads: int
) -> NumberedLayers:
    """Return documents as numbers of n-grams, with their counts; this closes the trie.

    Parameters
    ----------
    tokens : ndarray of int32
        Tokens of all documents, in order.
    ends : ndarray of int64
        End of each document.
    ngram_range, trie, threads
        See `count_corpus`.
    """
    min_n, max_n = ngram_range
    streams = {}
    for n, numbers in trie.walk(tokens, ends, max_n, threads, frozen=False):
        if n >= min_n:
            streams[n] = numbers
        if n > 1:
            trie.orders[n - 2].close()  # the tables take most of the memory
    sizes = [trie.alphabet.size, *(order.size for order in trie.orders)]
    frequencies = {
        n: count_numbers(numbers, ends, sizes[n - 1], threads) for n, numbers in streams.items()
    }
    return NumberedLayers(streams, ends, frequencies)


def skip_words(corpus: Corpus, stop_words: Collection[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the tokens of `corpus` without `stop_words`, and the end of each document."""
    if not stop_words or not isinstance(corpus.alphabet, Words):
        return corpus.tokens, corpus.ends
    is_kept = ~np.isin(corpus.tokens, corpus.alphabet.find(stop_words))
    kept_counts = np.concatenate([[0], np.cumsum(is_kept)])
    return corpus.tokens[is_kept], kept_counts[corpus.ends]


def count_by_word(
    corpus: Corpus,
    ngram_range: tuple[int, int],
    trie: Trie,
    rows: np.ndarray,
    threads: int,
    *,
    frozen: bool = False,
) -> WordLayers:
    """Return the counts of the character n-grams of the words of `corpus`.

    Each word has a space at both ends; a word that is shorter than the shortest n-gram is an n-gram
    itself.

    Parameters
    ----------
    corpus : Corpus
        Its tokens are words.
    ngram_range, trie, threads
        See `count_corpus`.
    rows : ndarray of int64
        The documents to count.
    frozen : bool
        Leave out new n-grams instead of adding them to `trie`.
    """
    words = cast("Words", corpus.alphabet)
    points, sizes = tokenizing.read_characters(
        words.store, words.bounds[:-1], words.bounds[1:], np.zeros(words.size, bool), 0, words.size,
        is_space(), True,
    )  # fmt: skip
    ends = np.cumsum(sizes + 2)
    starts = ends - sizes - 2
    padded = np.full(int(ends[-1]) if len(ends) else 0, ord(" "), np.int32)
    is_inside = np.ones(len(padded), bool)
    is_inside[starts] = is_inside[ends - 1] = False
    padded[is_inside] = points
    min_n, max_n = ngram_range
    streams = {}
    for n, numbers in trie.walk(padded, ends, max_n, threads, frozen=frozen):
        if n < min_n:
            word_numbers = np.full_like(numbers, -1)
            short = starts[ends - starts == n]
            word_numbers[short] = numbers[short]
            numbers = word_numbers
        streams[n] = numbers
    all_words = {1: np.arange(words.size, dtype=np.int32)}
    counts = take_numbers({1: corpus.tokens}, corpus.ends, all_words, threads)
    return WordLayers(counts, streams, ends, rows)
