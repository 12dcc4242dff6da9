"""Construction of the objects in a skops file from an untrusted source.

skops writes a tree of nodes, each with a class and the loader of its object. This module only
constructs the kinds of nodes that a classifier needs, from checked nodes.
"""

import io
import json
import math
import re
from collections.abc import Container, Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from operator import itemgetter
from types import MappingProxyType
from typing import Any

import numpy as np
import skops.io
from sklearn.base import clone
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import BaseDecisionTree
from sklearn.tree._tree import NODE_DTYPE

from sentiment.modeling.columns import list_functions
from sentiment.modeling.model_files.archive import Archive
from sentiment.modeling.model_files.parts import check_part
from sentiment.modeling.model_files.trusted import FUNCTION_TRANSFORMER, LOADABLE
from sentiment.ngrams.cleaning import make_cleaner

Node = dict[str, Any]

# Models of this project have fewer than 20 levels.
_MAX_LEVELS = 60
# The latest known protocol of skops.
_PROTOCOL = 2
# Attributes in which equivalent transformers may differ.
_IGNORED = ("__id__", "_sklearn_version", "feature_names_in_", "n_features_in_", "namespace")
_VERSION = re.compile(r"[\w.+]{1,40}", re.ASCII)


def list_unknown(schema: Node) -> list[str]:
    """Return the names of unknown classes and functions, sorted."""
    nodes = walk_nodes(schema, list_transformers(), _MAX_LEVELS)
    return sorted({name for loader, name in nodes if name not in LOADABLE.get(loader, ())})


def walk_nodes(
    part: Any, trusted: Container[str], levels: float = math.inf
) -> Iterator[tuple[str, str]]:
    """Yield the loader and the name of each node in a schema.

    Parameters
    ----------
    part : dict or list
        Part of the schema.
    trusted : container of str
        Descriptions, by `describe`, of trusted transformers, which are skipped.
    levels : float, default=inf
        Limit of the nesting of nodes.

    Raises
    ------
    ValueError, LookupError, TypeError, RecursionError
        skops would not write such a schema.
    """
    if isinstance(part, dict) and "__loader__" in part:
        if levels < 0:
            raise ValueError("its parts are nested too deeply")
        if _name(part) == FUNCTION_TRANSFORMER and describe(part) in trusted:
            return
        yield part["__loader__"], _name(part)
        levels -= 1
    for inner in part.values() if isinstance(part, dict) else part:
        if isinstance(inner, dict | list):
            yield from walk_nodes(inner, trusted, levels)


def _name(node: Node) -> str:
    return f"{node['__module__']}.{node['__class__']}"


def describe(node: Node) -> str:
    """Return a description of a transformer, the same for equivalent transformers."""
    return json.dumps(_drop_ignored(node["content"]["content"]), sort_keys=True)


def _drop_ignored(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _drop_ignored(v) for k, v in value.items() if k not in _IGNORED}
    return [_drop_ignored(v) for v in value] if isinstance(value, list) else value


def describe_all(transformers: list[FunctionTransformer]) -> dict[str, FunctionTransformer]:
    """Return transformers by description."""
    nodes = Archive(io.BytesIO(skops.io.dumps(transformers))).schema["content"]
    return dict(zip(map(describe, nodes), transformers, strict=True))


@lru_cache
def list_transformers() -> dict[str, FunctionTransformer]:
    """Return all transformers of this project's models that call a function, by description."""
    steps = [step for _, step in make_cleaner().steps]
    return describe_all([FunctionTransformer(itemgetter("text")), *steps, *list_functions()])


