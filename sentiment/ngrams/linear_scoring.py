"""Linear decisions on texts, from bytes to decisions in one pass and without a matrix."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Self

import numpy as np

from sentiment.ngrams.alphabets import SECRET, Words
from sentiment.ngrams.cleaning import CleanedTexts, clean_text
from sentiment.ngrams.compiling import count_threads, cut_ranges, run_threads
from sentiment.ngrams.kernels import linear_scoring, spotting, tokenizing
from sentiment.ngrams.rules import TokenRules, classify, find_rules, may_compose
from sentiment.ngrams.texts import Texts, are_strings, normalize, to_utf8
from sentiment.ngrams.vectorizers import CountVectorizer, TfidfVectorizer
from sentiment.ngrams.vocabulary import Vocabulary

# Bytes of text that are worked on at a time; with their tokens they stay in the cache of a core.
_BATCH = 2**18
# The work on a document takes some fifty times its size in memory.
_LONGEST = 2**22
# Bytes of text, and so some ten times that in memory, for which buffers are kept.
_KEPT = 2**20
_NORMS = {None: linear_scoring.NOTHING, "l1": linear_scoring.SUM, "l2": linear_scoring.ROOT}
# Those in which counts are exact, and weights as exact as in scikit-learn.
_TYPES = [np.dtype(kind) for kind in (np.float64, np.int64, np.int32)]
_CODE_POINTS = 0x110000
_CAPITAL_I_WITH_DOT, _CAPITAL_SIGMA = 0x130, 0x3A3


@lru_cache
def list_small_letters() -> np.ndarray:
    """Return the small letter of each code point, shape (1114112,), int32.

    Two are `FALLBACK`: the small letter of a capital sigma depends on where it stands, and that of
    a capital I with a dot is two characters.
    """
    fallback = [_CAPITAL_I_WITH_DOT, _CAPITAL_SIGMA]
    points = np.arange(_CODE_POINTS, dtype="<u4")
    points[fallback] = 0
    letters = points.tobytes().decode("utf-32-le", "surrogatepass").lower()
    small = np.frombuffer(bytearray(letters.encode("utf-32-le", "surrogatepass")), "<i4")
    small[fallback] = spotting.FALLBACK
    return small


@lru_cache
def _find_reading(rules: TokenRules, *, cleaned: bool, prepared: bool) -> spotting.Reading:
    """Return how the kernels read texts; `prepared` ones have been cleaned and lower-cased."""
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
        letters = list_small_letters()
    if cleaned:
        letters = np.where(may_compose(), np.int32(spotting.FALLBACK), letters)
    least, most = rules.lengths
    return spotting.Reading(
        kinds=kinds,
        letters=letters,
        lowercase=rules.lowercase and not prepared,
        least=least,
        most=min(most, _LONGEST),
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
        What each feature is multiplied by for each decision.
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
        # Of threads that are done: a few texts take less time than the arrays to read them with.
        self._idle: list[_Buffers] = []

    @classmethod
    def from_vectorizer(cls, vectorizer: Any, coefficients: np.ndarray) -> Self | None:
        """Return a scorer on the features of `vectorizer`, or None if the kernels lack them."""
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
        """Return the decisions, shape (n_texts, n_decisions), or None if it cannot read them.

        That is so if there is something else than str among `texts`, or a very long one.
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
        reading = _find_reading(self._rules, cleaned=cleaned, prepared=False)
        # Threads take the next batch when they are done with one; next() is one step for them.
        parts = -(-len(source) // _BATCH)
        ranges = cut_ranges(ends, parts) if parts > 1 else [(0, len(starts))]
        batches = iter(ranges)

        def work(batches: Iterator[tuple[int, int]]) -> None:
            try:
                buffers = self._idle.pop()
            except IndexError:
                buffers = _Buffers(len(self._tree.weights))
            fallback: list[int] = []
            for first, last in batches:
                part = out[first:last]
                done = self._score_some(
                    source, starts[first:last], ends[first:last], reading, buffers, part
                )
                if not done.all():
                    fallback += (first + np.flatnonzero(~done)).tolist()
            if fallback:
                documents = [source[starts[d] : ends[d]].tobytes() for d in fallback]
                out[fallback] = self._score_fallback(documents, buffers, cleaned=cleaned)
            if buffers.size <= _KEPT:
                self._idle.append(buffers)

        run_threads(work, [(batches,)] * min(self._threads, len(ranges)))
        return out

    def _score_some(
        self, source: np.ndarray, starts: np.ndarray, ends: np.ndarray, reading: spotting.Reading,
        buffers: "_Buffers", out: np.ndarray,
    ) -> np.ndarray:  # fmt: skip
        """Write the decisions on documents side by side; return which of them could be read."""
        bounds, done = np.empty(len(starts), np.int64), np.empty(len(starts), bool)
        buffers.make_room(int(ends[-1] - starts[0]), len(starts))
        tokens = buffers.lines, buffers.places, buffers.sizes
        most = spotting.find_tokens(source, starts, ends, reading, *tokens, bounds, done)
        if most >= len(buffers.values):
            buffers.values = self._value_counts(2 * most)
        linear_scoring.compute_margins(
            *tokens, bounds, self._words, self._tree, buffers.values, buffers.counts, out
        )
        return done

    def _score_fallback(
        self, documents: list[bytes], buffers: "_Buffers", *, cleaned: bool
    ) -> np.ndarray:
        """Return the decisions on documents that have to go through Python's own functions."""
        texts = [document.decode("utf-8", "surrogatepass") for document in documents]
        texts = [clean_text(text) for text in texts] if cleaned else texts
        source, bounds = to_utf8([normalize(text, self._rules) for text in texts])
        out = np.empty((len(texts), self.n_decisions))
        reading = _find_reading(self._rules, cleaned=False, prepared=True)
        self._score_some(source, bounds[:-1], bounds[1:], reading, buffers, out)
        return out

    def _value_counts(self, most: int) -> np.ndarray:
        """Return what the counts up to `most` are worth, shape (most + 1, 2)."""
        values = np.arange(most + 1, dtype=float)
        if self._binary:
            values = np.minimum(values, 1)
        elif self._sublinear:
            values[1:] = np.log(values[1:]) + 1
        return np.column_stack([values ** max(self._norm, 1), values])


class _Buffers:
    """The arrays that a thread works with, from one batch to the next."""

    def __init__(self, n_nodes: int) -> None:
        self.counts = np.zeros(n_nodes, np.uint32)
        self.values = np.empty((0, 2))
        self.lines = np.empty(0, np.uint8)
        self.places, self.sizes = np.empty(0, np.int32), np.empty(0, np.int32)

    @property
    def size(self) -> int:
        """Bytes of text for which there is room."""
        return len(self.lines)

    def make_room(self, size: int, documents: int) -> None:
        """Make room for so many bytes of so many documents."""
        if size > len(self.places):
            self.places, self.sizes = np.empty(size, np.int32), np.empty(size, np.int32)
        room = size + documents * spotting.GAP
        if room > len(self.lines):
            self.lines = np.empty(room, np.uint8)


def _build_tree(
    vocabulary: Vocabulary, stop_words: list[str], coefficients: np.ndarray, idf: np.ndarray,
    norm: int,
) -> tuple[linear_scoring.Words, linear_scoring.Tree]:  # fmt: skip
    """Return the n-grams of `vocabulary` for the kernel.

    Frequent ones, which have a low `idf`, are put side by side, where a cache holds them all.
    """
    ngrams, columns = vocabulary.describe()
    alphabet = ngrams.alphabet
    assert isinstance(alphabet, Words)  # noqa: S101 - the alphabet of words is one of Words
    stops = np.zeros(alphabet.size, bool)
    stops[alphabet.find(stop_words)] = True
    # Column -1 is the last, of n-grams that are not features.
    rank = np.append(idf, np.inf)
    order = np.lexsort([rank[columns[1]], stops])
    words = _enter_words(alphabet, order, alphabet.size - int(stops.sum()))
    node = _invert(order)
    prefixes, held, keys, size = node, [columns[1][order]], [np.empty(0, np.uint64)], len(order)
    for n, paths in enumerate(ngrams.keys, start=2):
        order = np.argsort(rank[columns[n]], kind="stable")
        starts, lasts = (paths >> np.uint64(32)).astype(np.int64), paths.astype(np.uint32)
        keys.append((prefixes[starts] << 32 | node[lasts])[order].view(np.uint64))
        held.append(columns[n][order])
        prefixes, size = size + _invert(order), size + len(order)
    entered = np.concatenate(keys)
    capacity = 1 << max(4, (2 * len(entered)).bit_length())
    tree = linear_scoring.Tree(
        keys=entered,
        slots=np.zeros(capacity, np.uint32),
        bloom_filter=np.zeros(capacity // 2, np.uint8),
        secret=SECRET,
        longest=len(held),
        weights=_weigh_nodes(np.concatenate(held), coefficients, idf, norm),
        norm=norm,
    )
    linear_scoring.fill_tree(tree)
    return words, tree


def _weigh_nodes(
    columns: np.ndarray, coefficients: np.ndarray, idf: np.ndarray, norm: int
) -> np.ndarray:
    """Return what each n-gram adds to the norm and the decisions, 0 for those in no column.

    Decisions are copied one by one: of thousands of classes, there is no room for more copies.
    """
    weights = np.zeros((len(columns), 1 + len(coefficients)))
    kept = columns >= 0
    places = columns[kept]
    weights[kept, 0] = (np.abs(idf) ** max(norm, 1))[places]
    for number, row in enumerate(coefficients, start=1):
        weights[kept, number] = (row * idf)[places]
    return weights


def _invert(order: np.ndarray) -> np.ndarray:
    """Return the place of each number in `order`."""
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    return places


def _enter_words(alphabet: Words, order: np.ndarray, skipped: int) -> linear_scoring.Words:
    """Return the words of `alphabet` in another order, for the kernel."""
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
