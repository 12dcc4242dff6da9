"""Predictions of a model hold the columns that are asked for."""

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from sentiment.modeling.decision_rules import DecisionRule
from sentiment.modeling.pipeline import make_pipeline
from sentiment.modeling.prediction_columns import PredictionColumns
from sentiment.modeling.scoring import Predictor


def fit(reviews: pd.DataFrame, classes: int) -> Pipeline:
    labels = [f"class, {n % classes}" for n in range(len(reviews))]
    pipeline = make_pipeline(TfidfVectorizer(max_features=200), LogisticRegression())
    return pipeline.fit(reviews[["text"]], labels)


# A threshold is for two classes.
@pytest.mark.parametrize(("classes", "threshold"), [(2, 0.5), (2, 0.2), (3, 0.5), (11, 0.5)])
@pytest.mark.parametrize("top_k", [1, 2, 3, 20])
def test_labels_come_in_the_order_of_their_probabilities(
    reviews: pd.DataFrame, classes: int, top_k: int, threshold: float
) -> None:
    pipeline, texts = fit(reviews, classes), reviews["text"].tail(30)
    columns = PredictionColumns(top_k=top_k)
    predictor = Predictor(pipeline, DecisionRule(threshold), columns)
    rows = predictor.predict(texts).to_pandas()
    most = min(top_k, classes)
    names = ["prediction", "probability"]
    names += [f"{name}_{rank}" for rank in range(2, most + 1) for name in names[:2]]
    assert list(rows) == predictor.schema.names == names
    probabilities = pd.DataFrame(
        pipeline.predict_proba(texts.to_frame("text")), columns=pipeline.classes_
    )
    for row, class_probabilities in probabilities.iterrows():
        labels = [rows[name][row] for name in names[::2]]
        row_labels = [rows[name][row] for name in names[1::2]]
        np.testing.assert_allclose(row_labels, class_probabilities[labels])
        if threshold == 0.5:
            assert labels == class_probabilities.sort_values(ascending=False).index[:most].tolist()
        else:
            assert len(set(labels)) == most
            assert (labels[0] == pipeline.classes_[1]) == (class_probabilities.iloc[1] >= threshold)


@pytest.mark.parametrize("classes", [2, 5])
def test_every_class_has_its_probability(reviews: pd.DataFrame, classes: int) -> None:
    pipeline, texts = fit(reviews, classes), reviews["text"].tail(30)
    predictor = Predictor(pipeline, columns=PredictionColumns(probabilities="all"))
    rows = predictor.predict(texts).to_pandas()
    names = [f"p:{label}" for label in pipeline.classes_]
    assert list(rows) == ["prediction", "probability", *names]
    expected = pipeline.predict_proba(texts.to_frame("text"))
    np.testing.assert_allclose(rows[names], expected)
    assert predictor.predict(texts[:0]).schema.names == list(rows)


def test_a_row_that_is_left_open_names_its_likeliest_label(reviews: pd.DataFrame) -> None:
    pipeline, texts = fit(reviews, 3), reviews["text"].tail(50)
    best = pipeline.predict(texts.to_frame("text"))
    median = float(np.median(pipeline.predict_proba(texts.to_frame("text")).max(axis=1)))
    predictor = Predictor(pipeline, DecisionRule(least_confidence=median))
    rows = predictor.predict(texts).to_pandas()
    is_open = rows["prediction"] == "unsure"
    assert 0 < is_open.sum() < 50
    assert rows["likeliest"].tolist() == best.tolist()
    assert rows["prediction"][~is_open].tolist() == best[~is_open].tolist()
