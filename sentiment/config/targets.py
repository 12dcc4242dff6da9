"""The classes and functions that a config may name."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast

from sentiment.config.kinds import list_hints
from sentiment.config.project import import_object, list_trusted, matches
from sentiment.config.schemas import TARGETS
from sentiment.errors import OwnCodeError

# Keys of Hydra's own beside the parameters of an object.
HYDRA_KEYS = {"_target_", "_args_", "_convert_", "_partial_", "_recursive_", "_isolate_"}
# Packages with estimators that are not installed by default, and the extra that each is in.
EXTRAS = {"lightgbm": "lightgbm"}
# What a config may name as _target_; Hydra checks the object behind the name as well.
ALLOWED_TARGETS = [
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
    """Return the patterns of all that a config may name, the user's own among them."""
    return [*ALLOWED_TARGETS, *list_trusted()]


def is_allowed(name: str) -> bool:
    """Return whether the dotted `name`, and what it is an alias of, is on the list.

    Raises
    ------
    OwnCodeError
        Its module is trusted, and raises an error.
    """
    allowed = list_allowed()
    if name in TARGETS or name in allowed or not matches(name, allowed):
        return name in TARGETS or name in allowed
    try:
        found = locate(name)
    except (ImportError, AttributeError) as error:
        if isinstance(error, OwnCodeError):
            raise
        return True  # there is nothing that could be called
    return matches(f"{found.__module__}.{getattr(found, '__qualname__', '')}", allowed)


def describe_allowed(name: str) -> str:
    """Return what a config may name, and how it may name `name`."""
    package, _, inside = name.partition(".")
    if not inside:
        return "Expected the dotted name of a class, such as sklearn.svm.LinearSVC."
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
    OwnCodeError
        Its module raises an error.
    """
    found = import_object(name)
    if not callable(found):
        raise AttributeError(f"{name} is not a class or function")
    return cast("Callable[..., Any]", found)


def list_parameters(name: str) -> list[str] | None:
    """Return the parameters that `name` takes, or None if it takes any or they are not known."""
    if name in TARGETS:
        return list(list_hints(TARGETS[name]))
    parameters = _read_signature(name)
    if parameters is None or any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return None
    return list(parameters)


def list_required(name: str) -> list[str]:
    """Return the parameters without which `name` cannot be called."""
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
