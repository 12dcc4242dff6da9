"""Checks of features and models by the constraints that scikit-learn has for their parameters.

The constraints and their texts are private in scikit-learn (``_parameter_constraints`` and
``sklearn.utils._param_validation``). They are used nevertheless: our own estimators have to declare
theirs in this way, the version of scikit-learn is pinned to a minor release, and a copy of several
hundred ranges would be wrong at the next one without anybody noticing.
"""

import math
from collections.abc import Iterator
from typing import Any, Protocol, get_type_hints

from omegaconf import DictConfig

from sentiment.config.kinds import (
    WRONG,
    convert,
    describe,
    describe_problem,
    list_hints,
    list_types,
    show,
)
from sentiment.config.schemas import INT_MAX, EstimatorSettings
from sentiment.config.targets import HYDRA_KEYS, PAIRS, is_allowed, list_parameters, locate
from sentiment.errors import suggest

_PLAIN = {str, int, float, bool}
# Seeds have a range of their own, up to 2**32 - 1.
_SEEDS = {"random_state"}


class Reader(Protocol):
    """Reader of settings that notes those that cannot be read."""

    def read(self, node: DictConfig, key: Any, path: str) -> dict[str, Any]:
        """Return a setting and its value, or nothing."""


def check_estimator(node: DictConfig, path: str, reader: Reader) -> Iterator[str]:
    """Yield the problems of the object that `node` describes, and of those inside it."""
    if "_target_" not in node:
        yield f"{path} describes no object; choose one with {path.partition('.')[0]}=<name>."
        return
    name = str(node["_target_"])
    if not is_allowed(name):
        yield (
            f"{path}._target_ is {name!r}, which is not allowed. Only this project's and "
            "scikit-learn's own estimators can be named in a config."
        )
        return
    try:
        parameters = list_parameters(name)
    except (ImportError, AttributeError):
        yield f"{path}._target_ is {name!r}, but there is no such class or function."
        return
    for key in (str(key) for key in node if key not in HYDRA_KEYS):
        if parameters is not None and key not in parameters:
            yield (
                f"{path}.{key} is not a parameter of {name.rpartition('.')[2]}."
                f"{suggest(key, parameters)} Known: {', '.join(parameters)}."
            )
        elif _holds_objects(node, key):
            yield from _check_inner(node[key], f"{path}.{key}", reader)
        else:
            for value in reader.read(node, key, path).values():
                yield from _check_parameter(node, key, value, f"{path}.{key}")


def _holds_objects(node: DictConfig, key: str) -> bool:
    inner = node._get_node(key)
    if not isinstance(inner, DictConfig) or inner._is_none():
        return False
    nodes = [inner, *(inner._get_node(key) for key in inner)]
    return any(isinstance(node, DictConfig) and "_target_" in node for node in nodes)


def _check_inner(node: DictConfig, path: str, reader: Reader) -> Iterator[str]:
    """Yield the problems of one object, or of several by name."""
    if "_target_" in node:
        yield from check_estimator(node, path, reader)
        return
    for key in node:
        inner = node._get_node(key)
        if isinstance(inner, DictConfig) and not inner._is_none():
            yield from check_estimator(inner, f"{path}.{key!s}", reader)
        else:
            for value in reader.read(node, key, path).values():
                yield f"{path}.{key!s} is {show(value)}; expected an object, with a _target_."


def _check_parameter(node: DictConfig, key: str, value: Any, path: str) -> Iterator[str]:
    """Yield the problem of one value, which is converted in `node` if that is meant."""
    target = locate(str(node["_target_"]))
    own = list_hints(EstimatorSettings).get(key)
    converted = value if own is None else convert(own, value)
    if converted is WRONG:
        yield describe_problem(own, value, path)
        return
    constraints = getattr(target, "_parameter_constraints", {}).get(key, "no_validation")
    if constraints != "no_validation":
        expected = find_expected(constraints, tuple(converted) if key in PAIRS else converted)
    elif own is None:
        expected = _find_hinted(target, key, value)
    else:
        expected = ""
    is_int = isinstance(converted, int) and not isinstance(converted, bool)
    if is_int and abs(converted) > INT_MAX and key not in _SEEDS:
        expected = expected or "a whole number below 2**31"
    if expected:
        yield f"{path} is {show(value)}; expected {expected}."
    elif converted != value:
        node[key] = converted


def _find_hinted(target: Any, key: str, value: Any) -> str:
    """Return what the type hint of a parameter expects, "" if `value` fits or there is no hint."""
    try:
        hint = get_type_hints(
            getattr(target, "__init__", target) if isinstance(target, type) else target
        )[key]
    except (KeyError, NameError, TypeError):
        return ""
    if not list_types(hint):
        return ""
    try:
        wrong = convert(hint, value) is WRONG
    except KeyError:  # objects
        return "an object, with a _target_, or several by name"
    return describe(hint) if wrong else ""


def find_expected(constraints: list[Any], value: Any) -> str:
    """Return what scikit-learn's `constraints` expect, "" if `value` satisfies one of them.

    What they allow to callers of Python but no config can mean is not allowed: a truth value for a
    number, a mapping for an array, a list for an iterable of splits, and infinity where their
    text excludes it.
    """
    from sklearn.utils._param_validation import Interval, make_constraint

    made = [make_constraint(one) for one in constraints]
    words = {one for one in constraints if isinstance(one, str)}
    match value:
        case list() | tuple() | dict():
            is_array = "array-like" in words and convert(list[float], value) is not WRONG
            fits = is_array or type(value) in constraints
        case bool():
            fits = bool(words & {"boolean", "verbose"}) or bool in constraints
        case float() if math.isnan(value):
            fits = False
        case float() if math.isinf(value):
            fits = any(
                isinstance(one, Interval) and one.closed in ("right", "both") and value in one
                for one in made
            )
        case _:
            fits = any(one.is_satisfied_by(value) for one in made)
    if fits:
        return ""
    visible = [one for one in made if not one.hidden]
    # Their own text lists options in an order that changes from process to process.
    names = sorted(str(name) for one in visible for name in getattr(one, "options", ()))
    shown = [str(one) for one in visible if not hasattr(one, "options")]
    shown += [f"one of {', '.join(names)}"] * bool(names)
    return " or ".join(shown).replace("None", "null")
