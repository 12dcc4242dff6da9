from unicodedata import combining, is_normalized, normalize

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.ngrams.cleaning import CLEANING_STEPS, Cleaner, clean_text, make_cleaner
from sentiment.ngrams.rules import may_compose

# Pieces that make tags, entities and odd white space likely.
PIECES = st.sampled_from(
    ["<br />", "</p>", "<", ">", "a <3 b", "&amp;", "&lt;", "&#39;", "&nbsp;", "&", ";", " ", "  "]
    + ["e\u0301", "\u0338", "\u0327\u0301", "\u0301\u0327", "\u1112\u1161", "&#769;", "\u212b"]
    + ["\t", "\n", "\r\n", "\x0b", "\x1c", "\x85", "\xa0", "\u2028", "\u3000", "\x00", "İ", "word"]
)
TEXTS = st.lists(PIECES | st.text(max_size=5), max_size=12).map("".join)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("good<br /><br />film", "good film"),
        ("<p class='x'>one</p>", "one"),
        ("Tom &amp; Jerry&#39;s &quot;fun&quot;", 'Tom & Jerry\'s "fun"'),
        ("a\tb\n\nc\u3000d", "a b c d"),
        ("I <3 it, 10 > 9", "I <3 it, 10 > 9"),
        ("  ", ""),
        ("", ""),
        ("&nbsp;", ""),
        ("cafe\u0301, a\u0323\u0302", "caf\u00e9, \u1ead"),
        ("a\u0302\u0323 &#xe9; e&#x301;", "\u1ead \u00e9 \u00e9"),
        ("a<b>\u0338</b>", "a \u0338"),
    ],
)
def test_cleaning_takes_tags_entities_and_white_space(text: str, expected: str) -> None:
    assert clean_text(text).strip() == expected


@pytest.mark.slow
@given(TEXTS)
def test_skipped_steps_change_nothing(text: str) -> None:
    cleaned = text
    for step in CLEANING_STEPS.values():
        cleaned = step(cleaned)
    assert clean_text(text) == cleaned


@given(st.text(st.characters(exclude_characters="<>&;")))
def test_composed_and_decomposed_letters_are_the_same(text: str) -> None:
    composed = clean_text(normalize("NFC", text))
    assert clean_text(normalize("NFD", text)) == composed
    assert is_normalized("NFC", composed)


@pytest.mark.slow
def test_what_is_composed_stays_as_it_is() -> None:
    """Characters that may not compose leave any text in NFC, in all of Unicode."""
    every_character = "".join(map(chr, range(0x110000)))
    composing = may_compose()
    unchanged = "".join(c for c in every_character if not composing[ord(c)])
    assert is_normalized("NFC", unchanged)
    assert not any(combining(c) for c in unchanged)
    assert is_normalized("NFC", "".join(f"{c}a{c}\u1100{c}" for c in unchanged))
    # There are few others, which take the slower way.
    assert composing.sum() < 3000


@pytest.mark.slow
@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_the_pipeline_cleans_as_the_quality_report_does(texts: list[str]) -> None:
    series = pd.Series(texts, dtype=object)
    cleaned = make_cleaner().fit_transform(series)
    assert cleaned == [clean_text(text) for text in texts]
    assert list(Cleaner().fit_transform(series)) == cleaned
    assert len(Cleaner().transform(series)) == len(cleaned)


@given(TEXTS)
def test_no_odd_white_space_is_left(text: str) -> None:
    cleaned = clean_text(text)
    assert "  " not in cleaned
    assert not any(c.isspace() and c != " " for c in cleaned)
