"""A model in plain scikit-learn, as it is kept, and in the parts of this project, as it is used."""

import copy
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

from sentiment.modeling.estimators.by_script import FeaturesByScript
from sentiment.modeling.estimators.dense import DenseInput, from_dense_pipeline
from sentiment.modeling.estimators.label_set_chain import LabelSetChain
from sentiment.modeling.estimators.label_sets import LabelSetClassifier
from sentiment.modeling.estimators.logistic_regression import LogisticRegression
from sentiment.modeling.estimators.nbsvm import NBSVM
from sentiment.modeling.estimators.ordinal import OrdinalClassifier
from sentiment.modeling.estimators.self_training import SelfTrainingClassifier
from sentiment.modeling.estimators.union import FeatureUnion
from sentiment.ngrams.cleaning import Cleaner, make_cleaner
from sentiment.ngrams.vectorizers import CountVectorizer, TfidfVectorizer

_OWN = (
    CountVectorizer, DenseInput, FeatureUnion, LabelSetChain, LabelSetClassifier,
    LogisticRegression, NBSVM, OrdinalClassifier, SelfTrainingClassifier,
)  # fmt: skip


def make_plain_part(part: Any) -> Any:
    """Return scikit-learn's counterpart of `part`, if it is one of this project."""
    if isinstance(part, Cleaner):
        return make_cleaner()
    if isinstance(part, FeaturesByScript):
        part = getattr(part, "chosen_", part)
    if not type(part).__module__.startswith(("sentiment.", "sklearn.")):
        return part  # a subclass of the user's may do something else than its base
    if isinstance(part, _OWN):
        part = part.to_sklearn()
    if isinstance(part, text.CountVectorizer) and hasattr(part, "vocabulary_"):
        return _hold_terms_in_array(part)
    if isinstance(part, OneHotEncoder) and hasattr(part, "categories_"):
        part = copy.copy(part)  # arrays of objects may hold anything, and are not loaded
        part.categories_ = [
            np.array(levels, dtype=str) if levels.dtype == object else levels
            for levels in part.categories_
        ]
    if isinstance(part, ColumnTransformer) and hasattr(part, "output_indices_"):
        part = copy.copy(part)  # slices, which nothing needs after the fit
        part.output_indices_ = {}
    if (
        isinstance(part, LinearClassifierMixin)
        and getattr(getattr(part, "coef_", None), "ndim", 2) == 1
    ):
        part = copy.copy(part)  # ridge regression of two classes; others have a table
        part.coef_ = np.atleast_2d(part.coef_)
    return part


def _hold_terms_in_array(vectorizer: text.CountVectorizer) -> text.CountVectorizer:
    """Return a copy of `vectorizer` whose terms are an array.

    skops writes each entry of the dictionary ``vocabulary_`` as a file of its own: for 50,000
    terms a minute and 45 MB, against a moment and 5 MB for an array. scikit-learn makes the same
    dictionary from ``vocabulary`` when it first transforms.
    """
    # numpy drops a NUL at the end of a string, which a run of characters may have.
    if any(term[-1:] == "\0" for term in vectorizer.vocabulary_):
        return vectorizer
    twin = copy.copy(vectorizer)
    twin.vocabulary = np.array(vectorizer.get_feature_names_out(), dtype=str)
    del twin.vocabulary_
    return twin


def hold_terms_in_dictionary(vectorizer: text.CountVectorizer) -> None:
    """Make the dictionary that scikit-learn would make, in a third of the time.

    Raises
    ------
    ValueError
        A term is there twice.
    """
    if not hasattr(vectorizer, "vocabulary_"):
        terms = vectorizer.vocabulary.tolist()
        vectorizer.vocabulary_ = dict(zip(terms, range(len(terms)), strict=True))
        vectorizer.fixed_vocabulary_ = True
        if len(vectorizer.vocabulary_) < len(terms):
            raise ValueError("a vocabulary with a term that is there twice")


def make_fast_part(part: Any) -> Any:
    """Return this project's counterpart of `part`, if it has a quicker one."""
    if type(part) is text.TfidfVectorizer:
        return TfidfVectorizer.from_sklearn(part)
    if type(part) is text.CountVectorizer:
        return CountVectorizer.from_sklearn(part)
    if isinstance(part, Pipeline) and is_cleaner(part):
        return Cleaner()
    if type(part) is OneVsRestClassifier and isinstance(getattr(part, "separator", None), str):
        return LabelSetClassifier.from_sklearn(part)
    if type(part) is ClassifierChain and isinstance(getattr(part, "separator", None), str):
        return LabelSetChain.from_chain(part, part.separator)
    if isinstance(part, Pipeline):
        return from_dense_pipeline(part) or part
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
    """Return a copy of `part` in which `change` was called with every part of it.

    `done` are the parts that it was called with already, by their id, and what became of them.
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
