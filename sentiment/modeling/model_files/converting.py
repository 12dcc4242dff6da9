"""Conversion of models between plain scikit-learn, for files, and the parts of this project."""

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


def make_plain_part(part: Any) -> Any:
    """Return scikit-learn's counterpart of `part`, if it is one of this project.

    What skops would write as many files, or as objects of any kind, becomes an array.
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


def _hold_terms_in_array(vectorizer: text.CountVectorizer) -> None:
    """Hold the terms in ``vocabulary``, of which scikit-learn makes the dictionary again.

    skops writes each entry of the dictionary ``vocabulary_`` as a file of its own: for 50,000
    terms a minute and 45 MB, against a moment and 5 MB for an array.
    """
    # numpy drops a NUL at the end of a string, which a run of characters may have.
    if not any(term[-1:] == "\0" for term in vectorizer.vocabulary_):
        vectorizer.vocabulary = np.array(vectorizer.get_feature_names_out(), dtype=str)
        del vectorizer.vocabulary_


def _hold_levels_in_arrays(encoder: OneHotEncoder) -> None:
    encoder.categories_ = [
        np.array(levels, dtype=str) if levels.dtype == object else levels
        for levels in encoder.categories_
    ]


def _drop_slices(encoder: ColumnTransformer) -> None:
    encoder.output_indices_ = {}  # not needed after the fit


def _hold_weights_in_table(model: LinearClassifierMixin) -> None:
    model.coef_ = np.atleast_2d(model.coef_)  # ridge regression of two classes has a vector


_ARRAYS: list[tuple[type, str, Callable[[Any], None]]] = [
    (text.CountVectorizer, "vocabulary_", _hold_terms_in_array),
    (OneHotEncoder, "categories_", _hold_levels_in_arrays),
    (ColumnTransformer, "output_indices_", _drop_slices),
    (LinearClassifierMixin, "coef_", _hold_weights_in_table),
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
        part.n_jobs = -1  # as many as there are
    if isinstance(part, text.CountVectorizer) and not hasattr(part, "vocabulary_"):
        # The dictionary that scikit-learn would make, in a third of the time.
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

    Models of earlier versions did not compose letters; other texts read the same.
    """
    # scikit-learn's own repr takes longer than all the rest of loading a small model.
    theirs, ours = (
        [(name, type(step), repr(getattr(step, "func", None))) for name, step in whole.steps]
        for whole in (pipeline, make_cleaner())
    )
    return theirs in (ours, [step for step in ours if step[0] != "compose"])


def convert(
    part: Any, change: Callable[[Any], Any], done: dict[int, tuple[Any, Any]] | None = None
) -> Any:
    """Return a copy of `part` after calling `change` on each of its parts.

    `done` has the results for parts that were converted already, by id.
    """
    done = {} if done is None else done
    if id(part) in done:
        return done[id(part)][1]
    made = change(part)
    if isinstance(made, list | tuple):
        made = type(made)(convert(inner, change, done) for inner in made)
    elif isinstance(made, Bunch):
        made = Bunch(**{name: convert(inner, change, done) for name, inner in made.items()})
    elif _is_ours(made):
        made = copy.copy(made)
        vars(made).update({k: convert(v, change, done) for k, v in vars(made).items()})
    done[id(part)] = (part, made)  # an id is unique only while its object lives
    return made


def _is_ours(part: Any) -> bool:
    """Return whether `part` is an estimator, or another object of scikit-learn with attributes."""
    home = type(part).__module__.partition(".")[0]
    known = home in ("sklearn", "sentiment") or isinstance(part, BaseEstimator)
    return known and hasattr(part, "__dict__")
