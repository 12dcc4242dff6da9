"""Model files of one's own runs: what they may hold, beyond what a file from anybody may.

Their SHA-256 was recorded by the training that wrote them, so their arrays are believed. What may
run code is limited all the same, since a store may have other writers: classes of the libraries
below, what a config may name, and what the user trusts. The lists never come from a file.
"""

import hashlib
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from scipy import sparse

from sentiment.config.project import enter_project, import_object, is_trusted
from sentiment.config.targets import is_allowed
from sentiment.errors import ModelPackageError
from sentiment.modeling.model_files.trusted import LOADED_TYPES

_LIBRARIES = ("lightgbm", "sklearn", "xgboost")
_CONTAINERS = {f"builtins.{name}" for name in ("bytearray", "bytes", "object", "slice")}
_CONTAINERS |= {"collections.OrderedDict", "collections.defaultdict", "operator.methodcaller"}
_DATA = (np.generic, np.ndarray, np.dtype, np.random.Generator, np.random.BitGenerator)
_SPARSE = (sparse.sparray, sparse.spmatrix)


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def list_types(file: Any) -> list[str]:
    """Return the names of all classes and functions in a skops file that are not plain Python's."""
    found: list[str] = skops.io.get_untrusted_types(file=file)
    return found


def list_untrusted(file: Any) -> list[str]:
    """Return the names in a skops file that no file may hold, or that are not there.

    Raises
    ------
    ModelPackageError
        A package that may be named is not installed.
    """
    return [name for name in list_types(file) if not _may_be_held(name)]


def _may_be_held(name: str) -> bool:
    if name in LOADED_TYPES or name in _CONTAINERS:
        return True
    package = name.partition(".")[0]
    is_users = is_trusted(name)
    if is_users:
        enter_project()
    if (is_users or package in _LIBRARIES) and find_spec(package) is None:
        raise ModelPackageError(package)
    if is_users:
        with suppress(ImportError, AttributeError):
            import_object(name)  # skops finds it only then
            return True
        return False
    if package not in (*_LIBRARIES, "numpy", "scipy", "sentiment"):
        return False
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError):
        return False
    if isinstance(found, np.ufunc) or not isinstance(found, type):
        return isinstance(found, np.ufunc) or is_allowed(name)
    home = found.__module__.partition(".")[0]
    return home in _LIBRARIES or issubclass(found, (*_DATA, *_SPARSE)) or is_allowed(name)
