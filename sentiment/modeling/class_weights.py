"""Weights of classes by their names: where models can have them, and those of label sets."""

from collections.abc import Iterable, Iterator
from typing import Any

from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain

from sentiment.errors import LISTED, ConfigError, quote_list, suggest
from sentiment.modeling.estimators.label_codes import LabelCodes

# They fit what is inside of them on the numbers of the classes.
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
        The one that has it.
    weights : dict of str to float
        Weights of classes.
    """
    params = read_params(model)
    for parameter, value in params.items():
        outer, _, name = parameter.rpartition("__")
        if name == _NAME and isinstance(value, dict) and not value.keys() <= {0, 1}:
            yield parameter, params.get(outer, model), value


def check_named_weights(model: Any, *, of_sets: bool = False) -> None:
    """Check that no weights by name are inside of a model that hides the names.

    Parameters
    ----------
    model : classifier
        Not fitted.
    of_sets : bool
        True if names are those of labels, and `model` is cloned for each of them.

    Raises
    ------
    ConfigError
        scikit-learn would not find the names.
    """
    params = {"": model} | read_params(model)
    for parameter, owner, weights in () if of_sets else _list_named_weights(model):
        places = [place for place in params if not place or parameter.startswith(f"{place}__")]
        hiding = [params[place] for place in places if isinstance(params[place], _NUMBERING)]
        if any(one is not owner for one in hiding):
            raise ConfigError(
                [
                    f"class_weight of {type(owner).__name__} is {weights!r}, but it is inside of a "
                    f"{type(hiding[0]).__name__}, which shows it numbers instead of the names of "
                    "classes. Use class_weight=balanced, or a model that sees the names, such as "
                    "model=nbsvm or model=logistic_regression."
                ]
            )


def read_params(model: Any) -> dict[str, Any]:
    """Return the parameters of `model` and of all inside of it; own classes may have none."""
    params: dict[str, Any] = model.get_params() if hasattr(model, "get_params") else {}
    return params


def check_weighted_classes(model: Any, classes: Iterable[str]) -> None:
    """Check that weights by name are those of classes.

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
    known = [str(label) for label in classes]
    for _, owner, weights in _list_named_weights(model):
        unknown = [str(name) for name in weights if str(name) not in known]
        if unknown:
            raise ConfigError(
                [
                    f"class_weight of {type(owner).__name__} names {quote_list(unknown)}, of "
                    f"which there are no training rows.{suggest(unknown[0], known)} Expected "
                    f"some of {quote_list(known, LISTED)}; others weigh 1."
                ]
            )


def weigh_label(estimator: Any, label: str) -> Any:
    """Return a clone of `estimator` for rows with a label against those without it.

    Weights by name become those of two classes: that of `label` for the rows that have it, and 1
    for the others.
    """
    weights: dict[str, dict[int, float]] = {}
    for parameter, _, named in _list_named_weights(estimator):
        by_name = {str(name): float(weight) for name, weight in named.items()}
        weights[parameter] = {0: 1.0, 1: by_name.get(label, 1.0)}
    return clone(estimator).set_params(**weights)
