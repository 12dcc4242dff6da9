import re
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from vectorizer_oracle import KINDS, PIECES, assert_same, make_params

from sentiment.ngrams.cleaning import CleanedTexts, Cleaner, clean_text
from sentiment.ngrams.rules import is_space, is_word_character
from sentiment.ngrams.vectorizers import CountVectorizer, TfidfVectorizer

QUICK = settings(deadline=None, derandomize=True, max_examples=50)
ANALYZERS = ["word", "char", "char_wb"]
CODE_POINTS = sys.maxunicode + 1


def mark(characters: str) -> np.ndarray:
    marked = np.zeros(CODE_POINTS, bool)
    marked[[ord(character) for character in characters]] = True
    return marked


@pytest.fixture(scope="module")
def every_character() -> str:
    return "".join(map(chr, range(CODE_POINTS)))


def test_word_characters_are_those_of_re(every_character: str) -> None:
    expected = mark("".join(re.findall(r"\w", every_character)))
    assert expected.sum() > 100_000
    np.testing.assert_array_equal(is_word_character(), expected)


def test_white_space_is_that_of_re_and_of_split(every_character: str) -> None:
    expected = mark("".join(re.findall(r"\s", every_character)))
    assert expected.sum() > 20
    np.testing.assert_array_equal(is_space(), expected)
    np.testing.assert_array_equal(is_space(), ~mark("".join(every_character.split())))


@pytest.mark.slow
@pytest.mark.parametrize("strip_accents", [None, "ascii", "unicode"])
@pytest.mark.parametrize("lowercase", [False, True])
def test_characters_of_many_scripts(lowercase: bool, strip_accents: str | None) -> None:
    points = [*range(0x3100), *range(0xA600, 0xAC00), *range(0xD7A0, 0xE000, 32)]
    points += [*range(0xF8F0, 0x10000), *range(0x10400, 0x10430), 0x1D400, 0x1F600]
    # Where letters stand decides on the small letter of some.
    texts = [f"{chr(point)} a{chr(point)} {chr(point)}b <{chr(point)}>" for point in points]
    texts = ["\n".join(texts[k : k + 100]) for k in range(0, len(texts), 100)]
    for params in ({"token_pattern": r"\w+"}, {"analyzer": "char", "ngram_range": (1, 2)}):
        assert assert_same(
            CountVectorizer, texts, texts[1::20], lowercase=lowercase, strip_accents=strip_accents,
            **params,
        )  # fmt: skip


@pytest.mark.parametrize("analyzer", ANALYZERS)
@pytest.mark.parametrize(
    "texts",
    [
        ["ΑΣ ΑΣ. ΑΣΑ Σ 'Σ ΑΣ\u0301 ΑΣ\u0301Α", "ας ασ"],
        ["İstanbul ISTANBUL ıstanbul", "i̇stanbul"],
        ["Kelvin \u212aelvin K", "\u212a"],
        ["Straße STRASSE Straẞe ſtraſse", "straße"],
        ["ﬁlm film ﬃ ㎒ ＦＩＬＭ ½", "mhz"],
        ["e\u0301te été ÉTÉ E\u0301TE\u0301", "ete"],
        ["a\x1cb\x1dc\x1ed\x1fe aa\x85bb\xa0cc\u2028dd", "a b"],
        ["x\u200by x\u200dy x\ufeffy xy", "xy"],
        ["\ud83d\ude00 😀 \ud83d \ude00", "a\ud800b\udfffc"],
        ["nul\x00nul \x00 \x00\x00", "nul"],
        ["\U0010ffff\uffff\ue000 \ud7ff", "\U00010000"],
    ],
)
def test_odd_texts(texts: list[str], analyzer: str) -> None:
    for lowercase in (True, False):
        for strip_accents in (None, "ascii", "unicode"):
            for ngram_range in ((1, 1), (2, 3)):
                assert_same(
                    CountVectorizer, texts, texts[::-1], lowercase=lowercase, analyzer=analyzer,
                    strip_accents=strip_accents, ngram_range=ngram_range, token_pattern=r"\w+",
                )  # fmt: skip


# Characters that tags, entities and runs of white space are made of, and some that become them.
_TIGHT = st.text(
    "<<>>//abBpé&;lt#x3C \t\n\xa0'!\u0338\u0323İ\u212aΣſ\u0301＜㎒\ud800\x00", max_size=25
)
_RAW = st.lists(
    st.lists(st.one_of(*map(st.sampled_from, PIECES)), max_size=14).map("".join) | _TIGHT,
    min_size=1,
    max_size=6,
)


