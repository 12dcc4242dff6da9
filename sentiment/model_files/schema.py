"""What a model file says it is made of, checked before anything of it is made."""

import io
import json
import re
from collections.abc import Collection, Iterable
from copy import deepcopy
from functools import lru_cache
from operator import itemgetter
from typing import Any

import skops.io
from sklearn.preprocessing import FunctionTransformer

from sentiment.data.cleaning import make_cleaner
from sentiment.model_files.archive import Archive
from sentiment.model_files.trusted import LOADABLE

Node = dict[str, Any]

# Ours have less than 20 levels. skops takes a few calls for each.
_DEEPEST = 60
_FUNCTION = "sklearn.preprocessing._function_transformer.FunctionTransformer"
# What differs between transformers that do the same.
_PASSING = ("__id__", "_sklearn_version", "feature_names_in_", "n_features_in_", "namespace")
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
    return sorted(checker.strangers)


class _Checker:
    def __init__(self, archive: Archive) -> None:
        self._arrays = archive.arrays
        self.strangers: set[str] = set()

    def check(self, node: Node, depth: int) -> Node:
        """Return `node`, or what to put in its place."""
        if depth > _DEEPEST:
            raise ValueError("its parts are nested too deeply")
        # skops puts the part that first had an id in the place of all others that have it.
        node.pop("__id__", None)
        loader, kind = node["__loader__"], f"{node['__module__']}.{node['__class__']}"
        if (loader, kind) == ("ObjectNode", _FUNCTION):
            ours = _list_transformers().get(_describe(node))
            if ours is not None:
                return deepcopy(ours)
            self.strangers.add(kind)  # and so is what it calls
        elif kind not in LOADABLE.get(loader, ()):
            self.strangers.add(kind)
            return node
        match loader:
            case "JsonNode":
                if node["content"].lstrip()[:1] in ("[", "{"):
                    raise ValueError("it holds a value that is none")
            case "ListNode" | "TupleNode" | "SetNode":
                node["content"] = self._check_all(node["content"], depth)
            case "DictNode":
                content, key_types = node["content"], node["key_types"]
                values = self._check_all(content.values(), depth)
                node["content"] = dict(zip(content, values, strict=True))
                node["key_types"] = self._check_one(key_types, depth, "ListNode")
            case "ObjectNode":
                node["content"] = self._check_one(node["content"], depth, "DictNode")
                version = node["content"]["content"].get("_sklearn_version", {"content": '"0"'})
                if not _VERSION.fullmatch(version["content"]):  # a warning may show it
                    raise ValueError("it was written by an odd version of scikit-learn")
            case "NdArrayNode":
                self._check_array(node, depth)
            case "RandomStateNode":
                node["content"] = self._check_one(node["content"], depth, "DictNode")
            case "LossNode":
                node["__reduce__"]["args"] = self._check_numbers(node["__reduce__"]["args"], depth)
                if node["content"]["content"]:
                    raise ValueError("it holds a loss with a state")
                node["content"] = self.check(node["content"], depth + 1)
            case "TreeNode":
                self._check_tree(node, depth)
        return node

    def _check_all(self, nodes: Iterable[Node], depth: int) -> list[Node]:
        return [self.check(node, depth + 1) for node in nodes]

    def _check_one(self, node: Node, depth: int, loader: str) -> Node:
        if node["__loader__"] != loader:
            raise ValueError(f"it holds a {node['__loader__']} where a {loader} belongs")
        return self.check(node, depth + 1)

    def _check_numbers(self, node: Node, depth: int) -> Node:
        if any(inner["__loader__"] != "JsonNode" for inner in node["content"]):
            raise ValueError("it holds a loss that is made of something else than numbers")
        return self._check_one(node, depth, "TupleNode")

    def _check_array(self, node: Node, depth: int) -> None:
        if node["type"] == "numpy":
            if node["file"] not in self._arrays:
                raise ValueError(f"its array {node['file']!r} is missing")
        elif any(inner["__loader__"] != "JsonNode" for inner in node["content"]):
            raise ValueError("it holds an array of objects")
        else:
            node["content"] = self._check_all(node["content"], depth)
            node["shape"] = self._check_one(node["shape"], depth, "TupleNode")

    def _check_tree(self, node: Node, depth: int) -> None:
        """Check what a tree is made of, which its constructor believes."""
        node["content"] = self._check_one(node["content"], depth, "DictNode")
        args = self._check_one(node["__reduce__"]["args"], depth, "TupleNode")
        node["__reduce__"]["args"] = args
        width, classes, outputs = args["content"]
        shape, dtype = self._arrays[classes["file"]]
        numbers = [json.loads(number["content"]) for number in (width, outputs)]
        sound = type(numbers[0]) is int and 0 < numbers[0] < 2**31 and numbers[1:] == [1]
        if not (sound and shape == (1,) and dtype == "int64" and classes["type"] == "numpy"):
            raise ValueError("it holds a decision tree of an odd shape")


@lru_cache
def _list_transformers() -> dict[str, Node]:
    """Return all transformers with a function that a model of ours has, by what they do."""
    transformers = [FunctionTransformer(itemgetter("text"))]
    transformers += [step for _, step in make_cleaner().steps]
    nodes = Archive(io.BytesIO(skops.io.dumps(transformers))).schema["content"]
    return {_describe(node): _leave_out(["__id__"], node) for node in nodes}


def _describe(node: Node) -> str:
    """Return what tells apart transformers that do something else."""
    return json.dumps(_leave_out(_PASSING, node["content"]["content"]), sort_keys=True)


def _leave_out(names: Collection[str], value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _leave_out(names, inner) for k, inner in value.items() if k not in names}
    if isinstance(value, list):
        return [_leave_out(names, inner) for inner in value]
    return value
