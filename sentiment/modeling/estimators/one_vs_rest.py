"""One-vs-rest classifiers of scikit-learn with given weights."""

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import LabelBinarizer


def make_one_vs_rest(classifier: LogisticRegression, fitted: Any) -> OneVsRestClassifier:
    """Return a fitted classifier whose binary classifiers have the weights of `fitted`.

    Parameters
    ----------
    classifier : LogisticRegression
        Parameters of each binary classifier.
    fitted : classifier
        More than two ``classes_``, with a row of ``coef_`` and a value of ``intercept_`` and
        ``n_iter_`` for each, and ``n_features_in_``.
    """
    one_vs_rest = OneVsRestClassifier(classifier)
    one_vs_rest.label_binarizer_ = LabelBinarizer(sparse_output=True).fit(fitted.classes_)
    one_vs_rest.classes_ = fitted.classes_
    one_vs_rest.n_features_in_ = fitted.n_features_in_
    one_vs_rest.estimators_ = [
        set_weights(clone(classifier), fitted, row, np.array([0, 1]))
        for row in range(len(fitted.classes_))
    ]
    return one_vs_rest


def set_weights(
    classifier: LogisticRegression, fitted: Any, row: int, classes: np.ndarray
) -> LogisticRegression:
    """Return `classifier` with the weights in a `row` of `fitted`, and two `classes`."""
    classifier.coef_ = fitted.coef_[[row]]
    classifier.intercept_ = fitted.intercept_[[row]]
    classifier.n_iter_ = fitted.n_iter_[[row]]
    classifier.classes_ = classes
    classifier.n_features_in_ = fitted.n_features_in_
    return classifier
