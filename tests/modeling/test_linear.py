from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from predicting import predict
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB, MultinomialNB
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.svm import LinearSVC

from sentiment.modeling.estimators.nbsvm import NBSVM
from sentiment.modeling.estimators.union import make_union
from sentiment.modeling.estimators.voting import make_soft_vote
from sentiment.modeling.linear import LinearTextClassifier, make_fast
from sentiment.modeling.model_files import LOADED_TYPES, load_model, save_model
from sentiment.modeling.pipeline import fit, make_pipeline
from sentiment.ngrams.rules import SENTIMENT_PATTERN
from sentiment.ngrams.vectorizers import CountVectorizer, TfidfVectorizer

MODELS = {
    "logistic_regression": LogisticRegression(C=5.0),
    "sgd": SGDClassifier(loss="log_loss", random_state=0),
    "sgd_huber": SGDClassifier(loss="modified_huber", random_state=0),
    "naive_bayes": MultinomialNB(),
    "complement": ComplementNB(),
    "nbsvm": NBSVM(),
    "svm": CalibratedClassifierCV(LinearSVC(), method="sigmoid", ensemble=False, cv=2),
    "svms": CalibratedClassifierCV(LinearSVC(), method="isotonic", cv=3),
    "one_vs_rest": OneVsRestClassifier(LogisticRegression()),
    "vote": make_soft_vote(
        {
            "a": LogisticRegression(),
            "b": CalibratedClassifierCV(LinearSVC(C=0.01), cv=2),
            "c": MultinomialNB(),
        },
        {"a": 2.0},
    ),
}
FEATURES = {
    "tfidf": TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
    "counts": CountVectorizer(binary=True, stop_words="english"),
    "union": make_union(
        {
            "words": TfidfVectorizer(ngram_range=(1, 3), token_pattern=SENTIMENT_PATTERN),
            "starts": TfidfVectorizer(token_pattern=r"\b\w{1,5}"),
            "long": FeatureUnion([("a", CountVectorizer(token_pattern=r"\w{4,}")), ("b", "drop")]),
        },
        {"starts": 0.7},
    ),
}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    words = np.array(["good", "bad", "film", "Plot", "isn't", "café", "ΑΣ", "<br />", "&amp;", "!"])
    odds = rng.dirichlet(np.ones(len(words)), 3)
    labels = rng.integers(0, 3, 300)
    texts = [" ".join(rng.choice(words, rng.integers(1, 40), p=odds[label])) for label in labels]
    return pd.DataFrame({"text": texts, "label": np.array(["bad", "fair", "good"])[labels]})


def make_savable(pipeline: Pipeline, tmp_path: Path) -> Pipeline:
    """Return the pipeline as scikit-learn alone has it."""
    save_model(pipeline, tmp_path / "model.skops")
    return skops.io.load(tmp_path / "model.skops", trusted=LOADED_TYPES)


def assert_same_answers(fast: Any, plain: Any, frame: pd.DataFrame) -> None:
    expected = plain.predict_proba(frame)
    np.testing.assert_allclose(fast.predict_proba(frame), expected, rtol=1e-9, atol=1e-13)
    assert fast.predict(frame).tolist() == plain.predict(frame).tolist()
    assert fast.classes_.tolist() == plain.classes_.tolist()
    labels, probabilities = predict(fast, frame)
    np.testing.assert_allclose(probabilities, expected, rtol=1e-9, atol=1e-13)
    assert labels.tolist() == predict(plain, frame)[0].tolist()


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("model", MODELS)
def test_answers_are_those_of_the_pipeline(
    frame: pd.DataFrame, tmp_path: Path, model: str, classes: int
) -> None:
    rows = frame if classes == 3 else frame[frame["label"] != "fair"]
    pipeline = fit(make_pipeline(clone(FEATURES["tfidf"]), clone(MODELS[model])), rows)
    expected = pipeline.predict_proba(rows)
    fast = make_fast(pipeline)
    assert isinstance(fast, LinearTextClassifier)
    assert_same_answers(fast, make_savable(pipeline, tmp_path), rows)
    np.testing.assert_array_equal(pipeline.predict_proba(rows), expected)
    loaded = make_fast(load_model(tmp_path / "model.skops"))
    assert isinstance(loaded, LinearTextClassifier)
    np.testing.assert_array_equal(loaded.predict_proba(rows), fast.predict_proba(rows))


