import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from sentiment.config import compose, make
from sentiment.explanation import linear_weights, telling_terms
from sentiment.pipeline import make_pipeline


@pytest.mark.parametrize("model", ["logistic_regression", "svm", "naive_bayes", "sgd"])
@pytest.mark.parametrize("classes", [2, 3])
def test_weights_are_those_of_the_model(reviews: pd.DataFrame, model: str, classes: int) -> None:
    labels = reviews["label"].to_numpy(str)
    if classes == 3:
        labels = np.where(reviews["text"].str.len() > 1500, "long", labels)
    cfg = compose("train", [f"model={model}", "features=tfidf_unigram"])
    pipeline = make_pipeline(make(cfg, "features"), make(cfg, "model")).fit(reviews, labels)
    found = linear_weights(pipeline)
    assert found is not None
    terms, weights = found
    assert weights.shape == (classes, len(terms))
    # A text of one term has the tf-idf 1 for it, so its score is the weight and the intercept.
    one_term = pipeline[:-1].transform(pd.DataFrame({"text": ["zzzz", *terms[:300]]}))
    fitted = pipeline["model"]
    if model == "svm":
        fitted = fitted.calibrated_classifiers_[0].estimator
    if model == "naive_bayes":
        logs = fitted.predict_joint_log_proba(one_term)
        scores = np.column_stack(
            [logs[:, k] - np.delete(logs, k, axis=1).mean(axis=1) for k in range(classes)]
        )
    else:
        scores = fitted.decision_function(one_term)
        scores = np.column_stack([-scores, scores]) if classes == 2 else scores
    np.testing.assert_allclose(weights[:, :300].T, scores[1:] - scores[0], atol=1e-9)


def test_other_models_have_no_weights(reviews: pd.DataFrame) -> None:
    cfg = compose("train", ["model=random_forest", "model.n_estimators=3"])
    pipeline = make_pipeline(make(cfg, "features"), make(cfg, "model"))
    assert linear_weights(pipeline.fit(reviews, reviews["label"].to_numpy(str))) is None


def test_telling_terms_tell(reviews: pd.DataFrame) -> None:
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression())
    pipeline.fit(reviews, reviews["label"].to_numpy(str))
    terms = telling_terms(pipeline, 10)
    assert terms is not None
    assert terms.groupby("label")["rank"].apply(list).to_dict() == {
        label: list(range(1, 11)) for label in ("negative", "positive")
    }
    assert "bad" in set(terms.loc[terms["label"] == "negative", "term"])
    assert "great" in set(terms.loc[terms["label"] == "positive", "term"])
    assert (terms.groupby("label")["weight"].diff().dropna() <= 0).all()
