"""Conversion of models between plain scikit-learn, for files, and the classes of this project."""

import copy
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction import text
from sklearn.linear_model._base import LinearClassifierMixin
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils import Bunch

from sentiment.modeling.estimators.dense import from_dense_pipeline
from sentiment.modeling.estimators.label_set_chain import LabelSetChain
from sentiment.modeling.estimators.label_sets import LabelSetClassifier
from sentiment.ngrams.cleaning import Cleaner, make_cleaner
from sentiment.ngrams.vectorizers import CountVectorizer, TfidfVectorizer


def make_sklearn_part(part: Any) -> Any:
    """Return scikit-learn's counterpart of `part` if it is from this project, else `part`.

    Attributes that skops would write as many files, or as arbitrary objects, become arrays.
    """
    # A subclass of the user may behave differently from its base class.
    while type(part).__module__.startswith("sentiment.") and hasattr(part, "to_sklearn"):
        part = part.to_sklearn()
    if not type(part).__module__.startswith("sklearn."):
        return part
    for kind, attribute, change in _ARRAYS:
        if isinstance(part, kind) and hasattr(part, attribute):
            part = copy.copy(part)
            change(part)
    return part


def _move_terms_to_array(vectorizer: text.CountVectorizer) -> None:
    """Move the terms to the array ``vocabulary``, from which scikit-learn makes the dictionary.

    skops writes each entry of the dictionary ``vocabulary_`` as a separate file: for 50,000 terms,
    this takes a minute and 45 MB, against a moment and 5 MB for an array.
    """
    # numpy drops a NUL at the end of a string, but a character n-gram may end with one.
    if not any(term[-1:] == "\0" for term in vectorizer.vocabulary_):
        vectorizer.vocabulary = np.array(vectorizer.get_feature_names_out(), dtype=str)
        del vectorizer.vocabulary_


def _convert_levels_to_arrays(encoder: OneHotEncoder) -> None:
    encoder.categories_ = [
        np.array(levels, dtype=str) if levels.dtype == object else levels
        for levels in encoder.categories_
    ]


def _drop_slices(encoder: ColumnTransformer) -> None:
    encoder.output_indices_ = {}  # not needed after the fit


def _convert_weights_to_2d(model: LinearClassifierMixin) -> None:
    model.coef_ = np.atleast_2d(model.coef_)  # ridge regression of two classes has a vector


_ARRAYS: list[tuple[type, str, Callable[[Any], None]]] = [
    (text.CountVectorizer, "vocabulary_", _move_terms_to_array),
    (OneHotEncoder, "categories_", _convert_levels_to_arrays),
    (ColumnTransformer, "output_indices_", _drop_slices),
    (LinearClassifierMixin, "coef_", _convert_weights_to_2d),
]


def prepare_part(part: Any) -> Any:
    """Return a loaded `part`, prepared for fast prediction on this machine.

    Raises
    ------
    ValueError
        A vocabulary has a term twice.
    """
    part = copy.copy(part)
    if (getattr(part, "n_jobs", None) or 0) > (os.cpu_count() or 1):
        part.n_jobs = -1  # all cores
    if isinstance(part, text.CountVectorizer) and not hasattr(part, "vocabulary_"):
        # Make the same dictionary as scikit-learn in a third of the time.
        terms = part.vocabulary.tolist()
        part.vocabulary_ = dict(zip(terms, range(len(terms)), strict=True))
        part.fixed_vocabulary_ = True
        if len(part.vocabulary_) < len(terms):
            raise ValueError("a vocabulary with a term that is there twice")
    return part


def make_fast_part(part: Any) -> Any:
    """Return this project's faster counterpart of `part`, if there is one."""
    if type(part) is text.TfidfVectorizer:
        return TfidfVectorizer.from_sklearn(part)
    if type(part) is text.CountVectorizer:
        return CountVectorizer.from_sklearn(part)
    if isinstance(getattr(part, "separator", None), str):
        if type(part) is OneVsRestClassifier:
            return LabelSetClassifier.from_sklearn(part)
        if type(part) is ClassifierChain:
            return LabelSetChain.from_chain(part, part.separator)
    if isinstance(part, Pipeline):
        return Cleaner() if is_cleaner(part) else from_dense_pipeline(part) or part
    return part


def is_cleaner(pipeline: Pipeline) -> bool:
    """Return whether `pipeline` cleans texts as `Cleaner` does.

    Models of earlier versions did not compose letters, but clean all other texts in the same way.
    """
    # scikit-learn's own repr takes longer than everything else in loading a small model.
    steps, expected = (
        [(name, type(step), repr(getattr(step, "func", None))) for name, step in cleaner.steps]
        for cleaner in (pipeline, make_cleaner())
    )
    return steps in (expected, [step for step in expected if step[0] != "compose"])


def convert(
    part: Any, change: Callable[[Any], Any], memo: dict[int, tuple[Any, Any]] | None = None
) -> Any:
    """Return a copy of `part` after calling `change` on each of its parts.

    `memo` has the results for parts that are converted already, by id.
    """
    memo = {} if memo is None else memo
    if id(part) in memo:
        return memo[id(part)][1]
    result = change(part)
    if isinstance(result, list | tuple):
        result = type(result)(convert(inner, change, memo) for inner in result)
    elif isinstance(result, Bunch):
        result = Bunch(**{name: convert(inner, change, memo) for name, inner in result.items()})
    elif _has_parts(result):
        result = copy.copy(result)
        vars(result).update({k: convert(v, change, memo) for k, v in vars(result).items()})
    memo[id(part)] = (part, result)  # an id is unique only while its object lives
    return result


def _has_parts(part: Any) -> bool:
    """Return whether `part` is an estimator, or another object of scikit-learn with attributes."""
    package = type(part).__module__.partition(".")[0]
    is_known = package in ("sklearn", "sentiment") or isinstance(part, BaseEstimator)
    return is_known and hasattr(part, "__dict__")
