"""Machines fitted side by side are those of liblinear, and so are their probabilities."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn import calibration
from sklearn.calibration import _sigmoid_calibration
from sklearn.exceptions import ConvergenceWarning
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from sentiment.config import compose, make
from sentiment.modeling.estimators.calibrated_svm import CalibratedClassifierCV, fit_sigmoid
from sentiment.modeling.estimators.label_sets import LabelSetClassifier
from sentiment.modeling.pipeline import fit, make_pipeline


@st.composite
def problems(draw: Any) -> tuple[sparse.csr_matrix, np.ndarray]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, columns = draw(st.integers(20, 80)), draw(st.integers(1, 30))
    density = draw(st.sampled_from([0.05, 0.3, 0.8]))
    values = rng.normal(size=(rows, columns)) * (rng.random((rows, columns)) < density)
    labels = rng.permutation(np.arange(rows) % draw(st.integers(2, 5)))
    return sparse.csr_matrix(values), labels


def _make_rows(n: int = 300) -> tuple[sparse.csr_matrix, np.ndarray]:
    rng = np.random.default_rng(0)
    X = sparse.random(n, 40, 0.2, format="csr", random_state=0)
    return X, (X @ rng.normal(size=(40, 40)) + rng.normal(scale=0.2, size=(n, 40))) > 0.3


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    problems(),
    st.sampled_from([0.01, 1.0, 10.0]),
    st.sampled_from([None, "balanced", {0: 0.5, 1: 3.0}]),
    st.sampled_from([0.0, 1.0, 3.0]),
    st.sampled_from(["sigmoid", "isotonic"]),
    st.sampled_from([2, 3, None]),
)
def test_all_classes_have_the_machines_and_probabilities_of_scikit_learn(
    problem: Any, C: float, class_weight: Any, scaling: float, method: str, cv: Any  # noqa: N803
) -> None:  # fmt: skip
    X, y = problem
    # A fold of a small problem may leave out a class that is rare.
    cv = 2 if np.bincount(y).min() < 5 else cv
    machine = LinearSVC(
        C=C, class_weight=class_weight, dual=True, tol=1e-9, max_iter=1_000_000, random_state=0,
        fit_intercept=scaling > 0, intercept_scaling=scaling or 1.0,
    )  # fmt: skip
    params = {"estimator": machine, "method": method, "cv": cv, "ensemble": False}
    plain = calibration.CalibratedClassifierCV(**params).fit(X, y)
    model = CalibratedClassifierCV(**params).fit(X, y)
    [theirs], [ours] = plain.calibrated_classifiers_, model.calibrated_classifiers_
    np.testing.assert_allclose(ours.estimator.coef_, theirs.estimator.coef_, atol=1e-6)
    np.testing.assert_allclose(ours.estimator.intercept_, theirs.estimator.intercept_, atol=1e-6)
    assert vars(ours.estimator).keys() == vars(theirs.estimator).keys()
    assert vars(model).keys() == vars(plain).keys()
    np.testing.assert_array_equal(model.classes_, plain.classes_)
    if method == "sigmoid":  # steps are at margins that differ in the last digits
        np.testing.assert_allclose(model.predict_proba(X), plain.predict_proba(X), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("tol", [1e-2, 1e-8])
def test_labels_are_fitted_together(tol: float, class_weight: Any) -> None:
    X, truth = _make_rows()
    machine = LinearSVC(C=2.0, tol=tol, class_weight=class_weight, max_iter=100_000)
    model = CalibratedClassifierCV(machine, cv=3, ensemble=False)
    together = model.fit_labels(X, truth)
    assert together is not None
    exact = LinearSVC(C=2.0, tol=1e-9, class_weight=class_weight, dual=True, max_iter=100_000)
    plain = calibration.CalibratedClassifierCV(exact, cv=3, ensemble=False)
    for has_label, classifier in zip(truth.T, together, strict=True):
        alone = plain.fit(X, has_label.astype(int))
        [theirs], [ours] = alone.calibrated_classifiers_, classifier.calibrated_classifiers_
        np.testing.assert_allclose(ours.estimator.coef_, theirs.estimator.coef_, atol=tol + 1e-6)
        np.testing.assert_allclose(
            classifier.predict_proba(X), alone.predict_proba(X), atol=tol + 1e-5
        )


@pytest.mark.parametrize(
    ("machine", "changes"),
    [
        (LinearSVC(loss="hinge", max_iter=100_000), {}),
        (LinearSVC(dual=False), {}),
        (LinearSVC(penalty="l1", dual=False), {}),
        (LinearSVC(multi_class="crammer_singer", max_iter=100_000), {}),
        (LinearSVC(class_weight={0: 0.0, 1: 1.0}), {}),
        (LinearSVC(), {"ensemble": True}),
        (LinearSVC(), {"method": "temperature"}),
        (LinearSVC(), {"cv": 80}),
    ],
)
def test_what_is_set_otherwise_is_left_to_scikit_learn(machine: Any, changes: Any) -> None:
    X, truth = _make_rows()
    machine.set_params(random_state=0)
    params = {"estimator": machine, "cv": 3, "ensemble": False} | changes
    model, y = CalibratedClassifierCV(**params), truth[:, 0].astype(int)
    assert model.fit_labels(X, truth[:, :3]) is None
    if changes.get("cv"):
        with pytest.raises(ValueError, match="Requesting 80-fold cross-validation"):
            model.fit(X, y)
        return
    expected = calibration.CalibratedClassifierCV(**params).fit(X, y).predict_proba(X)
    assert np.array_equal(model.fit(X, y).predict_proba(X), expected)


def test_dense_rows_and_weights_of_rows_are_left_to_scikit_learn() -> None:
    X, truth = _make_rows()
    y, weights = truth[:, 0].astype(int), np.linspace(0.5, 2, len(truth))
    params = {"estimator": LinearSVC(random_state=0), "cv": 3, "ensemble": False}
    for rows, row_weights in ((X.toarray(), None), (X, weights)):
        plain = calibration.CalibratedClassifierCV(**params).fit(rows, y, row_weights)
        model = CalibratedClassifierCV(**params).fit(rows, y, row_weights)
        assert np.array_equal(model.predict_proba(X), plain.predict_proba(X))


def test_a_descent_that_was_cut_short_says_so() -> None:
    X, truth = _make_rows()
    model = CalibratedClassifierCV(LinearSVC(max_iter=1), cv=3, ensemble=False)
    with pytest.warns(ConvergenceWarning, match="did not converge in 1 passes"):
        model.fit(X, truth[:, 0])
    with pytest.raises(ValueError, match="'C' parameter"):
        model.set_params(estimator__C=-1.0).fit(X, truth[:, 0])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.02, 0.3, 0.9]), st.sampled_from([0.1, 1, 40]))
def test_a_sigmoid_is_that_of_scikit_learn(seed: int, share: float, scale: float) -> None:
    rng = np.random.default_rng(seed)
    is_positive = rng.random(200) < share
    is_positive[:2] = [False, True]
    margins = scale * (rng.normal(size=200) + rng.uniform(-1, 3) * is_positive)
    a, b = fit_sigmoid(margins, is_positive)
    expected = _sigmoid_calibration(margins, is_positive.astype(float))
    ours, theirs = (1 / (1 + np.exp(p * margins + q)) for p, q in ((a, b), expected))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_margins_that_separate_the_classes_have_a_sigmoid() -> None:
    margins = np.repeat([-1.0, 1.0], 50)
    a, b = fit_sigmoid(margins, margins > 0)
    # As Platt has it, the probabilities are those of one more row on each side.
    np.testing.assert_allclose(1 / (1 + np.exp(a * margins + b))[[0, -1]], [1 / 52, 51 / 52], 1e-5)


def test_the_svm_of_the_configs_is_fitted_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = compose("train", ["model=svm", "memory=null", "features=tfidf_unigram"])
    frame = pd.DataFrame(
        {
            "text": [f"ticket {n % 5} {'late parcel' if n % 2 else 'refund'}" for n in range(60)],
            "label": ["late" if n % 2 else "refund;money" if n % 3 else "" for n in range(60)],
        }
    )

    def refuse(self: Any, *_: Any) -> None:
        raise AssertionError("liblinear was asked")

    monkeypatch.setattr(LinearSVC, "fit", refuse)
    fitted = fit(make_pipeline(make(cfg, "features"), make(cfg, "model"), ";"), frame)
    assert isinstance(fitted["model"], LabelSetClassifier)
    assert isinstance(fitted["model"].to_sklearn(), OneVsRestClassifier)
    binary = frame.assign(label=frame["label"].str.contains("late").astype(str))
    fitted = fit(make_pipeline(make(cfg, "features"), make(cfg, "model")), binary)
    assert type(fitted["model"].to_sklearn()) is calibration.CalibratedClassifierCV
