"""JSON schemas of the files under ``conf/``, for editors that complete and check YAML.

``python -m sentiment.config.json_schemas`` writes them into the folder ``schemas``. They are made
from what the commands check: the schemas of this package and scikit-learn's constraints. In the
folder of a project, they include its metrics and the classes that it trusts.
"""

import inspect
import json
import logging
import math
import re
import warnings
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from numbers import Integral
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from sentiment.config.arguments import list_constraints
from sentiment.config.conf_folder import CONF
from sentiment.config.descriptions import list_comments, read_settings
from sentiment.config.project import is_trusted, list_conf, list_trusted
from sentiment.config.schemas import (
    COMMANDS,
    TARGETS,
    EstimatorSettings,
    Group,
    WorkerSettings,
    is_nested,
)
from sentiment.config.targets import EXTRAS, is_allowed, list_parameters, locate
from sentiment.config.type_hints import describe, list_hints

FOLDER = Path("schemas")
# The files that each schema applies to, in the form of the editors' setting yaml.schemas.
PATTERNS: dict[str, list[str]] = {
    **{name: [f"conf/{name}.yaml"] for name in COMMANDS},
    **{name: [f"conf/{name}/*.yaml"] for name in ("features", "model", "deploy", "tracking")},
    "data": ["conf/data/*.yaml", "conf/common/dataset.yaml", "conf/common/table.yaml"],
    # These files are merged at the top level, so they may have any setting of `train`.
    "experiment": ["conf/experiment/*.yaml", "conf/search/*.yaml", "conf/common/recipe/*/*.yaml"],
    "sweep": ["conf/common/sweep.yaml", "conf/common/search.yaml"],
    "shared": ["conf/common/command.yaml"],
    "space": ["conf/common/space/*.yaml", "conf/common/space/*/*.yaml"],
    "launcher": ["conf/hydra/launcher/*.yaml"],
    "logging": ["conf/hydra/*_logging/*.yaml"],
}

log = logging.getLogger(__name__)

Schema = dict[str, Any]
_DRAFT = "http://json-schema.org/draft-07/schema#"
# A reference to another setting, or a required value.
_REFERENCE: Schema = {"type": "string", "pattern": r"\$\{|^\?\?\?$"}
# Keys that any file may have beside its settings.
_HYDRA: Schema = {
    "defaults": {"type": "array", "description": "Files that this one is composed of."},
    "hydra": {"type": "object", "description": "Settings of Hydra itself."},
}
_TARGET = re.compile(r"_target_: ([\w.]+)")
_PLACEHOLDERS = ["drop", "passthrough"]
_PLAIN: dict[Any, Schema] = {
    # Numbers and truth values are texts where a text is expected.
    str: {"type": ["string", "number", "boolean"]},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    NoneType: {"type": "null"},
}


def write_schemas(folder: Path = FOLDER) -> list[Path]:
    """Write a schema for each kind of file, and ``settings.json``, which maps files to them."""
    folder.mkdir(exist_ok=True)
    schemas = {name: make_schema(name) for name in PATTERNS}
    schemas["settings"] = make_editor_settings()
    for name, schema in schemas.items():
        (folder / f"{name}.json").write_text(json.dumps(schema, indent=1) + "\n", encoding="utf-8")
    return [folder / f"{name}.json" for name in schemas]


def make_editor_settings() -> Schema:
    """Return the settings that connect files and schemas in VS Code."""
    return {"yaml.schemas": {f"./{FOLDER}/{name}.json": files for name, files in PATTERNS.items()}}


def make_schema(name: str) -> Schema:
    """Return the schema of the files that ``PATTERNS[name]`` names.

    Parameters
    ----------
    name : str
        A key of `PATTERNS`.

    Examples
    --------
    >>> make_schema("train")["properties"]["seed"]["anyOf"][0]["type"]
    'integer'
    """
    body = _make_body(name)
    groups = ["data", "features", "model", "deploy", "tracking"]
    group_references = {f"#/definitions/{group}": group for group in groups}
    definitions: Schema = {}
    pending = [group_references[reference] for reference in _list_references(body)]
    while pending:
        group = pending.pop()
        if group not in definitions:
            definitions[group] = _make_group(group)
            pending += [
                group_references[reference] for reference in _list_references(definitions[group])
            ]
    return {"$schema": _DRAFT, "title": ", ".join(PATTERNS[name]), **body} | (
        {"definitions": definitions} if definitions else {}
    )


def _make_body(name: str) -> Schema:
    match name:
        case "experiment":
            return _make_command("train")
        case "sweep":
            comments = _name_comments(CONF / "common")
            return _make_object(_make_settings(list_hints(COMMANDS["train"])["search"], comments))
        case "shared":
            return _make_object({})
        case "space":
            keys = {"pattern": r"^(features|model)\."}
            ranges = {"type": ["string", "number", "array"], "description": "A range of Hydra's."}
            return {"type": "object", "propertyNames": keys, "additionalProperties": ranges}
        case "launcher":
            comments = _name_comments(CONF / "hydra" / "launcher")
            properties = _make_settings(WorkerSettings, comments)
            return _make_object({"_target_": {"type": "string"}, **properties})
        case "logging":  # as logging.config.dictConfig has it
            return {"type": "object", "properties": {"version": {"const": 1}}}
    return _make_command(name) if name in COMMANDS else _make_group(name)


