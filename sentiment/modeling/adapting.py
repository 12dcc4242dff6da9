"""Features and classifiers of any kind, adapted to each other.

Only the tags and methods of an estimator are used, so nothing is fitted and no data are read.
"""

import logging
from inspect import Parameter, signature
from typing import Any

from sklearn import calibration
from sklearn.base import is_classifier, is_regressor
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import Tags, get_tags

from sentiment.config.arguments import GRIDS
from sentiment.errors import ConfigError
from sentiment.modeling.class_weights import check_named_weights, read_params
from sentiment.modeling.estimators.calibrated_svm import CalibratedClassifierCV
from sentiment.modeling.estimators.dense import DenseInput, name_inner
from sentiment.modeling.estimators.label_codes import LabelCodes
from sentiment.modeling.estimators.self_training import SelfTrainingClassifier

log = logging.getLogger(__name__)

# As in conf/model/svm.yaml: the sigmoid is fitted on margins of held-out folds, the model on all
# training rows.
_CALIBRATION = {"method": "sigmoid", "cv": 3, "ensemble": False}
_REASONS = {
    "CategoricalNB": (
        "takes categories that are all known in advance; naive_bayes and sklearn.naive_bayes."
        "BernoulliNB take counts"
    ),
    "FixedThresholdClassifier": (
        "moves the threshold of predictions and leaves probabilities as they are; use the model "
        "inside of it, and deploy.threshold of predict"
    ),
    "SelfTrainingClassifier": "learns from rows without labels, which are not training rows here",
}
_REASONS["TunedThresholdClassifierCV"] = _REASONS["FixedThresholdClassifier"]
# The parameters that hold a classifier, by class; others take regressors as well.
_CLASSIFIERS = {
    "AdaBoostClassifier": "estimator",
    "BaggingClassifier": "estimator",
    "StackingClassifier": "final_estimator",
}


def adapt_features(features: Any) -> Any:
    """Return `features` such that each step takes the rows of the one before it, sparse or not.

    Parameters
    ----------
    features : transformer
        Its first steps take texts.

    Raises
    ------
    ConfigError
        A first step takes something else.
    """
    if isinstance(features, Pipeline):
        # The steps before the vectorizer clean the texts.
        text_steps = [k for k, (_, step) in enumerate(features.steps) if _takes_texts(step)]
        k = max(text_steps, default=0)
        cleaners, (name, vectorizer) = features.steps[:k], features.steps[k]
        steps = [
            *cleaners,
            (name, adapt_features(vectorizer)),
            *((name, _take_sparse(step)) for name, step in features.steps[k + 1 :]),
        ]
        return _replace(features, steps=steps)
    if isinstance(features, FeatureUnion):
        transformers = [(name, adapt_features(step)) for name, step in features.transformer_list]
        return _replace(features, transformer_list=transformers)
    tags = _find_tags(features)
    takes_texts = tags is None or tags.input_tags.string
    if _is_sklearn(features) and not takes_texts and not isinstance(features, FunctionTransformer):
        raise ConfigError(
            [
                f"features begin with a {type(features).__name__}, which takes no texts. Begin "
                "with a vectorizer; see conf/features/lsa.yaml for several steps."
            ]
        )
    return features


def _takes_texts(step: Any) -> bool:
    tags = None if step is None or isinstance(step, str) else _find_tags(step)
    return tags is not None and tags.input_tags.string and not tags.input_tags.two_d_array


def adapt_classifier(model: Any, *, multilabel: bool = False) -> Any:
    """Return `model` such that it takes sparse rows and has probabilities.

    Parameters
    ----------
    model : classifier
        Its margins are calibrated (Platt 1999) if it has no probabilities.
    multilabel : bool
        True if it is cloned for each label of label sets.

    Raises
    ------
    ConfigError
        It cannot classify texts.
    """
    if isinstance(model, SelfTrainingClassifier) and model.estimator is not None:
        return _adapt_student(model, multilabel=multilabel)
    model = _adapt_voters(model, multilabel=multilabel)
    _check_classifier(model)
    needs_codes = _needs_codes(model)
    if isinstance(model, Pipeline):
        model = _take_sparse(model)
    if not hasattr(model, "predict_proba"):
        log.info(
            "%s has no predict_proba: probabilities are calibrated from its decision function "
            "(sigmoid, %d-fold cross-validation on training rows)",
            name_inner(model),
            _CALIBRATION["cv"],
        )
        model = calibration.CalibratedClassifierCV(model, **_CALIBRATION)
    if type(model) is calibration.CalibratedClassifierCV:
        model = CalibratedClassifierCV(**model.get_params(deep=False))  # a faster one
    model = _take_sparse(model)
    # The outermost wrapper, so that inner parameters keep their names, which a grid may use.
    model = LabelCodes(model) if needs_codes else model
    check_named_weights(model, multilabel=multilabel)
    return model


