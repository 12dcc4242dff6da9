from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from vectorizer_oracle import CORPORA, ODD, PATTERNS, SPACES, WORDS, make_params

from sentiment.ngrams import linear_scoring
from sentiment.ngrams.cleaning import CleanedTexts, clean_text
from sentiment.ngrams.kernels import spotting
from sentiment.ngrams.linear_scoring import LinearScorer, list_lowercase
from sentiment.ngrams.vectorizers import CountVectorizer, TfidfVectorizer

QUICK = settings(deadline=None, derandomize=True, max_examples=60)


def choose_weights(vectorizer: Any, n_decisions: int = 1) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.standard_normal((n_decisions, len(vectorizer.vocabulary_)))


def assert_decides(
    vectorizer: Any, texts: Any, *, cleaned: bool = False, n_decisions: int = 1
) -> None:
    """The decisions are scikit-learn's matrix times the weights."""
    weights = choose_weights(vectorizer, n_decisions)
    scorer = LinearScorer.from_vectorizer(vectorizer, weights)
    assert scorer is not None
    decisions = scorer.decision_function(CleanedTexts(texts) if cleaned else texts)
    strings = [clean_text(text) for text in texts] if cleaned else list(texts)
    expected = vectorizer.to_sklearn().transform(strings) @ weights.T
    assert decisions is not None
    np.testing.assert_allclose(decisions, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("cleaned", [False, True])
@QUICK
@given(
    kind=make_params(["word"], dtype=np.float64),
    train=CORPORA,
    unseen=CORPORA,
    n=st.sampled_from([1, 3]),
)
def test_decisions_are_the_matrix_times_the_weights(
    kind: Any, train: list[str], unseen: list[str], n: int, cleaned: bool
) -> None:
    make, params = kind
    vectorizer = make(**{**params, "dtype": np.float64, "min_df": 1, "max_df": 1.0})
    try:
        vectorizer.fit([clean_text(text) for text in train] if cleaned else train)
    except ValueError:
        assume(False)
    assert_decides(vectorizer, train + unseen, cleaned=cleaned, n_decisions=n)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("lowercase", [True, False])
def test_tokens_end_anywhere_in_a_line(pattern: str, lowercase: bool) -> None:
    texts = []
    for size, fallback in product(range(140), ["", "é", "Σ", "<br />", "!", "'"]):
        texts.append("A" * size + fallback + "b don't" + fallback)
        texts.append("ab c " * (size // 4) + fallback + " " * (size % 4) + fallback + "d")
    vectorizer = TfidfVectorizer(token_pattern=pattern, lowercase=lowercase, ngram_range=(1, 2))
    assert_decides(vectorizer.fit(texts[::3]), texts)
    assert_decides(vectorizer.fit(texts[::3]), texts, cleaned=True)


def test_words_of_any_length() -> None:
    texts = [letter * size + end for size in range(40) for letter in "aé" for end in ("", "b", "é")]
    texts += [f"{'x' * 16}{end}" for end in range(30)]
    vectorizer = CountVectorizer(token_pattern=r"\w+").fit(texts[::2])
    assert_decides(vectorizer, texts)
    assert_decides(TfidfVectorizer(token_pattern=r"\b\w{1,5}").fit(texts), texts)


@pytest.mark.slow
def test_characters_of_many_scripts() -> None:
    points = [*range(0x80, 0x3100), *range(0xA600, 0xAC00), *range(0xD7A0, 0x11000, 16), 0x1D400]
    texts = [f"{chr(point)} a{chr(point)} {chr(point)}B <{chr(point)}>" for point in points]
    texts = [" ".join(texts[k : k + 3]) for k in range(0, len(texts), 3)]
    for strip_accents in (None, "unicode"):
        vectorizer = TfidfVectorizer(token_pattern=r"\w+", strip_accents=strip_accents)
        assert_decides(vectorizer.fit(texts[::2]), texts)
        assert_decides(vectorizer.fit(list(map(clean_text, texts[::2]))), texts, cleaned=True)


@pytest.mark.slow
def test_small_letters_are_those_of_python() -> None:
    letters = list_lowercase()
    fallback = [point for point in range(0x110000) if letters[point] == spotting.FALLBACK]
    assert fallback == [0x130, 0x3A3]
    letters = np.delete(letters, fallback)
    expected = [chr(point).lower() for point in range(0x110000) if point not in fallback]
    assert letters.tolist() == [ord(letter) for letter in expected]


@pytest.fixture(scope="module")
def many() -> list[str]:
    rng = np.random.default_rng(1)
    pieces = np.array([*WORDS, *ODD, *SPACES, "&amp;", "<br />", "unknown", "filmfilmfilmfilmfilm"])
    return [" ".join(rng.choice(pieces, size)) for size in rng.integers(0, 200, 500)]


@pytest.mark.parametrize("size", [1, 1000, 2**17])
def test_threads_and_batches_make_no_difference(
    many: list[str], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear_scoring, "_BATCH", size)
    vectorizer = TfidfVectorizer(ngram_range=(1, 3), sublinear_tf=True).fit(many[::2])
    weights = choose_weights(vectorizer, 2)
    decisions = []
    for vectorizer.n_jobs in (1, 2, 4):
        scorer = LinearScorer.from_vectorizer(vectorizer, weights)
        assert scorer is not None
        decisions.append(scorer.decision_function(CleanedTexts(many)))
    assert decisions[0] is not None
    np.testing.assert_array_equal(decisions[0], decisions[1])
    np.testing.assert_array_equal(decisions[0], decisions[2])
    assert_decides(vectorizer, many, cleaned=True, n_decisions=2)


@pytest.mark.parametrize("norm", [None, "l1", "l2"])
@pytest.mark.parametrize(
    "params",
    [{}, {"sublinear_tf": True}, {"binary": True}, {"use_idf": False}, {"stop_words": "english"}],
)
def test_counts_of_one_document_may_be_large(norm: str | None, params: dict[str, Any]) -> None:
    texts = ["film " * 3000 + "good", "good the film", "", "the of unknown", "film"]
    vectorizer = TfidfVectorizer(norm=norm, ngram_range=(1, 2), **params).fit(texts)
    assert_decides(vectorizer, texts)


def test_weights_by_class_are_in_the_idf(many: list[str]) -> None:
    y = np.arange(len(many)) % 2
    vectorizer = TfidfVectorizer(log_count_ratio=True, binary=True, use_idf=False)
    assert_decides(vectorizer.fit(many, y), many)


@pytest.mark.parametrize("dtype", [object, "str", "string"])
def test_texts_may_stand_in_a_series(many: list[str], dtype: Any) -> None:
    vectorizer = CountVectorizer().fit(many)
    texts = [text.encode("utf-8", "replace").decode() for text in many]
    assert_decides(vectorizer, pd.Series(texts, dtype=dtype)[100:300])


@pytest.mark.slow
def test_what_the_kernels_cannot_read_is_left_to_others(
    many: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for vectorizer in (
        CountVectorizer(analyzer="char"),
        CountVectorizer(analyzer="char_wb"),
        CountVectorizer(tokenizer=str.split, token_pattern=None),
        CountVectorizer(dtype=np.uint8),
        TfidfVectorizer(dtype=np.float32),
        TfidfVectorizer().to_sklearn(),
    ):
        vectorizer.fit(many)
        assert LinearScorer.from_vectorizer(vectorizer, choose_weights(vectorizer)) is None
    assert LinearScorer.from_vectorizer(CountVectorizer(), np.ones((1, 1))) is None
    vectorizer = CountVectorizer().fit(many)
    scorer = LinearScorer.from_vectorizer(vectorizer, choose_weights(vectorizer))
    assert scorer is not None
    assert scorer.decision_function(["film", None]) is None
    assert scorer.decision_function([]).shape == (0, 1)  # type: ignore[union-attr]
    monkeypatch.setattr(linear_scoring, "_LONGEST", 10)
    # How texts are read is kept for the process, and depends on it.
    monkeypatch.setattr(linear_scoring, "_make_reading", linear_scoring._make_reading.__wrapped__)
    assert scorer.decision_function(["good film", "film"]) is not None
    assert scorer.decision_function(["good film", "a longer film"]) is None
