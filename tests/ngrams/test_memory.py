import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import FeatureUnion, Pipeline

from sentiment.commands.train.job import TrainingResult
from sentiment.modeling.pipeline import make_pipeline, precompute_counts
from sentiment.ngrams import corpus, memory, storage, trie
from sentiment.ngrams.cleaning import CleanedTexts
from sentiment.ngrams.memory import CountMemory
from sentiment.ngrams.rules import SENTIMENT_PATTERN, find_rules
from sentiment.ngrams.vectorizers import CountVectorizer, TfidfVectorizer

FILMS = [
    "<br>Good film, good plot &amp; more",
    "bad film; Bad!",
    "",
    "ein guter Film",
    "Film <br> x",
]
CASES: list[dict[str, Any]] = [
    {}, {"ngram_range": (1, 2)}, {"ngram_range": (1, 3)}, {"ngram_range": (2, 3), "min_df": 2},
    {"stop_words": "english", "ngram_range": (1, 2)}, {"max_df": 0.3, "ngram_range": (2, 2)},
    {"stop_words": ["film", "the"], "max_features": 90}, {"binary": True, "sublinear_tf": True},
    {"ngram_range": (1, 3), "max_features": 70, "binary": True}, {"use_idf": False, "norm": "l1"},
    {"lowercase": False, "ngram_range": (1, 2)}, {"token_pattern": SENTIMENT_PATTERN},
    {"strip_accents": "unicode", "min_df": 0.1, "max_df": 20},
    {"analyzer": "char"}, {"analyzer": "char", "ngram_range": (2, 4), "min_df": 5},
    {"analyzer": "char_wb", "ngram_range": (2, 4)}, {"analyzer": "char_wb", "ngram_range": (1, 1)},
    {"analyzer": "char_wb", "ngram_range": (3, 5), "max_features": 80, "sublinear_tf": True},
]  # fmt: skip
forget = storage._opened.clear  # what this process has open


def see(vectorizer: Any, texts: Any, *others: Any) -> Any:
    """All that a fit on `texts` gives, to be compared bit by bit; or why there is none."""
    try:
        matrices = [vectorizer.fit_transform(texts)]
    except ValueError as error:
        return str(error)
    matrices += [vectorizer.transform(unseen) for unseen in (texts, *others)]
    parts = [getattr(m, part) for m in matrices for part in ("indptr", "indices", "data")]
    parts.append(getattr(vectorizer, "idf_", np.empty(0)) if vectorizer.use_idf else np.empty(0))
    return list(vectorizer.vocabulary_.items()), [(p.dtype.str, p.tobytes()) for p in parts]


def fit_films(folder: Path | None, **case: Any) -> Any:
    return see(TfidfVectorizer(memory=folder, n_jobs=1, ngram_range=(1, 2), **case), FILMS)


def recall(folder: Path, texts: Any, vectorizer: Any, **limit: int) -> Any:
    counting_settings = vectorizer._list_settings(find_rules(vectorizer))
    return CountMemory(folder, **limit).find_or_count(texts, counting_settings)


def find_corpora(folder: Path) -> list[Path]:
    return [path.parent for path in folder.glob("*/*/manifest.json")]


def read_nothing(*_: Any, **__: Any) -> None:
    raise AssertionError("texts are read again")


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=str)
def test_counts_from_a_folder_change_nothing(
    case: dict[str, Any], reviews: pd.DataFrame, tmp_path: Path
) -> None:
    texts = reviews["text"].tolist()[:45]
    rows = np.random.default_rng(0).integers(0, 40, 45)
    parts = [texts, [texts[row] for row in rows], texts[30:10:-1], texts[40:]]
    cached, plain = (TfidfVectorizer(memory=m, n_jobs=1, **case) for m in (tmp_path, None))
    expected = [see(plain, part, texts[20:40], ["unseen film", *texts]) for part in parts]
    for part in parts[3:]:  # counted as it comes
        assert see(cached, part, texts[20:40], ["unseen film", *texts]) == expected[3]
    cached.precompute_counts(texts)
    assert len(find_corpora(tmp_path)) == 2
    for _ in range(2):
        results = [see(cached, part, texts[20:40], ["unseen film", *texts]) for part in parts]
        assert results == expected
        forget()
    threads = TfidfVectorizer(memory=tmp_path, n_jobs=3, **case)
    assert see(threads, texts, texts[20:40], ["unseen film", *texts]) == expected[0]
    assert len(find_corpora(tmp_path)) == 2


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("counts")


