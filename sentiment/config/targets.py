"""Allow-list of the classes and functions that a config may name."""

import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any, cast

from sentiment.config.project import import_object, list_trusted, matches
from sentiment.config.schemas import TARGETS
from sentiment.config.type_hints import list_hints
from sentiment.errors import UserCodeError

# Hydra's own keys beside the parameters of an object.
HYDRA_KEYS = {"_target_", "_args_", "_convert_", "_partial_", "_recursive_", "_isolate_"}
# Optional packages with estimators, and the extra of each.
EXTRAS = {"lightgbm": "lightgbm"}
# Patterns for _target_; Hydra also checks the object behind the name.
_ALLOWED_TARGETS = [
    "sentiment.config.arguments.get_function",
    "sentiment.config.starting.StartCheck",
    "sentiment.data.datasets.*",
    "sentiment.commands.predict.distributed.*",
    "sentiment.ngrams.vectorizers.*",
    "sentiment.modeling.estimators.*",
    "sentiment.modeling.scoring.BatchScorer",
    "sentiment.tracking.MlflowTracker",
    "sentiment.tracking.NoTracker",
    "sentiment.tracking.off.NoTracker",
    "sentiment.tracking.store.MlflowTracker",
    "lightgbm.LGBMClassifier",
    "lightgbm.sklearn.LGBMClassifier",
    "sklearn.calibration.*",
    "sklearn.cluster.*",
    "sklearn.compose.*",
    "sklearn.cross_decomposition.*",
    "sklearn.decomposition.*",
    "sklearn.discriminant_analysis.*",
    "sklearn.dummy.*",
    "sklearn.ensemble.*",
    "sklearn.feature_extraction.*",
    "sklearn.feature_selection.*",
    "sklearn.gaussian_process.*",
    "sklearn.impute.*",
    "sklearn.kernel_approximation.*",
    "sklearn.linear_model.*",
    "sklearn.manifold.*",
    "sklearn.model_selection.*",
    "sklearn.multiclass.*",
    "sklearn.multioutput.*",
    "sklearn.naive_bayes.*",
    "sklearn.neighbors.*",
    "sklearn.neural_network.*",
    "sklearn.pipeline.*",
    "sklearn.preprocessing.*",
    "sklearn.random_projection.*",
    "sklearn.semi_supervised.*",
    "sklearn.svm.*",
    "sklearn.tree.*",
]


def list_allowed() -> list[str]:
    """Return the patterns of all allowed names, including those that the user trusts."""
    return [*_ALLOWED_TARGETS, *list_trusted()]


def is_allowed(name: str) -> bool:
    """Return whether the dotted `name`, and the object that it is an alias of, is allowed.

    Raises
    ------
    UserCodeError
        Its module is trusted and raises an error.
    """
    allowed = list_allowed()
    if name in TARGETS or name in allowed or not matches(name, allowed):
        return name in TARGETS or name in allowed
    try:
        target_object = locate(name)
    except (ImportError, AttributeError) as error:
        if isinstance(error, UserCodeError):
            raise
        return True  # nothing to call
    return matches(
        f"{target_object.__module__}.{getattr(target_object, '__qualname__', '')}", allowed
    )


def describe_allowed(name: str) -> str:
    """Return a sentence on allowed names, and on how to allow `name`."""
    package, _, inside = name.partition(".")
    if not inside:
        return "Expected the dotted name of a class, such as sklearn.svm.LinearSVC."
    if package in sys.stdlib_module_names:  # such as os.system, which no config should name
        return "Expected a class of this project or of scikit-learn, or one of your own package."
    return (
        "Expected a class of this project or of scikit-learn, or one that you trust: list it in "
        f'the pyproject.toml of this folder, [tool.sentiment] trusted = ["{package}.*"], or add '
        f"'trusted=[{package}.*]' to the command."
    )


def locate(name: str) -> Callable[..., Any]:
    """Return the object behind the dotted, allowed `name`.

    Raises
    ------
    ImportError, AttributeError
        There is no such object.
    UserCodeError
        Its module raises an error.
    """
    target_object = import_object(name)
    if not callable(target_object):
        raise AttributeError(f"{name} is not a class or function")
    return cast("Callable[..., Any]", target_object)


def list_parameters(name: str) -> list[str] | None:
    """Return the parameters of `name`, or None if it takes any or they are not known."""
    if name in TARGETS:
        return list(list_hints(TARGETS[name]))
    parameters = _read_signature(name)
    if parameters is None or any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return None
    return list(parameters)


def list_required(name: str) -> list[str]:
    """Return the required parameters of `name`."""
    return [
        key
        for key, parameter in (_read_signature(name) or {}).items()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    ]


def _read_signature(name: str) -> Mapping[str, inspect.Parameter] | None:
    try:
        return inspect.signature(locate(name)).parameters
    except ValueError:  # of compiled code
        return None
