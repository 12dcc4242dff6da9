"""Encoding of labels for classifiers that require integers."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import Tags, get_tags


class LabelCodes(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """Wrapper of a classifier that requires labels from 0, such as XGBoost's, for any labels.

    Parameters
    ----------
    estimator : classifier
        Classifier with ``predict_proba``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted labels.
    estimator_ : classifier
        Fitted clone of `estimator`.

    Examples
    --------
    >>> from sklearn.naive_bayes import MultinomialNB
    >>> model = LabelCodes(MultinomialNB()).fit(np.array([[1, 0], [0, 1]]), ["good", "bad"])
    >>> model.estimator_.classes_.tolist(), model.predict(np.array([[3, 0]])).tolist()
    ([0, 1], ['good'])
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, X: Any, y: Any) -> Self:
        """Fit on rows `X`, shape (n_samples, n_features), and labels `y`, shape (n_samples,)."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.estimator_ = clone(self.estimator).fit(X, codes)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probabilities of the classes, shape (n_samples, n_classes)."""
        return np.asarray(self.estimator_.predict_proba(X))

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable labels, shape (n_samples,)."""
        labels: np.ndarray = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return labels

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = super().__sklearn_tags__()
        tags.input_tags.sparse = get_tags(self.estimator).input_tags.sparse
        return tags