class Reader:
    """Constructor of the objects of `archive`, whose schema only holds trusted names.

    Ids of nodes are ignored, so nodes cannot refer to each other, and there are no cycles.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def read_model(self) -> Any:
        """Return the object of the whole file.

        Raises
        ------
        ValueError, LookupError, TypeError, AttributeError, ...
            skops would not write such a file.
        """
        protocol = self._archive.schema["protocol"]
        if type(protocol) is not int or not 0 <= protocol <= _PROTOCOL:
            raise ValueError(f"it is of skops protocol {protocol}, which is not known")
        return self._read(self._archive.schema)

    def _read(self, node: Node, expected: str = "") -> Any:
        """Return the object of `node`, whose loader must be `expected` unless that is empty."""
        loader = node["__loader__"]
        if expected and loader != expected:
            raise ValueError(f"it holds a {loader} where a {expected} belongs")
        # A tree can be called by itself, but only an estimator checks the rows first.
        if loader == "TreeNode" != expected:
            raise ValueError("it holds a tree that belongs to no estimator")
        if _name(node) == FUNCTION_TRANSFORMER:
            return clone(list_transformers()[describe(node)])
        if _name(node) not in LOADABLE[loader]:
            raise ValueError(f"it holds {_name(node)}")
        kind = getattr(import_module(node["__module__"]), node["__class__"])
        match loader:
            case "TypeNode":
                return kind
            case "JsonNode":
                return _read_value(node["content"])
            case "ListNode" | "TupleNode":
                return kind(map(self._read, node["content"]))
            case "SetNode":
                return kind(self._read(inner, "JsonNode") for inner in node["content"])
            case "DictNode":
                mapping = kind()
                mapping.update(self._read_items(node))
                return mapping
            case "NdArrayNode" if node["type"] == "numpy":
                array = self._archive.read_array(node["file"])
                return array if kind is np.ndarray else kind(array.item())
            case "NdArrayNode":
                values = [self._read(inner, "JsonNode") for inner in node["content"]]
                return np.array(values, dtype=object)
            case "DTypeNode":
                return self._read(node["content"], "NdArrayNode").dtype
            case "RandomStateNode":
                return _make_random_state(kind, self._read_items(node["content"]))
            case "ObjectNode":
                trees = {"tree_": "TreeNode"} if issubclass(kind, BaseDecisionTree) else {}
                return _make_object(kind, self._read_items(node["content"], trees))
        args = self._read(node["__reduce__"]["args"], "TupleNode")
        state = self._read_items(node["content"])
        if loader == "TreeNode":
            return _make_tree(kind, args, state)
        if state or not all(type(arg) in (int, float) for arg in args):
            raise ValueError("it holds a loss of something else than numbers")
        return kind(*args)

    def _read_items(self, node: Node, expected: Mapping[str, str] = MappingProxyType({})) -> Node:
        """Return the items of a dictionary; `expected` has the loaders of some items."""
        if node["__loader__"] != "DictNode":
            raise ValueError(f"it holds a {node['__loader__']} where a DictNode belongs")
        types = [self._read(inner, "TypeNode") for inner in node["key_types"]["content"]]
        return {
            key_type(key): self._read(value, expected.get(key, ""))
            for key_type, (key, value) in zip(types, node["content"].items(), strict=True)
        }


def _read_value(text: str) -> Any:
    if text.lstrip()[:1] in ("[", "{"):
        raise ValueError("it holds an invalid value")
    return json.loads(text)


def _make_random_state(kind: Any, state: dict[str, Any]) -> np.random.RandomState:
    random_state: np.random.RandomState = kind()
    random_state.set_state(state)
    # NumPy reads from this position without a check.
    if not 0 <= random_state.get_state(legacy=False)["state"]["pos"] <= 624:
        raise ValueError("it holds a broken random state")
    return random_state


def _make_object(kind: Any, attributes: dict[str, Any]) -> Any:
    if not _VERSION.fullmatch(attributes.get("_sklearn_version", "0")):  # a warning may show it
        raise ValueError("it was written by an unknown version of scikit-learn")
    part = kind.__new__(kind)
    set_state = getattr(part, "__setstate__", vars(part).update)
    set_state(attributes)
    try:
        check_part(part)
    except ValueError as error:
        raise ValueError(f"it holds {error}") from error
    return part


def _make_tree(kind: Any, args: tuple[Any, Any, Any], state: dict[str, Any]) -> Any:
    """Return a checked decision tree, since compiled code follows its links without a check."""
    width, counts, outputs = args
    nodes, values = state["nodes"], state["values"]
    numbers = (width, outputs, state["node_count"], state["max_depth"])
    if not (
        all(type(number) is int for number in numbers)
        and 0 < width < 2**31
        and outputs == 1
        and _is_array(counts, (1,), np.intp)
        and _is_array(nodes, (state["node_count"],), NODE_DTYPE)
        and _is_array(values, (len(nodes), 1, counts[0]), np.float64)
    ):
        raise ValueError("it holds a malformed decision tree")
    left, right, feature = nodes["left_child"], nodes["right_child"], nodes["feature"]
    is_inner = left != -1
    # A child comes after its parent, so a walk from the root always ends.
    parents = np.flatnonzero(is_inner)
    has_links = all(
        np.all((child[parents] > parents) & (child[parents] < len(nodes)))
        for child in (left, right)
    )
    has_features = np.all((feature[parents] >= 0) & (feature[parents] < width))
    if not (has_links and has_features and np.array_equal(is_inner, right != -1)):
        raise ValueError("it holds a decision tree with broken links")
    tree = kind(width, counts, outputs)
    tree.__setstate__(state)
    return tree


def _is_array(value: Any, shape: tuple[int, ...], dtype: Any) -> bool:
    return isinstance(value, np.ndarray) and value.shape == shape and value.dtype == dtype
