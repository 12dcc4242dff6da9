"""Classifiers and transformers of scikit-learn, named in a config."""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT
from omegaconf import DictConfig, OmegaConf
from predicting import predict
from sklearn import naive_bayes
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import all_estimators

from sentiment.config import check_config, compose, make
from sentiment.config.targets import list_parameters
from sentiment.errors import ConfigError, DenseRowsError, FitError, UnexplainableModelError
from sentiment.modeling.adapting import adapt_classifier
from sentiment.modeling.estimators import dense
from sentiment.modeling.estimators.dense import DenseInput
from sentiment.modeling.explanation import RowExplainer, explain_text, top_terms
from sentiment.modeling.linear import LinearTextClassifier, make_fast
from sentiment.modeling.model_files import digest_file, load_model, save_model
from sentiment.modeling.pipeline import fit, make_pipeline
from sentiment.modeling.scoring import Predictor

Described = dict[str, Any]

WORDS = {
    "bad": "bad dull poor sad",
    "good": "good great fun nice",
    "long": "long slow endless epic",
    "new": "new fresh young modern",
}
REGRESSION: Described = {"_target_": "sklearn.linear_model.LogisticRegression"}
# Its solver goes through rows in random order, and stops within its tolerance.
MACHINE: Described = {"_target_": "sklearn.svm.LinearSVC", "random_state": 0, "tol": 1e-6}
# Settings that a classifier needs, or that make it quick.
SETTINGS: dict[str, Described] = {
    "AdaBoostClassifier": {"n_estimators": 5},
    "CalibratedClassifierCV": {"cv": 2},
    "BaggingClassifier": {"n_estimators": 3, "estimator": REGRESSION},
    "ClassifierChain": {"estimator": REGRESSION},
    "ExtraTreesClassifier": {"n_estimators": 5},
    "FixedThresholdClassifier": {"estimator": REGRESSION},
    "GradientBoostingClassifier": {"n_estimators": 5},
    "HistGradientBoostingClassifier": {"max_iter": 5, "min_samples_leaf": 5},
    "LogisticRegressionCV": {"Cs": 2, "cv": 2, "l1_ratios": [0.0], "use_legacy_attributes": False},
    "MLPClassifier": {"hidden_layer_sizes": [8], "max_iter": 100},
    "MultiOutputClassifier": {"estimator": REGRESSION},
    "OneVsOneClassifier": {"estimator": MACHINE},
    "OneVsRestClassifier": {"estimator": MACHINE},
    "OutputCodeClassifier": {"estimator": MACHINE},
    "QuadraticDiscriminantAnalysis": {"solver": "eigen", "shrinkage": 0.5},
    "RandomForestClassifier": {"n_estimators": 5},
    "SelfTrainingClassifier": {"estimator": REGRESSION},
    "StackingClassifier": {"estimators": {"a": REGRESSION, "b": MACHINE}, "cv": 3},
    "TunedThresholdClassifierCV": {"estimator": REGRESSION},
    "VotingClassifier": {"estimators": [["a", REGRESSION], ["b", MACHINE]], "voting": "soft"},
}
REFUSED = {
    "CategoricalNB": "takes categories that are all known in advance",
    "ClassifierChain": "predicts several labels",
    "FixedThresholdClassifier": "moves the threshold",
    "MultiOutputClassifier": "predicts several labels",
    "OutputCodeClassifier": "has neither predict_proba nor decision_function",
    "SelfTrainingClassifier": "learns from rows without labels",
    "TunedThresholdClassifierCV": "moves the threshold",
}
LINEAR = {
    *("CalibratedClassifierCV", "ComplementNB", "LinearDiscriminantAnalysis", "LinearSVC"),
    *("LogisticRegression", "LogisticRegressionCV", "MultinomialNB", "PassiveAggressiveClassifier"),
    *("Perceptron", "RidgeClassifier", "RidgeClassifierCV", "SGDClassifier", "VotingClassifier"),
}
TFIDF: Described = {"_target_": "sentiment.ngrams.vectorizers.TfidfVectorizer"}
COUNTS: Described = {"_target_": "sklearn.feature_extraction.text.CountVectorizer"}


