"""Balanced weights of several classes are those of scikit-learn, for every linear model."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.utils import compute_class_weight

from sentiment.config import compose, make
from sentiment.errors import ConfigError
from sentiment.modeling.pipeline import fit, make_pipeline, predict

MODELS = ["logistic_regression", "nbsvm", "ridge", "sgd", "svm"]


@pytest.mark.parametrize("model", MODELS)
def test_balanced_weights_are_the_shares_of_classes(model: str) -> None:
    rng = np.random.default_rng(0)
    # Each class has words of its own, and the first is the most frequent by far.
    labels = np.repeat(list("abcd"), [60, 12, 9, 6])
    words = np.char.add("w", (rng.integers(0, 30, (len(labels), 6))).astype(str))
    own = np.char.add(np.char.add("c", labels), rng.integers(0, 4, len(labels)).astype(str))
    texts = [" ".join([*row, word]) for row, word in zip(words, own, strict=True)]
    frame = pd.DataFrame({"text": texts, "label": labels})
    # As scikit-learn defines them: rows / (classes * rows of the class).
    expected = {
        label: len(labels) / (4 * n) for label, n in zip("abcd", [60, 12, 9, 6], strict=True)
    }
    given = compute_class_weight("balanced", classes=np.array(list("abcd")), y=labels)
    np.testing.assert_allclose(given, list(expected.values()))
    cfg = compose("train", [f"model={model}", "memory=null"])
    plain = make_pipeline(make(cfg, "features"), make(cfg, "model"))
    name = next(key for key in plain.get_params() if key.endswith("class_weight"))
    fitted = [
        fit(clone(plain).set_params(**{name: weight}), frame) for weight in (None, "balanced")
    ]
    unweighted, balanced = (predict(one, frame)[1] for one in fitted)
    assert np.abs(balanced - unweighted).max() > 1e-3
    if "estimator" not in name:
        weighted = fit(clone(plain).set_params(**{name: expected}), frame)
        np.testing.assert_allclose(balanced, predict(weighted, frame)[1], atol=1e-9)
        return
    # Folds of a calibration have their own shares; the model inside is that of all rows.
    (member,) = fitted[1]["model"].calibrated_classifiers_
    rows = fitted[1][:-1].transform(frame)
    inner = clone(member.estimator).set_params(class_weight=expected).fit(rows, labels)
    np.testing.assert_allclose(member.estimator.coef_, inner.coef_, atol=1e-9)


@pytest.mark.parametrize("model", ["logistic_regression", "nbsvm", "sgd"])
def test_weights_of_numbers_are_those_of_names(model: str) -> None:
    words = np.random.default_rng(0).choice(["good", "bad", "film", "plot", "cast"], (60, 3))
    texts = [" ".join(row) for row in words]
    codes = np.array([row[0] == "good" for row in words]).astype(int) + 1
    codes[:9] = 3 - codes[:9]
    answers = []
    for classes, weights in (("12", "{1: 1, 2: 5}"), ("ab", "{a: 1, b: 5}")):
        labels = np.array(["", *classes])[codes]
        cfg = compose("train", [f"model={model}", f"model.class_weight={weights}", "memory=null"])
        made = make_pipeline(make(cfg, "features"), make(cfg, "model"))
        frame = pd.DataFrame({"text": texts, "label": labels})
        answers.append(fit(made, frame).predict_proba(frame))
    np.testing.assert_array_equal(*answers)
    plain = make_pipeline(
        make(cfg, "features"), make(compose("train", [f"model={model}"]), "model")
    )
    assert np.abs(fit(plain, frame).predict_proba(frame) - answers[0]).max() > 1e-3


@pytest.mark.parametrize(
    "words",
    [
        ["model=svm", "model.estimator.class_weight={1: 3, 2: 1}"],
        ["model=ridge", "model.class_weight={good: 3, bad: 1}"],
    ],
)
def test_calibrated_models_take_no_weights_by_name(words: list[str]) -> None:
    cfg = compose("train", words)
    with pytest.raises(ConfigError, match=r"numbers instead of the names .* class_weight=balanced"):
        make_pipeline(make(cfg, "features"), make(cfg, "model"))
