"""One-vs-rest classifiers of scikit-learn, made of weights."""

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import LabelBinarizer


def make_one_vs_rest(machine: LogisticRegression, fitted: Any) -> OneVsRestClassifier:
    """Return a fitted classifier whose machines have the weights of `fitted`.

    Parameters
    ----------
    machine : LogisticRegression
        Settings of each machine.
    fitted : classifier
        Has ``classes_``, more than two, a row of ``coef_`` and a value of ``intercept_`` and
        ``n_iter_`` for each, and ``n_features_in_``.
    """
    whole = OneVsRestClassifier(machine)
    whole.label_binarizer_ = LabelBinarizer(sparse_output=True).fit(fitted.classes_)
    whole.classes_ = fitted.classes_
    whole.n_features_in_ = fitted.n_features_in_
    whole.estimators_ = [
        set_weights(clone(machine), fitted, row, np.array([0, 1]))
        for row in range(len(fitted.classes_))
    ]
    return whole


def set_weights(
    machine: LogisticRegression, fitted: Any, row: int, classes: np.ndarray
) -> LogisticRegression:
    """Give `machine` the weights in a `row` of `fitted`, and two `classes`; return it."""
    machine.coef_ = fitted.coef_[[row]]
    machine.intercept_ = fitted.intercept_[[row]]
    machine.n_iter_ = fitted.n_iter_[[row]]
    machine.classes_ = classes
    machine.n_features_in_ = fitted.n_features_in_
    return machine
