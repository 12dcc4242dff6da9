"""Why a model says what it says: the terms that speak for each class."""

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline


def linear_weights(pipeline: Pipeline) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the terms and the weight of each for each class, or None if the model is not linear.

    Returns
    -------
    terms : ndarray of shape (n_features,)
        Names of the features.
    weights : ndarray of shape (n_classes, n_features)
        The larger, the more the term speaks for the class. For naive Bayes, its log probability
        above the mean of the other classes.
    """
    model = pipeline["model"]
    if calibrated := getattr(model, "calibrated_classifiers_", None):
        if not all(hasattr(one.estimator, "coef_") for one in calibrated):
            return None
        weights = np.mean([one.estimator.coef_ for one in calibrated], axis=0)
    elif hasattr(model, "coef_"):
        weights = model.coef_
    elif hasattr(model, "feature_log_prob_"):
        logs = model.feature_log_prob_
        # ComplementNB keeps the weights of the complement with their sign turned already.
        weights = logs - (logs.sum(axis=0) - logs) / (len(logs) - 1)
    else:
        return None
    if len(weights) == 1:
        weights = np.vstack([-weights[0], weights[0]])
    return pipeline["features"].get_feature_names_out(), weights


def telling_terms(pipeline: Pipeline, count: int = 20) -> pd.DataFrame | None:
    """Return the `count` terms that speak most for each class, or None for a non-linear model.

    Returns
    -------
    DataFrame
        Columns ``label``, ``rank`` (from 1), ``term`` and ``weight``.
    """
    found = linear_weights(pipeline)
    if found is None:
        return None
    terms, weights = found
    tables = []
    for label, row in zip(pipeline.classes_, weights, strict=True):
        best = np.argsort(-row, kind="stable")[:count]
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
