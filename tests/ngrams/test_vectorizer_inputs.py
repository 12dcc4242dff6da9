import io
import re
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from vectorizer_oracle import (
    CORPORA,
    HTML,
    KINDS,
    ODD,
    ORACLES,
    PIECES,
    WORDS,
    assert_same,
    assert_same_call,
    assert_same_fit,
    assert_same_matrix,
    make_params,
)

from sentiment.ngrams.vectorizers import CountVectorizer, TfidfVectorizer

QUICK = settings(deadline=None, derandomize=True, max_examples=50)
FILMS = [
    "Good film, good plot",
    "bad film; Bad!",
    "",
    "ein guter Film, très bon",
    "映画 x\x00y film",
]
UNSEEN = ["a GOOD Film, bon", "nothing\tknown", "", "x\x00y"]
ANALYZERS = ["word", "char", "char_wb"]

CONTAINERS: dict[str, Callable[[list[str]], Any]] = {
    "tuple": tuple,
    "deque": deque,
    "keys of a dict": lambda texts: dict.fromkeys(texts).keys(),
    "object array": lambda texts: np.array(texts, dtype=object),
    "array": np.array,
    "swapped array": lambda texts: np.array(texts).astype(np.array(texts).dtype.newbyteorder()),
    "backwards": lambda texts: np.array(texts[::-1])[::-1],
    "every second": lambda texts: np.repeat(np.array(texts, dtype=object), 2)[::2],
    "numpy strings": lambda texts: [np.str_(text) for text in texts],
    "numpy's new strings": lambda texts: np.array(texts, dtype=np.dtypes.StringDType()),
    "series": pd.Series,
    "object series": lambda texts: pd.Series(texts, dtype=object),
    "string series": lambda texts: pd.Series(texts, dtype="string"),
    "python series": lambda texts: pd.Series(texts, dtype="string[python]"),
    "arrow series": lambda texts: pd.Series(texts, dtype=pd.ArrowDtype(pa.string())),
    "categories": lambda texts: pd.Series(texts, dtype="category"),
    "odd index": lambda texts: pd.Series(texts, index=[7] * len(texts)),
    "slice of a series": lambda texts: pd.Series(["before", *texts, "after"])[1:-1],
    "joined series": lambda texts: pd.concat([pd.Series(texts[:2]), pd.Series(texts[2:])]),
    "index": pd.Index,
    "bytes": lambda texts: [text.encode() for text in texts],
    "bytes array": lambda texts: np.array([text.encode() for text in texts], dtype=object),
    "str and bytes": lambda texts: [texts[0], *(text.encode() for text in texts[1:])],
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("analyzer", ANALYZERS)
@pytest.mark.parametrize("kind", KINDS)
def test_any_container(kind: type, analyzer: str, container: str) -> None:
    # BUG: texts in arrays end at NUL; numpy's new strings are refused with ArrowTypeError.
    convert, kernels = CONTAINERS[container], "bytes" not in container
    fitted = assert_same(kind, convert(FILMS), convert(UNSEEN), analyzer=analyzer, kernels=kernels)
    assert fitted
    documents = FILMS if analyzer == "word" else FILMS[:2]
    assert assert_same(
        kind, convert(documents), convert(FILMS), expected_documents=documents,
        expected_unseen=FILMS, analyzer=analyzer, kernels=kernels, ngram_range=(1, 2),
    )  # fmt: skip


@pytest.mark.parametrize("analyzer", ANALYZERS)
@pytest.mark.parametrize("kind", KINDS)
def test_generators_are_read_once(kind: type, analyzer: str) -> None:
    ours, theirs = kind(analyzer=analyzer), ORACLES[kind](analyzer=analyzer)
    assert assert_same_call(
        lambda: ours.fit_transform(iter(FILMS)),
        lambda: theirs.fit_transform(text for text in FILMS),
    )
    assert_same_fit(ours, theirs)
    assert assert_same_call(
        lambda: ours.transform(text for text in UNSEEN), lambda: theirs.transform(iter(UNSEEN))
    )


@pytest.mark.parametrize("surrogate", ["a\ud800bc", "\udcff\udc80", "x\ud83d\ude00yy"])
@pytest.mark.parametrize("container", ["tuple", "object array", "array", "object series"])
def test_lone_surrogates_in_any_container(container: str, surrogate: str) -> None:
    # BUG: UnicodeDecodeError from arrays.
    convert = CONTAINERS[container]
    for analyzer in ANALYZERS:
        assert assert_same(
            CountVectorizer,
            convert([surrogate, "good film"]),
            convert([surrogate]),
            analyzer=analyzer,
        )


@pytest.mark.parametrize("dtype", [object, "str", "string", "string[python]", "category"])
@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_missing_texts_in_a_series(dtype: Any, missing: Any) -> None:
    assert not assert_same(CountVectorizer, pd.Series(["good film", missing], dtype=dtype))


def test_a_frame_is_read_as_its_columns() -> None:
    # BUG: KeyError; scikit-learn goes through whatever it is given.
    frame = pd.DataFrame({"title": FILMS, "review": FILMS})
    assert assert_same(CountVectorizer, frame)


@pytest.mark.parametrize("decode_error", ["strict", "ignore", "replace"])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
def test_bytes_are_decoded(encoding: str, decode_error: str) -> None:
    documents = [text.encode("utf-8") for text in FILMS] + [b"\xff\xfe good \xc3"]
    for analyzer in ANALYZERS:
        assert_same(
            TfidfVectorizer, documents, documents[::-1],
            encoding=encoding, decode_error=decode_error, analyzer=analyzer, kernels=False,
        )  # fmt: skip


# Terms of a vocabulary that texts have, and some that no text can have.
_TERM = st.one_of(
    st.sampled_from(WORDS + HTML + ODD),
    st.lists(st.sampled_from(["film", "good", "bad", "the", "a", "é"]), max_size=5).map(" ".join),
    st.sampled_from(
        ["", " ", "  ", "good  film", " film", "film ", "a-b", "a\tb", "don't", "\ud800"]
    ),
    st.lists(st.one_of(*map(st.sampled_from, PIECES)), max_size=2).map("".join),
    st.text("abfgil om", max_size=4),
)
_TERMS = st.lists(_TERM, min_size=1, max_size=15, unique=True)
_VOCABULARY = st.one_of(
    _TERMS,
    _TERMS.map(set),
    _TERMS.map(tuple),
    _TERMS.flatmap(
        lambda terms: st.permutations(range(len(terms))).map(
            lambda columns: dict(zip(terms, columns, strict=True))
        )
    ),
)


@pytest.mark.slow
@QUICK
@given(make_params(ANALYZERS, smooth_idf=True), _VOCABULARY, CORPORA, CORPORA)
def test_given_vocabulary(
    chosen: tuple[type, dict[str, Any]], vocabulary: Any, documents: list[str], unseen: list[str]
) -> None:
    # BUG: StopIteration where every term of the vocabulary is shorter than ngram_range[0].
    kind, params = chosen
    assert assert_same(kind, documents, unseen, **(params | {"vocabulary": vocabulary}))


@pytest.mark.parametrize("analyzer", ANALYZERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "vocabulary",
    [
        ["good", "film", "good film", "good  film", "Good", "a-b", "", "good film is what"],
        {"film": 2, "good": 0, "plot": 1},
        {"good", "g", " g", "oo", " good ", "d "},
        np.array(["good", "film"]),
        pd.Series(["good", "film"], index=[3, 4]),
        "gofd",
    ],
    ids=["list", "dict", "set", "array", "series", "letters"],
)
@pytest.mark.parametrize("ngram_range", [(1, 1), (1, 2), (3, 6)])
def test_vocabulary_of_any_container(
    kind: type, analyzer: str, vocabulary: Any, ngram_range: tuple[int, int]
) -> None:
    # BUG: StopIteration where every term of the vocabulary is shorter than ngram_range[0].
    params = {"vocabulary": vocabulary, "ngram_range": ngram_range, "analyzer": analyzer}
    assert assert_same(kind, FILMS, UNSEEN, **params)
    # Without a fit:
    assert_same_call(
        lambda: kind(**params).transform(FILMS), lambda: ORACLES[kind](**params).transform(FILMS)
    )


@pytest.mark.parametrize("analyzer", ANALYZERS)
def test_words_that_only_the_vocabulary_lacks_stand_between_neighbors(analyzer: str) -> None:
    documents = ["good old film", "good film", "good the film", "xgood filmx"]
    for stop_words in (None, ["the"], ["old", "the"]) if analyzer == "word" else (None,):
        assert assert_same(
            CountVectorizer, documents, vocabulary=["good film", "the film", "the", "d f", "d "],
            ngram_range=(1, 3), stop_words=stop_words, analyzer=analyzer,
        )  # fmt: skip


def split_at_commas(text: str) -> list[str]:
    return text.split(",")


def swap_case(text: str) -> str:
    return text.swapcase()


def in_threes(text: str) -> list[str]:
    return re.findall("...", text)


OWN_WAYS: list[dict[str, Any]] = [
    {"analyzer": in_threes},
    {"analyzer": in_threes, "min_df": 2, "max_features": 2},
    {"tokenizer": split_at_commas, "token_pattern": None, "ngram_range": (1, 2)},
    {"tokenizer": split_at_commas},
    {"preprocessor": swap_case},
    {"preprocessor": swap_case, "analyzer": "char_wb", "ngram_range": (2, 3)},
    {"strip_accents": swap_case},
    {"strip_accents": swap_case, "analyzer": "char", "vocabulary": ["g", "O", "o"]},
    {"token_pattern": r"[a-z]+"},
    {"token_pattern": r"(\w)\w*", "stop_words": ["g"]},
    {"token_pattern": r"(?i)\b\w\w+\b", "max_df": 1},
    {"token_pattern": r"\S+", "vocabulary": ["film,", "good"], "ngram_range": (1, 2)},
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("params", OWN_WAYS)
def test_what_the_kernels_do_not_know(kind: type, params: dict[str, Any]) -> None:
    assert assert_same(kind, FILMS, UNSEEN, kernels=False, **params)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("analyzer", ANALYZERS)
def test_files(kind: type, analyzer: str, tmp_path: Path) -> None:
    paths = []
    for number, text in enumerate(FILMS):
        paths.append(tmp_path / f"{number}.txt")
        paths[-1].write_text(text, encoding="utf-8")
    names = [str(path) for path in paths]
    assert assert_same(kind, names, names[:2], input="filename", analyzer=analyzer, kernels=False)
    ours, theirs = (
        vectorizer_type(input="file", analyzer=analyzer).fit_transform(map(io.StringIO, FILMS))
        for vectorizer_type in (kind, ORACLES[kind])
    )
    assert_same_matrix(ours, theirs, kernels=False)


_DECODERS = [("utf-8", "surrogateescape"), ("utf-8", "replace"), ("latin-1", "strict")]


@pytest.mark.slow
@settings(QUICK, max_examples=40)
@given(
    st.lists(
        st.binary(max_size=30)
        | st.lists(st.sampled_from([*WORDS, " ", " ", *ODD]), max_size=8).map(
            lambda pieces: "".join(pieces).encode()[1:]
        ),
        min_size=1,
        max_size=6,
    ),
    make_params(ANALYZERS, stop_words=None, token_pattern=r"(?u)\b\w\w+\b"),
)
@example([b"\xed\xa0\x80 \xf4\x90\x80\x80 \xc0\x80", b"\xf0\x9f\x98"], (CountVectorizer, {}))
def test_random_bytes(documents: list[bytes], chosen: tuple[type, dict[str, Any]]) -> None:
    kind, params = chosen
    for encoding, errors in [
        ("utf-8", "surrogateescape"),
        ("utf-8", "replace"),
        ("latin-1", "strict"),
    ]:
        texts = [document.decode(encoding, errors) for document in documents]
        assert_same(kind, texts, texts[::-1], **params)
    # Not among the kernels' inputs, so ties are scikit-learn's.
    params = params | {"max_features": None, "decode_error": "replace"}
    assert_same(kind, documents, documents, kernels=False, **params)
