import pickle
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import FeatureUnion, Pipeline
from vectorizer_oracle import (
    KINDS,
    ORACLES,
    assert_same,
    assert_same_call,
    assert_same_fit,
    assert_same_matrix,
)

from sentiment.ngrams.vectorizers import CountVectorizer, TfidfVectorizer

FILMS = ["Good film, good plot", "bad film; Bad!", "", "ein guter Film", "the plot is the film"]
OTHERS = ["another corpus of words", "with other words"]
ANALYZERS = ["word", "char", "char_wb"]


def assert_identical(matrix: Any, other: Any) -> None:
    for part in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(matrix, part), getattr(other, part), strict=True)


@pytest.mark.slow
@pytest.mark.parametrize("analyzer", ANALYZERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "texts",
    [
        ["one text only, with an é"],
        ["a bb", "bb cc"],
        ["", "", "bb cc", ""],
        ["", "aa bb", ""] * 3,
        ["film " * 300, *FILMS],
        [*FILMS, "film and plot " * 300],
        ["é" * n for n in range(1, 9)],
    ],
)
def test_threads_change_nothing(kind: type, analyzer: str, texts: list[str]) -> None:
    vectorizers = {
        n: kind(n_jobs=n, analyzer=analyzer, ngram_range=(1, 3)) for n in (1, 2, 3, 4, 9, None)
    }
    fitted = {n: vectorizer.fit_transform(texts) for n, vectorizer in vectorizers.items()}
    for n, matrix in fitted.items():
        assert_identical(matrix, fitted[1])
        assert list(vectorizers[n].vocabulary_.items()) == list(vectorizers[1].vocabulary_.items())
        assert_identical(
            vectorizers[n].transform(texts[::-1]), vectorizers[1].transform(texts[::-1])
        )
    assert assert_same(kind, texts, FILMS, analyzer=analyzer, n_jobs=4, ngram_range=(1, 3))


@pytest.mark.parametrize("analyzer", ANALYZERS)
def test_threads_change_nothing_in_reviews(analyzer: str, reviews: pd.DataFrame) -> None:
    texts = reviews["text"].tolist()[:90]
    settings: dict[str, Any] = {"min_df": 2, "ngram_range": (1, 3), "analyzer": analyzer}
    first, *vectorizers = (TfidfVectorizer(n_jobs=n, **settings) for n in (1, 2, 4))
    expected = first.fit_transform(texts)
    for vectorizer in vectorizers:
        assert_identical(vectorizer.fit_transform(texts), expected)
        assert vectorizer.vocabulary_ == first.vocabulary_
        np.testing.assert_array_equal(vectorizer.idf_, first.idf_)
        assert_identical(vectorizer.transform(texts[5:25]), expected[5:25])