def _make_command(name: str) -> Schema:
    comments = {setting.key: setting.comment for setting in read_settings(CONF / f"{name}.yaml")}
    return _make_object(_make_settings(COMMANDS[name], comments))


def _make_settings(schema: type, comments: dict[str, str], prefix: str = "") -> Schema:
    """Return the properties of a schema of settings; a group refers to its definition."""
    properties: Schema = {}
    for name, hint in list_hints(schema).items():
        if hint is Group:
            properties[name] = {"$ref": f"#/definitions/{name}"}
        elif is_nested(hint):
            nested_comments = (
                comments if name != "search" else _name_comments(CONF / "common") | comments
            )
            nested = _make_settings(hint, nested_comments, f"{prefix}{name}.")
            properties[name] = _make_object(nested, hydra=False)
        else:
            comment = comments.get(f"{prefix}{name}") or comments.get(name, "")
            properties[name] = _describe(_convert(hint), comment or describe(hint))
    return properties


@cache
def _make_group(group: str) -> Schema:
    """Return the schema of the files of a group, by the class that ``_target_`` names."""
    by_target = {target: _make_target(group, target) for target in _list_targets(group)}
    names = dict.fromkeys(name for properties in by_target.values() for name in properties)
    # Files without a target inherit it from a file that they include.
    merged = {
        name: _join_described(
            [properties[name] for properties in by_target.values() if name in properties]
        )
        for name in names
    }
    target = _join([{"type": "string", "enum": [*by_target]}, *map(_match, list_trusted())])
    schemas = {
        name: _make_object(
            {"_target_": target} | properties, allow_others=_has_unlisted_parameters(name)
        )
        for name, properties in by_target.items()
    }
    return {
        "type": "object",
        "properties": {"_target_": target},
        "if": {"required": ["_target_"]},
        "then": {
            "allOf": [
                {"if": {"properties": {"_target_": {"const": name}}}, "then": schema}
                for name, schema in schemas.items()
            ]
        },
        "else": _make_object(merged),
    }


def _match(pattern: str) -> Schema:
    """Return the schema of the names that a trusted `pattern` matches."""
    suffix = r"\w+(\.\w+)*" if pattern.endswith(".*") else ""
    return {"type": "string", "pattern": f"^{re.escape(pattern.removesuffix('*'))}{suffix}$"}


def _make_target(group: str, target: str) -> Schema:
    comments: dict[str, str] = {}
    for folder in reversed(list_conf()):
        comments |= _name_comments(folder / group, target)
    if target in TARGETS:
        return _make_settings(TARGETS[target], comments)
    return {
        name: _describe(_make_parameter(group, target, name), comments.get(name, ""))
        for name in inspect.signature(locate(target)).parameters
    }


def _has_unlisted_parameters(target: str) -> bool:
    """Return whether a target accepts parameters that cannot be listed."""
    return target not in TARGETS and list_parameters(target) is None


def _make_parameter(group: str, target: str, name: str) -> Schema:
    """Return the schema of a parameter of an estimator."""
    if name in (hints := list_hints(EstimatorSettings)):
        return _convert(hints[name])
    target_object = locate(target)
    constraints = list_constraints(target).get(name)
    if constraints is not None:
        schemas = [_read_constraint(constraint, group) for constraint in constraints]
        if list in constraints:  # of names and objects, such as the steps of a pipeline
            part = {"anyOf": [{"$ref": f"#/definitions/{group}"}, {"enum": _PLACEHOLDERS}]}
            schemas.append({"type": "object", "additionalProperties": part})
        return _join([*schemas, _REFERENCE])
    hint = get_type_hints(target_object).get(name) if not isinstance(target_object, type) else None
    if get_origin(hint) is dict and get_args(hint)[1] not in _PLAIN:
        return {"type": "object", "additionalProperties": {"$ref": f"#/definitions/{group}"}}
    return _convert(hint) if hint is not None else {}


def _read_constraint(constraint: Any, group: str) -> Schema:
    """Return the schema of one of scikit-learn's constraints; see `estimators.find_expected`."""
    from sklearn.utils._param_validation import HasMethods, Interval, Options

    match constraint:
        case None:
            return {"type": "null"}
        case Interval():
            return _read_interval(constraint)
        case Options():
            return {"enum": sorted(map(str, constraint.options))}
        case HasMethods():  # a selection of features may have a model in it
            groups = dict.fromkeys([group, "model"])
            return _join({"$ref": f"#/definitions/{name}"} for name in groups)
        case _ if constraint is callable:
            return {"type": "string", "pattern": r"^\w+(\.\w+)+$"}
        case "boolean":
            return {"type": "boolean"}
        case "verbose" | "random_state":
            return {"type": ["integer", "boolean", "null"]}
        case "cv_object":
            return {"type": ["integer", "null"]}
        case "array-like":
            return {"type": "array"}
    schemas_by_type: dict[Any, Schema] = {
        **_PLAIN,
        list: {"type": "array"},
        tuple: {"type": "array"},
        dict: {"type": "object"},
    }
    return schemas_by_type.get(constraint, {"not": {}})  # no file can hold other values