def assert_cleaned(kind: type, raw: Any, unseen: Any, **params: Any) -> bool:
    return assert_same(
        kind, CleanedTexts(raw), CleanedTexts(unseen),
        expected_documents=list(map(clean_text, raw)),
        expected_unseen=list(map(clean_text, unseen)),
        **params,
    )  # fmt: skip


@pytest.mark.slow
@QUICK
@given(make_params(ANALYZERS), _RAW, _RAW)
@example((CountVectorizer, {"analyzer": "char"}), ["<\u212ab>x <İ>"], ["</\u212a> \u212a"])
@example((CountVectorizer, {"analyzer": "char_wb"}), ["a&lt;br&gt;b<br>c"], ["&amp;lt;b&gt;"])
@example((TfidfVectorizer, {"token_pattern": r"\w+"}), ["ΑΣ<b>Α ΑΣ&amp;", "<éb>Σ"], ["Α<b>Σ"])
def test_texts_are_cleaned_on_the_way(
    chosen: tuple[type, dict[str, Any]], raw: list[str], unseen: list[str]
) -> None:
    kind, params = chosen
    assert_cleaned(kind, raw, unseen, **params)


TAGS = ["<br/>", "<BR />", "< br>", "<<b>", "<a <b>", "</p", "</p>", "</ p>", "<p>>", "<3", "<é>"]
TAGS += [
    "<aé>",
    "<a\n>",
    "<a\xa0b='1'>",
    "<\u212a>",
    "<İ>",
    "<a\u212a>",
    "＜b＞",
    "<a&gt;",
    "&lt;b>",
]
TAGS += ["<a", "<", ">", "</", "<a/", "<a>b</a>", "<a></a>", "<a> <b>", "\t<a>\t", "<1a>", "<_>"]
TAGS += ["&lt;br&gt;", "&amp;", "&#x3C;", "&#60;b&#62;", "&amp;lt;", "&lt", "&nbsp;&nbsp;", "&#0;"]


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("frames", [["{}", "a{}b", " {} ", "{}\n{}", "it{}'s&"], ["É{}É"]])
def test_tags_and_entities(tag: str, frames: list[str]) -> None:
    framed = [frame.format(tag, tag) for frame in frames]
    raw = [*framed, "a b", *(text.upper() for text in framed)]
    for params in (
        {"token_pattern": r"\w+", "ngram_range": (1, 2)},
        {"analyzer": "char", "ngram_range": (1, 3)},
        {"analyzer": "char_wb", "ngram_range": (2, 4), "lowercase": False},
    ):
        assert assert_cleaned(CountVectorizer, raw, raw[::-1], **params)


@pytest.mark.parametrize("analyzer", ANALYZERS)
@pytest.mark.parametrize("kind", KINDS)
def test_real_reviews_are_cleaned(kind: type, analyzer: str, reviews: pd.DataFrame) -> None:
    raw = reviews["text"][:60]
    assert raw.str.contains("<br />").any()
    assert assert_cleaned(kind, raw, raw[:20].tolist(), analyzer=analyzer, n_jobs=2)
    assert_same(
        kind, Cleaner().fit_transform(raw), expected_documents=list(map(clean_text, raw)),
        analyzer=analyzer,
    )  # fmt: skip


@pytest.mark.parametrize("put", [list, tuple, np.array, pd.Series])
def test_cleaned_texts_of_any_container(put: Any) -> None:
    raw = ["good<br />film", "bad&amp;film  é"]
    counts = CountVectorizer().fit_transform(CleanedTexts(put(raw))).toarray()
    expected = CountVectorizer().fit_transform([clean_text(text) for text in raw]).toarray()
    np.testing.assert_array_equal(counts, expected)


@pytest.mark.parametrize("analyzer", ANALYZERS)
def test_plain_texts_are_cleaned_without_python(
    analyzer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # BUG: CleanedTexts is not a Collection, so the vectorizers make a list of it first.
    vectorizer = CountVectorizer(analyzer=analyzer)
    expected = vectorizer.fit_transform(["good film", "bad film"]).toarray()

    def fail(_: Any) -> None:
        pytest.fail("read one by one")

    monkeypatch.setattr(CleanedTexts, "__iter__", fail)
    texts = CleanedTexts(["good<br />film", "bad\n</p>film"])
    np.testing.assert_array_equal(vectorizer.fit_transform(texts).toarray(), expected)
    np.testing.assert_array_equal(vectorizer.transform(texts).toarray(), expected)
