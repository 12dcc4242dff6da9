"""Lookup of n-grams in a fitted vocabulary."""

from collections.abc import Collection, Mapping

import numpy as np

from sentiment.ngrams.alphabets import Words
from sentiment.ngrams.corpus import count_by_word, make_alphabet, make_trie, read_corpus, skip_words
from sentiment.ngrams.counting import Rows, take_numbers
from sentiment.ngrams.rules import TokenRules
from sentiment.ngrams.texts import Texts
from sentiment.ngrams.trie import Ngrams


class Vocabulary:
    """Index of the columns of a matrix by n-gram.

    Parameters
    ----------
    columns : mapping of str to int
        The column of each term.
    rules : TokenRules
        Rules that split texts into tokens.
    ngram_range : (int, int)
        The smallest and the largest number of tokens of an n-gram.
    stop_words : collection of str
        Words that are skipped.
    """

    def __init__(
        self,
        columns: Mapping[str, int],
        rules: TokenRules,
        ngram_range: tuple[int, int],
        stop_words: Collection[str],
    ) -> None:
        self._rules, self._ngram_range, self._stop_words = rules, ngram_range, stop_words
        self._alphabet = make_alphabet(rules)
        self._trie = make_trie(self._alphabet, rules)
        strings = [term for term in columns if isinstance(term, str)]
        if isinstance(self._alphabet, Words) and rules.analyzer == "word":
            # Stop words get numbers, too, so that they can be skipped.
            self._alphabet.add(stop_words)
            terms = [term for term in strings if all(term.split(" "))]
            lengths = np.array([term.count(" ") + 1 for term in terms], np.int64)
            tokens = self._alphabet.add([token for term in terms for token in term.split(" ")])
        else:
            terms = [term for term in strings if term]
            lengths = np.array([len(term) for term in terms], np.int64)
            points = "".join(terms).encode("utf-32-le", "surrogatepass")
            tokens = np.frombuffer(bytearray(points), "<i4")
        self._columns = self._number_terms(
            tokens, lengths, np.array([columns[term] for term in terms], np.int32)
        )

    def _number_terms(
        self, tokens: np.ndarray, lengths: np.ndarray, columns: np.ndarray
    ) -> dict[int, np.ndarray]:
        """Return the column of each n-gram, by order, after numbering the n-grams of the terms."""
        ends = np.cumsum(lengths)
        starts = ends - lengths
        largest = min(int(lengths.max(initial=1)), self._ngram_range[1])
        terms = {
            n: (numbers[starts[lengths == n]], columns[lengths == n])
            for n, numbers in self._trie.walk(tokens, ends, largest, 1, frozen=False)
        }
        order_columns = {}
        for n, size in enumerate(self._trie.describe().sizes(), start=1):
            order_columns[n] = np.full(size, -1, np.int32)
            if n in terms:
                numbers, term_columns = terms[n]
                order_columns[n][numbers] = term_columns
        return order_columns

    def describe(self) -> tuple[Ngrams, dict[int, np.ndarray]]:
        """Return the n-grams by number, and the column of each n-gram, by order.

        N-grams that are only a prefix of a term have the column -1, as do words that are not terms,
        such as words of longer terms and stop words.
        """
        return self._trie.describe(), self._columns

    def count(self, texts: Texts, threads: int) -> Rows:
        """Return the count of each term in each text.

        Raises
        ------
        TypeError
            An item of `texts` is not a str.
        """
        rules, (min_n, max_n) = self._rules, self._ngram_range
        if rules.analyzer == "char_wb":  # n-grams of new words may be known
            corpus = read_corpus(texts, rules, Words(), threads)
            rows = np.arange(len(corpus.ends))
            layers = count_by_word(corpus, (min_n, max_n), self._trie, rows, threads, frozen=True)
            return layers.take(self._columns, threads)
        corpus = read_corpus(texts, rules, self._alphabet, threads, frozen=True)
        tokens, ends = skip_words(corpus, self._stop_words)
        walk = self._trie.walk(tokens, ends, max_n, threads, frozen=True)
        streams = {n: numbers for n, numbers in walk if n >= min_n}
        return take_numbers(streams, ends, self._columns, threads)