def list_classifiers() -> dict[str, str]:
    """Return the public address of each classifier that scikit-learn itself has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        classifiers = all_estimators("classifier")
    return {
        name: f"{kind.__module__.partition('._')[0]}.{name}"
        for name, kind in classifiers
        if kind.__module__.startswith("sklearn.")
    }


CLASSIFIERS = list_classifiers()


@pytest.fixture(autouse=True)
def allow_warnings() -> Iterator[None]:
    """Classifiers that stop early, or that scikit-learn is about to change, warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def base() -> DictConfig:
    cfg = compose("train", ["features=tfidf_unigram", "memory=null"])
    OmegaConf.set_struct(cfg, False)
    return cfg


def write_texts(classes: int, rows: int = 48) -> pd.DataFrame:
    chance = np.random.default_rng(0)
    labels = [list(WORDS)[row % classes] for row in range(rows)]
    texts = [
        " ".join([*chance.choice(WORDS[label].split(), 4), *chance.choice(["film", "plot"], 3)])
        for label in labels
    ]
    return pd.DataFrame({"text": texts, "label": labels})


TEXTS = {classes: write_texts(classes) for classes in (2, 4)}


def configure(base: DictConfig, **groups: Described) -> DictConfig:
    cfg = base.copy()
    for group, described in groups.items():
        cfg[group] = OmegaConf.create(described)
    check_config(cfg)
    return cfg


def build(base: DictConfig, **groups: Described) -> Any:
    cfg = configure(base, **groups)
    return make_pipeline(make(cfg, "features", "fit", "transform"), make(cfg, "model", "fit"))


def describe(name: str) -> Described:
    return {"_target_": CLASSIFIERS[name], **SETTINGS.get(name, {})}


def save_and_load(pipeline: Any, folder: Path) -> Any:
    """Return what a file of one's own run is loaded as."""
    path = folder / "model.skops"
    save_model(pipeline, path)
    return load_model(path, digest_file(path))


def predict_by_hand(model: Any, frame: pd.DataFrame) -> np.ndarray:
    """Return probabilities of scikit-learn alone: what fails on sparse rows gets dense ones."""
    rows = TfidfVectorizer(max_features=10_000).fit_transform(frame["text"])
    if not hasattr(model, "predict_proba") and not hasattr(model, "final_estimator"):
        model = CalibratedClassifierCV(model, method="sigmoid", cv=3, ensemble=False)
    labels = frame["label"].to_numpy(str)
    try:
        return np.asarray(clone(model).fit(rows, labels).predict_proba(rows))
    except TypeError:
        dense = rows.toarray()
        return np.asarray(clone(model).fit(dense, labels).predict_proba(dense))


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("name", [name for name in CLASSIFIERS if name not in REFUSED])
def test_every_classifier_works(base: DictConfig, tmp_path: Path, name: str, classes: int) -> None:
    frame = TEXTS[classes]
    described = describe(name)
    if "random_state" in (list_parameters(CLASSIFIERS[name]) or []):
        described["random_state"] = 0
    if name == "LinearSVC":  # two solvers stop at two places within the tolerance
        described["tol"] = 1e-6
    pipeline = fit(build(base, model=described), frame)
    labels, probabilities = predict(pipeline, frame)
    if name != "VotingClassifier":  # a member of it is calibrated
        model = make(configure(base, model=described), "model")
        np.testing.assert_allclose(probabilities, predict_by_hand(model, frame), atol=1e-6)
    if name != "DummyClassifier":
        assert (labels == frame["label"]).mean() > 0.6
    loaded = save_and_load(pipeline, tmp_path)
    np.testing.assert_allclose(predict(loaded, frame)[1], probabilities, rtol=1e-12, atol=1e-14)
    fast = make_fast(loaded)
    np.testing.assert_allclose(
        fast.predict_proba(frame[["text"]]), probabilities, rtol=1e-9, atol=1e-12
    )
    served = Predictor(loaded).predict_few(frame["text"].tolist())  # as a server does
    np.testing.assert_array_equal(served["prediction"], labels)
    linear = name in LINEAR or name == "OneVsRestClassifier"
    assert isinstance(fast, LinearTextClassifier) is linear
    terms = top_terms(loaded, 4)
    assert (terms is not None) is linear
    if linear:
        assert terms is not None
        strongest = terms[terms["label"] == "good"]["term"]
        assert len(set(strongest) & set(WORDS["good"].split())) >= 3
        assert "film" in dict(explain_text(loaded, "a great fun film").terms)
    else:
        with pytest.raises(UnexplainableModelError, match=f"predictions of {name} cannot"):
            RowExplainer(loaded)


