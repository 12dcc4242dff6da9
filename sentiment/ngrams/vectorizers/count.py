"""scikit-learn's `CountVectorizer`, an order of magnitude faster."""

from collections.abc import Iterable
from numbers import Integral
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.feature_extraction import text
from sklearn.utils._param_validation import HasMethods
from sklearn.utils._sparse import _align_api_if_sparse

from sentiment.ngrams.cleaning import CleanedTexts
from sentiment.ngrams.compiling import count_threads
from sentiment.ngrams.counting import Rows
from sentiment.ngrams.memory import CachedCounts, CountMemory, Settings, count_texts
from sentiment.ngrams.rules import TokenRules, find_rules
from sentiment.ngrams.selection import choose_columns
from sentiment.ngrams.texts import Texts, are_strings
from sentiment.ngrams.vocabulary import Vocabulary

OWN_CONSTRAINTS: dict[str, Any] = {
    "n_jobs": [Integral, None],
    "memory": [str, PathLike, HasMethods(["cache"]), None],
}


class _Counted:
    """Counts of a corpus whose columns are not chosen yet; replaces a matrix."""

    def __init__(self, cached: CachedCounts, min_df: float, threads: int) -> None:
        self.cached = cached
        self.shape = (cached.layers.n_documents, 0)
        min_documents = min_df if isinstance(min_df, Integral) else min_df * self.shape[0]
        self.frequencies = cached.layers.count_frequencies(
            cached.ngrams.sizes(), min_documents, threads
        )
        self.data = np.empty(0)  # scikit-learn fills it with ones if counts are binary


