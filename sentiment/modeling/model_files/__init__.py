"""Model files: skops only, and only of parts that this project trusts."""

from sentiment.modeling.model_files.loading import load_model
from sentiment.modeling.model_files.saving import make_savable, save_model
from sentiment.modeling.model_files.trusted import LOADED_TYPES, TRUSTED_TYPES

__all__ = ["LOADED_TYPES", "TRUSTED_TYPES", "load_model", "make_savable", "save_model"]
