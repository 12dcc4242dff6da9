import html
import re

import numpy as np
import pandas as pd
import pytest
from predicting import predict
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import ComplementNB
from sklearn.pipeline import make_pipeline as make_sklearn_pipeline
from sklearn.pipeline import make_union

from sentiment.config import compose, make
from sentiment.modeling.estimators.nbsvm import NBSVM
from sentiment.modeling.pipeline import fit, make_pipeline


def by_hand(reviews: pd.DataFrame, features: object, model: object) -> np.ndarray:
    """Probabilities of a plain scikit-learn pipeline on texts cleaned beforehand."""
    texts = [
        re.sub(r"\s+", " ", html.unescape(re.sub(r"</?[a-zA-Z][^<>]*>", " ", text)))
        for text in reviews["text"]
    ]
    pipeline = make_sklearn_pipeline(features, model).fit(texts, reviews["label"].to_numpy(str))
    return pipeline.predict_proba(texts)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "features"),
    [
        (
            ["features=tfidf"],
            TfidfVectorizer(ngram_range=(1, 2), min_df=2, max_features=50_000, sublinear_tf=True),
        ),
        (["features=tfidf_unigram"], TfidfVectorizer(max_features=10_000)),
        (["features=counts"], CountVectorizer(min_df=2, max_features=20_000)),
        (
            ["features=union"],
            make_union(
                TfidfVectorizer(
                    ngram_range=(1, 2), min_df=2, max_features=50_000, sublinear_tf=True
                ),
                TfidfVectorizer(
                    analyzer="char_wb",
                    ngram_range=(3, 5),
                    min_df=5,
                    max_features=100_000,
                    sublinear_tf=True,
                ),
            ),
        ),
    ],
)
def test_the_pipeline_is_the_one_built_by_hand(
    reviews: pd.DataFrame, overrides: list[str], features: object
) -> None:
    cfg = compose("train", overrides)
    pipeline = make_pipeline(make(cfg, "features"), make(cfg, "model"))
    pipeline.fit(reviews, reviews["label"].to_numpy(str))
    model = LogisticRegression(
        C=10, solver="liblinear", dual=True, tol=0.01, max_iter=1000, random_state=42
    )
    expected = by_hand(reviews, features, model)
    labels, probabilities = predict(pipeline, reviews)
    np.testing.assert_allclose(probabilities, expected, rtol=1e-9)
    assert (labels == pipeline.predict(reviews)).all()


def test_the_frame_may_have_more_columns_but_must_have_text(reviews: pd.DataFrame) -> None:
    pipeline = make_pipeline(TfidfVectorizer(), ComplementNB())
    pipeline.fit(reviews[["text"]], reviews["label"].to_numpy(str))
    two = reviews.head(2)
    assert len(pipeline.predict(two.assign(more=1))) == 2
    assert len(clone(pipeline).fit(reviews, reviews["label"]).predict(two)) == 2
    with pytest.raises(KeyError, match="text"):
        pipeline.predict(two[["label"]])


@pytest.mark.parametrize("model", [LogisticRegression(), ComplementNB(), NBSVM()])
def test_many_small_classes_are_names_and_no_numbers(model: object) -> None:
    """scikit-learn would warn of a regression problem."""
    rows = pd.DataFrame({"text": [f"topic{n}" for n in range(30)]})
    rows["label"] = rows["text"]
    pipeline = fit(make_pipeline(CountVectorizer(), model), rows)
    assert pipeline.predict(rows).tolist() == rows["label"].tolist()
