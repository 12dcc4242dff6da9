"""Fast conversion of the decisions of linear models to probabilities.

scikit-learn checks the input, the estimator and its parameters in each call, which takes ten times
as long as the probabilities of a few rows. These heads do the same arithmetic in the same order,
without the checks.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn import calibration, linear_model
from sklearn.calibration import _SigmoidCalibration
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from sentiment.modeling.estimators.calibrated_svm import CalibratedClassifierCV
from sentiment.modeling.estimators.label_sets import LabelSetClassifier
from sentiment.modeling.estimators.logistic_regression import LogisticRegression

CALIBRATED = (calibration.CalibratedClassifierCV, CalibratedClassifierCV)
_LOGISTIC = (linear_model.LogisticRegression, linear_model.LogisticRegressionCV, LogisticRegression)
# Models whose decisions are the sum of weighted features and an intercept.
_PLAIN = (
    LinearSVC, linear_model.PassiveAggressiveClassifier, linear_model.Perceptron,
    linear_model.RidgeClassifier, linear_model.SGDClassifier, *_LOGISTIC,
)  # fmt: skip


def is_logistic(model: OneVsRestClassifier) -> bool:
    """Return whether a classifier has a logistic regression for each of more than two classes."""
    estimators = getattr(model, "estimators_", [])
    kinds = {type(estimator) for estimator in estimators}
    return len(estimators) > 2 and kinds == {linear_model.LogisticRegression}


def make_fast_head(head: Any) -> Any:
    """Return a fast classifier of decisions with the predictions of `head`, or `head` itself.

    Parameters
    ----------
    head : classifier
        A fitted linear model whose weights were replaced by rows of an identity matrix. A head of
        an unknown kind is returned unchanged.
    """
    kind = type(head)
    if kind in _LOGISTIC:
        is_binary = len(head.classes_) == 2 and len(head.coef_) == 1
        if is_binary or len(head.coef_) == len(head.classes_) > 2:
            return _Head(head, LogisticHead(Linear.of(head), is_binary))
    elif kind is LabelSetClassifier and len(head.estimators_) > 1 and head.multilabel_:
        labels = [_make_label_head(estimator) for estimator in head.estimators_]
        heads = [label for label in labels if label is not None]
        if len(heads) == len(labels):
            return _Head(head, LabelSetHead(heads))
    elif (calibrated := _make_sigmoid_head(head)) is not None:
        return _Head(head, calibrated)
    return head


def _make_label_head(head: Any) -> "LogisticHead | SigmoidHead | None":
    """Return the fast head of one of several labels, or None if it is of an unknown kind."""
    if type(head) in _LOGISTIC and len(head.coef_) == 1:
        return LogisticHead(Linear.of(head), True)
    return _make_sigmoid_head(head)


def _make_sigmoid_head(head: Any) -> "SigmoidHead | None":
    """Return the fast head of a calibrated model of two classes, or None for another model."""
    if type(head) not in CALIBRATED or len(head.classes_) != 2:
        return None
    members = head.calibrated_classifiers_
    if not all(map(_is_sigmoid, members)):
        return None
    return SigmoidHead([(Linear.of(member.estimator), member.calibrators[0]) for member in members])


def _is_sigmoid(member: Any) -> bool:
    """Return whether a member of a calibrated classifier has a sigmoid of one linear decision."""
    return (
        type(member.estimator) in _PLAIN
        and len(member.estimator.coef_) == 1
        and len(member.classes) == 2
        and member.method == "sigmoid"
        and [type(calibrator) for calibrator in member.calibrators] == [_SigmoidCalibration]
    )


@dataclass(frozen=True)
class Linear:
    """Selection of the decisions of one model from those of several, and its intercepts.

    Attributes
    ----------
    columns : ndarray of int
        Columns of the decisions of the model.
    intercepts : ndarray or float
        Intercepts of these decisions.
    """

    columns: np.ndarray
    intercepts: Any

    @classmethod
    def of(cls, head: Any) -> "Linear":
        """Return the selection of a head whose weights are rows of an identity matrix."""
        return cls(head.coef_.argmax(axis=1), head.intercept_)

    def decision_function(self, decisions: np.ndarray) -> np.ndarray:
        """Return the decisions of the model, a new array of shape (n, n_columns), in C order."""
        scores: np.ndarray = decisions.take(self.columns, axis=1)
        scores += self.intercepts
        return scores


@dataclass(frozen=True)
class LogisticHead:
    """Probabilities of a logistic regression of two classes or, with a softmax, of more."""

    linear: Linear
    is_binary: bool

    def predict_proba(self, decisions: np.ndarray) -> np.ndarray:
        """Return the probabilities of the classes, shape (n, n_classes)."""
        scores = self.linear.decision_function(decisions)
        if self.is_binary:
            return _pair_probabilities(expit(scores[:, 0]))
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=1, keepdims=True)
        return scores


@dataclass(frozen=True)
class SigmoidHead:
    """Mean probabilities of models of two classes whose decisions are calibrated by sigmoids."""

    members: list[tuple[Linear, Any]]

    def predict_proba(self, decisions: np.ndarray) -> np.ndarray:
        """Return the probabilities of the classes, shape (n, 2)."""
        mean = np.zeros((len(decisions), 2))
        for linear, sigmoid in self.members:
            scores = linear.decision_function(decisions)[:, 0]
            mean += _pair_probabilities(expit(-(sigmoid.a_ * scores + sigmoid.b_)))
        mean /= len(self.members)
        return mean


@dataclass(frozen=True)
class LabelSetHead:
    """Probabilities of labels, each of which has its own model."""

    members: list[LogisticHead | SigmoidHead]

    def predict_proba(self, decisions: np.ndarray) -> np.ndarray:
        """Return the probabilities of the labels, shape (n, n_labels)."""
        return np.column_stack([member.predict_proba(decisions)[:, 1] for member in self.members])


class OneVsRestHead:
    """One-vs-rest logistic regressions, which take their own decisions.

    scikit-learn calls them one by one, which takes time in proportion to the square of their
    number.

    Parameters
    ----------
    model : OneVsRestClassifier
        Fitted.
    """

    coef_: np.ndarray

    def __init__(self, model: OneVsRestClassifier) -> None:
        self.classes_ = model.classes_
        self._intercepts = np.concatenate([model.intercept_ for model in model.estimators_])

    def predict(self, decisions: np.ndarray) -> np.ndarray:
        """Return the class of the largest decision of each row."""
        labels: np.ndarray = self.classes_[np.argmax(self._decision_function(decisions), axis=1)]
        return labels

    def predict_proba(self, decisions: np.ndarray) -> np.ndarray:
        """Return the probabilities of the classes, shape (n, n_classes)."""
        probabilities: np.ndarray = self._decision_function(decisions)
        expit(probabilities, out=probabilities)
        total = probabilities.sum(axis=1, keepdims=True)
        np.divide(probabilities, total, out=probabilities, where=total != 0)
        return probabilities

    def _decision_function(self, decisions: np.ndarray) -> np.ndarray:
        # Each row of `coef_` is 1 in the column of its decision. take() returns contiguous rows, so
        # that their sums do not depend on the number of rows.
        scores: np.ndarray = decisions.take(self.coef_.argmax(axis=1), axis=1)
        scores += self._intercepts
        return scores


class _Head:
    """A head with fast probabilities; scikit-learn raises its errors for invalid decisions.

    Parameters
    ----------
    head : classifier
        A classifier of scikit-learn.
    fast : object
        Has the same probabilities for finite decisions.
    """

    def __init__(self, head: Any, fast: Any) -> None:
        self._head, self._fast = head, fast

    def predict(self, decisions: np.ndarray) -> np.ndarray:
        """Return the predictions of `head`."""
        labels: np.ndarray = self._head.predict(decisions)
        return labels

    def predict_proba(self, decisions: np.ndarray) -> np.ndarray:
        """Return the probabilities of `head`."""
        head = self._fast if np.isfinite(decisions).all() else self._head
        probabilities: np.ndarray = head.predict_proba(decisions)
        return probabilities


def _pair_probabilities(second: np.ndarray) -> np.ndarray:
    """Return the probabilities of both classes from those of the second one, shape (n, 2)."""
    probabilities = np.empty((len(second), 2))
    probabilities[:, 1] = second
    np.subtract(1, second, out=probabilities[:, 0])
    return probabilities
