"""Coordinate descent finds the weights of liblinear, row by row in the same order."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn import linear_model
from sklearn.exceptions import ConvergenceWarning

from sentiment.modeling.estimators.coordinate_descent import shuffle
from sentiment.modeling.estimators.logistic_regression import LogisticRegression


@st.composite
def problems(draw: Any) -> tuple[Any, np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, columns = draw(st.integers(4, 80)), draw(st.integers(1, 40))
    density = draw(st.sampled_from([0.02, 0.2, 0.7]))
    values = rng.normal(size=(rows, columns)) * (rng.random((rows, columns)) < density)
    labels = rng.permutation(np.arange(rows) % 2)
    return sparse.csr_matrix(values), labels, rng


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    problems(),
    st.sampled_from([0.01, 1.0, 30.0]),
    st.sampled_from([None, "balanced", {0: 0.5, 1: 3.0}]),
    st.sampled_from([0.0, 0.5, 1.0, 3.0]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_two_classes_have_the_weights_of_liblinear(
    problem: Any, C: float, class_weight: Any, scaling: float, weighted: bool, seed: int  # noqa: N803
) -> None:  # fmt: skip
    X, y, rng = problem
    params = {
        "C": C, "class_weight": class_weight, "tol": 0.01, "max_iter": 10_000,
        "fit_intercept": scaling > 0, "intercept_scaling": scaling or 1.0, "random_state": seed,
    }  # fmt: skip
    # Rows that weigh nothing are skipped; each class has one that does.
    weights = rng.choice([0.0, 0.5, 2.0], len(y)) if weighted else None
    if weights is not None:
        weights[[np.argmax(y == 0), np.argmax(y == 1)]] = 1.0
    plain = linear_model.LogisticRegression(solver="liblinear", dual=True, **params)
    plain.fit(X, y, weights)
    model = LogisticRegression(solver="auto", **params).fit(X, y, weights)
    assert model.n_iter_.tolist() == plain.n_iter_.tolist()
    np.testing.assert_allclose(model.coef_, plain.coef_, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(model.intercept_, plain.intercept_, rtol=1e-7, atol=1e-10)


def test_values_in_parts_and_any_width_of_indices_make_no_difference() -> None:
    rng = np.random.default_rng(0)
    X = sparse.random(60, 30, 0.2, format="csr", rng=rng)
    y = np.arange(60) % 2
    params = {"solver": "auto", "random_state": 1, "max_iter": 10_000}
    expected = LogisticRegression(**params).fit(X, y).coef_
    halves = sparse.csr_matrix(
        (np.repeat(X.data / 2, 2), np.repeat(X.indices, 2), 2 * X.indptr), shape=X.shape
    )
    wide = X.copy()
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    for matrix in (halves, wide, X.tocsc(), X.astype(np.float32).astype(np.float64)):
        coef = LogisticRegression(**params).fit(matrix, y).coef_
        np.testing.assert_allclose(coef, expected, rtol=1e-5, atol=1e-8)
    assert halves.nnz == 2 * X.nnz  # the caller's is left as it is


def test_a_descent_that_was_cut_short_says_so() -> None:
    X, y = sparse.csr_matrix(np.eye(6)), np.arange(6) % 2
    with pytest.warns(ConvergenceWarning, match="did not converge in 1 passes"):
        LogisticRegression(solver="auto", max_iter=1).fit(X, y)


def test_an_order_is_a_permutation_and_all_are_as_likely() -> None:
    generator, counts = np.random.MT19937(3), np.zeros((4, 4))
    for _ in range(4000):
        order = np.arange(4)
        n_used = shuffle(order, generator.random_raw(20).astype(np.uint32))
        assert sorted(order) == [0, 1, 2, 3]
        assert n_used >= 4
        counts[np.arange(4), order] += 1
    assert (np.abs(counts - 1000) < 5 * np.sqrt(1000 * 0.75)).all()
