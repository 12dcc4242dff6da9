"""Linear decisions on texts, computed from bytes in one pass, without a matrix."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Self

import numpy as np

from sentiment.ngrams.alphabets import SECRET, Words
from sentiment.ngrams.cleaning import CleanedTexts, clean_text
from sentiment.ngrams.compiling import count_threads, run_threads, split_work
from sentiment.ngrams.kernels import linear_scoring, spotting, tokenizing
from sentiment.ngrams.rules import TokenRules, classify, find_rules, may_compose
from sentiment.ngrams.texts import Texts, are_strings, normalize, to_utf8
from sentiment.ngrams.vectorizers import CountVectorizer, TfidfVectorizer
from sentiment.ngrams.vocabulary import Vocabulary

# Bytes of text that are processed at a time; with their tokens, they stay in the cache of a core.
_BATCH = 2**18
# Scoring a document takes about fifty times its size in memory.
_LONGEST = 2**22
# Largest number of bytes of text whose buffers, about ten times as large, are reused.
_REUSED = 2**20
_NORMS = {None: linear_scoring.NOTHING, "l1": linear_scoring.SUM, "l2": linear_scoring.ROOT}
# Types in which counts are exact, and weights as exact as in scikit-learn.
_TYPES = [np.dtype(kind) for kind in (np.float64, np.int64, np.int32)]
_CODE_POINTS = 0x110000
_CAPITAL_I_WITH_DOT, _CAPITAL_SIGMA = 0x130, 0x3A3


@lru_cache
def list_lowercase() -> np.ndarray:
    """Return the lowercase of each code point, shape (1114112,), int32.

    Two are `FALLBACK`: the lowercase of a capital sigma depends on its position in a word, and that
    of a capital I with a dot is two characters.
    """
    fallback = [_CAPITAL_I_WITH_DOT, _CAPITAL_SIGMA]
    points = np.arange(_CODE_POINTS, dtype="<u4")
    points[fallback] = 0
    letters = points.tobytes().decode("utf-32-le", "surrogatepass").lower()
    small = np.frombuffer(bytearray(letters.encode("utf-32-le", "surrogatepass")), "<i4")
    small[fallback] = spotting.FALLBACK
    return small


@lru_cache
def _make_reading(rules: TokenRules, *, cleaned: bool, prepared: bool) -> spotting.Reading:
    """Return the settings of the kernels; `prepared` texts are already cleaned and in lowercase."""
    flags = np.zeros(256, np.uint8)
    flags[[tokenizing.WORD, tokenizing.MARK, tokenizing.JOINER]] = (
        spotting.WORD, spotting.MARK, spotting.JOINER,
    )  # fmt: skip
    kinds = flags[classify(rules)[1]]
    if prepared or not (rules.lowercase or rules.strip_accents):
        letters = np.arange(_CODE_POINTS, dtype=np.int32)
    elif rules.strip_accents:
        letters = np.full(_CODE_POINTS, spotting.FALLBACK, np.int32)
    else:
        letters = list_lowercase()
    if cleaned:
        letters = np.where(may_compose(), np.int32(spotting.FALLBACK), letters)
    min_length, max_length = rules.lengths
    return spotting.Reading(
        kinds=kinds,
        letters=letters,
        lowercase=rules.lowercase and not prepared,
        min_length=min_length,
        max_length=min(max_length, _LONGEST),
        signs=bool(np.any(kinds > spotting.WORD)),
        cleaned=cleaned,
    )


class LinearScorer:
    """Sums of the weighted features of texts.

    Parameters
    ----------
    vectorizer : CountVectorizer or TfidfVectorizer
        Fitted, of this project; its analyzer is ``"word"``.
    coefficients : ndarray of float64, of shape (n_decisions, n_features)
        Weight of each feature for each decision.
    rules : TokenRules
        The rules of the vectorizer.
    """

    def __init__(
        self, vectorizer: CountVectorizer, coefficients: np.ndarray, rules: TokenRules
    ) -> None:
        self._rules = rules
        self._threads = count_threads(vectorizer.n_jobs)
        self.n_decisions = len(coefficients)
        tfidf = getattr(vectorizer, "_tfidf", None)
        self._norm = _NORMS[getattr(tfidf, "norm", None)]
        self._binary = bool(vectorizer.binary)
        self._sublinear = bool(getattr(tfidf, "sublinear_tf", False))
        idf = getattr(tfidf, "idf_", np.ones(coefficients.shape[1]))
        stop_words = [w for w in vectorizer.get_stop_words() or () if isinstance(w, str) and w]
        vocabulary = Vocabulary(vectorizer.vocabulary_, rules, vectorizer.ngram_range, stop_words)
        self._words, self._tree = _build_tree(vocabulary, stop_words, coefficients, idf, self._norm)
        # Buffers to reuse: for a few texts, allocating them would take longer than scoring.
        self._idle: list[_Buffers] = []

    @classmethod
    def from_vectorizer(cls, vectorizer: Any, coefficients: np.ndarray) -> Self | None:
        """Return a scorer for `vectorizer`, or None if the kernels do not support it."""
        if type(vectorizer) not in (CountVectorizer, TfidfVectorizer):
            return None
        rules = find_rules(vectorizer)
        if rules is None or rules.analyzer != "word" or not hasattr(vectorizer, "vocabulary_"):
            return None
        idf = getattr(getattr(vectorizer, "_tfidf", None), "idf_", np.ones(1))
        if np.dtype(vectorizer.dtype) not in _TYPES or not np.isfinite(idf).all():
            return None
        return cls(vectorizer, coefficients, rules)

    def decision_function(self, texts: Texts) -> np.ndarray | None:
        """Return the decisions, shape (n_texts, n_decisions), or None if it cannot read the texts.

        It cannot read other types than str, or very long texts.
        """
        if not are_strings(texts):
            return None
        cleaned = isinstance(texts, CleanedTexts)
        source, bounds = to_utf8(texts.raw if isinstance(texts, CleanedTexts) else texts)
        starts, ends = bounds[:-1], bounds[1:]
        if len(source) > _LONGEST and np.max(ends - starts, initial=0) > _LONGEST:
            return None
        out = np.empty((len(starts), self.n_decisions))
        if not len(out):
            return out
        reading = _make_reading(self._rules, cleaned=cleaned, prepared=False)
        # Threads take one batch after another; next() is atomic.
        count = -(-len(source) // _BATCH)
        ranges = split_work(ends, count) if count > 1 else [(0, len(starts))]
        batches = iter(ranges)

        def score_batches(batches: Iterator[tuple[int, int]]) -> None:
            try:
                buffers = self._idle.pop()
            except IndexError:
                buffers = _Buffers(len(self._tree.weights))
            fallback: list[int] = []
            for first, last in batches:
                is_read = self._score_batch(
                    source, starts[first:last], ends[first:last], reading, buffers, out[first:last]
                )
                if not is_read.all():
                    fallback += (first + np.flatnonzero(~is_read)).tolist()
            if fallback:
                documents = [source[starts[d] : ends[d]].tobytes() for d in fallback]
                out[fallback] = self._score_fallback(documents, buffers, cleaned=cleaned)
            if buffers.size <= _REUSED:
                self._idle.append(buffers)

        run_threads(score_batches, [(batches,)] * min(self._threads, len(ranges)))
        return out

    def _score_batch(
        self, source: np.ndarray, starts: np.ndarray, ends: np.ndarray, reading: spotting.Reading,
        buffers: "_Buffers", out: np.ndarray,
    ) -> np.ndarray:  # fmt: skip
        """Write the decisions on consecutive documents; return True for each that could be read."""
        bounds, is_read = np.empty(len(starts), np.int64), np.empty(len(starts), bool)
        buffers.reserve(int(ends[-1] - starts[0]), len(starts))
        tokens = buffers.lines, buffers.starts, buffers.sizes
        max_count = spotting.find_tokens(source, starts, ends, reading, *tokens, bounds, is_read)
        if max_count >= len(buffers.values):
            buffers.values = self._value_counts(2 * max_count)
        linear_scoring.compute_margins(
            *tokens, bounds, self._words, self._tree, buffers.values, buffers.counts, out
        )
        return is_read

    def _score_fallback(
        self, documents: list[bytes], buffers: "_Buffers", *, cleaned: bool
    ) -> np.ndarray:
        """Return the decisions on documents that need Python's own functions."""
        texts = [document.decode("utf-8", "surrogatepass") for document in documents]
        texts = [clean_text(text) for text in texts] if cleaned else texts
        source, bounds = to_utf8([normalize(text, self._rules) for text in texts])
        out = np.empty((len(texts), self.n_decisions))
        reading = _make_reading(self._rules, cleaned=False, prepared=True)
        self._score_batch(source, bounds[:-1], bounds[1:], reading, buffers, out)
        return out

    def _value_counts(self, max_count: int) -> np.ndarray:
        """Return values of counts for norm and decisions, shape (max_count + 1, 2)."""
        values = np.arange(max_count + 1, dtype=float)
        if self._binary:
            values = np.minimum(values, 1)
        elif self._sublinear:
            values[1:] = np.log(values[1:]) + 1
        return np.column_stack([values ** max(self._norm, 1), values])


