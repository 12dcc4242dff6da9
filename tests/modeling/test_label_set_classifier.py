"""A classifier for each label of label sets."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from predicting import predict
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression as Plain
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain
from sklearn.preprocessing import MultiLabelBinarizer
from sklearn.svm import LinearSVC

from sentiment.data.label_sets import tabulate_label_sets
from sentiment.errors import ConfigError, UntrustedModelError
from sentiment.modeling.estimators.label_set_chain import LabelSetChain
from sentiment.modeling.estimators.label_sets import LabelSetClassifier, measure_sets
from sentiment.modeling.estimators.logistic_regression import LogisticRegression
from sentiment.modeling.estimators.nbsvm import NBSVM
from sentiment.modeling.linear import LinearTextClassifier, make_fast
from sentiment.modeling.model_files import digest_file, load_model, save_model
from sentiment.modeling.pipeline import find_separator, fit, make_pipeline
from sentiment.modeling.prediction_columns import PredictionColumns
from sentiment.modeling.scoring import Predictor
from sentiment.ngrams.vectorizers import CountVectorizer, TfidfVectorizer
from sentiment.ngrams.weighting import compute_log_count_ratio, compute_term_weights


def _make_rows(n: int = 300) -> tuple[sparse.csr_matrix, list[str]]:
    rng = np.random.default_rng(0)
    X = sparse.random(n, 40, 0.2, format="csr", random_state=0)
    indicators = (X @ rng.normal(size=(40, 4)) + rng.normal(scale=0.1, size=(n, 4))) > 0.3
    return X, [";".join(np.array(list("abcd"))[row]) for row in indicators]


_DUAL = {"solver": "liblinear", "dual": True, "tol": 1e-8, "max_iter": 10_000, "random_state": 0}


@pytest.mark.parametrize(
    ("model", "twin"),
    [
        (Plain(C=3.0), Plain(C=3.0)),
        (
            LogisticRegression(C=3.0, solver="auto", tol=1e-8, max_iter=10_000),
            Plain(C=3.0, **_DUAL),
        ),
        (
            LogisticRegression(
                solver="auto",
                tol=1e-8,
                max_iter=10_000,
                class_weight="balanced",
                fit_intercept=False,
            ),
            Plain(class_weight="balanced", fit_intercept=False, **_DUAL),
        ),
    ],
)
def test_it_is_binary_relevance(model: Plain, twin: Plain) -> None:
    X, y = _make_rows()
    classifier = LabelSetClassifier(model).fit(X, y)
    binarizer = MultiLabelBinarizer()
    expected = OneVsRestClassifier(twin).fit(
        X, binarizer.fit_transform([set(filter(None, joined.split(";"))) for joined in y])
    )
    assert classifier.classes_.tolist() == binarizer.classes_.tolist()
    assert classifier.multilabel_
    np.testing.assert_allclose(classifier.predict_proba(X), expected.predict_proba(X), atol=1e-6)
    sets = [";".join(labels) for labels in binarizer.inverse_transform(expected.predict(X))]
    assert classifier.predict(X).tolist() == sets


def test_labels_are_fitted_together_in_blocks() -> None:
    rng = np.random.default_rng(0)
    X = sparse.random(200, 30, 0.3, format="csr", random_state=0)
    truth = X @ rng.normal(size=(30, 40)) + rng.normal(scale=0.3, size=(200, 40)) > 0.2
    model = LogisticRegression(C=2.0, solver="auto", tol=1e-8, max_iter=10_000)
    together = model.fit_labels(X, truth)
    assert together is not None
    for has_label, classifier in zip(truth.T, together, strict=True):
        alone = clone(model).fit(X, has_label.astype(int))
        np.testing.assert_allclose(classifier.coef_, alone.coef_, atol=1e-6)
        np.testing.assert_allclose(classifier.intercept_, alone.intercept_, atol=1e-6)
        assert vars(classifier).keys() == vars(alone).keys()
    dense = model.fit_labels(X.toarray(), truth)
    assert dense is None
    assert clone(model).set_params(solver="lbfgs").fit_labels(X, truth) is None


def test_labels_that_are_cut_short_are_a_warning() -> None:
    X, y = _make_rows()
    with pytest.warns(ConvergenceWarning, match="did not converge in 1 passes"):
        LabelSetClassifier(LogisticRegression(solver="auto", tol=1e-8, max_iter=1)).fit(X, y)


@pytest.mark.parametrize("order", [None, "random", [2, 0, 3, 1]])
def test_a_chain_is_that_of_scikit_learn(order: Any, tmp_path: Path) -> None:
    X, y = _make_rows()
    chain = LabelSetChain(Plain(), order=order, random_state=0).fit(X, y)
    table = tabulate_label_sets(y, ";")
    plain = ClassifierChain(Plain(), order=order, random_state=0).fit(X, table.to_numpy(dtype=int))
    assert chain.classes_.tolist() == table.columns.tolist()
    assert np.array_equal(chain.predict_proba(X), plain.predict_proba(X))
    sets = [";".join(table.columns[row == 1]) for row in plain.predict(X)]
    assert chain.predict(X).tolist() == sets


def test_a_saved_chain_predicts_the_same_sets(tmp_path: Path) -> None:
    frame, path = _make_texts(), tmp_path / "model.skops"
    chain = ClassifierChain(LogisticRegression(solver="auto"), order="random", random_state=1)
    pipeline = fit(make_pipeline(TfidfVectorizer(), chain, ";"), frame)
    labels, probabilities = predict(pipeline, frame)
    save_model(pipeline, path)
    loaded = load_model(path, digest_file(path))
    assert isinstance(loaded["model"], LabelSetChain)
    predictions = predict(make_fast(loaded), frame)
    assert predictions[0].tolist() == labels.tolist()
    np.testing.assert_allclose(predictions[1], probabilities)
    with pytest.raises(UntrustedModelError, match="ClassifierChain"):
        load_model(path)


def test_a_chain_needs_several_labels() -> None:
    chain = ClassifierChain(Plain())
    with pytest.raises(ConfigError, match="set data.label_separator if they have several"):
        make_pipeline(TfidfVectorizer(), chain)


@pytest.mark.parametrize(
    "model", [Plain(), LogisticRegression(solver="auto", tol=0.01, random_state=0)]
)
def test_a_label_of_every_row_is_always_there(model: Plain) -> None:
    X, y = _make_rows()
    alone = LabelSetClassifier(model).fit(X, y)
    y = [f"{joined};z".strip(";") for joined in y]
    classifier = LabelSetClassifier(model).fit(X, y)
    assert np.array_equal(classifier.predict_proba(X)[:, :-1], alone.predict_proba(X))
    assert (classifier.predict_proba(X)[:, -1] == 1).all()
    assert all("z" in joined.split(";") for joined in classifier.predict(X))


def test_rows_without_any_label_cannot_be_learned_from() -> None:
    with pytest.raises(ValueError, match="no row has a label"):
        LabelSetClassifier(LinearSVC()).fit(np.eye(3), ["", "", ""])


def _make_texts(rows: int = 160) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    words = {"late": "parcel delivery", "refund": "money back", "rude": "agent shouted"}
    tickets = []
    for n in range(rows):
        labels = [label for label in words if rng.random() < 0.4]
        text = " ".join(words[label] for label in labels)
        tickets.append((f"ticket {n % 7} {text}", ";".join(labels)))
    return pd.DataFrame(tickets, columns=["text", "label"])


@pytest.mark.parametrize(
    ("features", "model"),
    [
        (TfidfVectorizer(), LogisticRegression(C=10.0, solver="auto")),
        (TfidfVectorizer(log_count_ratio=True), NBSVM()),
        (TfidfVectorizer(), CalibratedClassifierCV(LinearSVC(), cv=2, ensemble=False)),
    ],
)
def test_a_saved_model_predicts_the_same_sets(
    features: TfidfVectorizer, model: Any, tmp_path: Path
) -> None:
    frame = _make_texts()
    pipeline = fit(make_pipeline(features, model, ";"), frame)
    labels, probabilities = predict(pipeline, frame)
    assert np.mean(labels == frame["label"]) > 0.9
    save_model(pipeline, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    fast = make_fast(loaded)
    assert isinstance(fast, LinearTextClassifier)
    assert find_separator(loaded) == find_separator(fast) == ";"
    for classifier in (loaded, fast):
        assert classifier.classes_.tolist() == ["late", "refund", "rude"]
        np.testing.assert_allclose(
            classifier.predict_proba(frame[["text"]]), probabilities, atol=1e-9
        )
    predictions = Predictor(loaded, columns=PredictionColumns(probabilities="all")).predict(
        frame["text"]
    )
    assert predictions.column("prediction").to_pylist() == labels.tolist()
    assert predictions.schema.names == ["prediction", "probability", "p:late", "p:refund", "p:rude"]
    expected = measure_sets(probabilities >= 0.5, probabilities)
    np.testing.assert_allclose(predictions.column("probability").to_numpy(), expected)


def test_terms_are_weighed_by_the_label_that_they_speak_most_for() -> None:
    frame = _make_texts()
    counts = CountVectorizer().fit_transform(frame["text"])
    table = tabulate_label_sets(frame["label"], ";")
    expected = np.max(
        [compute_log_count_ratio(counts, table[label].to_numpy(), 1.0) for label in table], axis=0
    )
    weights = compute_term_weights(counts, table, 1.0)
    np.testing.assert_allclose(weights, np.maximum(expected, 0))