def _needs_codes(model: Any) -> bool:
    """Return whether `model`, or a model inside of it, takes numbers for labels."""
    values = [model, *read_params(model).values()]
    return not any(isinstance(value, LabelCodes) for value in values) and any(
        kind.__module__.startswith("xgboost.") for value in values for kind in type(value).__mro__
    )


def _adapt_voters(model: Any, *, multilabel: bool) -> Any:
    """Return `model` such that the members of soft votes, wherever they are, have probabilities."""
    if not _is_sklearn(model):
        return model
    changes = {}
    for name, value in model.get_params(deep=False).items():
        if name in ("estimator", "final_estimator"):
            changes[name] = _adapt_voters(value, multilabel=multilabel)
        elif name in ("estimators", "steps"):
            changes[name] = [
                (key, _adapt_voters(step, multilabel=multilabel)) for key, step in value
            ]
    if type(model).__name__ == "VotingClassifier" and model.voting == "soft":
        changes["estimators"] = [
            (
                name,
                voter if isinstance(voter, str) else adapt_classifier(voter, multilabel=multilabel),
            )
            for name, voter in model.estimators
        ]
    for name in sorted(GRIDS):
        if "estimator" in changes and (grid := getattr(model, name, None)):
            changes[name] = _rename_parameters(grid, changes["estimator"])
    return _replace(model, **changes) if changes else model


def _rename_parameters(grid: Any, estimator: Any) -> Any:
    """Return a grid, or several, with the parameter names of the adapted `estimator`."""
    if isinstance(grid, list):
        return [_rename_parameters(item, estimator) for item in grid]
    return {_find_name(name, estimator): values for name, values in grid.items()}


def _find_name(name: str, estimator: Any) -> str:
    """Return the name of a parameter of `estimator`, which may have been wrapped.

    Examples
    --------
    >>> from sklearn.svm import LinearSVC
    >>> _find_name("C", calibration.CalibratedClassifierCV(LinearSVC()))
    'estimator__C'
    """
    params = read_params(estimator)
    outer, _, inner = name.partition("__")
    if outer in params:
        return f"{outer}__{_find_name(inner, params[outer])}" if inner else name
    if isinstance(estimator, calibration.CalibratedClassifierCV | DenseInput | LabelCodes):
        return f"estimator__{_find_name(name, estimator.estimator)}"
    return name


def _adapt_student(model: SelfTrainingClassifier, *, multilabel: bool) -> Any:
    """Return `model` such that its student has probabilities.

    Raises
    ------
    ConfigError
        The student cannot classify texts, or its ``fit`` takes no ``sample_weight``.
    """
    student = adapt_classifier(model.estimator, multilabel=multilabel)
    parameters = signature(student.fit).parameters
    takes_any = any(param.kind is Parameter.VAR_KEYWORD for param in parameters.values())
    if "sample_weight" not in parameters and not takes_any:
        dense = " for sparse rows" if isinstance(student, DenseInput) else ""
        raise ConfigError(
            [
                f"model.estimator: {name_inner(student)} takes no sample_weight{dense}, which "
                "model=self_training needs to learn from texts without a label. Choose another, "
                "such as model@model.estimator=logistic_regression."
            ]
        )
    return _replace(model, estimator=student)


def takes_positive_only(model: Any) -> bool:
    """Return whether `model`, or a model inside of it, takes no negative features."""
    all_tags = [_find_tags(value) for value in (model, *model.get_params().values())]
    return any(tags is not None and tags.input_tags.positive_only for tags in all_tags)


