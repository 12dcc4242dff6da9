"""Saving of models, as plain scikit-learn."""

import io
import zipfile
from pathlib import Path

import skops.io
from sklearn.pipeline import Pipeline

from sentiment.errors import UnsavableModelError
from sentiment.modeling.model_files.archive import Archive
from sentiment.modeling.model_files.converting import convert, make_plain_part
from sentiment.modeling.model_files.parts import check_part, walk_parts
from sentiment.modeling.model_files.schema import check_schema
from sentiment.modeling.model_files.trusted import LOADED_TYPES


def save_model(pipeline: Pipeline, path: Path) -> None:
    """Write `pipeline` to `path` as a compressed skops file; see `make_savable` for errors."""
    small = make_savable(pipeline)
    skops.io.dump(small, path, compression=zipfile.ZIP_DEFLATED, compresslevel=1)


def make_savable(pipeline: Pipeline) -> Pipeline:
    """Return a copy of `pipeline` in plain scikit-learn, which can be saved and loaded again.

    Raises
    ------
    UnsavableModelError
        It holds something that is not trusted when it is loaded.
    """
    plain: Pipeline = convert(pipeline, make_plain_part)
    dumped = skops.io.dumps(plain)
    strangers = set(skops.io.get_untrusted_types(data=dumped)) - set(LOADED_TYPES)
    try:
        strangers |= set(check_schema(Archive(io.BytesIO(dumped))))
        for part in walk_parts(plain):
            check_part(part)
    except ValueError as error:
        strangers.add(str(error))
    if strangers:
        raise UnsavableModelError(type(pipeline["model"]).__name__, sorted(strangers))
    return plain
