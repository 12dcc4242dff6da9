"""A few texts get the answers that they would get in a file, bit for bit, however they are cut."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sentiment.modeling.decision_rules import DecisionRule, LabelSetRule
from sentiment.modeling.estimators.nbsvm import NBSVM
from sentiment.modeling.linear import LinearTextClassifier, make_fast, predict_texts
from sentiment.modeling.pipeline import fit, make_pipeline
from sentiment.modeling.prediction_columns import PredictionColumns
from sentiment.modeling.scoring import Predictor
from sentiment.ngrams.vectorizers import TfidfVectorizer

WORDS = ["good", "bad", "fine", "film", "Bore", "GREAT", "dull", "née", "İstanbul", "ΣΑΣ", "1999"]
TWO = ["negative", "positive"]
MANY = [str(stars) for stars in range(1, 11)]  # sorted as texts they are 1, 10, 2
SETS = ["", "late", "late;refund", "refund"]


def learn(model, labels, separator=None):
    random = np.random.default_rng(7)
    texts = [" ".join(random.choice(WORDS, 6)) for _ in range(240)]
    answers = [labels[i % len(labels)] for i in range(240)]
    texts = [f"{text} {WORDS[len(a) % 11]}" for text, a in zip(texts, answers, strict=True)]
    frame = pd.DataFrame({"text": texts, "label": answers})
    features = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    return fit(make_pipeline(features, model, separator), frame)


MODELS = {
    "logistic": lambda: learn(LogisticRegression(), TWO),
    "machine": lambda: learn(
        CalibratedClassifierCV(LinearSVC(), method="sigmoid", cv=3, ensemble=False), TWO
    ),
    "machines": lambda: learn(
        CalibratedClassifierCV(RidgeClassifier(), method="sigmoid", cv=3, ensemble=True), TWO
    ),
    "isotonic": lambda: learn(CalibratedClassifierCV(LinearSVC(), method="isotonic", cv=3), TWO),
    "nbsvm": lambda: learn(NBSVM(), TWO),
    "stars": lambda: learn(LogisticRegression(C=30), MANY),
    "rest": lambda: learn(OneVsRestClassifier(LogisticRegression()), MANY),
    "bayes": lambda: learn(MultinomialNB(), MANY),
    "sets": lambda: learn(LogisticRegression(), SETS, ";"),
    "bayes of sets": lambda: learn(MultinomialNB(), SETS, ";"),
    "tree": lambda: learn(DecisionTreeClassifier(max_depth=6, random_state=0), TWO),
}
ANY_TEXT = st.text(st.characters(codec="utf-8"), max_size=60)
LIKELY = st.lists(st.sampled_from([*WORDS, "<br />", "&amp;", "e\u0301"]), max_size=40).map(
    " ".join
)
TEXTS = st.lists(ANY_TEXT | LIKELY, min_size=1, max_size=8)


@pytest.fixture(scope="module", params=MODELS)
def pipeline(request):
    return MODELS[request.param]()


def list_predictors(pipeline):
    """Return predictors with the options that a user may choose."""
    plain = Predictor(pipeline)
    columns = PredictionColumns(probabilities="all")
    if getattr(pipeline[-1], "separator", None):
        rule = LabelSetRule(thresholds=tuple(np.linspace(0.2, 0.6, len(pipeline.classes_))))
        return [plain, plain.replace_settings(rule, columns)]
    is_multiclass = len(pipeline.classes_) > 2
    scale = {label: float(label) for label in pipeline.classes_} if is_multiclass else None
    rule = DecisionRule(0.5 if is_multiclass else 0.61, 0.2)
    return [
        plain,
        plain.replace_settings(rule, PredictionColumns(top_k=3, probabilities="all", scale=scale)),
    ]


@settings(max_examples=15, deadline=None)
@given(texts=TEXTS)
def test_answers_are_those_of_a_file(pipeline, texts):
    for predictor in list_predictors(pipeline):
        rows = predictor.predict(pa.array(texts, pa.large_string()))
        assert rows.schema.names == predictor.schema.names
        expected = [pickle_row(row) for row in rows.to_pylist()]
        predictions = predictor.predict_few(texts)
        together = [
            dict(zip(predictions, row, strict=True))
            for row in zip(*predictions.values(), strict=True)
        ]
        assert [pickle_row(row) for row in together] == expected
        alone = [{k: v[0] for k, v in predictor.predict_few([t]).items()} for t in texts]
        assert [pickle_row(row) for row in alone] == expected


def pickle_row(row):
    """Return the names and values of a row, numbers as all of their bits."""
    return {name: v.hex() if isinstance(v, float) else v for name, v in row.items()}


def test_fast_heads_agree_with_scikit_learn(pipeline):
    texts = ["", "good film", "bad bad bad", "GREAT née 1999 dull"]
    fast = make_fast(pipeline)
    probabilities = predict_texts(fast, texts)
    frame = pd.DataFrame({"text": texts})
    np.testing.assert_allclose(probabilities, pipeline.predict_proba(frame), rtol=1e-12)
    if isinstance(fast, LinearTextClassifier):
        decisions = fast._decision_function(frame)
        head = getattr(fast._head, "_head", fast._head)
        np.testing.assert_array_equal(probabilities, head.predict_proba(decisions))


def test_decisions_that_are_no_numbers_go_to_scikit_learn():
    fast = make_fast(MODELS["logistic"]())
    with pytest.raises(ValueError, match="contains infinity"):
        fast._head.predict_proba(np.array([[np.inf]]))


def test_few_texts_can_be_explained():
    predictor = Predictor(MODELS["logistic"]()).replace_settings(
        columns=PredictionColumns(explain=True)
    )
    predictions = predictor.predict_few(["good film", "dull"])
    assert (
        predictions
        == predictor.predict(pa.array(["good film", "dull"], pa.large_string())).to_pydict()
    )
    assert list(predictions) == ["prediction", "probability", "speaks_for", "speaks_against"]
    assert Predictor(MODELS["logistic"]()).predict_few([]) == {"prediction": [], "probability": []}


def test_variants_of_a_predictor_leave_it_as_it_is():
    predictor = Predictor(MODELS["sets"]())
    assert predictor.replace_settings(DecisionRule(0.1)).rule == LabelSetRule(0.1)
    assert predictor.rule == LabelSetRule()
    varied = predictor.replace_settings(columns=PredictionColumns(top_k=2))
    assert "likeliest_2" in varied.predict_few(["good film"])
    assert "likeliest_2" not in predictor.predict_few(["good film"])
