"""Order of labels, in data, scores and predictions."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from sentiment.data.labels import find_order, read_number, sort_labels
from sentiment.data.quality import count_labels
from sentiment.modeling.evaluation import Predictions, evaluate
from sentiment.modeling.explanation import top_terms
from sentiment.modeling.pipeline import fit, make_pipeline
from sentiment.modeling.scoring import PredictionColumns, Predictor
from sentiment.ngrams.vectorizers import TfidfVectorizer

STARS = [str(star) for star in range(1, 11)]


@given(st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=3, unique=True))
def test_numbers_are_in_the_order_of_their_values(numbers: list[float]) -> None:
    found = sort_labels(map(repr, numbers))
    assert [float(label) for label in found] == sorted(numbers)


@given(st.lists(st.text(max_size=4), min_size=3, unique=True))
def test_labels_are_kept_and_texts_are_in_the_order_of_their_letters(labels: list[str]) -> None:
    found = sort_labels(labels)
    assert sorted(found) == sorted(labels)
    texts = [label for label in found if read_number(label) is None]
    assert texts == sorted(texts)


@pytest.mark.parametrize("text", ["nan", "inf", "1_000", " 1", "0x1", "", "1,5", "-", "."])
def test_what_is_no_plain_number_is_a_text(text: str) -> None:
    assert read_number(text) is None


def test_two_labels_keep_the_positive_class_of_scikit_learn() -> None:
    assert sort_labels(["9", "10"]) == ["10", "9"]
    assert find_order(np.array(["10", "9"])).tolist() == [0, 1]


def test_ten_stars_are_in_order_from_the_data_to_the_predictions(tmp_path: Path) -> None:
    labels = STARS * 6
    texts = [f"star{label} word{n % 7}" for n, label in enumerate(labels)]
    frame = pd.DataFrame({"text": texts, "label": labels})
    assert list(count_labels(frame["label"])) == STARS
    vectorizer = TfidfVectorizer(min_df=1)
    pipeline = fit(make_pipeline(vectorizer, LogisticRegression(C=100)), frame)
    assert list(pipeline.classes_) == sorted(STARS)  # 1, 10, 2
    made = evaluate(pipeline, frame)
    assert made.classes.tolist() == STARS
    assert made.predicted.tolist() == labels
    earlier = made.to_frame()[["label", *(f"p:{star}" for star in sorted(STARS))]]
    again = Predictions.from_frame(earlier)
    assert again.classes.tolist() == STARS
    np.testing.assert_array_equal(again.probabilities, made.probabilities)
    terms = top_terms(pipeline, 1)
    assert terms is not None
    assert terms["term"].tolist() == [f"star{star}" for star in STARS]
    columns = PredictionColumns(explain=True, top_k=2, probabilities="all")
    found = Predictor(pipeline, columns=columns).predict(pa.array(texts))
    assert found["prediction"].to_pylist() == labels
    assert [name for name in found.schema.names if name.startswith("p:")] == [
        f"p:{star}" for star in STARS
    ]
    for k, star in enumerate(STARS):
        np.testing.assert_allclose(found[f"p:{star}"], made.probabilities[:, k], rtol=1e-9)
    reasons = found["speaks_for"].to_pylist()
    assert all(f"star{label}" in reason for label, reason in zip(labels, reasons, strict=True))
