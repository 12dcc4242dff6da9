"""Texts as tokens, and the counts of their n-grams."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from sentiment.features.alphabets import Alphabet, Characters, Words
from sentiment.features.counting import Layers, NgramLayers, SpelledLayers, count_ids
from sentiment.features.kernels import tokenizing
from sentiment.features.rules import TokenRules, is_space
from sentiment.features.texts import Texts, encode_texts
from sentiment.features.trie import Trie


@dataclass(frozen=True)
class Corpus:
    """Texts as tokens.

    Attributes
    ----------
    tokens : ndarray of int32
        One document after the other.
    ends : ndarray of int64, of shape (n_documents,)
        Where each document ends.
    alphabet : Alphabet
        What the tokens stand for. N-grams of characters inside words have words for tokens here.
    rules : TokenRules
        How the tokens were made.
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
    spelled = rules.analyzer == "char_wb"
    return Trie(Characters() if spelled else alphabet, rules.separator, expected)


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
        One per document.
    rules : TokenRules
        What a token is.
    alphabet : Alphabet
        Where tokens have their numbers.
    threads : int
        Number of threads.
    frozen : bool
        Whether tokens that are not in `alphabet` are -1; else they are added.
    """
    tokens, ends = alphabet.read(encode_texts(texts, rules, threads), rules, threads, frozen=frozen)
    return Corpus(tokens, ends, alphabet, rules)


def count_corpus(
    corpus: Corpus,
    ngram_range: tuple[int, int],
    stop_words: Collection[str],
    trie: Trie,
    threads: int,
    *,
    frozen: bool = False,
) -> Layers:
    """Return the counts of the n-grams of `corpus`.

    Parameters
    ----------
    corpus : Corpus
        The tokens.
    ngram_range : (int, int)
        The smallest and the largest number of tokens.
    stop_words : collection of str
        Words that are passed over; all others become neighbours.
    trie : Trie
        Where n-grams have their numbers.
    threads : int
        Number of threads.
    frozen : bool
        Whether n-grams that are not in `trie` are left out; else they are added.
    """
    if isinstance(corpus.alphabet, Words) and corpus.rules.analyzer == "char_wb":
        return SpelledLayers(
            count_ids(corpus.tokens, corpus.ends, threads),
            _spell_words(corpus.alphabet, ngram_range, trie, threads, frozen=frozen),
        )
    tokens, ends = pass_over(corpus, stop_words)
    min_n, max_n = ngram_range
    walk = trie.walk(tokens, ends, max_n, threads, frozen=frozen)
    orders = {n: count_ids(numbers, ends, threads) for n, numbers in walk if n >= min_n}
    return NgramLayers(orders, len(ends))


def pass_over(corpus: Corpus, stop_words: Collection[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the tokens of `corpus` without `stop_words`, and where each document ends."""
    if not stop_words or not isinstance(corpus.alphabet, Words):
        return corpus.tokens, corpus.ends
    kept = ~np.isin(corpus.tokens, corpus.alphabet.find(stop_words))
    before = np.concatenate([[0], np.cumsum(kept)])
    return corpus.tokens[kept], before[corpus.ends]


def _spell_words(
    words: Words, ngram_range: tuple[int, int], trie: Trie, threads: int, *, frozen: bool
) -> NgramLayers:
    """Return the character n-grams of each word, with a space at both of its ends.

    A word that is shorter than the shortest n-gram is one itself.
    """
    points, sizes = tokenizing.read_characters(
        words.store, words.bounds[:-1], words.bounds[1:], np.zeros(words.size, bool), 0, words.size,
        is_space(), True,
    )  # fmt: skip
    ends = np.cumsum(sizes + 2)
    starts = ends - sizes - 2
    padded = np.full(int(ends[-1]) if len(ends) else 0, ord(" "), np.int32)
    inside = np.ones(len(padded), bool)
    inside[starts] = inside[ends - 1] = False
    padded[inside] = points
    min_n, max_n = ngram_range
    orders = {}
    for n, numbers in trie.walk(padded, ends, max_n, threads, frozen=frozen):
        if n < min_n:
            whole = np.full_like(numbers, -1)
            short = starts[ends - starts == n]
            whole[short] = numbers[short]
            numbers = whole
        orders[n] = count_ids(numbers, ends, threads)
    return NgramLayers(orders, words.size)
