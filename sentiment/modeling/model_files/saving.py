"""Saving of models in plain scikit-learn."""

import zipfile
from pathlib import Path
from typing import Any

import skops.io
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from skops.io.exceptions import UnsupportedTypeException

from sentiment.errors import UnsavableModelError
from sentiment.modeling.estimators.dense import name_inner
from sentiment.modeling.model_files.converting import convert, make_sklearn_part
from sentiment.modeling.model_files.owned import digest_file, list_untrusted

_UNSUPPORTED = (UnsupportedTypeException, TypeError)
_written_digests: set[str] = set()


def save_model(pipeline: Pipeline, path: Path) -> None:
    """Write `pipeline`, in plain scikit-learn, to `path` as a compressed skops file.

    Raises
    ------
    UnsavableModelError
        It contains an object that cannot be loaded, not even from the file of an own run; see
        `owned`.
    """
    name = name_inner(pipeline["model"])
    try:
        plain = make_savable(pipeline)
        skops.io.dump(plain, path, compression=zipfile.ZIP_DEFLATED, compresslevel=1)
        untrusted = list_untrusted(path)
    except RecursionError as error:  # such as the linked list of Birch
        path.unlink(missing_ok=True)
        raise UnsavableModelError(name, ["parts that hold each other"]) from error
    except _UNSUPPORTED as error:
        path.unlink(missing_ok=True)
        raise UnsavableModelError(name, [_find_unsupported(plain, "a part")]) from error
    if untrusted:
        path.unlink()
        raise UnsavableModelError(name, untrusted)
    _written_digests.add(digest_file(path))


def _find_unsupported(part: Any, name: str) -> str:
    """Return name and type of the object that skops cannot write: `part`, or an inner part."""
    inner: dict[Any, Any] = {}
    if isinstance(part, BaseEstimator):
        inner = {f"{key} of {type(part).__name__}": value for key, value in vars(part).items()}
    elif isinstance(part, list | tuple | dict):
        values = part.values() if isinstance(part, dict) else part
        inner = dict(enumerate(values))
    for key, value in inner.items():
        try:
            skops.io.dumps(value)
        except _UNSUPPORTED:
            return _find_unsupported(value, key if isinstance(key, str) else name)
    return f"{name}, a {type(part).__name__}"


def make_savable(pipeline: Pipeline) -> Pipeline:
    """Return a copy of `pipeline` in plain scikit-learn."""
    plain: Pipeline = convert(pipeline, make_sklearn_part)
    return plain


def was_written_here(digest: str) -> bool:
    """Return whether this process wrote the model file with this SHA-256."""
    return digest in _written_digests