@pytest.mark.slow
@settings(deadline=None, max_examples=30, derandomize=True)
@given(data=st.data())
def test_any_part_in_any_order(reviews: pd.DataFrame, shared_folder: Path, data: Any) -> None:
    pool = [text[:150] for text in reviews["text"][:25]] + ["", "?"]
    numbers = st.lists(st.integers(0, len(pool) - 1), min_size=1, max_size=27)
    rows, other_rows = data.draw(numbers), data.draw(numbers)
    orders = st.tuples(st.integers(1, 3), st.integers(1, 3)).map(sorted).map(tuple)
    case = {
        "ngram_range": data.draw(orders),
        "analyzer": data.draw(st.sampled_from(["word", "char", "char_wb"])),
        "stop_words": data.draw(st.sampled_from([None, ["film", "and", "the"]])),
        "min_df": data.draw(st.sampled_from([1, 2, 0.2])),
        "max_df": data.draw(st.sampled_from([1.0, 0.5, 3])),
        "max_features": data.draw(st.sampled_from([None, 5, 60])),
        "binary": data.draw(st.booleans()), "sublinear_tf": data.draw(st.booleans()),
    }  # fmt: skip
    if case["analyzer"] != "word":
        case["stop_words"] = None
    cached, plain = (TfidfVectorizer(memory=m, n_jobs=1, **case) for m in (shared_folder, None))
    cached.precompute_counts(pool)
    part, unseen = [pool[row] for row in rows], [pool[row] for row in other_rows]
    assert see(cached, part, unseen) == see(plain, part, unseen)
    assert len(find_corpora(shared_folder)) <= 3  # one for each analyzer


def test_cleaned_texts_are_other_texts(tmp_path: Path) -> None:
    for texts in (FILMS, CleanedTexts(FILMS)):
        expected = see(TfidfVectorizer(), texts)
        assert see(TfidfVectorizer(memory=tmp_path), texts) == expected
        forget()
        assert see(TfidfVectorizer(memory=tmp_path), texts) == expected
    assert len(find_corpora(tmp_path)) == 2
    assert see(TfidfVectorizer(), FILMS) != see(TfidfVectorizer(), CleanedTexts(FILMS))


@pytest.mark.parametrize("change", [{}, {"lowercase": False}, {"analyzer": "char"}], ids=str)
def test_rules_change_between_fit_and_transform(change: dict[str, Any], tmp_path: Path) -> None:
    texts = FILMS if change else CleanedTexts(FILMS)
    changed = CountVectorizer(memory=tmp_path, **change).fit(texts)
    plain, cached = (CountVectorizer(memory=m).fit(FILMS) for m in (None, tmp_path))
    names = {recall(tmp_path, FILMS, cached).name, recall(tmp_path, texts, changed).name}
    assert len(names) == 2  # before kernels follow the wrong numbers, out of their arrays
    cached.set_params(**change), plain.set_params(**change)
    assert (cached.transform(texts) != plain.transform(texts)).nnz == 0


