"""Configs for records: without secrets, and with names of environment variables for values."""

import contextlib
import os
import re
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sentiment.redaction import learn_secrets, redact

_VARIABLE = re.compile(r"\$\{\s*oc\.env\s*:\s*(\w+)")
_REFERENCE = re.compile(r"\$\{\s*([\w.]+)\s*\}")


def learn_config(cfg: DictConfig) -> None:
    """Learn the secrets of `cfg`, which are then masked in all messages."""
    learn_secrets(OmegaConf.to_container(cfg, resolve=False))
    # An interpolation that has no value is reported by the checks.
    with contextlib.suppress(OmegaConfBaseException):
        learn_secrets(OmegaConf.to_container(cfg, resolve=True, throw_on_missing=False))


def record_config(cfg: DictConfig) -> dict[str, Any]:
    """Return `cfg` as plain containers without secrets.

    Interpolations are resolved, but a value that comes from an environment variable keeps its
    ``${oc.env:NAME}``. Secrets in other values are redacted.

    Examples
    --------
    >>> record_config(OmegaConf.create({"path": "postgresql://ann:s3cret@db/reviews"}))
    {'path': 'postgresql://ann:***@db/reviews'}
    """
    learn_config(cfg)
    return {str(key): _record_item(cfg, key) for key in cfg}


def record_yaml(cfg: DictConfig) -> str:
    """Return `cfg` as YAML without secrets; see `record_config`."""
    return OmegaConf.to_yaml(OmegaConf.create(record_config(cfg)))


def flatten(cfg: DictConfig) -> dict[str, Any]:
    """Return all values of `cfg`, in their recorded form, by dotted key."""
    flat: dict[str, Any] = {}

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                walk(inner, f"{path}.{key}" if path else str(key))
        else:
            flat[path] = value

    walk(record_config(cfg), "")
    return flat


def write_recorded(value: str) -> str:
    """Return a recorded value in the form of YAML and of the command line.

    Examples
    --------
    >>> [write_recorded(value) for value in ("None", "False", "0.3")]
    ['null', 'false', '0.3']
    """
    return {"None": "null", "True": "true", "False": "false"}.get(value, value)


def read_recorded(cfg: DictConfig, key: str) -> Any:
    """Return the value of `key`, or its interpolation if it comes from an environment variable."""
    node = cfg._get_node(key)
    raw_value = node._value() if node is not None else None
    return raw_value if _uses_environment(raw_value, cfg) else cfg[key]


def _record(node: Any) -> Any:
    if isinstance(node, DictConfig):
        if node._is_none():
            return None
        return {str(key): _record_item(node, key) for key in node}
    if isinstance(node, ListConfig):
        if node._is_none():
            return None
        return [_record_item(node, index) for index in range(len(node))]
    return redact(node) if isinstance(node, str) else node


def _record_item(parent: Any, key: Any) -> Any:
    if OmegaConf.is_missing(parent, key):
        return "???"
    if OmegaConf.is_interpolation(parent, key):
        raw_value = parent._get_node(key)._value()
        if _uses_environment(raw_value, parent):
            return redact(raw_value)
    return _record(parent[key])


def _uses_environment(raw_value: Any, parent: Any, depth: int = 0) -> bool:
    """Return whether the written value refers to an environment variable that is set."""
    if not isinstance(raw_value, str) or "${" not in raw_value or depth > 10:
        return False
    if any(name in os.environ for name in _VARIABLE.findall(raw_value)):
        return True
    root = parent._get_root()
    for name in _REFERENCE.findall(raw_value):
        base, key = (parent, name.lstrip(".")) if name.startswith(".") else (root, name)
        parent_key, _, last = key.rpartition(".")
        container = OmegaConf.select(base, parent_key) if parent_key else base
        node = container._get_node(last) if isinstance(container, DictConfig) else None
        if node is not None and _uses_environment(node._value(), container, depth + 1):
            return True
    return False
