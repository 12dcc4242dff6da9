"""Multi-label classification by one classifier per label."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import LabelBinarizer

from sentiment.data.label_sets import join_labels, tabulate_label_sets
from sentiment.modeling.class_weights import weigh_label
from sentiment.modeling.estimators.calibrated_svm import CalibratedClassifierCV
from sentiment.modeling.estimators.logistic_regression import LogisticRegression
from sentiment.modeling.estimators.self_training import UNKNOWN, SelfTrainingClassifier
from sentiment.ngrams.compiling import count_threads

# Estimators with a method `fit_labels`, which fits several labels together.
_FITTED_TOGETHER = (CalibratedClassifierCV, LogisticRegression)


class LabelSetClassifier(OneVsRestClassifier):
    """One binary classifier for each label of label sets, fitted in parallel.

    This is binary relevance: each classifier separates the rows with a label from those without it,
    on the same features. Probabilities are those of single labels, so they do not add up to 1.

    Parameters
    ----------
    estimator : classifier
        Classifier that is cloned for each label. Class weights by name, such as
        ``class_weight={"late": 3}``, apply to the rows with that label.
    separator : str, default=";"
        Separator of the labels in a label set.

    Attributes
    ----------
    classes_ : ndarray of shape (n_labels,)
        Sorted labels.
    estimators_ : list of classifiers
        Fitted classifiers, one for each label.

    See Also
    --------
    sklearn.multiclass.OneVsRestClassifier : Predicts indicators instead of strings.

    References
    ----------
    Tsoumakas and Katakis 2007, Multi-Label Classification: An Overview.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> X = [[0, 0], [0, 1], [1, 0], [1, 1]]
    >>> model = LabelSetClassifier(LogisticRegression(C=100)).fit(X, ["", "b", "a", "a;b"])
    >>> model.predict(X).tolist()
    ['', 'b', 'a', 'a;b']
    """

    def __init__(self, estimator: Any, *, separator: str = ";") -> None:
        super().__init__(estimator)
        self.separator = separator

    def fit(self, X: Any, y: Any) -> Self:
        """Fit a classifier for each label.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features.
        y : array-like of str, of shape (n_samples,), or DataFrame of bool or int
            Label sets, such as ``"late;refund"``, or an empty string for a row without labels; or a
            table with a column for each label. With a `SelfTrainingClassifier`, all labels of a row
            may be `UNKNOWN`.

        Raises
        ------
        ValueError
            No row has a label.
        """
        table = read_indicators(y, self.separator)
        truth = table.to_numpy(dtype=np.int8)
        is_labelled = (truth != UNKNOWN).all(axis=1)
        indicators = truth[is_labelled] == 1
        # Model files hold scikit-learn's class instead, which needs this to predict indicators.
        self.label_binarizer_ = LabelBinarizer().fit(indicators)
        self.label_binarizer_.classes_ = self.classes_ = np.array(table.columns, dtype=str)
        names = [str(name) for name in table.columns]
        estimators = [weigh_label(self.estimator, name) for name in names]
        fitted = None
        if not is_labelled.all():
            fitted = _fit_with_unlabelled(self.estimator, X, truth, names)
        elif isinstance(self.estimator, _FITTED_TOGETHER):
            fitted = _fit_together(self.estimator, estimators, X, indicators)
        self.estimators_ = fitted or _fit_one_by_one(estimators, X, indicators)
        first = self.estimators_[0]
        if hasattr(first, "n_features_in_"):
            self.n_features_in_ = first.n_features_in_
        return self

    def to_sklearn(self) -> OneVsRestClassifier:
        """Return a `OneVsRestClassifier`, which predicts indicators; fitted if this one is."""
        plain = OneVsRestClassifier(self.estimator)
        copy_attributes(self, plain)  # with the separator, for `from_sklearn`
        return plain

    @classmethod
    def from_sklearn(cls, plain: OneVsRestClassifier) -> Self:
        """Return the classifier from which `to_sklearn` made `plain`."""
        classifier = cls(plain.estimator)
        copy_attributes(plain, classifier)
        return classifier

    def predict(self, X: Any) -> np.ndarray:
        """Return the label set of each row: the labels with a probability of 0.5 or more."""
        return name_label_sets(self.predict_proba(X) >= 0.5, self.classes_, self.separator)


def _fit_one_by_one(estimators: list[Any], X: Any, indicators: np.ndarray) -> list[Any]:
    with ThreadPoolExecutor(min(len(estimators), count_threads(None))) as pool:
        return list(
            pool.map(lambda estimator, y: _fit_binary(estimator, X, y), estimators, indicators.T)
        )


def _fit_together(
    estimator: Any, estimators: list[Any], X: Any, indicators: np.ndarray
) -> list[Any] | None:
    """Return a fitted classifier for each label, None if `estimator` cannot fit them together."""
    mixed = np.flatnonzero(~indicators.all(axis=0))  # labels that some rows lack
    unfitted = [estimators[k] for k in mixed]
    classifiers = estimator.fit_labels(X, indicators[:, mixed], unfitted) if unfitted else None
    if classifiers is None:
        return None
    fitted = dict(zip(mixed, classifiers, strict=True))
    return [
        fitted[k] if k in fitted else _fit_binary(unfitted, X, indicators[:, k])
        for k, unfitted in enumerate(estimators)
    ]


def _fit_with_unlabelled(
    estimator: SelfTrainingClassifier, X: Any, truth: np.ndarray, names: list[str]
) -> list[Any]:
    is_labelled = (truth != UNKNOWN).all(axis=1)
    indicators = truth[is_labelled] == 1
    mixed = np.flatnonzero(~indicators.all(axis=0))  # labels that some rows lack
    mixed_names = [names[k] for k in mixed]
    students = estimator.fit_labels(X, truth[:, mixed], mixed_names) if mixed_names else []
    fitted = dict(zip(mixed_names, students, strict=True))
    return [
        fitted.get(name) or _fit_binary(estimator, X[is_labelled], y)
        for name, y in zip(names, indicators.T, strict=True)
    ]


def _fit_binary(estimator: Any, X: Any, y: np.ndarray) -> Any:
    if y.all():  # nothing to learn: the label gets a probability of 1
        return DummyClassifier().fit(X[:2], [0, 1], sample_weight=[0, 1])
    return estimator.fit(X, y.astype(np.int64))


def read_indicators(y: Any, separator: str) -> pd.DataFrame:
    """Return the indicators of `y`, a column for each label; see `LabelSetClassifier.fit`.

    Raises
    ------
    ValueError
        No row has a label.
    """
    table = y if isinstance(y, pd.DataFrame) else tabulate_label_sets(y, separator)
    if table.empty:
        raise ValueError("no row has a label")
    return table


def copy_attributes(source: BaseEstimator, target: BaseEstimator) -> None:
    """Copy all attributes of `source` to `target`, without copying their values."""
    for name, value in vars(source).items():
        setattr(target, name, value)


def name_label_sets(indicators: np.ndarray, classes: np.ndarray, separator: str) -> np.ndarray:
    """Return the label set of each row of `indicators`, as a string of `join_labels`."""
    rows = np.ascontiguousarray(np.packbits(indicators, axis=1))
    values = rows.view(np.dtype((np.void, rows.shape[1]))).ravel()  # one value per row
    _, indices, inverse = np.unique(values, return_index=True, return_inverse=True)
    names = [join_labels(classes[indicators[row]], separator) for row in indices]
    return np.array(names, dtype=str)[inverse]


def measure_sets(indicators: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the probability of each row's label set, with labels assumed to be independent.

    Parameters
    ----------
    indicators : ndarray of bool, of shape (n_samples, n_labels)
        Label sets.
    probabilities : ndarray of shape (n_samples, n_labels)
        Probability of each label.
    """
    product: np.ndarray = np.where(indicators, probabilities, 1 - probabilities).prod(axis=1)
    return product
