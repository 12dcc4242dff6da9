"""The classes and functions that a config may name."""

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any, cast

from sentiment.config.kinds import list_hints
from sentiment.config.schemas import TARGETS

# Keys of Hydra's own beside the parameters of an object.
HYDRA_KEYS = {"_target_", "_args_", "_convert_", "_partial_", "_recursive_", "_isolate_"}
# The command line and YAML know lists only; these parameters of scikit-learn are tuples.
PAIRS = {"ngram_range", "feature_range", "quantile_range"}
# What a config may name as _target_; Hydra checks the object behind the name as well.
ALLOWED_TARGETS = [
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
    "sklearn.calibration.*",
    "sklearn.compose.*",
    "sklearn.decomposition.*",
    "sklearn.discriminant_analysis.*",
    "sklearn.dummy.*",
    "sklearn.ensemble.*",
    "sklearn.feature_extraction.*",
    "sklearn.feature_selection.*",
    "sklearn.linear_model.*",
    "sklearn.naive_bayes.*",
    "sklearn.neighbors.*",
    "sklearn.neural_network.*",
    "sklearn.pipeline.*",
    "sklearn.preprocessing.*",
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
