from unicodedata import normalize

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentiment.data.copies import add_keys, find_conflicts, fold_text

# Letters whose forms differ: accents in two orders, Hangul, ligatures, wide and Greek letters.
LETTERS = st.sampled_from(
    [
        "e\u0301",
        "é",
        "q\u0323\u0307",
        "q\u0307\u0323",
        "한",
        "\u1112\u1161\u11ab",
        "ﬁ",
        "Ａ",
        "ß",
        "İ",
    ]
    + ["Σ", "ς", "ͅα", "ᾳ", "Å", "\u212b", "①", "½", "ｶﾞ", "\u0301", "\u00a8", "Ꭰ", "ꭰ"]
)
TEXTS = st.lists(LETTERS | st.characters(codec="utf-8") | st.sampled_from(" aB\x00\n"), max_size=8)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Très BON", "tre\u0300s bon"),
        ("good<br /><br />film", "GOOD  film"),
        ("Tom &amp; J&eacute;r&ocirc;me", "Tom & Jérôme"),
        ("so\u00ad good\u200b\ufeff", "So good"),
        ("\u00a0good\u2003film\u3000", "good film"),
        ("I ❤\ufe0f it", "I ❤ it"),
        ("ﬁne ＷＩＤＥ", "fine wide"),
        ("STRASSE", "straße"),
        ("ΟΔΟΣ", "οδος"),
        ("\u200d", ""),
        ("a \u200b b", "a b"),
        ("<p>&nbsp;</p>", ""),
    ],
)
def test_spellings_of_the_same_text(one: str, other: str) -> None:
    assert fold_text(one) == fold_text(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a\0b", "a\0c"),
        ("a\0", "a"),
        ("resume", "résumé"),
        ("a b", "ab"),
        ("1 < 2", "1 > 2"),
        ("!", "?"),
    ],
)
def test_other_texts(one: str, other: str) -> None:
    assert fold_text(one) != fold_text(other)
    assert add_keys(pd.DataFrame({"text": [one, other, one]}))["key"].tolist() == [0, 1, 0]


@settings(deadline=None)
@given(TEXTS.map("".join))
def test_the_form_in_unicode_makes_no_difference(text: str) -> None:
    folded = fold_text(text)
    assert folded == fold_text(normalize("NFC", text)) == fold_text(normalize("NFD", text))
    if not any(mark in normalize("NFKC", text) for mark in "<&"):  # there is nothing to clean
        assert folded == fold_text(normalize("NFKC", text)) == fold_text(normalize("NFKD", text))
        assert folded == fold_text(text.casefold()) == fold_text(folded)


@settings(deadline=None)
@given(st.lists(st.text(max_size=4), max_size=30))
def test_rows_share_a_key_where_their_texts_are_the_same(texts: list[str]) -> None:
    keyed = add_keys(pd.DataFrame({"text": texts}, dtype="object"))
    folded = [fold_text(text) for text in texts]
    for row, key in enumerate(keyed["key"]):
        assert folded.index(folded[row]) == keyed["key"].tolist().index(key)
    assert keyed["length"].tolist() == [len(text) for text in folded]


def test_zero_bytes_end_neither_texts_nor_labels() -> None:
    texts, labels = ["a\0x", "a\0y", "b", "b", "c", "c"], ["p", "n", "p", "n", "p\0x", "p\0y"]
    frame = add_keys(pd.DataFrame({"text": texts, "label": labels}))
    assert find_conflicts(frame).tolist() == [False, False, True, True, True, True]
