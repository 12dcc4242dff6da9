"""scikit-learn's `TfidfVectorizer`, an order of magnitude faster, and with supervised weights."""

from collections.abc import Iterable
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.feature_extraction import text
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from sentiment.ngrams.compiling import count_threads, run_threads, split_work
from sentiment.ngrams.kernels import matrices
from sentiment.ngrams.vectorizers.count import OWN_CONSTRAINTS, CountVectorizer
from sentiment.ngrams.weighting import compute_idf, compute_term_weights

_NORMS = {None: 0, "l1": 1, "l2": 2}


class TfidfVectorizer(text.TfidfVectorizer, CountVectorizer):
    """scikit-learn's `TfidfVectorizer` with compiled kernels; see `CountVectorizer`.

    Parameters
    ----------
    input, encoding, decode_error, strip_accents, lowercase, preprocessor, tokenizer, stop_words, \
token_pattern, ngram_range, analyzer, max_df, min_df, max_features, vocabulary, binary, dtype, \
norm, use_idf, smooth_idf, sublinear_tf
        As in scikit-learn.
    log_count_ratio : bool
        Whether to also weight terms by the largest of the naive Bayes log-count ratios of a class
        against the rest (Wang & Manning 2012), which are fitted on the counts and `y`. The weight
        is included in ``idf_``. With two classes, it is the absolute value of their ratio, whose
        sign would not matter to a linear model. `NBSVM` has a ratio for each class instead.
    alpha : float
        Additive smoothing of the counts in the log-count ratio; above 0.
    n_jobs : int, optional
        Number of threads; default: all cores. The result is the same for any number.
    memory : path or joblib.Memory, optional
        A folder for counts, which all fits on the same texts, or on subsets of these, share; see
        `sentiment.ngrams.memory.CountMemory`.

    See Also
    --------
    sentiment.CountVectorizer : Unweighted counts.

    Examples
    --------
    >>> from sentiment import TfidfVectorizer
    >>> vectorizer = TfidfVectorizer()
    >>> vectorizer.fit_transform(["a good film", "good, good fun"]).toarray().round(2).tolist()
    [[0.81, 0.0, 0.58], [0.0, 0.57, 0.82]]
    """

    _plain: ClassVar[type] = text.TfidfVectorizer
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **text.TfidfVectorizer._parameter_constraints,
        **OWN_CONSTRAINTS,
        "log_count_ratio": ["boolean"],
        "alpha": [Interval(Real, 0, None, closed="neither")],
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
        analyzer: Any = "word",
        stop_words: Any = None,
        token_pattern: str | None = r"(?u)\b\w\w+\b",
        ngram_range: tuple[int, int] = (1, 1),
        max_df: float = 1.0,
        min_df: float = 1,
        max_features: int | None = None,
        vocabulary: Any = None,
        binary: bool = False,
        dtype: Any = np.float64,
        norm: str | None = "l2",
        use_idf: bool = True,
        smooth_idf: bool = True,
        sublinear_tf: bool = False,
        log_count_ratio: bool = False,
        alpha: float = 1.0,
        n_jobs: int | None = None,
        memory: Any = None,
    ) -> None:
        CountVectorizer.__init__(
            self,
            input=input,
            encoding=encoding,
            decode_error=decode_error,
            strip_accents=strip_accents,
            lowercase=lowercase,
            preprocessor=preprocessor,
            tokenizer=tokenizer,
            analyzer=analyzer,
            stop_words=stop_words,
            token_pattern=token_pattern,
            ngram_range=ngram_range,
            max_df=max_df,
            min_df=min_df,
            max_features=max_features,
            vocabulary=vocabulary,
            binary=binary,
            dtype=dtype,
            n_jobs=n_jobs,
            memory=memory,
        )
        self.norm = norm
        self.use_idf = use_idf
        self.smooth_idf = smooth_idf
        self.sublinear_tf = sublinear_tf
        self.log_count_ratio = log_count_ratio
        self.alpha = alpha

    def fit(self, raw_documents: Iterable[Any], y: Any = None) -> Self:
        """Learn the terms and their weights."""
        self.fit_transform(raw_documents, y)
        return self

    def fit_transform(self, raw_documents: Iterable[Any], y: Any = None) -> Any:
        """Learn the terms and their weights, and return the weighted matrix.

        Raises
        ------
        ValueError
            scikit-learn rejects the documents or a parameter; or `log_count_ratio` is set and `y`
            has fewer than two classes.
        """
        self._check_params()
        counts = CountVectorizer.fit_transform(self, raw_documents)
        self._tfidf = self._fit_transformer(counts)
        if self.log_count_ratio:
            ratio = compute_term_weights(counts, y, self.alpha)
            self._tfidf.idf_ = ratio * self._tfidf.idf_ if self.use_idf else ratio
            self._tfidf.use_idf = True
        return self._weigh(counts)

    def _fit_transformer(self, counts: Any) -> text.TfidfTransformer:
        settings = {"norm": self.norm, "smooth_idf": self.smooth_idf, "use_idf": self.use_idf}
        transformer = text.TfidfTransformer(**settings, sublinear_tf=self.sublinear_tf)
        vocabulary, document_frequencies = self.__dict__.pop("_document_frequencies", (None, None))
        if vocabulary is not self.vocabulary_:  # the kernels did not count the documents
            return transformer.fit(counts)
        transformer.n_features_in_ = counts.shape[1]
        if self.use_idf:
            dtype = counts.dtype if counts.dtype in text.FLOAT_DTYPES else np.float64
            transformer.idf_ = compute_idf(
                document_frequencies, counts.shape[0], dtype, smooth=bool(self.smooth_idf)
            )
        return transformer

    def transform(self, raw_documents: Iterable[Any]) -> Any:
        """Return the weighted matrix of `raw_documents`."""
        check_is_fitted(self, msg="The TF-IDF vectorizer is not fitted")
        return self._weigh(CountVectorizer.transform(self, raw_documents))

    def _weigh(self, counts: Any) -> Any:
        if counts.dtype not in text.FLOAT_DTYPES:
            counts = counts.astype(np.float64)
        weights = getattr(self._tfidf, "idf_", np.empty(0, counts.dtype))
        if counts.shape[0] == 0 or not np.isfinite(weights).all():
            return self._tfidf.transform(counts)  # scikit-learn's own errors
        run_threads(
            lambda first, last: matrices.weigh_rows(
                counts.indptr, counts.indices, counts.data, first, last, weights,
                bool(self._tfidf.sublinear_tf), _NORMS[self._tfidf.norm],
            ),
            split_work(counts.indptr[1:], count_threads(self.n_jobs)),
        )  # fmt: skip
        return counts

    def to_sklearn(self) -> text.CountVectorizer:
        """Return scikit-learn's equivalent of this vectorizer, fitted if this one is."""
        plain = super().to_sklearn()
        plain.use_idf = self.use_idf or self.log_count_ratio
        return plain
