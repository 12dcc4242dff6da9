"""Model files: skops only, and only of parts that this project or its user trusts."""

from sentiment.modeling.model_files.loading import load_model
from sentiment.modeling.model_files.owned import digest_file
from sentiment.modeling.model_files.saving import make_savable, save_model, was_written_here
from sentiment.modeling.model_files.trusted import LOADED_TYPES

__all__ = [
    "LOADED_TYPES",
    "digest_file",
    "load_model",
    "make_savable",
    "save_model",
    "was_written_here",
]
