from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from sklearn.feature_extraction import text
from vectorizer_oracle import (
    CORPORA,
    KINDS,
    PATTERNS,
    assert_same,
    assert_same_call,
    assert_same_fit,
    attempt,
    make_params,
)

from sentiment.ngrams.rules import SENTIMENT_PATTERN
from sentiment.ngrams.vectorizers import CountVectorizer, TfidfVectorizer

QUICK = settings(deadline=None, derandomize=True, max_examples=50)
FILMS = [
    "Good film, good plot",
    "bad film; Bad!",
    "the plot is the film",
    "",
    "8/10, don't miss it",
]
UNSEEN = ["A good, GOOD plot", "unknown words only", "", "film film film"]

# What people use most.
USED: list[tuple[type, dict[str, Any]]] = [
    (CountVectorizer, {}),
    (CountVectorizer, {"ngram_range": (1, 2), "min_df": 3, "max_df": 0.5, "binary": True}),
    (CountVectorizer, {"analyzer": "char", "ngram_range": (2, 4), "min_df": 2}),
    (TfidfVectorizer, {}),
    (TfidfVectorizer, {"ngram_range": (1, 2), "min_df": 2, "sublinear_tf": True}),
    (TfidfVectorizer, {"ngram_range": (1, 3), "stop_words": "english"}),
    (TfidfVectorizer, {"analyzer": "char_wb", "ngram_range": (3, 5), "min_df": 0.01}),
    (TfidfVectorizer, {"analyzer": "char", "ngram_range": (2, 4), "dtype": np.float32}),
    (TfidfVectorizer, {"max_features": 500, "strip_accents": "unicode", "norm": "l1"}),
    (TfidfVectorizer, {"analyzer": "char_wb", "ngram_range": (2, 4), "max_features": 300}),
    (TfidfVectorizer, {"token_pattern": SENTIMENT_PATTERN, "ngram_range": (1, 3), "min_df": 2}),
    (TfidfVectorizer, {"token_pattern": r"(?u)\b\w+\b", "lowercase": False, "use_idf": False}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "params"), USED)
@pytest.mark.parametrize("n_jobs", [1, 3])
def test_real_reviews(
    kind: type, params: dict[str, Any], n_jobs: int, reviews: pd.DataFrame
) -> None:
    texts = reviews["text"].tolist()
    assert assert_same(kind, texts[150:220], texts[:40], n_jobs=n_jobs, **params)


@pytest.mark.slow
@QUICK
@given(make_params(["word"]), CORPORA, CORPORA)
def test_words(
    chosen: tuple[type, dict[str, Any]], documents: list[str], unseen: list[str]
) -> None:
    kind, params = chosen
    assert_same(kind, documents, unseen, **params)


@pytest.mark.slow
@QUICK
@given(make_params(["char", "char_wb"]), CORPORA, CORPORA)
@example((TfidfVectorizer, {"analyzer": "char_wb", "ngram_range": (4, 6)}), ["a bb ccc"], ["a b"])
@example((CountVectorizer, {"analyzer": "char", "ngram_range": (2, 9)}), ["abc", "a"], ["ab", ""])
def test_characters(
    chosen: tuple[type, dict[str, Any]], documents: list[str], unseen: list[str]
) -> None:
    kind, params = chosen
    assert_same(kind, documents, unseen, **params)


def spell_out(document: str, analyzer: str, n: int) -> list[str]:
    units: list[Any] = [document]
    if analyzer == "word":
        units = [document.split()]
    elif analyzer == "char_wb":
        units = [f" {word} " for word in document.split()]
    join = " ".join if analyzer == "word" else "".join
    return [
        join(unit[i : i + k])
        for unit in units
        for k in range(1, n + 1)
        for i in range(len(unit) - k + 1)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("analyzer", "n"), [("word", 2), ("char", 3), ("char_wb", 3)])
@pytest.mark.parametrize("binary", [False, True])
def test_the_first_of_equally_frequent_terms_are_kept(
    kind: type, analyzer: str, n: int, binary: bool
) -> None:
    documents = ["b a a c", "c d b e", "d b f"]
    document_terms = [spell_out(document, analyzer, n) for document in documents]
    counts = Counter(t for terms in document_terms for t in (set(terms) if binary else terms))
    ranked = sorted(counts, key=lambda term: (-counts[term], term))
    assert len(set(counts.values())) < len(counts)
    for limit in range(1, len(counts) + 2, 2):
        vectorizer = kind(
            analyzer=analyzer, ngram_range=(1, n), max_features=limit, binary=binary,
            token_pattern=r"(?u)\b\w\w+\b" if analyzer != "word" else r"\w+",
        )  # fmt: skip
        vectorizer.fit(documents)
        assert vectorizer.get_feature_names_out().tolist() == sorted(ranked[:limit])


