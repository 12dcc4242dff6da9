"""Logistic regression with the solver that suits the data."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import linear_model
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from sentiment.config import compose, make
from sentiment.modeling.estimators.logistic_regression import LogisticRegression
from sentiment.modeling.model_files import load_model, save_model
from sentiment.modeling.pipeline import make_pipeline
from sentiment.ngrams.vectorizers import TfidfVectorizer

FITTED = ["coef_", "intercept_", "classes_", "n_iter_"]


@pytest.fixture(scope="module")
def matrix(reviews: pd.DataFrame) -> Any:
    return TfidfVectorizer(min_df=2).fit_transform(reviews["text"])


@pytest.mark.slow
@parametrize_with_checks(
    [
        LogisticRegression(max_iter=1000),
        LogisticRegression(C="auto", max_iter=1000),
        LogisticRegression(solver="auto", tol=1e-10, max_iter=100_000),
    ]
)
def test_it_is_a_classifier_of_scikit_learns_kind(estimator: Any, check: Any) -> None:
    check(estimator)


def test_two_classes_of_texts_have_the_weights_of_liblinear(
    reviews: pd.DataFrame, matrix: Any
) -> None:
    settings = {"C": 5.0, "tol": 0.01, "class_weight": "balanced", "random_state": 0}
    model = LogisticRegression(solver="auto", **settings).fit(matrix, reviews["label"])
    plain = linear_model.LogisticRegression(solver="liblinear", dual=True, **settings)
    plain.fit(matrix, reviews["label"])
    for name in ("coef_", "intercept_", "n_iter_"):
        np.testing.assert_allclose(
            getattr(model, name), getattr(plain, name), rtol=1e-8, atol=1e-12
        )
    assert model.classes_.tolist() == plain.classes_.tolist()
    np.testing.assert_allclose(model.predict_proba(matrix), plain.predict_proba(matrix), rtol=1e-8)
    assert (model.get_params()["solver"], clone(model).solver) == ("auto", "auto")


@pytest.mark.parametrize("solver", ["auto", "lbfgs"])
@pytest.mark.parametrize(("classes", "strength"), [(2, 10.0), (3, 20.0)])
def test_the_strength_may_depend_on_the_number_of_classes(
    reviews: pd.DataFrame, matrix: Any, solver: str, classes: int, strength: float
) -> None:
    labels = reviews["label"].to_numpy(dtype=str).copy()
    labels[: 50 * (classes - 2)] = "neither"
    rows = matrix[:, :200]
    for X in (rows, rows.toarray()):
        settings = {"solver": solver, "tol": 0.01, "max_iter": 1000, "random_state": 0}
        auto, typed = (LogisticRegression(C=c, **settings) for c in ("auto", strength))
        assert (auto.fit(X, labels).coef_ == typed.fit(X, labels).coef_).all()
        assert auto.C == "auto"
        plain = auto.to_sklearn()
        assert plain.get_params()["C"] == strength
        assert (plain.predict_proba(X) == typed.predict_proba(X)).all()
    truth = np.column_stack([labels == label for label in np.unique(labels)])
    settings["solver"] = "auto"
    sets = [LogisticRegression(C=c, **settings).fit_labels(rows, truth) for c in ("auto", 10.0)]
    for automatic, fixed in zip(*sets, strict=True):
        assert (automatic.coef_ == fixed.coef_).all()


@pytest.mark.slow
@pytest.mark.parametrize("case", ["dense", "dense, three classes", "no penalty"])
def test_the_rest_is_left_to_lbfgs(reviews: pd.DataFrame, matrix: Any, case: str) -> None:
    labels = reviews["label"].to_numpy(dtype=str).copy()
    settings: dict[str, Any] = {"max_iter": 500}
    if case == "dense, three classes":
        labels[:50] = "neither"
    if case.startswith("dense"):
        matrix = matrix[:, :50].toarray()
    else:
        matrix, settings["C"] = matrix[:, :20], np.inf
    model = LogisticRegression(solver="auto", tol=0.5, **settings)
    plain = linear_model.LogisticRegression(**settings)
    plain.fit(matrix, labels)
    model.fit(matrix, labels)
    for name in FITTED:
        np.testing.assert_array_equal(getattr(model, name), getattr(plain, name))
    assert (model.predict_proba(matrix) == plain.predict_proba(matrix)).all()


def test_a_penalty_that_neither_takes_is_refused(reviews: pd.DataFrame, matrix: Any) -> None:
    with pytest.raises(ValueError, match="lbfgs supports only"):
        LogisticRegression(solver="auto", l1_ratio=1.0).fit(matrix, reviews["label"])


def test_it_is_near_to_the_optimum(reviews: pd.DataFrame, matrix: Any) -> None:
    # liblinear's objective, with the penalty on the intercept too.
    extended = sparse.hstack([matrix, np.ones((matrix.shape[0], 1))]).tocsr()
    signs = np.where(reviews["label"] == "positive", 1, -1)

    def measure(model: Any) -> float:
        weights = np.append(model.coef_.ravel(), model.intercept_)
        losses = np.logaddexp(0, -signs * (extended @ weights))
        return float(weights @ weights / 2 + 10 * losses.sum())

    model = LogisticRegression(solver="auto", tol=0.01, C=10).fit(matrix, reviews["label"])
    exact = linear_model.LogisticRegression(
        solver="newton-cg", tol=1e-9, C=10, fit_intercept=False, max_iter=1000
    ).fit(extended, reviews["label"])
    exact.coef_, exact.intercept_ = exact.coef_[:, :-1], exact.coef_[0, -1:]
    assert measure(exact) <= measure(model) < 1.0001 * measure(exact)


def test_it_is_saved_as_scikit_learns_own(reviews: pd.DataFrame, tmp_path: Path) -> None:
    cfg = compose("train", ["features=tfidf_unigram", "memory=null"])
    pipeline = make_pipeline(make(cfg, "features"), make(cfg, "model"))
    pipeline.fit(reviews, reviews["label"].to_numpy(str))
    assert type(pipeline["model"]) is LogisticRegression
    save_model(pipeline, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    assert type(loaded["model"]) is linear_model.LogisticRegression
    assert (loaded["model"].solver, loaded["model"].dual) == ("liblinear", True)
    assert (loaded.predict_proba(reviews) == pipeline.predict_proba(reviews)).all()
    with pytest.raises(NotFittedError):
        LogisticRegression(solver="auto").to_sklearn().predict([[0.0]])
