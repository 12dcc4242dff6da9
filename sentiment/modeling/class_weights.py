"""Class weights by class name: checks of models, and weights of the labels of label sets."""

from collections.abc import Iterable, Iterator
from typing import Any

from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain

from sentiment.errors import LISTED, ConfigError, quote_list, suggest
from sentiment.modeling.estimators.label_codes import LabelCodes

# Models that fit their inner models on the codes of the classes.
_NUMBERING = (
    *(CalibratedClassifierCV, ClassifierChain, StackingClassifier, VotingClassifier),
    *(OneVsRestClassifier, OneVsOneClassifier, OutputCodeClassifier, LabelCodes),
)
_NAME = "class_weight"


def _list_named_weights(model: Any) -> Iterator[tuple[str, Any, dict[Any, float]]]:
    """Yield the parameters of `model` and of models inside of it that weigh classes by name.

    Yields
    ------
    parameter : str
        Such as ``"estimator__class_weight"``.
    owner : classifier
        The classifier that has the parameter.
    weights : dict of str to float
        Weights of classes.
    """
    params = read_params(model)
    for parameter, value in params.items():
        outer, _, name = parameter.rpartition("__")
        if name == _NAME and isinstance(value, dict) and not value.keys() <= {0, 1}:
            yield parameter, params.get(outer, model), value


def check_named_weights(model: Any, *, multilabel: bool = False) -> None:
    """Check that no weights by name are inside of a model that hides the names.

    Parameters
    ----------
    model : classifier
        Not fitted.
    multilabel : bool
        True if names are those of labels, and `model` is cloned for each label.

    Raises
    ------
    ConfigError
        scikit-learn would not find the names.
    """
    params = {"": model} | read_params(model)
    for parameter, owner, weights in () if multilabel else _list_named_weights(model):
        outer = [params[name] for name in params if not name or parameter.startswith(f"{name}__")]
        hiding = [model for model in outer if isinstance(model, _NUMBERING)]
        if any(model is not owner for model in hiding):
            raise ConfigError(
                [
                    f"class_weight of {type(owner).__name__} is {weights!r}, but it is inside of a "
                    f"{type(hiding[0]).__name__}, which shows it numbers instead of the names of "
                    "classes. Use class_weight=balanced, or a model that sees the names, such as "
                    "model=nbsvm or model=logistic_regression."
                ]
            )


def read_params(model: Any) -> dict[str, Any]:
    """Return the parameters of `model` and of its inner models, {} for a class without any."""
    params: dict[str, Any] = model.get_params() if hasattr(model, "get_params") else {}
    return params


def check_weighted_classes(model: Any, classes: Iterable[str]) -> None:
    """Check that the names in class weights are classes.

    Parameters
    ----------
    model : classifier
        Not fitted.
    classes : iterable of str
        Classes, or labels of label sets.

    Raises
    ------
    ConfigError
        A name is not a class.
    """
    names = [str(label) for label in classes]
    for _, owner, weights in _list_named_weights(model):
        unknown = [str(name) for name in weights if str(name) not in names]
        if unknown:
            raise ConfigError(
                [
                    f"class_weight of {type(owner).__name__} names {quote_list(unknown)}, of "
                    f"which there are no training rows.{suggest(unknown[0], names)} Expected "
                    f"some of {quote_list(names, LISTED)}; others weigh 1."
                ]
            )


def weigh_label(estimator: Any, label: str) -> Any:
    """Return a clone of `estimator` that separates rows with a label from those without it.

    Its class weights become the weight of `label` for rows with the label, and 1 for the others.
    """
    params: dict[str, dict[int, float]] = {}
    for parameter, _, weights in _list_named_weights(estimator):
        label_weights = {str(name): float(weight) for name, weight in weights.items()}
        params[parameter] = {0: 1.0, 1: label_weights.get(label, 1.0)}
    return clone(estimator).set_params(**params)
