"""Model files of own runs, which may hold more than files from untrusted sources.

Training recorded their SHA-256, so their arrays are trusted. Since others may write to the store,
classes and functions are still limited to an allow-list: those of the libraries below, those that a
config may name, and those that the user trusts. The lists never come from a file.
"""

import hashlib
import json
import zipfile
from collections.abc import Collection
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from scipy import sparse

from sentiment.config.project import enter_project, import_object, is_trusted
from sentiment.config.targets import is_allowed
from sentiment.errors import ModelPackageError, UntrustedModelError
from sentiment.modeling.estimators.dense import make_dense_pipeline
from sentiment.modeling.model_files.reading import describe_all, list_transformers, walk_nodes
from sentiment.modeling.model_files.trusted import LOADED_TYPES

_LIBRARIES = ("lightgbm", "sklearn", "xgboost")
_CONTAINERS = {f"builtins.{name}" for name in ("bytearray", "bytes", "map", "object", "slice")}
_CONTAINERS |= {"collections.OrderedDict", "collections.defaultdict"}
# Attributes of FeatureAgglomeration and, with SciPy 1.17 and 1.18, SplineTransformer.
_TRANSFORMER_ATTRIBUTES = {
    "numpy.mean",
    "scipy._lib.array_api_compat.numpy._aliases.asarray",
    "scipy.interpolate._bsplines.BSpline",
    "scipy.interpolate._bsplines._BSpline",
}
# Only known transformers may call methods.
_ALLOWED = (_CONTAINERS | _TRANSFORMER_ATTRIBUTES).union(LOADED_TYPES) - {"operator.methodcaller"}
# skops asks for these, too, if a file contains a random number generator.
_BIT_GENERATORS = [
    f"numpy.random.{name}" for name in ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")
]
_DATA = (np.generic, np.ndarray, np.dtype, np.random.Generator, np.random.BitGenerator)
_SPARSE = (sparse.sparray, sparse.spmatrix)


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_own(file: Any, path: Path) -> Any:
    """Return the object in the skops file of an own run, read from `path`.

    Raises
    ------
    UntrustedModelError
        It holds a forbidden class or function.
    ModelPackageError
        An allowed package is not installed.
    """
    if untrusted := list_untrusted(file):
        reason = f"it holds {', '.join(untrusted)}, which is not trusted or does not exist"
        raise UntrustedModelError(path, reason, is_own=True)
    # skops itself rejects methods of objects.
    return skops.io.load(file, trusted=[*LOADED_TYPES, *_BIT_GENERATORS, *_list_names(file)])


def list_untrusted(file: Any) -> list[str]:
    """Return the names in a skops file that are forbidden or do not exist.

    Raises
    ------
    ModelPackageError
        An allowed package is not installed.
    """
    return [name for name in _list_names(file) if not _is_trusted_name(name)]


def _list_names(file: Any) -> list[str]:
    with zipfile.ZipFile(file) as archive:
        schema = json.loads(archive.read("schema.json"))
    return sorted({name for _, name in walk_nodes(schema, _list_known_transformers())})


@lru_cache
def _list_known_transformers() -> Collection[str]:
    return {*list_transformers(), *describe_all([make_dense_pipeline(None)["dense"]])}


def _is_trusted_name(name: str) -> bool:
    if name in _ALLOWED:
        return True
    package = name.partition(".")[0]
    is_user_code = is_trusted(name)
    if is_user_code:
        enter_project()
    if (is_user_code or package in _LIBRARIES) and find_spec(package) is None:
        raise ModelPackageError(package)
    if is_user_code:
        with suppress(ImportError, AttributeError):
            import_object(name)  # only then, skops finds it
            return True
        return False
    if package not in (*_LIBRARIES, "numpy", "scipy", "sentiment"):
        return False
    module, _, attribute = name.rpartition(".")
    try:
        value = getattr(import_module(module), attribute)
    except (ImportError, AttributeError):
        return False
    if isinstance(value, np.ufunc) or not isinstance(value, type):
        return isinstance(value, np.ufunc) or is_allowed(name)
    defining_package = value.__module__.partition(".")[0]
    is_data = issubclass(value, (*_DATA, *_SPARSE))
    return defining_package in _LIBRARIES or is_data or is_allowed(name)