def around(outer: str, inner: Described, **settings: Any) -> Described:
    return {"_target_": f"sklearn.{outer}", "estimator": inner, **settings}


DENSE: Described = {"_target_": "sklearn.naive_bayes.GaussianNB"}
BOOSTED = around("ensemble.AdaBoostClassifier", DENSE, n_estimators=2, random_state=0)
STACKED: Described = {
    "_target_": "sklearn.ensemble.StackingClassifier", "estimators": {"a": MACHINE}, "cv": 2,
}  # fmt: skip
VOTING: Described = {
    "_target_": "sklearn.ensemble.VotingClassifier", "estimators": {"a": MACHINE}, "voting": "soft",
}  # fmt: skip
# Whether scikit-learn alone fits each, on dense rows where it has to.
NESTED: dict[str, tuple[Described, bool]] = {
    "boosted": (BOOSTED, True),
    "bagged": (
        around("ensemble.BaggingClassifier", BOOSTED, n_estimators=2, random_state=0),
        True,
    ),
    "searched": (
        around("model_selection.GridSearchCV", BOOSTED, param_grid={}, cv=2, error_score="raise"),
        True,
    ),
    "calibrated": (around("calibration.CalibratedClassifierCV", BOOSTED, cv=2), True),
    "stacked": (STACKED | {"estimators": {"a": BOOSTED, "b": MACHINE}}, True),
    "one stack for each class": (around("multiclass.OneVsRestClassifier", STACKED), False),
    "a stack of stacks": (STACKED | {"final_estimator": STACKED}, False),
    "one vote for each pair": (around("multiclass.OneVsOneClassifier", VOTING), False),
    "a vote on votes": (STACKED | {"final_estimator": VOTING}, False),
    "bagged stacks": (
        around("ensemble.BaggingClassifier", STACKED | {"final_estimator": None}, n_estimators=2),
        False,
    ),
    "calibrated stack": (around("calibration.CalibratedClassifierCV", STACKED, cv=2), False),
    "halving search": (
        around("model_selection.HalvingGridSearchCV", MACHINE, param_grid={"C": [0.1, 1.0]}, cv=2),
        False,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("name", NESTED)
def test_models_inside_of_models_inside_of_models_work(
    base: DictConfig, tmp_path: Path, name: str, classes: int
) -> None:
    described, has_oracle = NESTED[name]
    frame = TEXTS[classes]
    pipeline = fit(build(base, model=described), frame)
    labels, probabilities = predict(pipeline, frame)
    assert (labels == frame["label"]).mean() > 0.6
    if has_oracle:
        model = make(configure(base, model=described), "model")
        np.testing.assert_allclose(probabilities, predict_by_hand(model, frame), atol=1e-6)
    loaded = save_and_load(pipeline, tmp_path)
    np.testing.assert_allclose(predict(loaded, frame)[1], probabilities, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_classify_texts_says_why(base: DictConfig, name: str) -> None:
    with pytest.raises(ConfigError, match=f"^model: {name} {REFUSED[name]}"):
        build(base, model=describe(name))


@pytest.mark.parametrize(
    ("described", "message"),
    [
        (
            {"_target_": "sklearn.linear_model.LinearRegression"},
            "LinearRegression is not a classif",
        ),
        ({"_target_": "sklearn.cluster.KMeans"}, "KMeans is not a classifier"),
        (
            {"_target_": "sklearn.svm.SVC", "kernel": "precomputed"},
            "SVC takes distances or",
        ),
        (
            {"_target_": "sklearn.ensemble.VotingClassifier", "estimators": {"a": REGRESSION}},
            "VotingClassifier has neither .*: set model.voting=soft",
        ),
        (
            {
                "_target_": "sklearn.ensemble.VotingClassifier",
                "estimators": {"a": {"_target_": "sklearn.naive_bayes.CategoricalNB"}},
                "voting": "soft",
            },
            "CategoricalNB takes categories",
        ),
        (
            {"_target_": "sklearn.multiclass.OneVsRestClassifier"},
            "model.estimator has no value, and OneVsRestClassifier needs it",
        ),
        *(
            (
                {
                    "_target_": "sentiment.modeling.estimators.self_training."
                    "SelfTrainingClassifier",
                    "estimator": {"_target_": f"sklearn.{student}"},
                },
                f"model.estimator: {student.rpartition('.')[2]} takes no sample_weight{why}, which",
            )
            for student, why in (
                ("neighbors.KNeighborsClassifier", ""),
                ("naive_bayes.GaussianNB", " for sparse rows"),
            )
        ),
    ],
    ids=str,
)
def test_models_that_lack_something_say_what(
    base: DictConfig, described: Described, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        build(base, model=described)


def steps(*described: Any) -> Described:
    """Return a pipeline of steps; a text is a transformer without settings."""
    named_steps = {
        f"step{k}": {"_target_": f"sklearn.{step}"} if isinstance(step, str) else step
        for k, step in enumerate(described)
    }
    return {"_target_": "sklearn.pipeline.Pipeline", "steps": named_steps}


def union(**parts: Described) -> Described:
    listed = [[name, part] for name, part in parts.items()]
    return {"_target_": "sklearn.pipeline.FeatureUnion", "transformer_list": listed}


CHI2: Described = {
    "_target_": "sklearn.feature_selection.SelectKBest",
    "score_func": "sklearn.feature_selection.chi2",
    "k": 8,
}
SVD: Described = {
    "_target_": "sklearn.decomposition.TruncatedSVD", "n_components": 3, "random_state": 0,
}  # fmt: skip
BY_MODEL: Described = {
    "_target_": "sklearn.feature_selection.SelectFromModel", "estimator": MACHINE,
}  # fmt: skip
HASHES: Described = {
    "_target_": "sklearn.feature_extraction.text.HashingVectorizer",
    "n_features": 256, "ngram_range": [1, 2],
}  # fmt: skip
NMF: Described = {"_target_": "sklearn.decomposition.NMF", "n_components": 5, "random_state": 0}
# Whether each is linear in terms, so that a linear model on it is quick and explained.
FEATURES: dict[str, tuple[Described, bool]] = {
    "selected by chi2": (steps(TFIDF, CHI2), True),
    "selected by a model": (steps(TFIDF, BY_MODEL), True),
    "lsa": (steps(TFIDF, SVD), True),
    "scaled lsa": (steps(TFIDF, SVD, "preprocessing.StandardScaler"), False),
    "selected, then lsa": (steps(TFIDF, "feature_selection.VarianceThreshold", CHI2, SVD), True),
    "largest is one": (steps(TFIDF, "preprocessing.MaxAbsScaler"), True),
    "standardized": (steps(TFIDF, "preprocessing.StandardScaler"), False),
    "ranges": (
        steps(TFIDF, {"_target_": "sklearn.preprocessing.MinMaxScaler", "feature_range": [0, 2]}),
        False,
    ),
    "topics": (steps(COUNTS, NMF), False),
    "bins": (steps(TFIDF, "preprocessing.KBinsDiscretizer"), False),
    "weighed counts": (steps(COUNTS, "feature_extraction.text.TfidfTransformer"), False),
    "union": (union(words=TFIDF, topics=steps(TFIDF, SVD)), True),
    "nested": (
        steps(union(a=steps(TFIDF, CHI2), b=union(c=TFIDF, d=steps(TFIDF, SVD))), CHI2 | {"k": 3}),
        False,
    ),
    "hashes": (HASHES, False),
    "selected hashes": (steps(HASHES, "preprocessing.Normalizer"), False),
}


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("name", FEATURES)
def test_features_may_have_several_steps(
    base: DictConfig, tmp_path: Path, name: str, classes: int
) -> None:
    described, linear = FEATURES[name]
    if name == "nested":  # chi2 wants what is not negative
        described = steps(union(a=steps(TFIDF, CHI2), b=union(c=TFIDF, d=steps(TFIDF))), CHI2)
        linear = True
    frame = TEXTS[classes]
    pipeline = fit(build(base, features=described, model=REGRESSION), frame)
    labels, probabilities = predict(pipeline, frame)
    assert (labels == frame["label"]).mean() > 0.8
    pipeline = save_and_load(pipeline, tmp_path)
    np.testing.assert_allclose(predict(pipeline, frame)[1], probabilities, rtol=1e-12)
    fast = make_fast(pipeline)
    assert isinstance(fast, LinearTextClassifier) is linear
    np.testing.assert_allclose(
        fast.predict_proba(frame[["text"]]), probabilities, rtol=1e-9, atol=1e-12
    )
    if not linear:
        with pytest.raises(UnexplainableModelError, match="LogisticRegression on features of "):
            RowExplainer(pipeline)
        return
    explanation = explain_text(pipeline, "a great and long film of great fun")
    logs = np.log(list(explanation.probabilities.values()))
    code = list(explanation.probabilities).index(explanation.label)
    assert explanation.total == pytest.approx(logs[code] - np.delete(logs, code).mean())
    assert explanation.base + sum(added for _, added in explanation.terms) == pytest.approx(
        explanation.total
    )


@pytest.mark.parametrize(
    ("described", "message"),
    [
        (steps("preprocessing.StandardScaler"), "features begin with a StandardScaler"),
        (union(a=TFIDF, b=SVD), "features begin with a TruncatedSVD"),
        (steps(TFIDF, "feature_extraction.DictVectorizer"), "a DictVectorizer, which cannot"),
        (steps(TFIDF, "manifold.TSNE"), "has no transform"),
        (steps(TFIDF, CHI2 | {"score_func": "os.system"}), "the dotted name of a function"),
        (steps(TFIDF, CHI2 | {"score_func": "chi2"}), "the dotted name of a function"),
        (steps(TFIDF | {"ngram_range": [2, 1]}), "steps.step0.ngram_range is \\[2, 1\\]"),
        (steps(TFIDF, 3), "features.steps.step1 is 3; expected an object"),
    ],
    ids=str,
)
def test_features_that_do_not_fit_together_say_so(
    base: DictConfig, described: Described, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        build(base, features=described)


def test_a_grid_search_is_a_model(base: DictConfig) -> None:
    inner = steps(
        {"_target_": "sklearn.preprocessing.MinMaxScaler"},
        {"_target_": "sklearn.linear_model.RidgeClassifier"},
    )
    searched = {
        "_target_": "sklearn.model_selection.GridSearchCV",
        "estimator": inner,
        "param_grid": {"step0__feature_range": [[0, 1], [0, 2]], "step1__alpha": [0.1, 10.0]},
        "cv": 2,
    }
    frame = TEXTS[2]
    pipeline = fit(build(base, model=searched), frame)
    [calibrated] = pipeline["model"].estimator_.calibrated_classifiers_
    assert set(calibrated.estimator.best_params_) == {"step0__feature_range", "step1__alpha"}
    assert calibrated.estimator.best_params_["step0__feature_range"] in [(0, 1), (0, 2)]
    assert (predict(pipeline, frame)[0] == frame["label"]).all()


def test_a_grid_names_parameters_of_members_that_are_adapted(base: DictConfig) -> None:
    grid = {"a__C": [0.1, 1.0], "b__var_smoothing": [1e-9, 1e-3]}
    voting = VOTING | {"estimators": {"a": MACHINE, "b": DENSE}}
    described = around("model_selection.GridSearchCV", voting, param_grid=[grid], cv=2)
    pipeline = fit(build(base, model=described), TEXTS[4])
    [smoothed] = [
        part for part in pipeline.get_params().values() if isinstance(part, naive_bayes.GaussianNB)
    ]
    assert smoothed.var_smoothing == 1e-9  # as it is outside of the search
    best = name_best(pipeline["model"])
    assert {name.rpartition("__")[2] for name in best} == {"C", "var_smoothing"}
    assert all(value in [*grid["a__C"], *grid["b__var_smoothing"]] for value in best.values())
    assert (predict(pipeline, TEXTS[4])[0] == TEXTS[4]["label"]).all()


def name_best(model: Any) -> dict[str, Any]:
    """Return the parameters that a search inside of wrappers has chosen."""
    while not hasattr(model, "best_params_"):
        model = model.estimator_
    return dict(model.best_params_)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"C": [0.1, -1]}, r"model\.param_grid\.C has -1; expected a float in the range"),
        (
            [{"C": [0.1]}, {"loss": ["hing"]}],
            r"model\.param_grid\.1\.loss has 'hing'; expected one",
        ),
        ({"c": [1]}, r"model\.param_grid\.c: LinearSVC has no parameter 'c'\. Did you mean 'C'\?"),
        ({"C": 1}, r"model\.param_grid\.C is 1; expected a list of values"),
        ({"C": []}, r"model\.param_grid\.C is \[\]; expected a list of values"),
        ([3], r"model\.param_grid\.0 is 3; expected lists of values"),
    ],
    ids=str,
)
def test_a_grid_with_wrong_values_is_refused_before_data_are_read(
    base: DictConfig, grid: Any, message: str
) -> None:
    described = around("model_selection.GridSearchCV", MACHINE, param_grid=grid)
    with pytest.raises(ConfigError, match=message):
        configure(base, model=described)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"step0__n_components": [2, 0]}, "step0__n_components has 0; expected an int"),
        ({"step1__CC": [1.0]}, "step1__CC: LinearSVC has no parameter 'CC'. Did you mean 'C'?"),
        ({"step2__C": [1.0]}, "step2__C: Pipeline has no parameter 'step2'. Did you mean 'step"),
        ({"step1__estimator__C": [1]}, "step1__estimator__C: LinearSVC has no parameter 'estim"),
        ({"svm__C": [1.0]}, "Pipeline has no parameter 'svm'. Known: step0, step1, steps,"),
    ],
    ids=str,
)
@pytest.mark.parametrize("is_listed", [False, True])
def test_a_grid_is_checked_by_the_step_that_has_the_parameter(
    base: DictConfig, grid: Any, message: str, is_listed: bool
) -> None:
    inner = steps(SVD, MACHINE)
    if is_listed:
        inner["steps"] = [list(item) for item in inner["steps"].items()]
    described = around("model_selection.RandomizedSearchCV", inner, param_distributions=grid)
    with pytest.raises(ConfigError, match=re.escape(message)):
        configure(base, model=described)


