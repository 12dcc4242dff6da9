"""Warnings about data that do not suit the features."""

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from sentiment.commands.train.checks import check_features
from sentiment.ngrams.vectorizers import TfidfVectorizer

PLAIN = [f"a film that is good or bad, number {n}" for n in range(200)]


def warn(texts: list[str], features: Any = None, rows_of_class: int = 0) -> list[str]:
    """Return the warnings about training texts of two classes, or of as many as fit."""
    n_classes = len(texts) // rows_of_class if rows_of_class else 2
    labels = [str(k % n_classes) for k in range(len(texts))]
    train = pd.DataFrame({"text": texts, "label": labels})
    data: Any = SimpleNamespace(train=train, unlabelled=[], separator=None)
    settings = ["features.max_features", "features.min_df"]
    return list(check_features(features or TfidfVectorizer(), data, settings))


@pytest.mark.parametrize(
    "sentence",
    [
        "这部电影真的非常好看我很喜欢",
        "质量很好，发货快，很满意，下次再来。",
        "この映画はとても面白かったです",
        "หนังเรื่องนี้สนุกมากจริงๆ",
        "ភាពយន្តនេះល្អណាស់",
    ],
)
def test_texts_without_spaces_are_noticed(sentence: str) -> None:
    unspaced = [f"{sentence} {n}" for n in range(200)]
    separated = [
        f"{' '.join(sentence[k : k + 2] for k in range(0, 14, 2))} {n}" for n in range(200)
    ]
    quoted = [f"they say {sentence[:6]} for a film that is good: {n}" for n in range(200)]
    assert len(warn(unspaced)) == 1
    (warning,) = warn(PLAIN + unspaced[:20])
    assert warning.startswith("9 % of the texts have no words that spaces separate, such as")
    for fine in (PLAIN, PLAIN + unspaced[:5], separated, quoted):
        assert warn(fine) == []
    assert warn(unspaced, TfidfVectorizer(analyzer="char", ngram_range=(1, 3))) == []


@pytest.mark.parametrize("symbols", ["\U0001f600\U0001f44d", ":-) !!", "\u2605 \u2605", "5/5"])
def test_texts_without_a_word_are_noticed(symbols: str) -> None:
    wordless = [symbols + "!" * n for n in range(40)]
    (warning,) = warn(PLAIN + wordless)
    assert f"such as '{symbols}" in warning
    assert warn(PLAIN + wordless[:5]) == []
    assert warn(PLAIN + [f"fine {text}" for text in wordless]) == []


def test_classes_smaller_than_min_df_are_noticed() -> None:
    (warning,) = warn(PLAIN, TfidfVectorizer(min_df=3), rows_of_class=2)
    assert warning.startswith("100 of 100 classes have fewer than 3 training rows")
    assert warning.endswith("Add rows, or set features.min_df=1.")
    assert warn(PLAIN, TfidfVectorizer(min_df=2), rows_of_class=2) == []
