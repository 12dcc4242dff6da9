"""Audit of the parts that a model file names, before any is constructed."""

import io
import json
import re
from collections.abc import Collection, Iterable
from copy import deepcopy
from functools import lru_cache
from operator import itemgetter
from typing import Any

import numpy as np
import skops.io
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree._tree import NODE_DTYPE

from sentiment.modeling.columns import list_functions
from sentiment.modeling.model_files.archive import Archive
from sentiment.modeling.model_files.trusted import LOADABLE
from sentiment.ngrams.cleaning import make_cleaner

Node = dict[str, Any]

# Ours have less than 20 levels. skops takes a few calls for each.
_DEEPEST = 60
_FUNCTION = "sklearn.preprocessing._function_transformer.FunctionTransformer"
# What differs between transformers that do the same.
_PASSING = ("__id__", "_sklearn_version", "feature_names_in_", "n_features_in_", "namespace")
_MALFORMED_TREE = "it holds a malformed decision tree"
_VERSION = re.compile(r'"[\w.+]{1,40}"', re.ASCII)


def check_schema(archive: Archive) -> list[str]:
    """Return the types in a model file that are not loaded from one, sorted.

    The schema is changed to one that skops makes the same of, or something harmless: functions are
    replaced by ours, and no part stands for another one, so that there is no circle.

    Raises
    ------
    ValueError, LookupError, TypeError, AttributeError
        The schema is not as skops writes it.
    """
    checker = _Checker(archive)
    checker.check(archive.schema, 0)
    return sorted(checker.untrusted)


class _Checker:
    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self.untrusted: set[str] = set()

    def check(self, node: Node, depth: int, place: str = "") -> Node:
        """Return `node`, or what to put in its place; `place` is the attribute that it is."""
        if depth > _DEEPEST:
            raise ValueError("its parts are nested too deeply")
        # skops puts the part that first had an id in the place of all others that have it.
        node.pop("__id__", None)
        loader, kind = node["__loader__"], f"{node['__module__']}.{node['__class__']}"
        if (loader, kind) == ("ObjectNode", _FUNCTION):
            ours = _list_transformers().get(_describe(node))
            if ours is not None:
                return deepcopy(ours)
            self.untrusted.add(kind)  # and so is what it calls
        elif kind not in LOADABLE.get(loader, ()):
            self.untrusted.add(kind)
            return node
        match loader:
            case "JsonNode":
                if node["content"].lstrip()[:1] in ("[", "{"):
                    raise ValueError("it holds a value that is none")
            case "ListNode" | "TupleNode":
                node["content"] = self._check_all(node["content"], depth)
            case "SetNode":
                node["content"] = self._check_plain(node["content"], depth)
            case "DictNode":
                self._check_dictionary(node, depth, place)
            case "ObjectNode":
                node["content"] = self._check_one(node["content"], depth, "DictNode", kind)
                version = node["content"]["content"].get("_sklearn_version", {"content": '"0"'})
                if not _VERSION.fullmatch(version["content"]):  # a warning may show it
                    raise ValueError("it was written by an unknown version of scikit-learn")
            case "NdArrayNode":
                self._check_array(node, depth)
            case "DTypeNode":
                node["content"] = self._check_one(node["content"], depth, "NdArrayNode")
            case "RandomStateNode":
                node["content"] = self._check_one(node["content"], depth, "DictNode")
            case "LossNode":
                args = self._check_one(node["__reduce__"]["args"], depth, "TupleNode")
                self._check_plain(args["content"], depth)
                if node["content"]["content"]:
                    raise ValueError("it holds a loss with a state")
                node["content"] = self.check(node["content"], depth + 1)
            case "TreeNode":
                # It would answer anybody who asks, but only an estimator looks at the rows first.
                if not (place.startswith("sklearn.tree.") and place.endswith(".tree_")):
                    raise ValueError("it holds a tree that belongs to no estimator")
                self._check_tree(node, depth)
        return node

    def _check_all(self, nodes: Iterable[Node], depth: int) -> list[Node]:
        return [self.check(node, depth + 1) for node in nodes]

    def _check_one(self, node: Node, depth: int, loader: str, place: str = "") -> Node:
        if node["__loader__"] != loader:
            raise ValueError(f"it holds a {node['__loader__']} where a {loader} belongs")
        return self.check(node, depth + 1, place)

    def _check_plain(self, nodes: list[Node], depth: int) -> list[Node]:
        return [self._check_one(node, depth, "JsonNode") for node in nodes]

    def _check_dictionary(self, node: Node, depth: int, place: str) -> None:
        node["key_types"] = self._check_one(node["key_types"], depth, "ListNode")
        node["content"] = {
            name: self.check(value, depth + 1, f"{place}.{name}")
            for name, value in node["content"].items()
        }

    def _check_array(self, node: Node, depth: int) -> None:
        if node["type"] == "numpy":
            if node["file"] not in self._archive.arrays:
                raise ValueError(f"its array {node['file']!r} is missing")
        else:
            node["content"] = self._check_plain(node["content"], depth)
            node["shape"] = self._check_one(node["shape"], depth, "TupleNode")

    def _check_tree(self, node: Node, depth: int) -> None:
        """Check what a tree is made of, of which its compiled code believes everything."""
        node["content"] = self._check_one(node["content"], depth, "DictNode")
        args = self._check_one(node["__reduce__"]["args"], depth, "TupleNode")
        node["__reduce__"]["args"] = args
        width, counts, outputs = args["content"]
        state = node["content"]["content"]
        numbers = [_read_number(part) for part in (width, outputs, state["max_depth"])]
        nodes = _read_number(state["node_count"])
        if not 0 < numbers[0] < 2**31 or numbers[1] != 1 or nodes < 1:
            raise ValueError(_MALFORMED_TREE)
        self._expect_array(counts, (1,), np.intp)
        classes = int(self._archive.read_array(counts["file"])[0])
        self._expect_array(state["nodes"], (nodes,), NODE_DTYPE)
        self._expect_array(state["values"], (nodes, 1, classes), np.float64)

    def _expect_array(self, node: Node, shape: tuple[int, ...], dtype: Any) -> None:
        kind = (node["__loader__"], node["__class__"], node["type"])
        if kind != ("NdArrayNode", "ndarray", "numpy"):
            raise ValueError(_MALFORMED_TREE)
        if self._archive.arrays[node["file"]] != (shape, np.dtype(dtype)):
            raise ValueError(_MALFORMED_TREE)


def _read_number(node: Node) -> int:
    number = json.loads(node["content"]) if node["__loader__"] == "JsonNode" else None
    if type(number) is not int:
        raise ValueError(_MALFORMED_TREE)
    return number


@lru_cache
def _list_transformers() -> dict[str, Node]:
    """Return all transformers with a function that a model of ours has, by what they do."""
    transformers = [FunctionTransformer(itemgetter("text"))]
    transformers += [step for _, step in make_cleaner().steps]
    transformers += list_functions()
    nodes = Archive(io.BytesIO(skops.io.dumps(transformers))).schema["content"]
    return {_describe(node): _leave_out(["__id__"], node) for node in nodes}


def _describe(node: Node) -> str:
    """Return what differs between transformers that do something else."""
    return json.dumps(_leave_out(_PASSING, node["content"]["content"]), sort_keys=True)


def _leave_out(names: Collection[str], value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _leave_out(names, inner) for k, inner in value.items() if k not in names}
    if isinstance(value, list):
        return [_leave_out(names, inner) for inner in value]
    return value