def test_a_grid_may_replace_a_step(base: DictConfig) -> None:
    inner = steps("preprocessing.MaxAbsScaler", "naive_bayes.MultinomialNB")
    grid = {"step0": ["passthrough"], "step1__alpha": [0.5]}
    described = around("model_selection.GridSearchCV", inner, param_grid=grid, cv=2)
    pipeline = fit(build(base, model=described), TEXTS[2])
    assert name_best(pipeline["model"]) == {"step0": "passthrough", "step1__alpha": 0.5}


def test_a_grid_names_steps_that_a_function_makes(base: DictConfig) -> None:
    inner = {"_target_": "sklearn.pipeline.make_pipeline", "_args_": [DENSE]}
    grid = {"gaussiannb__var_smoothing": [1e-3]}
    described = around("model_selection.GridSearchCV", inner, param_grid=grid, cv=2)
    pipeline = fit(build(base, model=described), TEXTS[2])
    assert [*name_best(pipeline["model"]).values()] == [1e-3]


LASSO: Described = {"_target_": "sklearn.linear_model.Lasso"}


@pytest.mark.parametrize(
    ("described", "message"),
    [
        (around("ensemble.BaggingClassifier", LASSO), "BaggingClassifier has a Lasso"),
        (around("ensemble.AdaBoostClassifier", LASSO), "AdaBoostClassifier has a Lasso"),
        (VOTING | {"estimators": {"a": LASSO}}, "Lasso is not a classifier"),
        (STACKED | {"final_estimator": LASSO}, "StackingClassifier has a Lasso"),
        (
            around("calibration.CalibratedClassifierCV", LASSO),
            "parameter of CalibratedClassifierCV must",
        ),
        (
            around("ensemble.BaggingClassifier", around("ensemble.BaggingClassifier", LASSO)),
            "BaggingClassifier has a Lasso, which is not a classifier. Expected a classifier",
        ),
        (steps(REGRESSION, MACHINE), "Pipeline has a LogisticRegression, which is not a transf"),
    ],
    ids=str,
)
def test_members_that_are_not_what_a_model_takes_are_refused_before_data_are_read(
    base: DictConfig, described: Described, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        build(base, model=described)


def test_a_grid_search_whose_fits_fail_shows_no_traceback(base: DictConfig) -> None:
    selected = around("feature_selection.RFE", DENSE)
    searched = around("model_selection.GridSearchCV", selected, param_grid={}, cv=2)
    with pytest.raises(
        FitError, match="All the 2 fits failed: ValueError: when `importa"
    ) as caught:
        fit(build(base, model=searched), TEXTS[2])
    assert "\n" not in str(caught.value)


def test_fits_of_a_grid_search_that_fail_are_one_line(base: DictConfig) -> None:
    logistic = {"_target_": "sklearn.linear_model.LogisticRegression", "solver": "lbfgs"}
    grid = {"l1_ratio": [0.0, 1.0]}  # the solver takes the first one only
    searched = around("model_selection.GridSearchCV", logistic, param_grid=grid, cv=2)
    with pytest.warns(FitFailedWarning) as caught:
        pipeline = fit(build(base, model=searched), TEXTS[2])
    assert (predict(pipeline, TEXTS[2])[0] == TEXTS[2]["label"]).all()
    (message,) = [
        str(warning.message) for warning in caught if "fits failed" in str(warning.message)
    ]
    assert message.startswith(
        "2 fits failed out of a total of 4: ValueError: Solver lbfgs supports"
    )
    assert "\n" not in message


@pytest.mark.parametrize("name", ["bagged stacks", "calibrated stack"])
def test_a_stack_inside_of_a_model_has_its_default_final_estimator(
    base: DictConfig, name: str
) -> None:
    pipeline = build(base, model=NESTED[name][0])
    stacks = [
        estimator
        for estimator in pipeline.get_params().values()
        if isinstance(estimator, StackingClassifier)
    ]
    assert {type(estimator.final_estimator) for estimator in stacks} == {LogisticRegression}


def test_the_message_about_a_parameter_is_whole(base: DictConfig) -> None:
    """Also where scikit-learn shows an estimator on several lines."""
    scaling = {"_target_": "sklearn.preprocessing.MinMaxScaler", "feature_range": [0, 20]}
    first = {"_target_": "sklearn.preprocessing.StandardScaler", "with_mean": False, "copy": False}
    inner = {"_target_": "sklearn.pipeline.Pipeline", "steps": {"first": first, "second": scaling}}
    with pytest.raises(ConfigError, match=r"MinMaxScaler\(.*\)\]\) instead\.") as caught:
        build(base, model=around("ensemble.BaggingClassifier", inner))
    assert "\n" not in str(caught.value)


def test_a_model_may_begin_with_a_transformer(base: DictConfig) -> None:
    """Only the step that needs dense rows gets them."""
    model = steps(CHI2, "naive_bayes.GaussianNB")
    pipeline = build(base, model=model)
    assert [type(step).__name__ for _, step in pipeline["model"].steps] == [
        "SelectKBest",
        "DenseInput",
    ]
    frame = TEXTS[2]
    assert (predict(fit(pipeline, frame), frame)[0] == frame["label"]).all()
    linear = fit(build(base, model=steps(CHI2, "linear_model.LogisticRegression")), frame)
    assert isinstance(make_fast(linear), LinearTextClassifier)


def test_calibration_sees_training_rows_only(
    base: DictConfig, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        pipeline = build(base, model={"_target_": "sklearn.linear_model.RidgeClassifier"})
    assert caplog.messages == [
        "RidgeClassifier has no predict_proba: probabilities are calibrated from its decision "
        "function (sigmoid, 3-fold cross-validation on training rows)"
    ]
    frame = TEXTS[2]
    calibrator = fit(clone(pipeline), frame[:24])["model"].calibrated_classifiers_[0].calibrators[0]
    rows = TfidfVectorizer().fit_transform(frame["text"][:24])
    reference = CalibratedClassifierCV(
        make(configure(base, model={"_target_": "sklearn.linear_model.RidgeClassifier"}), "model"),
        method="sigmoid", cv=3, ensemble=False,
    ).fit(rows, frame["label"].to_numpy(str)[:24])  # fmt: skip
    expected = reference.calibrated_classifiers_[0].calibrators[0]
    assert (calibrator.a_, calibrator.b_) == pytest.approx((expected.a_, expected.b_))


def test_rows_are_made_dense_up_to_a_size(base: DictConfig) -> None:
    frame = TEXTS[2]
    model = {
        "_target_": "sentiment.modeling.estimators.dense.DenseInput",
        "estimator": {"_target_": "sklearn.naive_bayes.GaussianNB"},
        "max_mb": 0.003,
    }
    with pytest.raises(DenseRowsError) as caught:
        fit(build(base, model=model), frame)
    assert str(caught.value) == (
        "GaussianNB takes dense rows only, and 48 rows of 10 features take 0.0038 MB; the limit "
        "is 0.003 MB. Use fewer features, such as features.max_features=7 or features=lsa, or "
        "another model."
    )
    fit(build(base, model=model | {"max_mb": 0.004}), frame)


def test_dense_rows_are_predicted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    class Watched(naive_bayes.GaussianNB):
        def predict_proba(self, X: np.ndarray) -> np.ndarray:
            sizes.append(X.shape[0])
            return np.asarray(super().predict_proba(X))

    frame = TEXTS[4]
    rows = TfidfVectorizer().fit_transform(frame["text"])
    model = DenseInput(Watched()).fit(rows, frame["label"].to_numpy(str))
    expected = model.predict_proba(rows)
    monkeypatch.setattr("sentiment.modeling.estimators.dense._PART_MB", 20.5 * rows.shape[1] * 8e-6)
    np.testing.assert_array_equal(model.predict_proba(rows), expected)
    assert sizes == [48, 20, 20, 8]


def test_terms_of_cleaned_texts_are_explained() -> None:
    cleaner = FunctionTransformer(shout)
    features = Pipeline([("clean", cleaner), ("words", TfidfVectorizer(lowercase=False))])
    frame = TEXTS[2]
    pipeline = fit(make_pipeline(features, LogisticRegression()), frame)
    assert make_fast(pipeline) is pipeline
    explanation = explain_text(pipeline, "a great film")
    assert [term for term, _ in explanation.terms] == ["GREAT", "FILM"]
    logs = np.log(list(explanation.probabilities.values()))
    assert explanation.total == pytest.approx(logs.max() - logs.min())


def shout(texts: Any) -> list[str]:
    return [text.upper() for text in texts]


def test_own_classes_are_judged_by_their_tags() -> None:
    class Ranker(BaseEstimator):
        def fit(self, X: Any, y: Any) -> Any: ...

    class Voter(ClassifierMixin, BaseEstimator):
        def predict_proba(self, X: Any) -> Any: ...

    class Bold(MultinomialNB): ...

    class Untagged:
        def predict_proba(self, X: Any) -> Any: ...

    with pytest.raises(
        ConfigError, match="Ranker is not a classifier, as long as it does not inher"
    ):
        adapt_classifier(Ranker())
    assert isinstance(adapt_classifier(Voter()), DenseInput)
    assert type(adapt_classifier(Bold())) is Bold
    assert type(adapt_classifier(Untagged())) is Untagged


def test_what_an_estimator_raises_is_one_message(base: DictConfig) -> None:
    model = {"_target_": "sklearn.svm.NuSVC", "nu": 0.99}
    frame = pd.concat([TEXTS[2][:30], TEXTS[2][TEXTS[2]["label"] == "bad"]])
    with pytest.raises(FitError, match="could not fit the pipeline: specified nu is infeasible"):
        fit(build(base, model=model), frame)


PAGE = (ROOT / "docs" / "how_to" / "any_estimator.md").read_text()


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_what_the_page_shows_works(base: DictConfig, block: str) -> None:
    described = yaml.safe_load(block)
    group = "features" if "steps" in described else "model"
    frame = TEXTS[2]
    pipeline = fit(build(base, **{group: described}), frame)
    assert (predict(pipeline, frame)[0] == frame["label"]).mean() > 0.9


def test_the_page_names_all_that_is_refused() -> None:
    assert REFUSED.keys() <= set(re.findall(r"`(\w+)`", PAGE))


def test_the_default_of_the_page_is_that_of_the_code() -> None:
    assert f"up to {dense.MAX_MB:,.0f} MB" in PAGE
    assert f"in parts of {dense._PART_MB:.0f} MB" in PAGE