class _Buffers:
    """Arrays of a thread that are reused from batch to batch."""

    def __init__(self, n_nodes: int) -> None:
        self.counts = np.zeros(n_nodes, np.uint32)
        self.values = np.empty((0, 2))
        self.lines = np.empty(0, np.uint8)
        self.starts, self.sizes = np.empty(0, np.int32), np.empty(0, np.int32)

    @property
    def size(self) -> int:
        """Capacity in bytes of text."""
        return len(self.lines)

    def reserve(self, size: int, documents: int) -> None:
        """Reserve memory for `size` bytes of `documents` documents."""
        if size > len(self.starts):
            self.starts, self.sizes = np.empty(size, np.int32), np.empty(size, np.int32)
        line_size = size + documents * spotting.GAP
        if line_size > len(self.lines):
            self.lines = np.empty(line_size, np.uint8)


def _build_tree(
    vocabulary: Vocabulary, stop_words: list[str], coefficients: np.ndarray, idf: np.ndarray,
    norm: int,
) -> tuple[linear_scoring.Words, linear_scoring.Tree]:  # fmt: skip
    """Return the n-grams of `vocabulary` for the kernel.

    Frequent n-grams, which have a low `idf`, are adjacent in memory, so that the cache holds them.
    """
    ngrams, columns = vocabulary.describe()
    alphabet = ngrams.alphabet
    assert isinstance(alphabet, Words)  # noqa: S101 - the alphabet of words is one of Words
    is_stop_word = np.zeros(alphabet.size, bool)
    is_stop_word[alphabet.find(stop_words)] = True
    # N-grams that are not features have the column -1, which is the last one.
    rank = np.append(idf, np.inf)
    order = np.lexsort([rank[columns[1]], is_stop_word])
    words = _build_words(alphabet, order, alphabet.size - int(is_stop_word.sum()))
    nodes = _invert(order)
    prefixes, size = nodes, len(order)
    node_columns, key_arrays = [columns[1][order]], [np.empty(0, np.uint64)]
    for n, paths in enumerate(ngrams.keys, start=2):
        order = np.argsort(rank[columns[n]], kind="stable")
        starts, lasts = (paths >> np.uint64(32)).astype(np.int64), paths.astype(np.uint32)
        key_arrays.append((prefixes[starts] << 32 | nodes[lasts])[order].view(np.uint64))
        node_columns.append(columns[n][order])
        prefixes, size = size + _invert(order), size + len(order)
    keys = np.concatenate(key_arrays)
    capacity = 1 << max(4, (2 * len(keys)).bit_length())
    tree = linear_scoring.Tree(
        keys=keys,
        slots=np.zeros(capacity, np.uint32),
        bloom_filter=np.zeros(capacity // 2, np.uint8),
        secret=SECRET,
        longest=len(node_columns),
        weights=_weigh_nodes(np.concatenate(node_columns), coefficients, idf, norm),
        norm=norm,
    )
    linear_scoring.fill_tree(tree)
    return words, tree


def _weigh_nodes(
    columns: np.ndarray, coefficients: np.ndarray, idf: np.ndarray, norm: int
) -> np.ndarray:
    """Return the weights of each n-gram in the norm and the decisions, 0 if it has no column.

    Decisions are copied one by one, since copies for thousands of classes would not fit in memory.
    """
    weights = np.zeros((len(columns), 1 + len(coefficients)))
    has_column = columns >= 0
    columns = columns[has_column]
    weights[has_column, 0] = (np.abs(idf) ** max(norm, 1))[columns]
    for k, row in enumerate(coefficients, start=1):
        weights[has_column, k] = (row * idf)[columns]
    return weights


def _invert(order: np.ndarray) -> np.ndarray:
    """Return the inverse of the permutation `order`."""
    inverse = np.empty(len(order), np.int64)
    inverse[order] = np.arange(len(order))
    return inverse


def _build_words(alphabet: Words, order: np.ndarray, skipped: int) -> linear_scoring.Words:
    """Return the words of `alphabet` in `order`, for the kernel."""
    store, bounds = alphabet.store.tobytes(), alphabet.bounds.tolist()
    names = [store[bounds[word] : bounds[word + 1]] for word in order.tolist()]
    capacity = 1 << max(4, (3 * len(names)).bit_length())
    bits = [(8 * min(size, 8), 8 * max(size - 8, 0)) for size in range(17)]
    words = linear_scoring.Words(
        store=np.frombuffer(bytearray(b"".join([*names, bytes(16)])), np.uint8),
        bounds=np.concatenate([[0], np.cumsum([len(word) for word in names])]).astype(np.int64),
        pairs=np.zeros((len(names), 2), np.uint64),
        slots=np.zeros(capacity, np.uint32),
        secrets=np.array([SECRET, ~SECRET | np.uint64(1)]),
        masks=np.array([[2**low - 1, 2**high - 1] for low, high in bits], np.uint64),
        skipped=skipped,
    )
    linear_scoring.fill_slots(words)
    return words
