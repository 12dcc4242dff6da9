"""Adjacent-category logistic regression against scikit-learn and statsmodels."""

import numpy as np
import pandas as pd
import pytest
from predicting import predict
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from statsmodels.genmod.families import Poisson
from statsmodels.genmod.generalized_linear_model import GLM

from sentiment.modeling.estimators.ordinal import OrdinalClassifier
from sentiment.modeling.linear import LinearTextClassifier, make_fast
from sentiment.modeling.model_files import load_model, save_model
from sentiment.modeling.pipeline import fit, make_pipeline
from sentiment.ngrams.vectorizers import TfidfVectorizer


def draw(seed: int, rows: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 3, (rows, 2)).astype(float)
    y = np.clip(np.round(X @ [1.0, -0.7] + 2 + rng.normal(size=rows)), 1, 4).astype(int)
    return X, y.astype(str)


@pytest.mark.parametrize("weight", [None, "balanced"])
def test_of_two_classes_it_is_logistic_regression(weight: str | None) -> None:
    X, y = draw(1)
    y = np.where(y > "2", "2", "1")
    model = OrdinalClassifier(C=2.0, class_weight=weight, tol=1e-12).fit(X, y)
    expected = LogisticRegression(C=2.0, class_weight=weight, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-4)
    np.testing.assert_allclose(model.predict_proba(X), expected.predict_proba(X), atol=1e-4)


@pytest.mark.parametrize("order", [True, ["1", "2", "3", "4"]])
def test_it_is_the_log_linear_model_of_statsmodels(order: bool | list[str]) -> None:
    """Counts of classes among rows with the same features are Poisson, given their number."""
    X, y = draw(2)
    model = OrdinalClassifier(C=1e8, order=order, tol=1e-14, max_iter=5000).fit(X, y)
    cells = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": y.astype(int)})
    table = cells.value_counts().unstack(fill_value=0).stack().rename("n").reset_index()
    design = pd.get_dummies(table[["a", "b"]].astype(str).agg("-".join, axis=1), dtype=float)
    for k in (2, 3, 4):
        design[f"class {k}"] = (table["y"] == k).astype(float)
    design["a x y"], design["b x y"] = table["a"] * table["y"], table["b"] * table["y"]
    # Of cells with the same features, one class at least is free.
    theirs = GLM(table["n"], design, family=Poisson()).fit(tol=1e-12)
    ours = model.coef_[3] - model.coef_[2]
    np.testing.assert_allclose(ours, theirs.params[["a x y", "b x y"]], atol=2e-3)


def test_a_fit_that_is_cut_short_warns_as_that_of_scikit_learn() -> None:
    X, y = draw(3)
    for model in OrdinalClassifier(max_iter=2), LogisticRegression(max_iter=2):
        with pytest.warns(ConvergenceWarning, match=r"failed to converge after 2 iter"):
            assert model.fit(X, y).n_iter_ == 2


def test_all_classes_share_their_weights_and_distances_count() -> None:
    X, y = draw(3)
    apart = np.where(y == "4", "10", y)  # 1, 2, 3, 10
    model = OrdinalClassifier().fit(X, apart)
    assert list(model.classes_) == ["1", "10", "2", "3"]
    steps = (model.coef_[1] - model.coef_[3]) / (model.coef_[3] - model.coef_[2])
    np.testing.assert_allclose(steps, 7.0)
    rows = OrdinalClassifier().fit(sparse.csr_matrix(X), apart)
    np.testing.assert_allclose(rows.coef_, model.coef_, atol=1e-3)


def test_weights_are_rows_that_are_repeated() -> None:
    X, y = draw(4, 60)
    weights = np.arange(60) % 3 + 1
    model = OrdinalClassifier(tol=1e-12).fit(X, y, weights)
    expected = OrdinalClassifier(tol=1e-12).fit(np.repeat(X, weights, 0), np.repeat(y, weights))
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-4)


@pytest.mark.parametrize(
    ("order", "labels", "message"),
    [(True, ["bad", "good"], "are numbers, or listed"), (["bad"], ["bad", "good"], "lacks 'good'")],
)
def test_labels_without_a_place_are_named(
    order: bool | list[str], labels: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        OrdinalClassifier(order=order).fit([[0.0], [1.0]], labels)


def test_it_is_kept_as_plain_scikit_learn_and_predicts_fast(tmp_path: object) -> None:
    from pathlib import Path

    stars = ["1", "2", "10"] * 20
    texts = [f"star{star} word{n % 7}" for n, star in enumerate(stars)]
    frame = pd.DataFrame({"text": texts, "label": stars})
    pipeline = fit(make_pipeline(TfidfVectorizer(), OrdinalClassifier(C=10)), frame)
    path = Path(str(tmp_path), "model.skops")
    save_model(pipeline, path)
    loaded = load_model(path)
    assert type(loaded[-1]).__module__.startswith("sklearn.") or hasattr(loaded[-1], "to_sklearn")
    np.testing.assert_allclose(predict(loaded, frame)[1], predict(pipeline, frame)[1])
    fast = make_fast(loaded)
    assert isinstance(fast, LinearTextClassifier)
    np.testing.assert_allclose(fast.predict_proba(frame), predict(pipeline, frame)[1])