@pytest.mark.parametrize("analyzer", ["word", "char", "char_wb"])
def test_features_are_limited_as_by_scikit_learn_where_nothing_is_tied(
    analyzer: str, reviews: pd.DataFrame
) -> None:
    texts = reviews["text"].tolist()[:80]
    params: dict[str, Any] = {"analyzer": analyzer, "ngram_range": (1, 2), "min_df": 2}
    counts = text.CountVectorizer(**params).fit_transform(texts)
    times = np.sort(np.asarray(counts.sum(axis=0)).ravel())[::-1]
    limits = 1 + np.flatnonzero(times[:-1] > times[1:])
    for limit in limits[[0, len(limits) // 2, -1]].tolist():
        ours = TfidfVectorizer(**params, max_features=limit)
        theirs = text.TfidfVectorizer(**params, max_features=limit)
        assert assert_same_call(
            lambda a=ours: a.fit_transform(texts), lambda b=theirs: b.fit_transform(texts)
        )
        assert_same_fit(ours, theirs)


def raises_in_both(*calls: Callable[[], Any]) -> tuple[type, str]:
    """Return the error that every call raises, type and message."""
    errors = {attempt(call).error for call in calls}
    assert len(errors) == 1
    error = errors.pop()
    if error is None:
        pytest.fail("no error")
    return error


WRONG: list[tuple[dict[str, Any], Any, str]] = [
    ({}, ["a", "!", ""], "empty vocabulary"),
    ({}, [], "empty vocabulary"),
    ({"analyzer": "char"}, [], "empty vocabulary"),
    ({"analyzer": "char"}, ["", ""], "empty vocabulary"),
    ({"analyzer": "char_wb"}, [" \n", ""], "empty vocabulary"),
    ({"ngram_range": (5, 6)}, FILMS[:2], "empty vocabulary"),
    ({"stop_words": ["aa"]}, ["aa", "AA"], "empty vocabulary"),
    ({"max_features": 1}, [""], "empty vocabulary"),
    ({"min_df": 2}, ["aa", "bb"], "After pruning, no terms remain"),
    ({"max_df": 0.0, "min_df": 0.0}, ["aa", "bb"], "After pruning, no terms remain"),
    ({"max_df": 1, "analyzer": "char", "max_features": 3}, ["a", "a"], "After pruning"),
    ({"min_df": 2, "analyzer": "char_wb", "ngram_range": (3, 3)}, ["a", "b"], "After pruning"),
    ({"max_df": 1, "min_df": 2}, FILMS, "max_df corresponds to < documents than min_df"),
    ({"max_df": 0.2, "min_df": 2}, FILMS, "max_df corresponds to < documents than min_df"),
    ({"max_df": 1, "min_df": 2}, [""], "empty vocabulary"),
    ({"ngram_range": (2, 1)}, FILMS, "Invalid value for ngram_range"),
    ({"ngram_range": (2, 1), "analyzer": "char_wb"}, FILMS, "Invalid value for ngram_range"),
    ({"ngram_range": [1, 2]}, FILMS, "The 'ngram_range' parameter"),
    ({"stop_words": "klingon"}, FILMS, "The 'stop_words' parameter"),
    ({"analyzer": "letters"}, FILMS, "The 'analyzer' parameter"),
    ({"strip_accents": "latin"}, FILMS, "The 'strip_accents' parameter"),
    ({"min_df": -1}, FILMS, "The 'min_df' parameter"),
    ({"max_df": 1.5}, FILMS, "The 'max_df' parameter"),
    ({"max_features": 0}, FILMS, "The 'max_features' parameter"),
    ({"input": "text"}, FILMS, "The 'input' parameter"),
    ({"token_pattern": None}, FILMS, "first argument must be string or compiled pattern"),
    ({"token_pattern": "("}, FILMS, "missing )"),
    ({"token_pattern": "(a)(b)"}, FILMS, "More than 1 capturing group"),
    ({}, "one text", "Iterable over raw text documents expected"),
    ({}, None, "'NoneType' object is not iterable"),
    ({}, 3, "'int' object is not iterable"),
    ({}, ["aa", np.nan], "np.nan is an invalid document"),
    ({"analyzer": "char"}, [np.nan], "np.nan is an invalid document"),
    ({}, ["aa", None], "'NoneType' object has no attribute 'lower'"),
    ({"lowercase": False}, ["aa", None], "expected string or bytes-like object"),
    ({}, ["aa", 1], "'int' object has no attribute 'lower'"),
    ({"analyzer": "char_wb"}, [["aa"], "bb"], "'list' object has no attribute 'lower'"),
    ({}, b"aa", "'int' object has no attribute 'lower'"),
    ({}, ["aa", b"\xff"], "can't decode byte 0xff"),
    ({"norm": "l3"}, FILMS, "The 'norm' parameter of TfidfVectorizer"),
    ({"vocabulary": []}, FILMS, "empty vocabulary passed to fit"),
    ({"vocabulary": ["a", "a"]}, FILMS, "Duplicate term in vocabulary: 'a'"),
    ({"vocabulary": {"a": 0, "b": 0}}, FILMS, "Vocabulary contains repeated indices"),
    ({"vocabulary": {"a": 0, "b": 2}}, FILMS, "doesn't contain index 1"),
    ({"vocabulary": 3}, FILMS, "The 'vocabulary' parameter"),
]


@pytest.mark.parametrize(
    ("kind", "params", "documents", "message"),
    # A CountVectorizer has no norm.
    [(k, *case) for k in KINDS for case in WRONG if k is TfidfVectorizer or "norm" not in case[0]],
)
def test_errors_of_a_fit(kind: type, params: dict[str, Any], documents: Any, message: str) -> None:
    theirs = getattr(text, kind.__name__)
    for method in ("fit", "fit_transform"):
        _, error_message = raises_in_both(
            lambda m=method: getattr(kind(**params), m)(documents),
            lambda m=method: getattr(theirs(**params), m)(documents),
        )
        assert message in error_message


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ("one text", "Iterable over raw text documents expected"),
        (["aa", np.nan], "np.nan is an invalid document"),
        (["aa", None], "'NoneType' object has no attribute 'lower'"),
        ([2], "'int' object has no attribute 'lower'"),
    ],
)
def test_errors_of_a_transform(kind: type, documents: Any, message: str) -> None:
    ours, theirs = kind().fit(FILMS), getattr(text, kind.__name__)().fit(FILMS)
    _, error_message = raises_in_both(
        lambda: ours.transform(documents), lambda: theirs.transform(documents)
    )
    assert message in error_message


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("params", [{}, {"vocabulary": []}, {"analyzer": "char"}])
def test_nothing_is_transformed_without_a_fit(kind: type, params: dict[str, Any]) -> None:
    ours, theirs = kind(**params), getattr(text, kind.__name__)(**params)
    for act in ("transform", "inverse_transform"):
        raises_in_both(
            lambda a=act: getattr(ours, a)(FILMS), lambda a=act: getattr(theirs, a)(FILMS)
        )
    raises_in_both(ours.get_feature_names_out, theirs.get_feature_names_out)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stop_list_that_is_not_built_in(kind: type) -> None:
    ours, theirs = kind().fit(FILMS), getattr(text, kind.__name__)().fit(FILMS)
    for vectorizer in (ours, theirs):
        vectorizer.set_params(stop_words="klingon")
    error = raises_in_both(lambda: ours.transform(UNSEEN), lambda: theirs.transform(UNSEEN))
    assert error == (ValueError, "not a built-in stop list: klingon")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "params",
    [
        {"stop_words": ["don't", "Film"]},
        {"analyzer": "char", "stop_words": ["a"]},
        {"analyzer": "char_wb", "token_pattern": PATTERNS[1]},
        {"vocabulary": ["film", "Good"]},
        {"dtype": np.int32},
    ],
)
def test_warnings(kind: type, params: dict[str, Any]) -> None:
    # assert_same compares the warnings too.
    assert assert_same(kind, FILMS, UNSEEN, **params)
    warned = attempt(lambda: kind(**params).fit(FILMS)).warned
    assert len(warned) == (kind is TfidfVectorizer or "dtype" not in params)
