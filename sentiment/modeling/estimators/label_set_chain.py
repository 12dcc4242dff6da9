"""Classification of rows with several labels, each of which depends on others."""

from typing import Any, Self

import numpy as np
from sklearn.multioutput import ClassifierChain

from sentiment.modeling.estimators.label_sets import (
    copy_attributes,
    name_label_sets,
    read_indicators,
)


class LabelSetChain(ClassifierChain):
    """scikit-learn's chain of classifiers, for label sets.

    The classifier of each label has the labels before it in the chain as further features: at
    prediction, those that were predicted.

    Parameters
    ----------
    estimator : classifier
        Cloned for each label.
    separator : str, default=";"
        Between the labels of a set.
    order : "random" or list of int, optional
        Places of the labels in the chain; default: their order.
    cv : int, optional
        Folds by which the labels before are predicted in training; default: the true ones.
    random_state : int, optional
        Seed of a random order.

    Attributes
    ----------
    classes_ : ndarray of shape (n_labels,)
        The labels, sorted.

    References
    ----------
    Read, Pfahringer, Holmes and Frank 2009, Classifier Chains for Multi-label Classification.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> X = [[0, 0], [0, 1], [1, 0], [1, 1]]
    >>> model = LabelSetChain(LogisticRegression(C=100)).fit(X, ["", "b", "a", "a;b"])
    >>> model.predict(X).tolist()
    ['', 'b', 'a', 'a;b']
    """

    def __init__(
        self,
        estimator: Any,
        *,
        separator: str = ";",
        order: Any = None,
        cv: Any = None,
        random_state: Any = None,
    ) -> None:
        super().__init__(estimator, order=order, cv=cv, random_state=random_state)
        self.separator = separator

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the classifiers, one after the other.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features.
        y : array-like of str, of shape (n_samples,), or DataFrame of bool
            As of `LabelSetClassifier.fit`.

        Raises
        ------
        ValueError
            No row has a label.
        """
        table = read_indicators(y, self.separator)
        super().fit(X, table.to_numpy(dtype=int))
        self.classes_ = np.array(table.columns, dtype=str)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return for each row the labels whose probability is 0.5 or more, as one string."""
        return name_label_sets(self.predict_proba(X) >= 0.5, self.classes_, self.separator)

    def to_sklearn(self) -> ClassifierChain:
        """Return scikit-learn's own class, which predicts indicators; fitted if this one is."""
        plain = ClassifierChain(self.estimator)
        copy_attributes(self, plain)  # with the separator, for `from_sklearn`
        return plain

    @classmethod
    def from_chain(cls, chain: ClassifierChain, separator: str) -> Self:
        """Return a chain with the settings of scikit-learn's, fitted if that one is."""
        whole = cls(chain.estimator, separator=separator)
        copy_attributes(chain, whole)
        return whole
