"""Descriptors of texts, and the reading of files of predictions."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from conftest import write_frame

from sentiment.commands.monitor.current import (
    ColumnRoles,
    CurrentRows,
    find_columns,
    order_rows,
    read_current,
)
from sentiment.errors import (
    ConfigError,
    MissingColumnError,
    NoPredictionsError,
    UnreadableFileError,
)
from sentiment.files.opening import open_input
from sentiment.files.sampling import Sampler
from sentiment.modeling.descriptors import TextReader, Tokenization, find_tokenization
from sentiment.modeling.estimators.nbsvm import NBSVM
from sentiment.modeling.estimators.union import make_union
from sentiment.modeling.pipeline import make_pipeline
from sentiment.ngrams.cleaning import TAG_PATTERN, clean_text
from sentiment.ngrams.rules import SENTIMENT_PATTERN
from sentiment.ngrams.vectorizers import CountVectorizer, TfidfVectorizer
from sentiment.tracking import ModelChoice
from sentiment.tracking.stages import SilentObserver

ODD_TEXTS = [
    "",
    " ",
    "<br />",
    "a <b>très</b> bon film!",
    "Ελλάδα 42 %",
    "日本語 😀",
    "no\x00thing",
]


def describe_by_hand(text: str, pattern: str, vocabulary: set[str]) -> list[float]:
    words = re.findall(pattern, clean_text(text).lower())
    odd = sum(not c.isalpha() and not c.isspace() for c in text)
    in_tags = sum(len(tag) for tag in re.findall(TAG_PATTERN, text))
    size, count = max(len(text), 1), max(len(words), 1)
    strangers = sum(word not in vocabulary for word in words)
    return [len(text), len(words), odd / size, in_tags / size, strangers / count]


@pytest.mark.parametrize("pattern", [r"(?u)\b\w\w+\b", SENTIMENT_PATTERN])
def test_descriptors_are_what_plain_python_counts(reviews: pd.DataFrame, pattern: str) -> None:
    texts = pd.Series([*ODD_TEXTS, *reviews["text"].head(60)], dtype="str")
    vectorizer = CountVectorizer(token_pattern=pattern, max_features=300).fit(reviews["text"])
    pipeline = make_pipeline(vectorizer, NBSVM())
    tokenization = find_tokenization(pipeline)
    assert set(tokenization.vocabulary or ()) == set(vectorizer.vocabulary_)
    reader = TextReader(tokenization)
    frames = [reader.describe(texts.iloc[a : a + 25]) for a in range(0, len(texts), 25)]
    described = pd.concat(frames)
    assert list(described) == ["characters", "words", "non_letters", "markup", "unknown"]
    expected = [describe_by_hand(text, pattern, set(vectorizer.vocabulary_)) for text in texts]
    np.testing.assert_allclose(described.to_numpy(), expected, rtol=1e-6)

    documents = [set(re.findall(pattern, clean_text(text).lower())) for text in texts]
    frequencies = pd.Series([word for words in documents for word in words]).value_counts()
    assert reader.documents == len(texts)
    assert reader.count_words() == len(frequencies)
    terms = reader.list_terms(50)
    assert len(terms) == 50
    assert terms.to_dict() == {word: frequencies[word] for word in terms.index}
    assert terms.min() >= frequencies.drop(terms.index).max()
    assert reader.count_terms(["never", *terms.index[:3]]).tolist() == [
        frequencies.get("never", 0), *terms[:3]
    ]  # fmt: skip


def test_words_are_read_as_the_model_does() -> None:
    texts = pd.Series(["the good film", "the bad film", "very good"] * 3, dtype="str")
    pairs = TfidfVectorizer(ngram_range=(2, 2), stop_words=["the"]).fit(texts)
    char = TfidfVectorizer(analyzer="char", ngram_range=(1, 2)).fit(texts)
    union = make_union({"char": char, "words": pairs})
    tokenization = find_tokenization(make_pipeline(union, NBSVM()))
    assert set(tokenization.vocabulary or ()) == {"good", "bad", "film", "very", "the"}
    assert tokenization.rules.pattern == r"\b\w\w+\b"
    assert find_tokenization(make_pipeline(char, NBSVM())).vocabulary is None
    assert "unknown" not in TextReader(Tokenization(tokenization.rules, None)).describe(texts)


def test_a_sample_is_drawn_evenly_and_stays_in_order() -> None:
    counts = np.zeros(100)
    for seed in range(300):
        sampler = Sampler(20, seed)
        for start in range(0, 100, 15):
            sampler.add(pa.table({"row": np.arange(start, min(start + 15, 100))}))
        rows = sampler.finish()["row"].to_numpy()
        assert len(rows) == len(set(rows)) == 20
        assert np.all(np.diff(rows) > 0)
        counts[rows] += 1
    # 60 is expected, with a standard deviation of 7.
    assert counts.min() > 30
    assert counts.max() < 90


def test_fewer_rows_than_the_sample_are_all_there() -> None:
    sampler = Sampler(20, 0)
    assert sampler.finish() is None
    sampler.add(pa.table({"row": [1, 2, 3]}))
    assert sampler.finish()["row"].to_pylist() == [1, 2, 3]


FRAME = pd.DataFrame(
    {
        "id": [1, 2, 3],
        "review": ["fine", "bad, really", ""],
        "sentiment": ["positive", None, "negative"],
        "prediction": ["positive", "negative", "positive"],
        "probability": [0.9, 0.8, 0.5],
    }
)


def read(path: Path, columns: ColumnRoles | None = None, size: int = 10) -> CurrentRows:
    source = open_input(path, setting="current")
    columns = columns or find_columns(path, source.columns, None, None, None)
    return read_current(path, source, columns, size, 0, SilentObserver())


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl"])
def test_predictions_are_read_in_every_format(tmp_path: Path, ending: str) -> None:
    current = read(write_frame(FRAME, tmp_path / f"x{ending}"))
    assert current.rows["text"].tolist() == FRAME["review"].tolist()
    assert current.rows["probability"].tolist() == [0.9, 0.8, 0.5]
    assert current.rows["label"].isna().tolist() == [False, True, False]
    assert (current.read, current.rejected) == (3, 0)
    assert len(read(tmp_path / f"x{ending}", size=2).rows) == 2


def test_the_columns_that_the_model_learned_from_come_first(tmp_path: Path) -> None:
    names = ["text", "label", "summary", "stars", "prediction", "probability"]
    model = ModelChoice("x", tmp_path, "", "", "", text_column="summary", label_column="stars")
    roles = find_columns(tmp_path / "x.csv", names, model=model)
    assert (roles, roles.why) == (ColumnRoles("summary", "stars"), "the model learned from it")
    named_roles = find_columns(tmp_path / "x.csv", names, "text", "label", model=model)
    assert named_roles == ColumnRoles("text", "label")
    other_model = replace(model, text_column="body", label_column="grade")
    assert find_columns(tmp_path / "x.csv", names, model=other_model) == ColumnRoles(
        "text", "label"
    )


def test_columns_are_found_or_missed(tmp_path: Path) -> None:
    path, names = tmp_path / "x.csv", list(FRAME)
    assert find_columns(path, names, None, None, None) == ColumnRoles("review", "sentiment")
    assert find_columns(path, names, None, "id", "id") == ColumnRoles("review", "id", "id")
    with pytest.raises(NoPredictionsError, match="Predict it first: python scripts/predict.py"):
        find_columns(path, ["review", "prediction"], None, None, None)
    for wrong, setting in (("text_column", 2), ("label_column", 3), ("time_column", 4)):
        arguments: list[str | None] = [None, None, None]
        arguments[setting - 2] = "nope"
        with pytest.raises(MissingColumnError, match=f"Name the column with {wrong}="):
            find_columns(path, names, *arguments)


@pytest.mark.parametrize(
    ("probability", "reason"), [("high", "Failed to parse"), ("1.5", "is not between 0 and 1")]
)
def test_probabilities_that_are_none_are_reported(
    tmp_path: Path, probability: str, reason: str
) -> None:
    path = write_frame(FRAME.assign(probability=probability), tmp_path / "x.csv")
    with pytest.raises(UnreadableFileError, match=reason):
        read(path)


def test_a_row_of_json_without_a_prediction_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"text": "a", "prediction": "p", "probability": 0.5}\n' * 2)
    assert len(read(path).rows) == 2
    with path.open("a") as file:
        file.write('{"text": "a", "label": "p"}\n')
    with pytest.raises(UnreadableFileError, match="as predictions: a row has none"):
        read(path)


def test_rows_are_put_in_the_order_of_their_time() -> None:
    path = Path("x.csv")
    days = pd.Series(["2026-03-01", "2026-01-05T10:00", "2026-01-05T09:00+00:00"])
    assert order_rows(path, days, "at").tolist() == [2, 1, 0]
    assert order_rows(path, pd.Series(["10", "9.5", "10"]), "at").tolist() == [1, 0, 2]
    with pytest.raises(ConfigError, match="time_column is 'at', where 'x.csv' has 'yesterday'"):
        order_rows(path, pd.Series(["2026-03-01", "yesterday"]), "at")
