"""Experiments in text classification: Hydra configs, scikit-learn models, MLflow runs.

>>> import sentiment
>>> result = sentiment.train("data=rotten_tomatoes", "model=naive_bayes")
>>> model = sentiment.load()
>>> model.predict(["great film", "a bore"])
array(['positive', 'negative'], dtype='<U8')
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if sys.platform == "win32":
    raise ImportError("sentiment runs on Linux and macOS; on Windows, use it in WSL")

if TYPE_CHECKING:
    from sentiment.api import Model, load, predict_file, runs, train
    from sentiment.errors import SentimentError
    from sentiment.modeling.estimators.nbsvm import NBSVM
    from sentiment.ngrams.vectorizers import CountVectorizer, TfidfVectorizer

__version__ = "0.1.0"
__all__ = [
    "NBSVM",
    "CountVectorizer",
    "Model",
    "SentimentError",
    "TfidfVectorizer",
    "load",
    "predict_file",
    "runs",
    "train",
]

_PLACES = {
    "sentiment.api": ("Model", "load", "predict_file", "runs", "train"),
    "sentiment.errors": ("SentimentError",),
    "sentiment.modeling.estimators.nbsvm": ("NBSVM",),
    "sentiment.ngrams.vectorizers": ("CountVectorizer", "TfidfVectorizer"),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for; commands would otherwise load all of it."""
    for module, names in _PLACES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'sentiment' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
