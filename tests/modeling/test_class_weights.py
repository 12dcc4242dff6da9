"""Balanced weights of several classes are those of scikit-learn, for every linear model."""

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf
from omegaconf.errors import ReadonlyConfigError
from predicting import predict
from sklearn.base import clone
from sklearn.utils import compute_class_weight

from sentiment.config import check_config, compose, make
from sentiment.errors import ConfigError
from sentiment.modeling.class_weights import check_weighted_classes
from sentiment.modeling.estimators.nbsvm import NBSVM
from sentiment.modeling.pipeline import fit, make_pipeline

MODELS = ["logistic_regression", "nbsvm", "ridge", "sgd", "svm"]


@pytest.mark.parametrize("model", MODELS)
def test_balanced_weights_are_the_shares_of_classes(model: str) -> None:
    rng = np.random.default_rng(0)
    # Each class has words of its own, and the first is the most frequent by far.
    labels = np.repeat(list("abcd"), [60, 12, 9, 6])
    words = np.char.add("w", (rng.integers(0, 30, (len(labels), 6))).astype(str))
    class_words = np.char.add(np.char.add("c", labels), rng.integers(0, 4, len(labels)).astype(str))
    texts = [" ".join([*row, word]) for row, word in zip(words, class_words, strict=True)]
    frame = pd.DataFrame({"text": texts, "label": labels})
    # As scikit-learn defines them: rows / (classes * rows of the class).
    expected = {
        label: len(labels) / (4 * n) for label, n in zip("abcd", [60, 12, 9, 6], strict=True)
    }
    weights = compute_class_weight("balanced", classes=np.array(list("abcd")), y=labels)
    np.testing.assert_allclose(weights, list(expected.values()))
    cfg = compose("train", [f"model={model}", "memory=null"])
    plain = make_pipeline(make(cfg, "features"), make(cfg, "model"))
    name = next(key for key in plain.get_params() if key.endswith("class_weight"))
    fitted = [
        fit(clone(plain).set_params(**{name: weight}), frame) for weight in (None, "balanced")
    ]
    unweighted, balanced = (predict(pipeline, frame)[1] for pipeline in fitted)
    assert np.abs(balanced - unweighted).max() > 1e-3
    if "estimator" not in name:
        weighted = fit(clone(plain).set_params(**{name: expected}), frame)
        np.testing.assert_allclose(balanced, predict(weighted, frame)[1], atol=1e-9)
        return
    # Folds of a calibration have their own shares; the model inside is that of all rows.
    (member,) = fitted[1]["model"].calibrated_classifiers_
    rows = fitted[1][:-1].transform(frame)
    inner = clone(member.estimator).set_params(class_weight=expected).fit(rows, labels)
    np.testing.assert_allclose(member.estimator.coef_, inner.coef_, atol=1e-3)


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
        pipeline = make_pipeline(make(cfg, "features"), make(cfg, "model"))
        frame = pd.DataFrame({"text": texts, "label": labels})
        answers.append(fit(pipeline, frame).predict_proba(frame))
    np.testing.assert_array_equal(*answers)
    plain = make_pipeline(
        make(cfg, "features"), make(compose("train", [f"model={model}"]), "model")
    )
    assert np.abs(fit(plain, frame).predict_proba(frame) - answers[0]).max() > 1e-3


@pytest.mark.parametrize(
    ("words", "outer"),
    [
        (["model=svm", "model.estimator.class_weight={1: 3, 2: 1}"], "CalibratedClassifierCV"),
        (["model=ridge", "model.class_weight={good: 3, bad: 1}"], "CalibratedClassifierCV"),
        (["model=ensemble", "model.members.svm.estimator.class_weight={bad: 3}"], "Calibrated"),
        (
            ["model=ensemble", "model.members.logistic_regression.class_weight={bad: 3}"],
            "VotingClassifier",
        ),
        (
            ["model=stacking", "model.estimators.logistic_regression.class_weight={bad: 3}"],
            "StackingClassifier",
        ),
        (["model=classifier_chain", "model.estimator.class_weight={bad: 3}"], "LabelSetChain"),
    ],
)
def test_models_inside_of_others_that_hide_names_take_no_weights_by_name(
    words: list[str], outer: str
) -> None:
    cfg = compose("train", words)
    separator = ";" if "model=classifier_chain" in words else None
    message = f"inside of a {outer}.*numbers instead of the names .* class_weight=balanced"
    with pytest.raises(ConfigError, match=message):
        make_pipeline(make(cfg, "features"), make(cfg, "model"), separator)


@pytest.mark.parametrize(
    ("model", "key"),
    [
        ("nbsvm", "class_weight"),
        ("logistic_regression", "class_weight"),
        ("svm", "estimator.class_weight"),
    ],
)
def test_weights_of_label_sets_are_those_of_rows_with_the_label(model: str, key: str) -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((90, 3)) < [0.5, 0.3, 0.2]
    words = [
        " ".join(np.append(rng.choice(["a1", "b2", "c3"], 3), np.array(["late", "no", "12"])[row]))
        for row in truth
    ]
    sets = [";".join(np.array(["late", "no", "12"])[row]) for row in truth]
    frame = pd.DataFrame({"text": words, "label": sets})
    weights = f"model.{key}={{late: 5, 12: 0.5}}"
    cfg = compose("train", [f"model={model}", weights, "features.min_df=1", "memory=null"])
    pipeline = fit(make_pipeline(make(cfg, "features"), make(cfg, "model"), ";"), frame)
    probabilities = pipeline.predict_proba(frame)
    rows, classes = pipeline[:-1].transform(frame), pipeline.classes_.tolist()
    plain = make(compose("train", [f"model={model}", "memory=null"]), "model")
    for label, weight in {"late": 5, "no": 1, "12": 0.5}.items():
        has_label = frame["label"].str.split(";").map(lambda names, label=label: label in names)
        params = {key.replace(".", "__"): {0: 1, 1: weight}}
        expected = clone(plain).set_params(**params).fit(rows, has_label.astype(int))
        k = classes.index(label)
        np.testing.assert_allclose(
            probabilities[:, k], expected.predict_proba(rows)[:, 1], atol=1e-3
        )
    with pytest.raises(ConfigError, match="names 'ltae'.*Did you mean 'late'.*others weigh 1"):
        check_weighted_classes(NBSVM(class_weight={"ltae": 2, 12: 2}), classes)


def test_balanced_weights_count_rows_by_their_weights() -> None:
    """As many rows as a weight says are the same as one row with this weight."""
    rng = np.random.default_rng(0)
    X, y = rng.poisson(0.5, (40, 6)).astype(float), np.tile(list("abbb"), 10)
    repeats = rng.integers(1, 6, 40)
    machine = NBSVM(class_weight="balanced", tol=1e-10, random_state=0)
    weighted = clone(machine).fit(X, y, sample_weight=repeats.astype(float))
    repeated = clone(machine).fit(X.repeat(repeats, axis=0), y.repeat(repeats))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-5)


def test_a_config_of_hydra_is_converted_though_it_is_read_only() -> None:
    cfg = compose("train", [])
    cfg.model.class_weight, cfg.data.limit = {1: 4}, "500"
    OmegaConf.set_readonly(cfg, True)
    check_config(cfg)
    assert cfg.data.limit == 500
    with pytest.raises(ReadonlyConfigError):
        cfg.data.limit = 400
