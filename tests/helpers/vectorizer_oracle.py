"""What scikit-learn's text vectorizers do, to compare the ones of this project with."""

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from scipy import sparse
from sklearn.feature_extraction import text

from sentiment.ngrams import vectorizers
from sentiment.ngrams.rules import SENTIMENT_PATTERN

PATTERNS = (r"(?u)\b\w\w+\b", r"(?u)\b\w+\b", r"\w+", r"\w\w+", SENTIMENT_PATTERN)

# Pieces that make repeated words, joined words, tags, entities and odd characters likely.
WORDS = ["film", "Film", "FILM", "good", "bad", "a", "I", "the", "don't", "'tis", "o''", "x_1", "_"]
WORDS += ["42", "8/10", "?!", "...", "'", '"', "*", "(a)", "b-c", "well-made", "-", "$"]
HTML = [
    "<br />",
    "<br>",
    "</p>",
    "<",
    ">",
    "<<b>",
    "<a <b>",
    "< br>",
    "</p",
    "<BR/>",
    "<Éa>",
    "<aé>",
]
HTML += [
    "&amp;",
    "&lt;br&gt;",
    "&#x3C;",
    "&#39;",
    "&nbsp;",
    "&",
    ";",
    "&lt;",
    "&gt;",
    "&amp;lt;",
    "/",
]
SPACES = ["\t", "\n", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x1f", "\x85", "\xa0"]
SPACES += [
    "\u1680",
    "\u2003",
    "\u2028",
    "\u2029",
    "\u202f",
    "\u3000",
    "  ",
    "\u200b",
    "\ufeff",
    "\x00",
]
ODD = [
    "é",
    "É",
    "e\u0301",
    "\u0301",
    "\u0345",
    "İ",
    "ı",
    "ß",
    "ẞ",
    "ſ",
    "\u212a",
    "\u212b",
    "Å",
    "Ω",
]
ODD += [
    "Σ",
    "ΑΣ",
    "ΑΣ\u0301",
    "ς",
    "Σ.",
    "'Σ",
    "ǅ",
    "ﬁ",
    "ﬃ",
    "㎒",
    "＜b＞",
    "ＡＢ",
    "²",
    "½",
    "Ⅷ",
    "٣",
]
ODD += [
    "😀",
    "👩\u200d👧",
    "映画",
    "が",
    "か\u3099",
    "한",
    "ก็",
    "𝐀",
    "𐐀",
    "\U0010ffff",
    "\ue000",
    "…",
    "’",
]
SURROGATES = ["\ud800", "\udc80", "\ud83d\ude00", "\udfff", "a\udcffb"]
PIECES = [WORDS, HTML, SPACES, ODD, SURROGATES, [" "]]

_PIECE = st.one_of(*map(st.sampled_from, [*PIECES, WORDS, [" "], [" "]]))
_DOCUMENT = st.lists(_PIECE, max_size=14).map("".join) | st.text(max_size=8)
CORPORA = st.lists(_DOCUMENT, min_size=1, max_size=6)


class _FirstOfTies:
    """Keeps the first of equally frequent terms, which scikit-learn leaves to its sorting."""

    def _limit_features(
        self,
        counts: Any,
        vocabulary: dict[str, int],
        high: float | None = None,
        low: float | None = None,
        limit: int | None = None,
    ) -> Any:
        counts = super()._limit_features(counts, vocabulary, high, low)
        if limit is None or counts.shape[1] <= limit:
            return counts
        terms = sorted(vocabulary)
        assert [vocabulary[term] for term in terms] == list(range(len(terms)))
        times = np.asarray(counts.sum(axis=0)).ravel().tolist()
        kept = sorted(sorted(range(len(terms)), key=lambda k: (-times[k], k))[:limit])
        vocabulary.clear()
        vocabulary.update({terms[k]: column for column, k in enumerate(kept)})
        return counts[:, kept]


# They have the names of scikit-learn's classes, which stand in its messages.
class CountVectorizer(_FirstOfTies, text.CountVectorizer):
    pass


class TfidfVectorizer(_FirstOfTies, text.TfidfVectorizer):
    pass


ORACLES = {
    vectorizers.CountVectorizer: CountVectorizer,
    vectorizers.TfidfVectorizer: TfidfVectorizer,
}
KINDS = list(ORACLES)


@dataclass
class Outcome:
    """What came of a call: a value or an error, and the warnings."""

    value: Any
    error: tuple[type, str] | None
    warned: set[tuple[type, str]]


def attempt(call: Callable[[], Any]) -> Outcome:
    value, error = None, None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            value = call()
        except Exception as raised:
            error = type(raised), str(raised)
    return Outcome(value, error, {(w.category, str(w.message)) for w in caught})


def assert_same_matrix(ours: Any, theirs: Any, *, kernels: bool = True) -> None:
    """Ours has sorted rows, at least if `kernels` made it, and is the same in all else."""
    assert type(ours) is type(theirs)
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    assert ours.indices.dtype == theirs.indices.dtype
    assert ours.indptr.dtype == theirs.indptr.dtype
    if kernels:
        # What a matrix says of itself may be out of date.
        fresh = sparse.csr_array((ours.data, ours.indices, ours.indptr), shape=ours.shape)
        assert fresh.has_sorted_indices
        assert fresh.has_canonical_format
    else:
        ours.sort_indices()
    theirs.sort_indices()
    np.testing.assert_array_equal(ours.indptr, theirs.indptr)
    np.testing.assert_array_equal(ours.indices, theirs.indices)
    tolerance = 1e-6 if ours.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(ours.data, theirs.data, rtol=tolerance, atol=0)


def assert_same_fit(ours: Any, theirs: Any) -> None:
    assert ours.vocabulary_ == theirs.vocabulary_
    assert ours.fixed_vocabulary_ == theirs.fixed_vocabulary_
    names = ours.get_feature_names_out()
    assert names.dtype == object
    assert names.tolist() == theirs.get_feature_names_out().tolist()
    if getattr(theirs, "use_idf", False):
        tolerance = 1e-6 if theirs.idf_.dtype == np.float32 else 1e-12
        assert ours.idf_.dtype == theirs.idf_.dtype
        np.testing.assert_allclose(ours.idf_, theirs.idf_, rtol=tolerance, atol=0)


def assert_same_call(
    ours: Callable[[], Any], theirs: Callable[[], Any], *, kernels: bool = True
) -> bool:
    """Both give the same matrix, error and warnings; return whether there was a matrix."""
    found, expected = attempt(ours), attempt(theirs)
    assert found.error == expected.error
    assert found.warned == expected.warned
    if expected.error is None:
        assert_same_matrix(found.value, expected.value, kernels=kernels)
    return expected.error is None


def assert_same(
    kind: type,
    documents: Iterable[Any],
    unseen: Iterable[Any] = (),
    *,
    expected_documents: Iterable[Any] | None = None,
    expected_unseen: Iterable[Any] | None = None,
    kernels: bool = True,
    **params: Any,
) -> bool:
    """Compare all that a fit and, if there are unseen texts, a transform gives.

    Returns
    -------
    fitted : bool
        Whether there was a matrix, not an error.
    """
    n_jobs = params.pop("n_jobs", 1)
    ours, theirs = kind(n_jobs=n_jobs, **params), ORACLES[kind](**params)
    expected = documents if expected_documents is None else expected_documents
    if not assert_same_call(
        lambda: ours.fit_transform(documents),
        lambda: theirs.fit_transform(expected),
        kernels=kernels,
    ):
        return False
    assert_same_fit(ours, theirs)
    expected = unseen if expected_unseen is None else expected_unseen
    if len(unseen):
        assert_same_call(
            lambda: ours.transform(unseen), lambda: theirs.transform(expected), kernels=kernels
        )
    return True


def make_params(
    analyzers: list[str], **fixed: Any
) -> st.SearchStrategy[tuple[type, dict[str, Any]]]:
    """Return a strategy for a kind of vectorizer and its parameters."""
    shared: dict[str, st.SearchStrategy[Any]] = {
        "analyzer": st.sampled_from(analyzers),
        "ngram_range": st.tuples(st.integers(1, 5), st.integers(0, 3)).map(
            lambda pair: (pair[0], pair[0] + pair[1])
        ),
        "min_df": st.sampled_from([1, 1, 1, 2, 3, 0.0, 0.3, 0.5]),
        "max_df": st.sampled_from([1.0, 1.0, 1.0, 0.8, 0.5, 1, 2, 4]),
        "max_features": st.none() | st.integers(1, 12),
        "binary": st.booleans(),
        "lowercase": st.booleans(),
        "strip_accents": st.sampled_from([None, None, "ascii", "unicode"]),
        "n_jobs": st.sampled_from([1, 1, 2, 4]),
    }
    if "word" in analyzers:
        shared["ngram_range"] = st.sampled_from([(1, 1), (1, 2), (1, 3), (2, 2), (2, 4), (3, 3)])
        shared["token_pattern"] = st.sampled_from(PATTERNS)
        shared["stop_words"] = st.sampled_from(
            [None, None, "english", [], ["film", "a"], ["good", "", "film bad", "É", "\ud800", "'"]]
        )
    weights: dict[str, st.SearchStrategy[Any]] = {
        "norm": st.sampled_from(["l2", "l2", "l1", None]),
        "use_idf": st.booleans(),
        "smooth_idf": st.booleans(),
        "sublinear_tf": st.booleans(),
        "dtype": st.sampled_from([np.float64, np.float64, np.float32]),
    }
    constant = {name: st.just(value) for name, value in fixed.items()}
    counts = {"dtype": st.sampled_from([np.int64, np.int32, np.uint8, np.float32, np.float64])}
    of_counts = {name: constant[name] for name in constant if name not in weights}
    return st.fixed_dictionaries(shared | counts | of_counts).map(
        lambda params: (vectorizers.CountVectorizer, params)
    ) | st.fixed_dictionaries(shared | weights | constant).map(
        lambda params: (vectorizers.TfidfVectorizer, params)
    )