@pytest.mark.parametrize("n_jobs", [1, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_no_documents(kind: type, n_jobs: int) -> None:
    # BUG: TfidfVectorizer takes no documents for a matrix of no rows; scikit-learn says no.
    assert not assert_same(kind, [], n_jobs=n_jobs)
    assert_same(kind, [], n_jobs=n_jobs, vocabulary=["film"])
    for analyzer in ANALYZERS:
        ours, theirs = kind(n_jobs=n_jobs, analyzer=analyzer), ORACLES[kind](analyzer=analyzer)
        ours.fit(FILMS), theirs.fit(FILMS)
        assert_same_call(lambda a=ours: a.transform([]), lambda b=theirs: b.transform([]))


@pytest.mark.slow
@pytest.mark.parametrize("analyzer", ["word", "char_wb"])
@pytest.mark.parametrize("letter", ["x", "é"], ids=["ascii", "wide"])
def test_one_huge_document(letter: str, analyzer: str) -> None:
    words = [f"{letter}{k * 7919 % 700:03}" for k in range(1000)]
    times = 10_000_000 // (5 * len(words))
    huge = " ".join(words).upper() + " "
    vectorizer = CountVectorizer(n_jobs=2, analyzer=analyzer, ngram_range=(2, 2))
    counts = vectorizer.fit_transform([huge * times, "", huge])
    if analyzer == "word":
        pairs = Counter(map(" ".join, pairwise(words)))
        expected = {pair: times * count for pair, count in pairs.items()}
        ring = f"{words[-1]} {words[0]}"
        expected[ring] = expected.get(ring, 0) + times - 1
    else:
        padded = [f" {word} " for word in words]
        pairs = Counter(word[i : i + 2] for word in padded for i in range(len(word) - 1))
        expected = {pair: times * count for pair, count in pairs.items()}
    names = vectorizer.get_feature_names_out()
    assert names.tolist() == sorted(expected)
    assert dict(zip(names, counts[[0]].toarray()[0].tolist(), strict=True)) == expected
    assert counts[[1]].nnz == 0
    assert dict(zip(names[counts[[2]].indices], counts[[2]].data.tolist(), strict=True)) == pairs


@pytest.mark.parametrize("kind", KINDS)
def test_clones_and_parameters(kind: type) -> None:
    params = {
        "ngram_range": (1, 2),
        "n_jobs": 2,
        "min_df": 2,
        "analyzer": "char_wb",
        "binary": True,
    }
    vectorizer = kind(**params)
    assert set(ORACLES[kind]().get_params()) < set(vectorizer.get_params())
    assert {name: vectorizer.get_params()[name] for name in params} == params
    theirs = ORACLES[kind]().get_params()
    assert {name: kind().get_params()[name] for name in theirs} == theirs
    copy = clone(vectorizer.fit(FILMS))
    assert copy.get_params() == vectorizer.get_params()
    assert not hasattr(copy, "vocabulary_")
    assert_identical(copy.fit_transform(FILMS), vectorizer.transform(FILMS))
    assert repr(kind(ngram_range=(1, 2))) == f"{kind.__name__}(ngram_range=(1, 2))"


@pytest.mark.parametrize("n_jobs", [1, None])
@pytest.mark.parametrize("analyzer", ANALYZERS)
@pytest.mark.parametrize("kind", KINDS)
def test_pickles(kind: type, analyzer: str, n_jobs: int | None, tmp_path: Path) -> None:
    vectorizer = kind(analyzer=analyzer, ngram_range=(1, 2), n_jobs=n_jobs).fit(FILMS)
    joblib.dump(vectorizer, tmp_path / "vectorizer")
    for copy in (pickle.loads(pickle.dumps(vectorizer)), joblib.load(tmp_path / "vectorizer")):
        assert copy.vocabulary_ == vectorizer.vocabulary_
        assert_identical(copy.transform(FILMS), vectorizer.transform(FILMS))
        assert_identical(
            copy.fit_transform(OTHERS), kind(**copy.get_params()).fit_transform(OTHERS)
        )


@pytest.mark.parametrize("analyzer", ANALYZERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_second_fit_forgets_the_first(kind: type, analyzer: str) -> None:
    ours, theirs = kind(analyzer=analyzer), ORACLES[kind](analyzer=analyzer)
    for texts in (FILMS, OTHERS, FILMS[:2]):
        assert_same_matrix(ours.fit_transform(texts), theirs.fit_transform(texts))
        assert_same_fit(ours, theirs)
        assert_same_matrix(ours.transform(FILMS + OTHERS), theirs.transform(FILMS + OTHERS))
    # Nor does a fit that fails change the vocabulary.
    assert_same_call(lambda: ours.fit_transform([""]), lambda: theirs.fit_transform([""]))
    assert ours.vocabulary_ == theirs.vocabulary_


@pytest.mark.slow
def test_parameters_change_between_fits() -> None:
    ours, theirs = TfidfVectorizer(), ORACLES[TfidfVectorizer]()
    changes: list[dict[str, Any]] = [
        {"ngram_range": (1, 3)}, {"analyzer": "char"}, {"analyzer": "char_wb", "min_df": 2},
        {"lowercase": False, "norm": "l1"}, {"use_idf": False}, {"use_idf": True, "binary": True},
        {"analyzer": "word", "stop_words": "english"}, {"stop_words": ["film"], "min_df": 1},
        {"vocabulary": ["film", "plot", "good"]}, {"vocabulary": None, "dtype": np.float32},
        {"max_features": 3, "sublinear_tf": True},
    ]  # fmt: skip
    for change in changes:
        ours.set_params(**change), theirs.set_params(**change)
        assert_same_matrix(ours.fit_transform(FILMS), theirs.fit_transform(FILMS))
        assert_same_fit(ours, theirs)
        assert_same_matrix(ours.transform(OTHERS + FILMS), theirs.transform(OTHERS + FILMS))


@pytest.mark.parametrize(
    "change",
    [
        {"lowercase": False}, {"ngram_range": (1, 3)}, {"ngram_range": (2, 2)}, {"binary": True},
        {"analyzer": "char"}, {"analyzer": "char_wb"}, {"stop_words": ["good"]},
        {"strip_accents": "ascii"}, {"token_pattern": r"\w+"}, {"max_features": 1},
        {"dtype": np.float32}, {"norm": None}, {"norm": "l1"}, {"sublinear_tf": True},
        {"smooth_idf": False},
        {"use_idf": False},
    ],
    ids=str,
)  # fmt: skip
def test_parameters_change_between_fit_and_transform(change: dict[str, Any]) -> None:
    # BUG: scikit-learn keeps the weighting of the fit. (2, 2) is the StopIteration again.
    ours, theirs = TfidfVectorizer().fit(FILMS), ORACLES[TfidfVectorizer]().fit(FILMS)
    ours.set_params(**change), theirs.set_params(**change)
    assert assert_same_call(lambda: ours.transform(FILMS), lambda: theirs.transform(FILMS))
    if "use_idf" in change:
        ours, theirs = (v(use_idf=False).fit(FILMS) for v in (TfidfVectorizer, type(theirs)))
        ours.set_params(use_idf=True), theirs.set_params(use_idf=True)
        assert assert_same_call(lambda: ours.transform(FILMS), lambda: theirs.transform(FILMS))


@pytest.mark.parametrize("analyzer", ANALYZERS)
def test_weights_without_bound(analyzer: str) -> None:
    # BUG: scikit-learn refuses rows with an infinite weight; ours are nan.
    terms = {"vocabulary": ["g", "film", "good"], "smooth_idf": False, "analyzer": analyzer}
    for norm in ("l2", "l1", None):
        assert_same(
            TfidfVectorizer, ["film"], ["a good film"], ngram_range=(1, 4), norm=norm, **terms
        )


def test_weights_can_be_set() -> None:
    ours, theirs = (
        kind(vocabulary=["film", "good"]) for kind in (TfidfVectorizer, ORACLES[TfidfVectorizer])
    )
    for vectorizer in (ours, theirs):
        vectorizer.idf_ = np.array([1.5, -2.0])
    assert assert_same_call(lambda: ours.transform(FILMS), lambda: theirs.transform(FILMS))
    assert ours.idf_.tolist() == [1.5, -2.0]


@pytest.mark.parametrize("kind", KINDS)
def test_terms_of_rows(kind: type) -> None:
    ours, theirs = kind().fit(FILMS), ORACLES[kind]().fit(FILMS)
    terms = ours.inverse_transform(ours.transform(FILMS))
    expected = theirs.inverse_transform(theirs.transform(FILMS))
    assert [sorted(row) for row in terms] == [sorted(row) for row in expected]


@pytest.mark.slow
def test_pipelines_and_searches(reviews: pd.DataFrame) -> None:
    texts, labels = reviews["text"][150:250], reviews["label"][150:250]
    assert labels.nunique() == 2
    results = []
    for words, letters in (
        (TfidfVectorizer(n_jobs=1), CountVectorizer(n_jobs=1, analyzer="char_wb", min_df=0.1)),
        (ORACLES[TfidfVectorizer](), ORACLES[CountVectorizer](analyzer="char_wb", min_df=0.1)),
    ):
        pipeline = Pipeline(
            [
                ("features", FeatureUnion([("words", words), ("letters", letters)])),
                ("model", MultinomialNB()),
            ]
        )
        grid = {
            "features__words__ngram_range": [(1, 1), (1, 2)],
            "features__letters__max_features": [None, 20],
        }
        search = GridSearchCV(pipeline, grid, cv=2).fit(texts, labels)
        names = search.best_estimator_["features"].get_feature_names_out().tolist()
        results.append((search, names, search.predict_proba(texts[:20])))
    (ours, names, scores), (theirs, expected_names, expected_scores) = results
    assert ours.best_params_ == theirs.best_params_
    assert names == expected_names
    np.testing.assert_allclose(scores, expected_scores, rtol=1e-9)
    for result in ("mean_test_score", "split0_test_score"):
        np.testing.assert_allclose(ours.cv_results_[result], theirs.cv_results_[result])
