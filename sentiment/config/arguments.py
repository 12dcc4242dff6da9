"""Conversion of YAML values to the arguments that constructors expect.

YAML has no tuples, no lists of named estimators and no functions. Where scikit-learn's constraints
on a parameter expect one, it is made from a list, a mapping of names to objects or a dotted name.
"""

from collections.abc import Callable, Iterator
from typing import Any

from sentiment.config.schemas import TARGETS
from sentiment.config.targets import is_allowed, locate

# Target of a function as a value. Hydra's own target for this would return any function.
_FUNCTION = f"{__name__}.get_function"
_OBJECT = "_target_"
# A mapping of classes to weights; the classes may be numbers.
_WEIGHTS = "class_weight"
# A class without constraints, though its argument has to be converted.
_UNION = ("sklearn.pipeline", "FeatureUnion")
# Parameters of grid searches, which map names such as tfidf__ngram_range to candidate values.
GRIDS = {"param_grid", "param_distributions"}


def get_function(name: str) -> Callable[..., Any]:
    """Return the function with a dotted name.

    Raises
    ------
    ValueError
        A config must not name it.

    Examples
    --------
    >>> get_function("sklearn.feature_selection.chi2").__name__
    'chi2'
    """
    if not is_allowed(name):
        raise ValueError(f"{name!r} is not allowed in a config")
    return locate(name)


def prepare_arguments(description: Any) -> Any:
    """Return a description of objects, in plain containers, with its arguments converted.

    Parameters
    ----------
    description : dict, list or plain value
        A dict with a ``_target_`` describes an object.

    Examples
    --------
    >>> tfidf = {"_target_": "sklearn.feature_extraction.text.TfidfVectorizer"}
    >>> prepare_arguments(tfidf | {"ngram_range": [1, 2]})["ngram_range"]
    (1, 2)
    """
    if isinstance(description, list | tuple):
        return type(description)(map(prepare_arguments, description))
    if not isinstance(description, dict):
        return description
    if _OBJECT not in description:
        return {str(key): prepare_arguments(value) for key, value in description.items()}
    constraints = list_constraints(str(description[_OBJECT]))
    prepared: dict[str, Any] = {}
    for key, value in description.items():
        if key in GRIDS:
            value = _prepare_grid(value, set(_list_tuples(description)))
        if key == _WEIGHTS and isinstance(value, dict):
            prepared[key] = {_read_class(name): weight for name, weight in value.items()}
            continue
        prepared[str(key)] = prepare_arguments(prepare_value(constraints.get(key, []), value))
    return prepared


def _read_class(name: Any) -> str | int:
    """Return a key of class weights: an int for a whole number, else the name."""
    try:
        return int(str(name))
    except ValueError:
        return str(name)


def list_constraints(target: str) -> dict[str, list[Any]]:
    """Return scikit-learn's constraints on parameters, by name; others take any value.

    Parameters
    ----------
    target : str
        Dotted name of a class or function. It is only imported if a config may name it.
    """
    if target in TARGETS:
        return {}
    try:
        target_object: Any = locate(target) if is_allowed(target) else None
    except (ImportError, AttributeError):
        return {}
    if (getattr(target_object, "__module__", ""), getattr(target_object, "__name__", "")) == _UNION:
        return {"transformer_list": [list]}
    constraints = getattr(target_object, "_parameter_constraints", {})
    return {key: value for key, value in constraints.items() if isinstance(value, list)}


def prepare_value(constraints: list[Any], value: Any) -> Any:
    """Return `value` converted to the type that `constraints` expect, or unchanged.

    Examples
    --------
    >>> prepare_value([tuple], [1, 2]), prepare_value(["array-like"], [1, 2])
    ((1, 2), [1, 2])
    """
    if isinstance(value, list):
        if tuple in constraints and list not in constraints and "array-like" not in constraints:
            return tuple(value)
        # Lists of names with objects, such as the steps of a pipeline.
        return [tuple(item) if _is_named_object(item) else item for item in value]
    if isinstance(value, dict) and list in constraints and _names_objects(value):
        return list(value.items())
    if isinstance(value, str) and _names_function(constraints, value):
        return {_OBJECT: _FUNCTION, "name": value}
    return value


def _names_objects(value: dict[Any, Any]) -> bool:
    """Return whether `value` maps names to objects, or to "drop" or "passthrough" for some."""
    objects = [isinstance(item, dict) and _OBJECT in item for item in value.values()]
    return any(objects) and all(
        is_object or item in ("drop", "passthrough")
        for is_object, item in zip(objects, value.values(), strict=True)
    )


def _names_function(constraints: list[Any], value: str) -> bool:
    """Return whether `value` is a dotted name where `constraints` expect a function."""
    return callable in constraints and "." in value and is_allowed(value)


def _is_named_object(item: Any) -> bool:
    match item:
        case [str(), dict() | "drop" | "passthrough", *_]:
            return True
    return False


def _prepare_grid(value: Any, tuples: set[str]) -> Any:
    """Return the candidates of each parameter, as tuples for the parameters in `tuples`."""
    if isinstance(value, list):
        return [_prepare_grid(candidate, tuples) for candidate in value]
    if not isinstance(value, dict):
        return value
    return {
        key: [
            tuple(candidate) if isinstance(candidate, list) else candidate
            for candidate in candidates
        ]
        if str(key).rpartition("__")[2] in tuples and isinstance(candidates, list)
        else candidates
        for key, candidates in value.items()
    }


def _list_tuples(description: Any) -> Iterator[str]:
    """Yield the names of all tuple parameters of the described objects, set or not."""
    if isinstance(description, list | tuple):
        for item in description:
            yield from _list_tuples(item)
    elif isinstance(description, dict):
        for key, constraints in list_constraints(str(description.get(_OBJECT))).items():
            if isinstance(prepare_value(constraints, [1]), tuple):
                yield key
        yield from _list_tuples([*description.values()])