@pytest.mark.parametrize("features", ["counts", "union"])
@pytest.mark.parametrize("model", ["logistic_regression", "vote"])
def test_features_may_be_counts_and_unions(
    frame: pd.DataFrame, tmp_path: Path, features: str, model: str
) -> None:
    pipeline = fit(make_pipeline(clone(FEATURES[features]), clone(MODELS[model])), frame)
    fast = make_fast(pipeline)
    assert isinstance(fast, LinearTextClassifier)
    assert_same_answers(fast, make_savable(pipeline, tmp_path), frame)


@pytest.mark.parametrize(
    ("features", "model"),
    [
        (TfidfVectorizer(analyzer="char"), LogisticRegression()),
        (TfidfVectorizer().to_sklearn(), LogisticRegression()),
        (TfidfVectorizer(), RandomForestClassifier(3)),
        (TfidfVectorizer(), BernoulliNB()),
        (TfidfVectorizer(), OneVsRestClassifier(BernoulliNB())),
        (TfidfVectorizer(), VotingClassifier([("a", BernoulliNB())], voting="soft")),
        (make_union({"a": TfidfVectorizer(), "b": CountVectorizer(analyzer="char")}), NBSVM()),
        (Pipeline([("a", TfidfVectorizer()), ("b", PCA(1))]), LogisticRegression()),
    ],
    ids=str,
)
def test_other_pipelines_stay_as_they_are(frame: pd.DataFrame, features: Any, model: Any) -> None:
    pipeline = make_pipeline(features, model)
    assert make_fast(pipeline) is pipeline
    assert make_fast(fit(pipeline, frame)) is pipeline


def test_pipelines_that_are_not_fitted_stay_as_they_are() -> None:
    for model in MODELS.values():
        pipeline = make_pipeline(clone(FEATURES["tfidf"]), clone(model))
        assert make_fast(pipeline) is pipeline
    alone = Pipeline([("model", LogisticRegression())])
    assert make_fast(alone) is alone


def test_weights_that_are_no_numbers_are_left_to_scikit_learn(frame: pd.DataFrame) -> None:
    pipeline = fit(make_pipeline(TfidfVectorizer(), LogisticRegression()), frame)
    pipeline["model"].coef_[0, 0] = np.nan
    assert make_fast(pipeline) is pipeline


def test_it_answers_as_the_pipeline_was_when_it_was_made(frame: pd.DataFrame) -> None:
    pipeline = fit(make_pipeline(TfidfVectorizer(), SGDClassifier(loss="log_loss")), frame)
    fast = make_fast(pipeline)
    expected = fast.predict_proba(frame)
    pipeline["model"].coef_ *= -1
    np.testing.assert_array_equal(fast.predict_proba(frame), expected)


def test_errors_are_those_of_the_pipeline(frame: pd.DataFrame) -> None:
    pipeline = fit(make_pipeline(TfidfVectorizer(), LogisticRegression()), frame)
    fast = make_fast(pipeline)
    assert isinstance(fast, LinearTextClassifier)
    for wrong, kind in [
        (frame[:0], ValueError),
        (pd.DataFrame({"text": ["a", None]}, dtype=object), TypeError),
        (pd.DataFrame({"words": ["a"]}), KeyError),
    ]:
        with pytest.raises(kind) as expected:
            pipeline.predict_proba(wrong)
        for call in (fast.predict_proba, fast.predict):
            with pytest.raises(kind) as caught:
                call(wrong)
            assert str(caught.value) == str(expected.value)
