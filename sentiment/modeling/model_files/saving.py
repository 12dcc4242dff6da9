"""Saving of models in plain scikit-learn."""

import zipfile
from pathlib import Path

import skops.io
from sklearn.pipeline import Pipeline
from skops.io.exceptions import UnsupportedTypeException

from sentiment.errors import UnsavableModelError
from sentiment.modeling.estimators.dense import name_inner
from sentiment.modeling.model_files.converting import convert, make_plain_part
from sentiment.modeling.model_files.owned import digest_file, list_untrusted

_written: set[str] = set()


def save_model(pipeline: Pipeline, path: Path) -> None:
    """Write `pipeline`, in plain scikit-learn, to `path` as a compressed skops file.

    Raises
    ------
    UnsavableModelError
        It holds something that could not be loaded even from the file of an own run; see `owned`.
    """
    name = name_inner(pipeline["model"])
    try:
        plain = make_savable(pipeline)
        skops.io.dump(plain, path, compression=zipfile.ZIP_DEFLATED, compresslevel=1)
        untrusted = list_untrusted(path)
    except (UnsupportedTypeException, TypeError, RecursionError) as error:
        path.unlink(missing_ok=True)
        found = str(error)
        if isinstance(error, RecursionError):  # such as the linked list of Birch
            found = "parts that hold each other"
        raise UnsavableModelError(name, [found]) from error
    if untrusted:
        path.unlink()
        raise UnsavableModelError(name, untrusted)
    _written.add(digest_file(path))


def make_savable(pipeline: Pipeline) -> Pipeline:
    """Return a copy of `pipeline` in plain scikit-learn."""
    plain: Pipeline = convert(pipeline, make_plain_part)
    return plain


def was_written_here(digest: str) -> bool:
    """Return whether this process wrote the model file with this SHA-256."""
    return digest in _written
