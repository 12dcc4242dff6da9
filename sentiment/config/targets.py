"""The classes and functions that a config may name."""

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any, cast

from sentiment.config.kinds import list_hints
from sentiment.config.schemas import TARGETS

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


def is_allowed(name: str) -> bool:
    """Return whether the dotted `name`, and what it is an alias of, is on the list."""
    if name in TARGETS or not _is_listed(name):
        return name in TARGETS
    try:
        found = locate(name)
    except (ImportError, AttributeError):
        return True  # there is nothing that could be called
    return _is_listed(f"{found.__module__}.{getattr(found, '__qualname__', '')}")


def _is_listed(name: str) -> bool:
    return any(
        name == allowed or (allowed.endswith(".*") and name.startswith(allowed[:-1]))
        for allowed in ALLOWED_TARGETS
    )


def locate(name: str) -> Callable[..., Any]:
    """Return the object behind the dotted, allowed `name`.

    Raises
    ------
    ImportError, AttributeError
        There is no such object.
    """
    module, _, attribute = name.rpartition(".")
    found = getattr(import_module(module), attribute)
    if not callable(found):
        raise AttributeError(f"{name} is no class or function")
    return cast("Callable[..., Any]", found)


def list_parameters(name: str) -> list[str] | None:
    """Return the parameters that `name` takes, or None if it takes any."""
    if name in TARGETS:
        return list(list_hints(TARGETS[name]))
    parameters = inspect.signature(locate(name)).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return None
    return list(parameters)


def list_required(name: str) -> list[str]:
    """Return the parameters without which `name` cannot be called."""
    return [
        key
        for key, parameter in inspect.signature(locate(name)).parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    ]
