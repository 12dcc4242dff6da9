"""Check of features and models by scikit-learn's constraints on their parameters.

The constraints and their texts are private in scikit-learn (``_parameter_constraints`` and
``sklearn.utils._param_validation``). They are used nevertheless: the estimators of this project
have to declare theirs in this way, scikit-learn is pinned to a minor release, and a copy of several
hundred ranges would silently become wrong with the next release.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, get_type_hints

from omegaconf import DictConfig, ListConfig

from sentiment.config.arguments import GRIDS, list_constraints, prepare_value
from sentiment.config.project import is_trusted
from sentiment.config.schemas import INT_MAX, EstimatorSettings
from sentiment.config.targets import (
    EXTRAS,
    HYDRA_KEYS,
    describe_allowed,
    is_allowed,
    list_parameters,
    list_required,
    locate,
)
from sentiment.config.type_hints import (
    WRONG,
    convert,
    describe,
    describe_problem,
    list_hints,
    list_types,
    show,
)
from sentiment.errors import UserCodeError, join_words, read_reason, suggest

# Seeds, which may be up to 2**32 - 1.
_SEEDS = {"random_state"}
# Parameters that hold estimators by name.
_HOLDERS = ("steps", "estimators", "transformer_list", "transformers")


class Reader(Protocol):
    """Reader of settings that notes the settings without a value."""

    def read(self, node: DictConfig, key: Any, path: str) -> dict[str, Any]:
        """Return a setting and its value, or nothing."""


def check_estimator(node: DictConfig, path: str, reader: Reader) -> Iterator[str]:
    """Yield the problems of the object that `node` describes, and of the objects inside it."""
    if "_target_" not in node:
        yield f"{path} describes no object; choose one with {path.partition('.')[0]}=<name>."
        return
    name = str(node["_target_"])
    try:
        if not is_allowed(name):
            yield f"{path}._target_ is {name!r}, which is not allowed. {describe_allowed(name)}"
            return
        parameters, required = list_parameters(name), list_required(name)
    except UserCodeError as error:
        yield f"{path}._target_ is {name!r}: {error}"
        return
    except (ImportError, AttributeError, OSError) as error:  # OSError: a library that it loads
        yield f"{path}._target_ is {name!r}, but {_describe_absence(name, error)}"
        return
    short = name.rpartition(".")[2]
    constraints = list_constraints(name)
    keys = [str(key) for key in node if key not in HYDRA_KEYS]
    unknown = [] if parameters is None else [key for key in keys if key not in parameters]
    if parameters is not None and unknown:
        yield _describe_unknown(unknown, path, short, parameters)
    for key in (key for key in keys if key not in unknown):
        if _holds_objects(node._get_node(key)):
            yield from _check_inner(node, key, f"{path}.{key}", reader)
        else:
            for value in reader.read(node, key, path).values():
                yield from _check_parameter(node, key, value, f"{path}.{key}", constraints.get(key))
                if key in GRIDS and key in constraints:
                    yield from _check_grid(node, value, f"{path}.{key}")
    for key in required if not {"_args_", "_partial_"} & {*node} else ():
        if key not in [*node]:
            yield f"{path}.{key} has no value, and {short} needs it."


def _describe_unknown(unknown: list[str], path: str, short: str, parameters: list[str]) -> str:
    """Return the problem of unknown parameters of a class, and how to drop them."""
    names = [f"{path}.{key}" for key in unknown]
    kind = "is not a parameter" if len(names) == 1 else "are not parameters"
    near = suggest(unknown[0], parameters) if len(unknown) == 1 else ""
    # Without a similar name, they probably belong to the class of the config file.
    them, drop = "it" if len(names) == 1 else "them", " ".join(f"~{name}" for name in names)
    remedy = near or f" Leave {them} out; if a config file has {them}, type {drop}."
    known = ", ".join(parameters) or "none"
    return f"{join_words(names)} {kind} of {short}.{remedy} Known: {known}."


def _describe_absence(name: str, error: Exception) -> str:
    package = name.partition(".")[0]
    if package not in EXTRAS:
        where = f" in '{Path.cwd()}' or among the installed packages" if is_trusted(name) else ""
        return f"there is no such class or function{where}."
    if isinstance(error, ModuleNotFoundError) and error.name == package:
        return f"{package} is not installed: pip install 'sentiment[{EXTRAS[package]}]'."
    return f"{package} cannot be imported: {read_reason(error)}."


def _holds_objects(inner: Any) -> bool:
    """Return whether a node of a config describes an object or contains one at any depth."""
    if not isinstance(inner, DictConfig | ListConfig) or inner._is_none() or inner._is_missing():
        return False
    if isinstance(inner, DictConfig) and "_target_" in inner:
        return True
    keys: Any = inner if isinstance(inner, DictConfig) else range(len(inner))
    return any(_holds_objects(inner._get_node(key)) for key in keys)


def _check_inner(parent: Any, key: Any, path: str, reader: Reader) -> Iterator[str]:
    """Yield the problems of one object, or of several by name or in a list."""
    node = parent._get_node(key)
    if isinstance(node, DictConfig) and "_target_" in node:
        yield from check_estimator(node, path, reader)
    elif isinstance(node, DictConfig) and not node._is_none():
        for name in node:
            yield from _check_inner(node, name, f"{path}.{name!s}", reader)
    elif isinstance(node, ListConfig) and not node._is_none():
        for index in range(len(node)):
            yield from _check_inner(node, index, f"{path}.{index}", reader)
    elif isinstance(parent, DictConfig):
        for value in reader.read(parent, key, path.removesuffix(f".{key!s}")).values():
            if value not in ("drop", "passthrough"):
                yield f"{path} is {show(value)}; expected an object, with a _target_."


def _check_parameter(
    node: DictConfig, key: str, value: Any, path: str, constraints: list[Any] | None
) -> Iterator[str]:
    """Yield the problem of one value, or convert it in `node` if it only has another type."""
    hint = list_hints(EstimatorSettings).get(key)
    converted = value if hint is None else convert(hint, value)
    if converted is WRONG:
        yield describe_problem(hint, value, path)
        return
    if constraints is not None:
        expected = find_expected(constraints, prepare_value(constraints, converted))
    elif hint is None:
        expected, converted = _read_hinted(locate(str(node["_target_"])), key, value)
    else:
        expected = ""
    is_int = isinstance(converted, int) and not isinstance(converted, bool)
    if is_int and abs(converted) > INT_MAX and key not in _SEEDS:
        expected = expected or "a whole number below 2**31"
    if expected:
        yield f"{path} is {show(value)}; expected {expected}."
    elif converted != value:
        node[key] = converted


def _check_grid(node: DictConfig, grid: Any, path: str) -> Iterator[str]:
    """Yield the problems of candidates for parameters of the estimator in `node`."""
    if isinstance(grid, list):
        for index, item in enumerate(grid):
            yield from _check_grid(node, item, f"{path}.{index}")
        return
    if not isinstance(grid, dict):
        yield f"{path} is {show(grid)}; expected lists of values, by the names of parameters."
        return
    for name, candidates in grid.items():
        if not isinstance(candidates, list) or not candidates:
            yield f"{path}.{name} is {show(candidates)}; expected a list of values."
            continue
        owner, (parameter, *remaining_names) = _find_owner(
            node, ["estimator", *str(name).split("__")]
        )
        target = str(owner["_target_"])
        # Only scikit-learn knows the names in the result of a function such as `make_pipeline`.
        if owner is node or not is_allowed(target) or not isinstance(locate(target), type):
            continue
        own_parameters, constraints = list_parameters(target), list_constraints(target)
        parameters = None if own_parameters is None else [*_list_parts(owner), *own_parameters]
        if parameters is not None and parameter not in parameters:
            yield (
                f"{path}.{name}: {target.rpartition('.')[2]} has no parameter {parameter!r}."
                f"{suggest(parameter, parameters)} Known: {', '.join(parameters) or 'none'}."
            )
            continue
        if remaining_names or parameter not in constraints:
            continue  # scikit-learn checks estimators that no config names
        for value in candidates:
            expected = find_expected(
                constraints[parameter], prepare_value(constraints[parameter], value)
            )
            if expected:
                yield f"{path}.{name} has {show(value)}; expected {expected}."


def _find_owner(node: DictConfig, names: list[str]) -> tuple[DictConfig, list[str]]:
    """Follow `names` through the objects inside `node` that are described in the config.

    Returns
    -------
    DictConfig
        Description of the last object.
    list of str
        The remaining names, at least one.
    """
    for index, name in enumerate(names[:-1]):
        child = node[name] if name in node else _list_parts(node).get(name)
        if not isinstance(child, DictConfig) or "_target_" not in child:
            return node, names[index:]
        node = child
    return node, names[-1:]


def _list_parts(node: DictConfig) -> dict[str, Any]:
    """Return the parts of an object by name, such as the steps of a pipeline."""
    named_parts: dict[str, Any] = {}
    for holder in (node[key] for key in _HOLDERS if key in node):
        if isinstance(holder, DictConfig):
            named_parts |= {str(name): holder[name] for name in holder if name in holder}
        elif isinstance(holder, ListConfig):
            named_parts |= {
                str(pair[0]): pair[1] for pair in holder if isinstance(pair, ListConfig) and pair
            }
    return named_parts


def _read_hinted(target: Any, key: str, value: Any) -> tuple[str, Any]:
    """Return the value that a type hint expects, for messages, and the converted `value`.

    The message is "" if `value` fits or there is no hint.

    A number is converted to a string where a string is expected, as in settings of this project.
    """
    try:
        hint = get_type_hints(
            getattr(target, "__init__", target) if isinstance(target, type) else target
        )[key]
    except (KeyError, NameError, TypeError):
        return "", value
    if not list_types(hint):
        return "", value
    try:
        converted = convert(hint, value)
    except KeyError:  # objects
        return "an object, with a _target_, or several by name", value
    if converted is WRONG:
        return describe(hint), value
    return "", converted if isinstance(converted, str) else value


def find_expected(constraints: list[Any], value: Any) -> str:
    """Return the expected values by scikit-learn's `constraints`; "" if `value` satisfies one.

    Some values that the constraints accept from Python code are mistakes in a config and refused: a
    truth value for a number, a mapping for an array, a list for an iterable of splits, and infinity
    where the text of a constraint excludes it.
    """
    from sklearn.utils._param_validation import Interval, make_constraint

    checks = [make_constraint(constraint) for constraint in constraints]
    keywords = {constraint for constraint in constraints if isinstance(constraint, str)}
    match value:
        case {"_target_": str()}:  # a function, by its name
            is_satisfied = True
        case list() | tuple() | dict():
            is_array = "array-like" in keywords and convert(list[float], value) is not WRONG
            is_satisfied = is_array or type(value) in constraints
        case bool():
            is_satisfied = bool(keywords & {"boolean", "verbose"}) or bool in constraints
        case float() if math.isnan(value):
            is_satisfied = False
        case float() if math.isinf(value):
            is_satisfied = any(
                isinstance(check, Interval) and check.closed in ("right", "both") and value in check
                for check in checks
            )
        case _:
            is_satisfied = any(check.is_satisfied_by(value) for check in checks)
    if is_satisfied:
        return ""
    visible_checks = [check for check in checks if not check.hidden]
    # The texts of constraints list options in an order that varies between processes.
    names = sorted(str(name) for check in visible_checks for name in getattr(check, "options", ()))
    descriptions = [str(check) for check in visible_checks if not hasattr(check, "options")]
    descriptions += [f"one of {', '.join(names)}"] if len(names) > 1 else names
    text = " or ".join(descriptions).replace("a callable", "the dotted name of a function")
    return text.replace("None", "null")