def _check_classifier(model: Any) -> None:
    """Raise if `model` cannot classify texts."""
    for value in (model, *read_params(model).values()):
        _check_members(value)
    tags = _find_tags(model)
    if (reason := _find_reason(model, tags)) is not None:
        raise ConfigError(
            [f"model: {type(model).__name__} {reason}. Choose another with model=<name>."]
        )


def _check_members(model: Any) -> None:
    """Raise if `model` holds an estimator of the wrong kind, such as a bagging a regressor."""
    name = type(model).__name__
    if isinstance(model, Pipeline):
        members, expected = [step for _, step in model.steps[:-1]], "transformer"
    elif _is_sklearn(model) and name in _CLASSIFIERS:
        members, expected = [getattr(model, _CLASSIFIERS[name])], "classifier"
    else:
        return
    for member in members:
        if member is None or isinstance(member, str) or _find_tags(member) is None:
            continue
        transforms = hasattr(member, "transform")
        if not (transforms if expected == "transformer" else is_classifier(member)):
            raise ConfigError(
                [
                    f"model: {name} has a {type(member).__name__}, which is not a {expected}. "
                    f"Expected a {expected} in its place."
                ]
            )


def _find_reason(model: Any, tags: Tags | None) -> str | None:
    """Return why `model` cannot classify texts, None if it can."""
    name = type(model).__name__
    if _is_sklearn(model):
        if name in _REASONS:
            return _REASONS[name]
        if tags is None:
            return "lacks an estimator inside of it: model.estimator._target_=<class>"
    if tags is not None:
        if not is_classifier(model):
            hint = ", as long as it does not inherit from sklearn.base.ClassifierMixin"
            return f"is not a classifier{hint * (not _is_sklearn(model))}"
        if not tags.target_tags.single_output:
            chain = "" if name == "ClassifierChain" else "choose model=classifier_chain and "
            return (
                f"predicts several labels for each text, and texts have one; {chain}set "
                "data.label_separator if they have several"
            )
        if tags.input_tags.pairwise:
            return "takes distances or kernels between rows instead of features"
    if not hasattr(model, "predict_proba") and not hasattr(model, "decision_function"):
        remedy = ": set model.voting=soft" if name == "VotingClassifier" else ""
        return f"has neither predict_proba nor decision_function, so no probabilities{remedy}"
    return None


def _take_sparse(step: Any) -> Any:
    """Return `step`, or each step of a pipeline or union, such that it takes sparse rows."""
    if isinstance(step, Pipeline):
        return _replace(step, steps=[(name, _take_sparse(inner)) for name, inner in step.steps])
    if isinstance(step, FeatureUnion):
        transformers = [(name, _take_sparse(inner)) for name, inner in step.transformer_list]
        return _replace(step, transformer_list=transformers)
    tags = None if step is None or isinstance(step, str) else _find_tags(step)
    if tags is None:
        return step
    if not tags.input_tags.two_d_array or tags.input_tags.pairwise or is_regressor(step):
        raise ConfigError(
            [f"features have a {type(step).__name__}, which cannot transform features."]
        )
    return step if _takes_sparse(step) else DenseInput(step)


def _takes_sparse(estimator: Any) -> bool:
    """Return whether `estimator` and the estimators inside of it take sparse rows."""
    tags = _find_tags(estimator)
    if tags is None or isinstance(estimator, DenseInput):
        return True
    inner = []
    # Only these classes are known to pass their rows on unchanged, to these estimators.
    if _is_sklearn(estimator) or isinstance(estimator, calibration.CalibratedClassifierCV):
        inner.append(getattr(estimator, "estimator", None))
        inner += [member for _, member in getattr(estimator, "estimators", [])]
    return tags.input_tags.sparse and all(map(_takes_sparse, inner))


def _is_sklearn(estimator: Any) -> bool:
    return type(estimator).__module__.startswith("sklearn.")


def _find_tags(estimator: Any) -> Tags | None:
    """Return the tags of `estimator`; None if it has none, or lacks an estimator inside of it."""
    try:
        return get_tags(estimator)
    except (AttributeError, TypeError):
        return None


def _replace(estimator: Any, /, **changes: Any) -> Any:
    """Return an estimator of the same class with some parameters changed."""
    return type(estimator)(**estimator.get_params(deep=False) | changes)
