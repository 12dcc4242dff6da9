import math
from typing import Any

import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.stats import rankdata
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from sentiment.modeling.estimators.nbsvm import NBSVM
from sentiment.modeling.model_files import LOADED_TYPES

NAMES = np.array(["bad", "fair", "good"])
FORMATS = [np.asarray, sparse.csr_matrix, sparse.csr_array]


def make_counts(classes: int, rows: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return counts of 8 terms, some typical of a label, and labels; the first is the rarest."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, rows - classes)])
    labels[classes : rows // 4] = classes - 1
    rates = rng.gamma(1.0, 1.0, (classes, 8))
    counts = rng.poisson(rates[labels]).astype(float)
    counts[:, 7] = 0
    return counts, NAMES[labels]


def ratio_by_loops(counts: Any, inside: Any, *, alpha: float, binarize: bool) -> np.ndarray:
    features = range(len(counts[0]))
    p, q = [alpha for _ in features], [alpha for _ in features]
    for row, is_inside in zip(counts, inside, strict=True):
        for feature in features:
            value = (1 if row[feature] > 0 else 0) if binarize else row[feature]
            (p if is_inside else q)[feature] += value
    return np.array([math.log((p[k] / sum(p)) / (q[k] / sum(q))) for k in features])


class ScaledByLoops(TransformerMixin, BaseEstimator):
    """The features times the ratio of the rows labelled 1."""

    def __init__(self, alpha: float = 1.0, binarize: bool = True) -> None:
        self.alpha = alpha
        self.binarize = binarize

    def fit(self, x: np.ndarray, y: np.ndarray) -> "ScaledByLoops":
        self.ratio_ = ratio_by_loops(x, y == 1, alpha=self.alpha, binarize=self.binarize)
        return self

    def transform(self, x: np.ndarray) -> np.ndarray:
        return x * self.ratio_


def make_machine(**settings: Any) -> LogisticRegression:
    return LogisticRegression(
        solver="liblinear", dual=True, max_iter=1000, random_state=0, **settings
    )


REASON = "scikit-learn 1.9 hands it negative values without asking for the tag positive_only"


@parametrize_with_checks(
    # To its optimum, since a row that counts twice is to be the same as two rows.
    [NBSVM(tol=1e-10), NBSVM(tol=1e-10, binarize=False, beta=0.5)],
    # Their counterparts for values that are not negative are below.
    expected_failed_checks=lambda _: {
        "check_class_weight_classifiers": REASON,
        "check_decision_proba_consistency": REASON,
    },
)
def test_it_is_a_classifier_of_scikit_learns_kind(estimator: NBSVM, check: Any) -> None:
    check(estimator)


def test_the_ratio_of_a_small_example() -> None:
    counts = [[2, 0, 1], [3, 1, 0], [0, 4, 1]]
    present = NBSVM(random_state=0).fit(counts, ["yes", "yes", "no"])
    # yes: 1 + (2, 1, 1), of 7; no: 1 + (0, 1, 1), of 5
    expected = np.log([[(3 / 7) / (1 / 5), (2 / 7) / (2 / 5), (2 / 7) / (2 / 5)]])
    np.testing.assert_allclose(present.log_count_ratio_, expected, rtol=1e-14)
    summed = NBSVM(binarize=False, alpha=0.5, random_state=0).fit(counts, ["yes", "yes", "no"])
    # yes: 0.5 + (5, 1, 1), of 8.5; no: 0.5 + (0, 4, 1), of 6.5
    expected = np.log([[(5.5 / 8.5) / (0.5 / 6.5), (1.5 / 8.5) / (4.5 / 6.5), 6.5 / 8.5]])
    np.testing.assert_allclose(summed.log_count_ratio_, expected, rtol=1e-14)


@pytest.mark.parametrize("class_weight", [None, "balanced", {"bad": 3.0, "fair": 0.5}])
@pytest.mark.parametrize("binarize", [True, False])
@pytest.mark.parametrize("as_format", FORMATS)
def test_two_classes_are_a_logistic_regression_on_scaled_features(
    as_format: Any, binarize: bool, class_weight: Any
) -> None:
    counts, labels = make_counts(2)
    params = {"C": 0.7, "class_weight": class_weight}
    model = NBSVM(alpha=0.3, binarize=binarize, random_state=0, **params)
    model.fit(as_format(counts), labels)
    ratio = ratio_by_loops(counts, labels == "fair", alpha=0.3, binarize=binarize)
    expected = make_machine(**params).fit(counts * ratio, labels)
    assert model.classes_.tolist() == ["bad", "fair"]
    assert model.coef_.shape == model.log_count_ratio_.shape == (1, 8)
    np.testing.assert_allclose(model.log_count_ratio_[0], ratio, rtol=1e-12)
    np.testing.assert_allclose(model.coef_, expected.coef_ * ratio, rtol=1e-9)
    np.testing.assert_allclose(model.intercept_, expected.intercept_, rtol=1e-9)
    for method in ("decision_function", "predict_proba"):
        np.testing.assert_allclose(
            getattr(model, method)(as_format(counts)),
            getattr(expected, method)(counts * ratio),
            rtol=1e-9,
        )
    assert (model.predict(as_format(counts)) == expected.predict(counts * ratio)).all()


@pytest.mark.parametrize("binarize", [True, False])
@pytest.mark.parametrize("as_format", FORMATS)
def test_more_classes_are_each_set_against_the_rest(as_format: Any, binarize: bool) -> None:
    counts, labels = make_counts(3)
    model = NBSVM(alpha=0.3, binarize=binarize, random_state=0).fit(as_format(counts), labels)
    binary = make_pipeline(ScaledByLoops(alpha=0.3, binarize=binarize), make_machine())
    expected = OneVsRestClassifier(binary).fit(counts, labels)
    for row, part in enumerate(expected.estimators_):
        ratio = part[0].ratio_
        np.testing.assert_allclose(model.log_count_ratio_[row], ratio, rtol=1e-12)
        np.testing.assert_allclose(model.coef_[row], part[1].coef_[0] * ratio, rtol=1e-9)
    for method in ("decision_function", "predict_proba"):
        np.testing.assert_allclose(
            getattr(model, method)(as_format(counts)), getattr(expected, method)(counts), rtol=1e-9
        )
    assert (model.predict(as_format(counts)) == expected.predict(counts)).all()


def test_balanced_classes_weigh_the_same_in_each_fit() -> None:
    counts, labels = make_counts(3)
    model = NBSVM(class_weight="balanced", random_state=0).fit(counts, labels)
    for row, name in enumerate(model.classes_):
        inside = labels == name
        ratio = ratio_by_loops(counts, inside, alpha=1.0, binarize=True)
        weights = [len(labels) / (3 * (labels == label).sum()) for label in labels]
        machine = make_machine().fit(counts * ratio, inside, sample_weight=weights)
        np.testing.assert_allclose(model.coef_[row], machine.coef_[0] * ratio, rtol=1e-9)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_row_of_weight_two_is_two_rows(classes: int) -> None:
    counts, labels = make_counts(classes)
    times = np.random.default_rng(1).integers(0, 4, len(labels))
    times[:classes] = 1  # each class stays
    model = NBSVM(C=0.5, beta=0.7, tol=1e-8, random_state=0)
    weighed = clone(model).fit(counts, labels, sample_weight=times)
    repeated = clone(model).fit(np.repeat(counts, times, axis=0), np.repeat(labels, times))
    assert weighed.log_count_ratio_ == pytest.approx(repeated.log_count_ratio_)
    assert weighed.coef_ == pytest.approx(repeated.coef_, abs=1e-5)
    assert weighed.intercept_ == pytest.approx(repeated.intercept_, abs=1e-5)


@pytest.mark.parametrize("classes", [2, 3])
def test_beta_interpolates_the_weights(classes: int) -> None:
    counts, labels = make_counts(classes)
    model = NBSVM(beta=0.25, random_state=0).fit(counts, labels)
    for row, name in enumerate(NAMES[1:2] if classes == 2 else NAMES):
        inside = labels == name
        ratio = ratio_by_loops(counts, inside, alpha=1.0, binarize=True)
        machine = make_machine().fit(counts * ratio, inside)
        mean = sum(abs(weight) for weight in machine.coef_[0]) / 8
        weights = 0.75 * mean + 0.25 * machine.coef_[0]
        log_odds = math.log(inside.sum() / (~inside).sum())
        intercept = 0.75 * mean * log_odds + 0.25 * machine.intercept_[0]
        np.testing.assert_allclose(model.coef_[row], weights * ratio, rtol=1e-9)
        np.testing.assert_allclose(model.intercept_[row], intercept, rtol=1e-9)


def test_without_trust_in_the_fit_it_is_naive_bayes() -> None:
    counts, labels = make_counts(2)
    model = NBSVM(alpha=0.3, beta=0.0, binarize=False, random_state=0).fit(counts, labels)
    bayes = MultinomialNB(alpha=0.3).fit(counts, labels)
    log_odds = bayes.predict_joint_log_proba(counts) @ [-1, 1]
    factors = model.decision_function(counts) / log_odds
    assert factors[0] > 0
    np.testing.assert_allclose(factors, factors[0], rtol=1e-9)
    assert (model.predict(counts) == bayes.predict(counts)).all()


@pytest.mark.parametrize("classes", [2, 3])
def test_the_plain_classifier_says_the_same_and_can_be_saved(classes: int) -> None:
    counts, labels = make_counts(classes)
    rows = sparse.csr_matrix(counts)
    model = NBSVM(beta=0.8, random_state=0).fit(rows, labels)
    plain = model.to_sklearn()
    saved = skops.io.dumps(plain)
    assert set(skops.io.get_untrusted_types(data=saved)) <= set(LOADED_TYPES)
    for classifier in (plain, skops.io.loads(saved, trusted=LOADED_TYPES)):
        assert type(classifier) is (LogisticRegression if classes == 2 else OneVsRestClassifier)
        assert classifier.classes_.tolist() == NAMES[:classes].tolist()
        for method in ("predict_proba", "decision_function", "predict"):
            assert (getattr(classifier, method)(rows) == getattr(model, method)(rows)).all()
        assert classifier.score(rows, labels) == model.score(rows, labels) > 0.6


@pytest.mark.parametrize("classes", [2, 3])
def test_the_plain_classifier_has_all_that_its_own_fit_would_leave(classes: int) -> None:
    counts, labels = make_counts(classes)
    plain = NBSVM(random_state=0).fit(counts, labels).to_sklearn()
    fitted = clone(plain).fit(counts, labels)
    pairs = [(plain, fitted)]
    if classes == 3:
        pairs += zip(plain.estimators_, fitted.estimators_, strict=True)
        assert repr(vars(plain.label_binarizer_)) == repr(vars(fitted.label_binarizer_))
    for ours, theirs in pairs:
        assert set(vars(ours)) == set(vars(theirs))
        assert ours.n_features_in_ == 8
        assert (ours.classes_ == theirs.classes_).all()
        assert ours.get_params().keys() == theirs.get_params().keys()


def test_there_may_be_many_classes() -> None:
    labels = np.repeat([f"class {k}" for k in range(30)], 3)
    model = NBSVM(random_state=0).fit(np.repeat(np.eye(30), 3, axis=0), labels)
    assert (model.to_sklearn().predict(np.eye(30)) == labels[::3]).all()


@pytest.mark.slow
@given(
    seed=st.integers(0, 10_000),
    classes=st.integers(2, 3),
    beta=st.sampled_from([0.0, 0.4, 1.0]),
    binarize=st.booleans(),
)
@settings(deadline=None, max_examples=40)
def test_the_order_of_rows_and_features_does_not_matter(
    seed: int, classes: int, beta: float, binarize: bool
) -> None:
    rng = np.random.default_rng(seed)
    counts, labels = make_counts(classes, rows=30, seed=seed)
    counts = np.minimum(counts, 5)
    rows, features = rng.permutation(30), rng.permutation(8)
    model = NBSVM(
        C=0.3, beta=beta, binarize=binarize, tol=1e-8, max_iter=100_000, random_state=0
    ).fit(counts, labels)
    expected = model.predict_proba(counts)
    np.testing.assert_allclose(expected.sum(axis=1), 1)
    moved = clone(model).fit(counts[np.ix_(rows, features)], labels[rows])
    np.testing.assert_allclose(moved.predict_proba(counts[:, features]), expected, atol=1e-5)


def test_nothing_is_left_of_an_earlier_fit() -> None:
    counts, labels = make_counts(3)
    model = NBSVM(random_state=0).fit(counts, labels)
    two = labels != "good"
    model.fit(counts[two][:, :5], labels[two])
    fresh = NBSVM(random_state=0).fit(counts[two][:, :5], labels[two])
    assert vars(model).keys() == vars(fresh).keys()
    for name in ("log_count_ratio_", "coef_", "intercept_", "classes_", "n_iter_"):
        assert np.array_equal(getattr(model, name), getattr(fresh, name))


def test_a_feature_of_no_row_has_no_weight() -> None:
    counts, labels = make_counts(2)
    assert not counts[:, 7].any()
    model = NBSVM(random_state=0).fit(counts, labels)
    assert model.coef_[0, 7] == 0
    assert (model.coef_[0, :7] != 0).all()


def test_zeros_and_parts_in_a_sparse_matrix_are_read_as_they_are_meant() -> None:
    counts, labels = make_counts(2)
    full = np.ones(counts.shape)
    rows, columns = full.nonzero()
    # Each value in two halves, one after the other, and each zero written down.
    halves = np.tile((counts / 2).reshape(-1, 1), 2).ravel()
    indices, ends = np.repeat(columns, 2), np.arange(0, 2 * len(rows) + 1, 16)
    for binarize in (True, False):
        uncanonical = sparse.csr_matrix((halves.copy(), indices.copy(), ends.copy()))
        model = NBSVM(binarize=binarize, random_state=0).fit(uncanonical, labels)
        assert (uncanonical.toarray() == counts).all()
        expected = NBSVM(binarize=binarize, random_state=0).fit(counts, labels)
        np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-9)


def test_the_rows_are_never_made_dense() -> None:
    n_rows, n_features = 20_000, 500_000  # 80 GB
    labels = np.arange(n_rows) % 2
    columns = np.where(labels == 1, np.arange(n_rows) * 7, np.arange(n_rows) * 11) % n_features
    rows = sparse.csr_matrix(
        (np.ones(n_rows), columns, np.arange(n_rows + 1)), shape=(n_rows, n_features)
    )
    model = NBSVM(random_state=0).fit(rows, labels)
    assert model.predict_proba(rows).shape == (n_rows, 2)


def test_scores_and_probabilities_have_one_order() -> None:
    counts, labels = make_counts(2)
    model = NBSVM(random_state=0).fit(counts, labels)
    ranks = rankdata(model.decision_function(counts).round(10))
    assert (ranks == rankdata(model.predict_proba(counts)[:, 1].round(10))).all()


@pytest.mark.parametrize("classes", [2, 3])
def test_a_heavy_class_is_predicted_nearly_always(classes: int) -> None:
    counts, labels = make_counts(classes)
    weights = {"bad": 1000, "fair": 0.0001, "good": 0.0001}
    model = NBSVM(class_weight={name: weights[name] for name in NAMES[:classes]}, random_state=0)
    assert (NBSVM(random_state=0).fit(counts, labels).predict(counts) == "bad").mean() < 0.6
    assert (model.fit(counts, labels).predict(counts) == "bad").mean() > 0.9


def test_a_fit_that_was_cut_short_says_so() -> None:
    counts, labels = make_counts(2)
    with pytest.warns(ConvergenceWarning, match="increase max_iter"):
        NBSVM(max_iter=1, random_state=0).fit(counts, labels)


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="y has one class, good; NBSVM needs two or more"):
        NBSVM().fit([[1.0], [2.0]], ["good", "good"])


@pytest.mark.parametrize(
    "wrong", [{"alpha": 0}, {"beta": 1.1}, {"beta": -0.1}, {"C": 0.0}, {"binarize": "yes"}]
)
def test_a_parameter_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"The '{next(iter(wrong))}' parameter of NBSVM must be"):
        NBSVM(**wrong).fit([[1.0], [2.0]], ["bad", "good"])
