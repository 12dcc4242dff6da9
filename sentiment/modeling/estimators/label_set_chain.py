"""Multi-label classification by a chain of classifiers."""

from typing import Any, Self

import numpy as np
from sklearn.multioutput import ClassifierChain

from sentiment.modeling.estimators.label_sets import (
    copy_attributes,
    name_label_sets,
    read_indicators,
)


class LabelSetChain(ClassifierChain):
    """scikit-learn's chain of classifiers, for label sets as strings.

    The classifier of each label has the earlier labels of the chain as additional features; in
    prediction, these are predicted labels.

    Parameters
    ----------
    estimator : classifier
        Classifier that is cloned for each label.
    separator : str, default=";"
        Separator of the labels in a label set.
    order : "random" or list of int, optional
        Order of the labels in the chain; default: sorted.
    cv : int, optional
        Number of folds that predict the earlier labels for training; default: true labels are used.
    random_state : int, optional
        Seed of a random order.

    Attributes
    ----------
    classes_ : ndarray of shape (n_labels,)
        Sorted labels.

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
        """Fit the classifiers in the order of the chain.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features.
        y : array-like of str, of shape (n_samples,), or DataFrame of bool
            Label sets, as in `LabelSetClassifier.fit`.

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
        """Return the label set of each row: the labels with a probability of 0.5 or more."""
        return name_label_sets(self.predict_proba(X) >= 0.5, self.classes_, self.separator)

    def to_sklearn(self) -> ClassifierChain:
        """Return scikit-learn's `ClassifierChain`, which predicts indicators; fitted if this is."""
        plain = ClassifierChain(self.estimator)
        copy_attributes(self, plain)  # with the separator, for `from_sklearn`
        return plain

    @classmethod
    def from_chain(cls, chain: ClassifierChain, separator: str) -> Self:
        """Return a `LabelSetChain` with the parameters of `chain`, fitted if that is."""
        label_set_chain = cls(chain.estimator, separator=separator)
        copy_attributes(chain, label_set_chain)
        return label_set_chain