def _read_interval(interval: Any) -> Schema:
    schema: Schema = {"type": "integer" if interval.type is Integral else "number"}
    limits = {
        "minimum" if interval.closed in ("left", "both") else "exclusiveMinimum": interval.left,
        "maximum" if interval.closed in ("right", "both") else "exclusiveMaximum": interval.right,
    }
    return schema | {
        name: limit for name, limit in limits.items() if limit is not None and abs(limit) < math.inf
    }


def _convert(hint: Any) -> Schema:
    """Return the schema of a kind of setting, which may be a reference to another setting."""
    schema = _convert_plainly(hint)
    return schema if schema == {} else _join([schema, _REFERENCE])


def _convert_plainly(hint: Any) -> Schema:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        schema = dict(_convert_plainly(arguments[0]))
        for rule in arguments[1:]:
            names = [*rule.names, *rule.list_more()]
            schema |= {"enum": names} if names else dict(rule.limits)
        return schema
    if origin in (Union, UnionType):
        return _join(map(_convert_plainly, arguments))
    if origin is list:
        return {"type": "array", "items": _convert(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _convert(arguments[1])}
    return _PLAIN.get(hint, {})


def _join(schemas: Iterable[Schema]) -> Schema:
    """Return a schema that allows the values of any of `schemas`."""
    different: list[Schema] = []
    for schema in schemas:
        for option in schema.get("anyOf", [schema]):
            if option not in different:
                different.append(option)
    return different[0] if len(different) == 1 else {"anyOf": different}


def _name_comments(folder: Path, target: str = "") -> dict[str, str]:
    """Return the comments of a group on settings, by name; comments on `target` take precedence."""
    comments = list_comments(folder)
    general = {name: comment for (of, name), comment in comments.items() if not of}
    return general | {name: comment for (of, name), comment in comments.items() if of == target}


def _join_described(schemas: list[Schema]) -> Schema:
    descriptions = [schema["description"] for schema in schemas if "description" in schema]
    return _describe(
        _join({k: v for k, v in schema.items() if k != "description"} for schema in schemas),
        "; or: ".join(dict.fromkeys(descriptions)),
    )


def _describe(schema: Schema, meaning: str) -> Schema:
    return {**schema, "description": meaning} if meaning else schema


def _make_object(properties: Schema, *, hydra: bool = True, allow_others: bool = False) -> Schema:
    """Return the schema of an object with these properties, and no others unless `allow_others`."""
    return {
        "type": "object",
        "properties": {**(_HYDRA if hydra else {}), **properties},
        "additionalProperties": allow_others,
    }


@cache
def _list_targets(group: str) -> list[str]:
    """Return the targets of a group: those in its files, and scikit-learn's estimators.

    Trusted classes that cannot be imported are left out; their parameters are not known.
    """
    files = [path for folder in list_conf() for path in (folder / group).glob("*.yaml")]
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in files]
    targets = {name for text in texts for name in _TARGET.findall(text)}
    targets |= {target for target, schema in TARGETS.items() if schema.group == group}
    if group == "tracking":
        targets |= {target for target in TARGETS if target.startswith("sentiment.tracking.")}
    if group in ("features", "model"):
        kind = "classifier" if group == "model" else "transformer"
        targets |= _list_estimators(kind) | {"sklearn.pipeline.Pipeline"}
    missing = tuple(package for package in EXTRAS if find_spec(package) is None)
    return sorted(
        name
        for name in targets
        if not name.startswith(missing) and (not is_trusted(name) or _is_callable(name))
    )


def _is_callable(name: str) -> bool:
    try:
        return callable(locate(name))
    except (ImportError, AttributeError) as error:
        log.warning("the parameters of %s are not known: %s", name, error)
        return False


def _list_estimators(kind: str) -> set[str]:
    from sklearn.utils import all_estimators

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimators = all_estimators(kind)
    names = set()
    for name, estimator in estimators:
        public = estimator.__module__.partition("._")[0]
        names.add(f"{public}.{name}")
    return {name for name in names if name.startswith("sklearn.") and is_allowed(name)}


def _list_references(schema: Any) -> list[str]:
    """Return the definitions that a schema refers to."""
    references: list[str] = []
    if isinstance(schema, dict):
        references = [schema["$ref"]] if isinstance(schema.get("$ref"), str) else []
        schema = [*schema.values()]
    for value in schema if isinstance(schema, list) else ():
        references += _list_references(value)
    return references


if __name__ == "__main__":
    write_schemas()