@pytest.mark.slow
def test_no_text_is_read_again(
    reviews: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = reviews["text"].tolist()[:20]
    words = [{"ngram_range": r, **c} for r in [(1, 1), (1, 2), (2, 3), (1, 3)] for c in
             ({}, {"min_df": 2}, {"max_features": 30, "binary": True})]  # fmt: skip
    spelled = [{"analyzer": "char_wb", "ngram_range": (n, n + 1)} for n in (1, 3, 4)]
    stopped = [{"stop_words": ["the", "film"], "ngram_range": (1, 2)}, {"stop_words": "english"}]
    longer = [{"ngram_range": (2, 4)}]
    parts = [texts, texts[::-2], texts[15:]]
    cases = words + spelled + stopped + longer
    expected = [[see(TfidfVectorizer(**case), part, texts) for part in parts] for case in cases]
    for case in ({"ngram_range": (1, 3)}, spelled[1]):
        TfidfVectorizer(memory=tmp_path, **case).precompute_counts(texts)
    forget()
    monkeypatch.setattr(corpus, "encode_texts", read_nothing)
    with pytest.raises(AssertionError, match="read again"):
        TfidfVectorizer(memory=tmp_path).fit(["unseen"])
    for _ in range(2):
        for case, views in zip(cases, expected, strict=True):
            cached = TfidfVectorizer(memory=tmp_path, **case)
            assert [see(cached, part, texts) for part in parts] == views
            assert case not in words or not list(tmp_path.rglob("ngrams-*-[12]"))
        for counts in list(tmp_path.rglob("ngrams-*-[124]")):
            shutil.rmtree(counts)
        cases, expected = words, expected[: len(words)]
        monkeypatch.setattr(memory, "count_corpus", read_nothing)  # nor are n-grams counted again
        forget()


def test_every_vectorizer_of_a_pipeline_counts_ahead(
    reviews: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(folder: Path | None) -> Pipeline:
        words = TfidfVectorizer(memory=folder, ngram_range=(1, 2))
        letters = CountVectorizer(memory=folder, analyzer="char_wb", ngram_range=(2, 3))
        inner = Pipeline([("letters", letters), ("weights", "passthrough")])
        return make_pipeline(FeatureUnion([("words", words), ("inner", inner)]), MultinomialNB())

    frame = reviews[["text"]][:30]
    expected = make(None)[:-1].fit_transform(frame[10:])
    pipeline = make(tmp_path)
    precompute_counts(pipeline, frame["text"])
    assert len(find_corpora(tmp_path)) == 2
    monkeypatch.setattr(corpus, "encode_texts", read_nothing)
    features = pipeline[:-1]
    assert (features.fit_transform(frame[10:]) != expected).nnz == 0
    assert features.transform(frame).shape == (30, expected.shape[1])


def test_unseen_texts_are_transformed_without_a_trace(tmp_path: Path) -> None:
    vectorizer = TfidfVectorizer(memory=tmp_path).fit(FILMS)
    paths = sorted(tmp_path.rglob("*"))
    assert vectorizer.transform(["a good film", FILMS[0]]).nnz > 2
    assert sorted(tmp_path.rglob("*")) == paths


@pytest.mark.slow
def test_counts_made_anew_by_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = np.random.default_rng(0).integers(0, 2000, (80, 1000))  # enough for several tables
    texts = [" ".join(f"w{word}" for word in row) for row in words]
    cached, plain = (CountVectorizer(memory=m, ngram_range=(1, 2)) for m in (tmp_path, None))
    cached.fit(texts), plain.fit(texts)
    first = recall(tmp_path, texts, cached)
    shutil.rmtree(tmp_path), forget()
    monkeypatch.setattr(trie, "SECRET", np.uint64(0x5EED5EED5EED5EED | 1))  # of the other process
    CountVectorizer(memory=tmp_path, ngram_range=(1, 2)).fit(texts)
    monkeypatch.undo(), forget()
    second = recall(tmp_path, texts, cached)
    is_equal = np.array_equal(first.ngrams.keys[0], second.ngrams.keys[0])
    assert (
        is_equal or first.name != second.name
    )  # before kernels follow numbers out of their arrays
    assert (cached.transform(texts) != plain.transform(texts)).nnz == 0


def test_no_texts(tmp_path: Path) -> None:
    vectorizer = CountVectorizer(memory=tmp_path)
    vectorizer.precompute_counts([])
    with pytest.raises(ValueError, match="empty vocabulary"):
        vectorizer.fit([])


def test_texts_without_long_ngrams(tmp_path: Path) -> None:
    for _ in range(2):
        assert see(TfidfVectorizer(memory=tmp_path, ngram_range=(1, 3)), ["aa", "bb"]) == see(
            TfidfVectorizer(), ["aa", "bb"]
        )
        with pytest.raises(ValueError, match="empty vocabulary"):
            CountVectorizer(memory=tmp_path).fit(["", "?"])
        forget()


def test_a_memory_of_joblib_lends_its_folder(tmp_path: Path) -> None:
    for folder in (str(tmp_path), joblib.Memory(tmp_path, verbose=0)):
        vectorizer = TfidfVectorizer(memory=folder, ngram_range=(1, 2), n_jobs=1)
        assert see(vectorizer, FILMS) == fit_films(None)
        assert len(find_corpora(tmp_path)) == 1
    assert see(TfidfVectorizer(memory=joblib.Memory(None)), FILMS) == see(TfidfVectorizer(), FILMS)


@pytest.mark.slow
def test_a_training_job_says_the_same(
    tmp_path: Path, train_quickly: Callable[..., TrainingResult]
) -> None:
    settings = ("tracking=off", "cv=3", "data.limit=200")
    plain = train_quickly(*settings).metrics
    metrics = train_quickly(*settings, f"memory={tmp_path / 'counts'}").metrics
    assert len(find_corpora(tmp_path / "counts")) == 1
    quality = [name for name in plain if name.split("/")[0] in ("cv", "validation", "test")]
    assert len(quality) >= 24
    assert {name: metrics[name] for name in quality} == {name: plain[name] for name in quality}
