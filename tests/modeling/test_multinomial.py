"""More than two classes have the weights of scikit-learn's multinomial logistic regression."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import brentq
from scipy.special import wrightomega
from sklearn import linear_model
from sklearn.exceptions import ConvergenceWarning

from sentiment.modeling.estimators import multinomial
from sentiment.modeling.estimators.logistic_regression import LogisticRegression
from sentiment.modeling.estimators.multinomial import descend_classes


def make_problem(seed: int, classes: int, scale: float = 1.0) -> tuple[Any, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows, columns = int(rng.integers(2 * classes, 80)), int(rng.integers(1, 40))
    values = scale * rng.normal(size=(rows, columns)) * (rng.random((rows, columns)) < 0.3)
    return sparse.csr_matrix(values), rng.permutation(np.arange(rows) % classes)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([3, 4, 9]),
    st.sampled_from([0.01, 1.0, 10.0]),
    st.sampled_from([None, "balanced", {0: 0.5, 1: 3.0}]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0.1, 1.0, 3.0]),
)
def test_weights_are_those_of_newtons_method(
    seed: int, classes: int, C: float, class_weight: Any, intercept: bool, weighted: bool,  # noqa: N803
    scale: float,
) -> None:  # fmt: skip
    X, y = make_problem(seed, classes, scale)
    params = {"C": C, "class_weight": class_weight, "fit_intercept": intercept, "max_iter": 20_000}
    # Rows that weigh nothing are skipped; each class has one that does.
    weights = np.random.default_rng(seed).choice([0.0, 0.5, 2.0], len(y)) if weighted else None
    if weights is not None:
        weights[[np.argmax(y == k) for k in range(classes)]] = 1.0
    plain = linear_model.LogisticRegression(solver="newton-cg", tol=1e-10, **params)
    plain.fit(X, y, weights)
    model = LogisticRegression(solver="auto", tol=1e-8, random_state=seed, **params)
    model.fit(X, y, weights)
    np.testing.assert_allclose(model.coef_, plain.coef_, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(model.predict_proba(X), plain.predict_proba(X), rtol=1e-4, atol=1e-5)
    # Intercepts are known but for a number that all classes share.
    for fitted in (model, plain):
        fitted.intercept_ = fitted.intercept_ - fitted.intercept_.mean()
    np.testing.assert_allclose(model.intercept_, plain.intercept_, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([3, 40, 2000]), st.sampled_from([0.5, 1, 9, 20]))
def test_a_row_goes_to_its_optimum_from_anywhere(seed: int, classes: int, value: float) -> None:
    rng, cost = np.random.default_rng(seed), 10.0
    dual = rng.dirichlet(np.full(classes, rng.choice([0.01, 1.0])), 1) * cost
    margins = rng.choice([1.0, 5.0]) * rng.normal(size=classes)
    margins[0] += rng.choice([0, 15])
    square, old = value**2, dual[0].copy()
    multiplier = brentq(lambda x: _solve(square, margins, old, x).sum() - cost, -1e5, 1e5)
    expected = _solve(square, margins, old, multiplier)
    X = sparse.csr_matrix([[value]])
    weights = np.vstack([margins / value, np.zeros(classes)])
    descend_classes(
        X.data, X.indices, X.indptr, np.array([0]), np.array([cost]), 0.0, np.array([square]),
        dual, weights, np.zeros(classes), np.array([0]), 0.0,
    )  # fmt: skip
    step = np.abs(expected - old).max()
    assert np.abs(dual[0] - expected).max() <= 0.1 * step + 1e-9
    np.testing.assert_allclose(dual.sum(), cost)
    np.testing.assert_allclose(weights[0], (margins + square * (old - dual[0])) / value, atol=1e-9)


def _solve(square: float, margins: np.ndarray, old: np.ndarray, multiplier: float) -> np.ndarray:
    """Return `z` with ``log(z) + square * (z - old) - margins = multiplier``."""
    omega = wrightomega(margins + square * old + multiplier + np.log(square))
    return np.asarray(omega / square)


def test_the_saved_model_is_multinomial_and_gives_the_same_answers() -> None:
    X, y = make_problem(1, 3)
    labels = np.array(["bad", "good", "so so"])[y]
    model = LogisticRegression(solver="auto", tol=0.01, random_state=0).fit(X, labels)
    saved = model.to_sklearn()
    assert type(saved) is linear_model.LogisticRegression
    assert saved.solver == "lbfgs"
    assert saved.classes_.tolist() == ["bad", "good", "so so"]
    np.testing.assert_array_equal(saved.predict_proba(X), model.predict_proba(X))


@pytest.mark.slow
def test_single_precision_of_the_dual_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = make_problem(2, 4)
    params = {"solver": "auto", "C": 10.0, "tol": 1e-5, "max_iter": 10_000, "random_state": 0}
    expected = LogisticRegression(**params).fit(X, y)
    monkeypatch.setattr(multinomial, "_MAX_DOUBLES", 0)
    model = LogisticRegression(**params).fit(X, y)
    assert (model.coef_ != expected.coef_).any()
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-3)


def test_a_seed_repeats_the_weights_and_a_limit_of_passes_is_reported() -> None:
    X, y = make_problem(3, 5)
    once, repeated = (
        LogisticRegression(solver="auto", tol=0.01, random_state=7).fit(X, y) for _ in range(2)
    )
    np.testing.assert_array_equal(once.coef_, repeated.coef_)
    assert 1 < once.n_iter_[0] < 100
    with pytest.warns(ConvergenceWarning, match="did not converge in 1 passes"):
        LogisticRegression(solver="auto", tol=1e-9, max_iter=1).fit(X, y)
