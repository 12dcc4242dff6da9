"""Weight of each term for each class, in log-odds where the model has them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.calibration import CalibratedClassifierCV
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model._base import LinearClassifierMixin
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import ComplementNB, MultinomialNB
from sklearn.pipeline import Pipeline

from sentiment.data.labels import find_order
from sentiment.modeling.estimators.dense import DenseInput, name_inner
from sentiment.modeling.estimators.nbsvm import NBSVM
from sentiment.modeling.estimators.ordinal import OrdinalClassifier
from sentiment.modeling.folding import TermWeights, fold_pipeline, split_pipeline


def linear_weights(pipeline: Pipeline) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the terms and the weight of each for each class, or None if the model is not linear.

    A term adds its feature times its weight to what a class is worth. That is, exactly, its
    log-odds for logistic regression, NBSVM and naive Bayes, and for a margin that is calibrated
    with a sigmoid: of two classes, those of one against the other; of more, those against the rest
    where each class has a model of its own, and else the log-probability above the mean of the
    others. Of a calibration in parts or a vote, it is the mean of the log-odds of their members;
    of a model without probabilities of this kind, the margin.

    Returns
    -------
    terms : ndarray of shape (n_features,)
        The term of each feature; parts of a union may have the same ones.
    weights : ndarray of shape (n_classes, n_features)
        The larger, the more the term speaks for the class.
    """
    parts = find_parts(pipeline)
    return join_parts(parts) if parts else None


def join_parts(parts: list[TermWeights]) -> tuple[np.ndarray, np.ndarray]:
    """Return the terms and weights of all `parts`, as `linear_weights` does."""
    terms = [part.name_features() for part in parts]
    return np.concatenate(terms), np.hstack([part.weights for part in parts])


def find_parts(pipeline: Pipeline) -> list[TermWeights]:
    """Return the weights of terms by vectorizer, none if `pipeline` is not linear in terms."""
    features, model = split_pipeline(pipeline)
    weights = _find_weights(model)
    if weights is None:
        return []
    if len(weights) == 1:
        weights = np.vstack([-weights[0], weights[0]])
    parts = fold_pipeline(pipeline, features, weights)
    # A HashingVectorizer knows no terms.
    named = all(hasattr(part.vectorizer, "get_feature_names_out") for part in parts)
    return parts if named else []


def find_obstacle(pipeline: Pipeline) -> str:
    """Return the steps of features that are not sums over terms, "" if the model is not linear."""
    features, model = split_pipeline(pipeline)
    return "" if _find_weights(model) is None else ", ".join(_name_steps(features))


def _name_steps(features: Any) -> Iterator[str]:
    if isinstance(features, Pipeline):
        for _, step in features.steps:
            yield from _name_steps(step)
    else:
        yield name_inner(features)


def compare_rows(logs: np.ndarray) -> np.ndarray:
    """Return the rows of `logs`, each above the mean of the others."""
    compared: np.ndarray = logs - (logs.sum(axis=0) - logs) / (len(logs) - 1)
    return compared


def merge_terms(terms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the different terms, and the place among them of each of `terms`."""
    merged = pa.array(terms, pa.large_string()).dictionary_encode()
    places: np.ndarray = merged.indices.to_numpy(zero_copy_only=False)
    return np.asarray(merged.dictionary.to_pandas(), dtype=object), places


def _find_weights(model: Any) -> np.ndarray | None:
    """Return the weights, shape (n_classes, n_features), or a single row for the second of two."""
    if isinstance(model, DenseInput):
        return _find_weights(model.estimator_)
    if isinstance(model, CalibratedClassifierCV):
        return _average([_calibrate(one) for one in model.calibrated_classifiers_])
    if isinstance(model, VotingClassifier):
        return _average([_find_weights(one) for one in model.estimators_], model.weights)
    if isinstance(model, OneVsRestClassifier):
        rows = [_find_weights(one) for one in model.estimators_]
        found = [one[-1:] for one in rows if one is not None]
        return np.vstack(found) if len(found) == len(rows) else None
    if isinstance(model, ComplementNB | MultinomialNB):
        return compare_rows(model.feature_log_prob_)
    if isinstance(model, OrdinalClassifier):
        model = model.to_sklearn()
    if not isinstance(model, LinearClassifierMixin | NBSVM):
        return None
    weights: np.ndarray = np.atleast_2d(model.coef_)
    # One model for all classes; NBSVM and machines have one for each.
    softmax = isinstance(model, LogisticRegression | LinearDiscriminantAnalysis)
    return compare_rows(weights) if softmax and len(weights) > 1 else weights


def _average(rows: list[np.ndarray | None], weights: Any = None) -> np.ndarray | None:
    found = [row for row in rows if row is not None]
    if not found or len(found) < len(rows):
        return None
    both = max(len(row) for row in found)
    full = [np.vstack([-row[0], row[0]]) if len(row) < both else row for row in found]
    mean: np.ndarray = np.average(full, axis=0, weights=weights)
    return mean


def _calibrate(member: Any) -> np.ndarray | None:
    """Return the weights of a margin, turned into log-odds where a sigmoid makes probabilities."""
    weights = _find_weights(member.estimator)
    if weights is None or not all(hasattr(one, "a_") for one in member.calibrators):
        return weights
    # The sigmoid is 1 / (1 + exp(a * margin + b)).
    slopes = np.array([[one.a_] for one in member.calibrators])
    calibrated: np.ndarray = -slopes * weights
    return calibrated


def top_terms(pipeline: Pipeline, count: int = 20) -> pd.DataFrame | None:
    """Return the `count` terms that speak most for each class, or None for a non-linear model.

    Returns
    -------
    DataFrame
        Columns ``label``, ``rank`` (from 1), ``term`` and ``weight``.
    """
    found = linear_weights(pipeline)
    if found is None:
        return None
    terms, places = merge_terms(found[0])
    tables = []
    for place in find_order(pipeline.classes_):
        label, parts = pipeline.classes_[place], found[1][place]
        # What parts of a union know by the same name is one term to a person.
        row = np.bincount(places, parts, len(terms))
        least = np.partition(row, -count)[-count] if len(row) > count else -np.inf
        near = np.flatnonzero(row >= least)
        best = near[np.argsort(-row[near], kind="stable")][:count]
        tables.append(
            pd.DataFrame(
                {
                    "label": label,
                    "rank": np.arange(1, len(best) + 1),
                    "term": terms[best],
                    "weight": row[best],
                }
            )
        )
    return pd.concat(tables, ignore_index=True)
