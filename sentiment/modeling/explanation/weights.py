"""Weight of each term for each class, in log-odds or a score."""

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
    """Return the terms and their weights for each class, or None if the model is not linear.

    A term adds its feature times its weight to the score of a class. The score is exactly the
    log-odds for logistic regression, NBSVM, naive Bayes and margins that are calibrated with a
    sigmoid. With two classes, they are the log-odds of one against the other. With more, they are
    the log-odds against the rest if each class has its own model, and otherwise the log-probability
    minus the mean of the others. For a calibrated ensemble or a vote, the score is the mean of the
    log-odds of the members; for models without such probabilities, the margin.

    Returns
    -------
    terms : ndarray of shape (n_features,)
        The term of each feature; parts of a union may share terms.
    weights : ndarray of shape (n_classes, n_features)
        A large weight is evidence for the class.
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
    # A HashingVectorizer has no terms.
    has_names = all(hasattr(part.vectorizer, "get_feature_names_out") for part in parts)
    return parts if has_names else []


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
    """Return each row of `logs` minus the mean of the others."""
    compared: np.ndarray = logs - (logs.sum(axis=0) - logs) / (len(logs) - 1)
    return compared


def merge_terms(terms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct terms, and the index among these of each of `terms`."""
    encoded = pa.array(terms, pa.large_string()).dictionary_encode()
    indices: np.ndarray = encoded.indices.to_numpy(zero_copy_only=False)
    return np.asarray(encoded.dictionary.to_pandas(), dtype=object), indices


def _find_weights(model: Any) -> np.ndarray | None:
    """Return the weights, shape (n_classes, n_features), or a single row for the second of two."""
    if isinstance(model, DenseInput):
        return _find_weights(model.estimator_)
    if isinstance(model, CalibratedClassifierCV):
        return _average([_calibrate(member) for member in model.calibrated_classifiers_])
    if isinstance(model, VotingClassifier):
        return _average([_find_weights(member) for member in model.estimators_], model.weights)
    if isinstance(model, OneVsRestClassifier):
        class_weights = [_find_weights(member) for member in model.estimators_]
        rows = [weights[-1:] for weights in class_weights if weights is not None]
        return np.vstack(rows) if len(rows) == len(class_weights) else None
    if isinstance(model, ComplementNB | MultinomialNB):
        return compare_rows(model.feature_log_prob_)
    if isinstance(model, OrdinalClassifier):
        model = model.to_sklearn()
    if not isinstance(model, LinearClassifierMixin | NBSVM):
        return None
    weights: np.ndarray = np.atleast_2d(model.coef_)
    # These have one model for all classes; NBSVM and SVMs have one for each class.
    is_softmax = isinstance(model, LogisticRegression | LinearDiscriminantAnalysis)
    return compare_rows(weights) if is_softmax and len(weights) > 1 else weights


def _average(members: list[np.ndarray | None], weights: Any = None) -> np.ndarray | None:
    """Return the mean weights of the members, None if a member is not linear."""
    linear = [member for member in members if member is not None]
    if not linear or len(linear) < len(members):
        return None
    # A member has a single row for two classes, or a row for each.
    height = max(len(rows) for rows in linear)
    full = [np.vstack([-rows[0], rows[0]]) if len(rows) < height else rows for rows in linear]
    mean: np.ndarray = np.average(full, axis=0, weights=weights)
    return mean


def _calibrate(member: Any) -> np.ndarray | None:
    """Return the weights of a margin, converted to log-odds if it is calibrated with a sigmoid."""
    weights = _find_weights(member.estimator)
    if weights is None or not all(hasattr(sigmoid, "a_") for sigmoid in member.calibrators):
        return weights
    # The sigmoid is 1 / (1 + exp(a * margin + b)).
    slopes = np.array([[sigmoid.a_] for sigmoid in member.calibrators])
    calibrated: np.ndarray = -slopes * weights
    return calibrated


def top_terms(pipeline: Pipeline, count: int = 20) -> pd.DataFrame | None:
    """Return the `count` terms with the largest weights for each class; None if not linear.

    Returns
    -------
    DataFrame
        Columns ``label``, ``rank`` (from 1), ``term`` and ``weight``.
    """
    term_weights = linear_weights(pipeline)
    if term_weights is None:
        return None
    feature_terms, weights = term_weights
    terms, term_indices = merge_terms(feature_terms)
    tables = []
    for code in find_order(pipeline.classes_):
        # Terms with the same name in several parts of a union are one term to a reader.
        sums = np.bincount(term_indices, weights[code], len(terms))
        smallest = np.partition(sums, -count)[-count] if len(sums) > count else -np.inf
        candidates = np.flatnonzero(sums >= smallest)
        best = candidates[np.argsort(-sums[candidates], kind="stable")][:count]
        tables.append(
            pd.DataFrame(
                {
                    "label": pipeline.classes_[code],
                    "rank": np.arange(1, len(best) + 1),
                    "term": terms[best],
                    "weight": sums[best],
                }
            )
        )
    return pd.concat(tables, ignore_index=True)
