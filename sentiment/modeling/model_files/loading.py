"""Loading of models, of own runs and from untrusted sources."""

import hashlib
import io
import re
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline

from sentiment.errors import SentimentError, UntrustedModelError
from sentiment.modeling.model_files.archive import Archive
from sentiment.modeling.model_files.converting import convert, make_fast_part, prepare_part
from sentiment.modeling.model_files.owned import load_own
from sentiment.modeling.model_files.parts import check_pipeline
from sentiment.modeling.model_files.reading import Reader, list_unknown
from sentiment.modeling.pipeline import check_probabilities, find_separator, list_columns

# Errors of a damaged file.
_DAMAGE = (
    ArithmeticError, AssertionError, AttributeError, EOFError, ImportError, LookupError,
    MemoryError, OSError, RuntimeError, SyntaxError, TypeError, ValueError, Warning,
    re.error, struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x9f]")
_ONE_TEXT = {"text": ["a text"]}


def load_model(path: Path, digest: str = "") -> Pipeline:
    """Return the pipeline in the skops file `path`, with the vectorizers of this project.

    The file may be malicious: no code in it is run, and loading takes no more time and memory than
    a model of its size needs. A file of the user's own run may contain more; see `owned`.

    Parameters
    ----------
    path : Path
        The file.
    digest : str
        SHA-256 that the user's own run recorded of its file. Only a file with this digest is
        trusted as own.

    Raises
    ------
    UntrustedModelError
        The file is not a skops file, holds a type that is not trusted, or is not a text classifier.
    ModelPackageError
        The file is of an own run, and a package that it needs is not installed.
    """
    content = path.read_bytes() if digest else b""
    is_own = bool(digest) and hashlib.sha256(content).hexdigest() == digest
    refusing = partial(_rejecting_errors, path, is_own)
    with refusing("it is not a sound skops file ({})"):
        # Read once, so that the checked bytes are the loaded ones even if the file changes.
        model = load_own(io.BytesIO(content), path) if is_own else _load_audited(path)
    if not is_own:
        with refusing("{}"):
            check_pipeline(model)
    with refusing("it does not take texts ({})"):
        model = convert(model, prepare_part)
        _check_predictions(model)
    return convert(model, make_fast_part)


@contextmanager
def _rejecting_errors(path: Path, is_own: bool, reason: str) -> Iterator[None]:
    """Turn errors in the ``with`` block into an `UntrustedModelError` for the file `path`."""
    try:
        yield
    except SentimentError:
        raise
    except _DAMAGE as error:
        raise UntrustedModelError(path, reason.format(error), is_own=is_own) from error


def _load_audited(path: Path) -> Any:
    """Return the object in the skops file `path`, which may be from an untrusted source."""
    with path.open("rb") as file:
        archive = Archive(file)
    if untrusted := list_unknown(archive.schema):
        raise UntrustedModelError(path, f"it holds {', '.join(untrusted)}")
    return Reader(archive).read_model()


def _check_predictions(model: Any) -> None:
    """Check that the model can predict one text, with missing values in all other columns."""
    row = pd.DataFrame(_ONE_TEXT | {name: [None] for name in list_columns(model)}, dtype="str")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        probabilities = model.predict_proba(row)
    classes, separator = model.classes_, find_separator(model)
    check_probabilities(probabilities, classes, 1, multilabel=separator is not None)
    if separator is not None and (type(separator) is not str or not separator):
        raise ValueError("nothing is between the labels of a set")
    # Labels are written to UTF-8 files, and shown on terminals, which obey control characters.
    if _CONTROLS.search("".join([*classes.tolist(), separator or ""]).encode().decode()):
        raise ValueError("its classes are not names")