class CountVectorizer(text.CountVectorizer):
    """scikit-learn's `CountVectorizer` with compiled kernels.

    It has the same parameters and fitted attributes, and returns the same matrix, with sorted rows.
    For a custom analyzer, tokenizer, preprocessor or accent stripper, a token pattern that the
    kernels do not support, or an input of files, it uses scikit-learn's own code.

    If `max_features` separates terms that are equally frequent, the first ones in the order of the
    columns are selected; in scikit-learn, this depends on the sorting algorithm of the machine.

    N-grams are distinguished by their characters, not only by hashes: candidates with the same hash
    are compared in full. The hash is seeded in each process, so that nobody can craft texts that
    slow it down.

    Parameters
    ----------
    input, encoding, decode_error, strip_accents, lowercase, preprocessor, tokenizer, stop_words, \
token_pattern, ngram_range, analyzer, max_df, min_df, max_features, vocabulary, binary, dtype
        As in scikit-learn. `sentiment.ngrams.rules.SENTIMENT_PATTERN` is a token pattern for
        opinions that the kernels support.
    n_jobs : int, optional
        Number of threads; default: all cores. The result is the same for any number.
    memory : path or joblib.Memory, optional
        A folder for counts, which all fits on the same texts, or on subsets of these, share; see
        `sentiment.ngrams.memory.CountMemory`.

    See Also
    --------
    sentiment.TfidfVectorizer : Weighted counts.

    Examples
    --------
    >>> from sentiment import CountVectorizer
    >>> vectorizer = CountVectorizer(ngram_range=(1, 2))
    >>> vectorizer.fit_transform(["a good film", "good, good fun"]).toarray().tolist()
    [[1, 0, 1, 1, 0, 0], [0, 1, 2, 0, 1, 1]]
    >>> vectorizer.get_feature_names_out().tolist()
    ['film', 'fun', 'good', 'good film', 'good fun', 'good good']
    """

    _plain: ClassVar[type] = text.CountVectorizer
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **text.CountVectorizer._parameter_constraints,
        **OWN_CONSTRAINTS,
    }

    def __init__(
        self,
        *,
        input: str = "content",  # noqa: A002
        encoding: str = "utf-8",
        decode_error: str = "strict",
        strip_accents: Any = None,
        lowercase: bool = True,
        preprocessor: Any = None,
        tokenizer: Any = None,
        stop_words: Any = None,
        token_pattern: str | None = r"(?u)\b\w\w+\b",
        ngram_range: tuple[int, int] = (1, 1),
        analyzer: Any = "word",
        max_df: float = 1.0,
        min_df: float = 1,
        max_features: int | None = None,
        vocabulary: Any = None,
        binary: bool = False,
        dtype: Any = np.int64,
        n_jobs: int | None = None,
        memory: Any = None,
    ) -> None:
        super().__init__(
            input=input,
            encoding=encoding,
            decode_error=decode_error,
            strip_accents=strip_accents,
            lowercase=lowercase,
            preprocessor=preprocessor,
            tokenizer=tokenizer,
            stop_words=stop_words,
            token_pattern=token_pattern,
            ngram_range=ngram_range,
            analyzer=analyzer,
            max_df=max_df,
            min_df=min_df,
            max_features=max_features,
            vocabulary=vocabulary,
            binary=binary,
            dtype=dtype,
        )
        self.n_jobs = n_jobs
        self.memory = memory

    def precompute_counts(self, raw_documents: Texts) -> None:
        """Count texts ahead of fits and transforms on subsets of them, if there is a memory."""
        rules = find_rules(self)
        memory = self._open_memory()
        if rules is not None and memory is not None and are_strings(raw_documents):
            memory.find_or_count(raw_documents, self._list_settings(rules))

    # scikit-learn checks the parameters, then counts, then limits the features. The kernels replace
    # the following steps.

    def _count_vocab(self, raw_documents: Iterable[Any], fixed_vocab: bool) -> tuple[Any, Any]:
        if not isinstance(raw_documents, list | tuple | pd.Series | CleanedTexts):
            raw_documents = list(raw_documents)
        rules = find_rules(self)
        if rules is None or not are_strings(raw_documents):
            vocabulary, matrix = super()._count_vocab(raw_documents, fixed_vocab)
            return vocabulary, matrix
        self.build_analyzer()  # checks the stop words and the pattern
        settings = self._list_settings(rules)
        if fixed_vocab:
            rows = self._look_up(raw_documents, settings)
            return self.vocabulary_, self._make_matrix(rows, len(self.vocabulary_))
        memory = self._open_memory()
        cached = (memory.find_or_count if memory else count_texts)(raw_documents, settings)
        if cached.layers.is_empty():
            raise ValueError("empty vocabulary; perhaps the documents only contain stop words")
        return {}, _Counted(cached, self.min_df, settings.threads)

    def _list_settings(self, rules: TokenRules) -> Settings:
        stop_words = self.get_stop_words() if rules.analyzer == "word" else None
        # Other types, and empty strings, cannot be tokens.
        stop_words = tuple(word for word in stop_words or () if isinstance(word, str) and word)
        return Settings(rules, self.ngram_range, stop_words, count_threads(self.n_jobs))

    def _open_memory(self) -> CountMemory | None:
        folder = getattr(self.memory, "location", self.memory)
        return None if folder is None else CountMemory(folder)

    def _look_up(self, texts: Texts, settings: Settings) -> Rows:
        """Return the count of each term of the vocabulary in each text."""
        memory = self._open_memory()
        vocabulary, numbers, name = getattr(self, "_counted", (None, {}, ""))
        if memory is not None and vocabulary is self.vocabulary_:
            cached = memory.find(texts, settings)
            if cached is not None and cached.name == name:
                return cached.layers.take(numbers, settings.threads)
        # The index of the vocabulary is reused as long as vocabulary and settings stay the same.
        vocabulary, last_settings, index = getattr(self, "_entered", (None, None, None))
        if index is None or vocabulary is not self.vocabulary_ or last_settings != settings:
            index = Vocabulary(
                self.vocabulary_, settings.rules, settings.ngram_range, settings.stop_words
            )
            self._entered = (self.vocabulary_, settings, index)
        return index.count(texts, settings.threads)

    def to_sklearn(self) -> text.CountVectorizer:
        """Return scikit-learn's equivalent of this vectorizer, fitted if this one is."""
        plain = self._plain()
        extra_params = set(vars(type(self)())) - set(vars(plain))
        state = self.__getstate__().items()
        plain.__dict__.update((k, v) for k, v in state if k not in extra_params)
        return plain

    @classmethod
    def from_sklearn(cls, plain: text.CountVectorizer) -> Self:
        """Return the equivalent of a vectorizer of scikit-learn, fitted if that is."""
        fast = cls()
        fast.__dict__.update(plain.__getstate__())
        return fast

    def __getstate__(self) -> Any:
        # Attributes that can be derived from the vocabulary again.
        derived = ("_counted", "_entered", "_document_frequencies")
        return {k: v for k, v in dict(super().__getstate__()).items() if k not in derived}

    def _sort_features(self, X: Any, vocabulary: dict[str, int]) -> Any:
        return X if isinstance(X, _Counted) else super()._sort_features(X, vocabulary)

    def _limit_features(
        self,
        X: Any,
        vocabulary: dict[str, int],
        high: float = np.inf,
        low: float = 0,
        limit: int | None = None,
    ) -> Any:
        if not isinstance(X, _Counted):
            return super()._limit_features(X, vocabulary, high, low, limit)
        threads = count_threads(self.n_jobs)
        counts = X.cached
        columns = choose_columns(counts.ngrams, X.frequencies, low, high, limit, binary=self.binary)
        if not columns.terms:
            raise ValueError(
                "After pruning, no terms remain. Try a lower min_df or a higher max_df."
            )
        vocabulary.update(zip(columns.terms, range(len(columns.terms)), strict=True))
        self._document_frequencies = (vocabulary, columns.document_frequencies)
        del X.frequencies  # the caller keeps a reference to X
        rows = counts.layers.take(columns.numbers, threads)
        if self.memory is not None:
            self._counted = (vocabulary, columns.numbers, counts.name)
        del X.cached, counts, columns  # they take more memory than the matrix
        matrix = self._make_matrix(rows, len(vocabulary))
        if self.binary:
            matrix.data.fill(1)
        return matrix

    def _make_matrix(self, rows: Rows, width: int) -> Any:
        index_type = np.int32 if rows.indptr[-1] <= np.iinfo(np.int32).max else np.int64
        indices = rows.indices.astype(index_type, copy=False)
        matrix = sp.csr_array(
            (rows.data.astype(self.dtype), indices, rows.indptr.astype(index_type)),
            shape=(len(rows.indptr) - 1, width),
        )
        matrix.has_canonical_format = True
        return _align_api_if_sparse(matrix)
