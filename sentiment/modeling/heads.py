"""From the decisions of linear models to probabilities, without scikit-learn's checks of each call.

scikit-learn checks the input, the estimator and its settings in each call, which takes ten times as
long as the probabilities of a few rows. These heads do the same arithmetic in the same order.
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
# Their decisions are sums of weighted features and an intercept, and nothing else.
_PLAIN = (
    LinearSVC, linear_model.PassiveAggressiveClassifier, linear_model.Perceptron,
    linear_model.RidgeClassifier, linear_model.SGDClassifier, *_LOGISTIC,
)  # fmt: skip


def is_logistic(model: OneVsRestClassifier) -> bool:
    """Return whether a classifier has a logistic regression for each of more than two classes."""
    machines = getattr(model, "estimators_", [])
    kinds = {type(machine) for machine in machines}
    return len(machines) > 2 and kinds == {linear_model.LogisticRegression}


def make_fast_head(head: Any) -> Any:
    """Return a fast classifier of decisions with the predictions of `head`, or `head` itself.

    Parameters
    ----------
    head : classifier
        What is left of a fitted linear model: its weights are rows of an identity matrix. One of a
        kind that is not known here is returned as it is.
    """
    kind = type(head)
    if kind in _LOGISTIC:
        is_binary = len(head.classes_) == 2 and len(head.coef_) == 1
        if is_binary or len(head.coef_) == len(head.classes_) > 2:
            return _Head(head, LogisticHead(Linear.of(head), is_binary))
    elif kind is LabelSetClassifier and len(head.estimators_) > 1 and head.multilabel_:
        parts = [part for one in head.estimators_ if (part := _make_label(one)) is not None]
        if len(parts) == len(head.estimators_):
            return _Head(head, LabelSetHead(parts))
    elif (calibrated := _make_sigmoids(head)) is not None:
        return _Head(head, calibrated)
    return head


def _make_label(head: Any) -> "LogisticHead | SigmoidHead | None":
    """Return the probabilities of one of several labels, or None if it is of an unknown kind."""
    if type(head) in _LOGISTIC and len(head.coef_) == 1:
        return LogisticHead(Linear.of(head), True)
    return _make_sigmoids(head)


def _make_sigmoids(head: Any) -> "SigmoidHead | None":
    """Return the probabilities of a calibrated model of two classes, or None if it is another."""
    if type(head) not in CALIBRATED or len(head.classes_) != 2:
        return None
    members = head.calibrated_classifiers_
    if not all(map(_is_sigmoid, members)):
        return None
    return SigmoidHead([(Linear.of(one.estimator), one.calibrators[0]) for one in members])


def _is_sigmoid(member: Any) -> bool:
    """Return whether a member of a calibrated classifier has a sigmoid of one linear decision."""
    return (
        type(member.estimator) in _PLAIN
        and len(member.estimator.coef_) == 1
        and len(member.classes) == 2
        and member.method == "sigmoid"
        and [type(one) for one in member.calibrators] == [_SigmoidCalibration]
    )


@dataclass(frozen=True)
class Linear:
    """Decisions of one model among those of several, and its intercepts.

    Attributes
    ----------
    places : ndarray of int
        Columns of its decisions.
    intercepts : ndarray or float
        Added to them.
    """

    places: np.ndarray
    intercepts: Any

    @classmethod
    def of(cls, head: Any) -> "Linear":
        """Return those of a head whose weights are rows of an identity matrix."""
        return cls(head.coef_.argmax(axis=1), head.intercept_)

    def decision_function(self, decisions: np.ndarray) -> np.ndarray:
        """Return its decisions, a new array of shape (n, n_places), in the order of C."""
        scores: np.ndarray = decisions.take(self.places, axis=1)
        scores += self.intercepts
        return scores


@dataclass(frozen=True)
class LogisticHead:
    """Probabilities of a logistic regression of two classes or, by a softmax, of more."""

    linear: Linear
    is_binary: bool

    def predict_proba(self, decisions: np.ndarray) -> np.ndarray:
        """Return the probabilities of the classes, shape (n, n_classes)."""
        scores = self.linear.decision_function(decisions)
        if self.is_binary:
            return _pair(expit(scores[:, 0]))
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=1, keepdims=True)
        return scores


@dataclass(frozen=True)
class SigmoidHead:
    """Mean probabilities of models of two classes whose decisions a sigmoid calibrates."""

    members: list[tuple[Linear, Any]]

    def predict_proba(self, decisions: np.ndarray) -> np.ndarray:
        """Return the probabilities of the classes, shape (n, 2)."""
        mean = np.zeros((len(decisions), 2))
        for linear, sigmoid in self.members:
            scores = linear.decision_function(decisions)[:, 0]
            mean += _pair(expit(-(sigmoid.a_ * scores + sigmoid.b_)))
        mean /= len(self.members)
        return mean


@dataclass(frozen=True)
class LabelSetHead:
    """Probabilities of labels that have a model each."""

    members: list[LogisticHead | SigmoidHead]

    def predict_proba(self, decisions: np.ndarray) -> np.ndarray:
        """Return the probabilities of the labels, shape (n, n_labels)."""
        return np.column_stack([one.predict_proba(decisions)[:, 1] for one in self.members])


class OneVsRestHead:
    """Logistic regressions of one class against the rest, which take their own decisions.

    What scikit-learn makes of them one by one takes time in proportion to the square of their
    number.

    Parameters
    ----------
    model : OneVsRestClassifier
        Fitted.
    """

    coef_: np.ndarray

    def __init__(self, model: OneVsRestClassifier) -> None:
        self.classes_ = model.classes_
        self._intercepts = np.concatenate([machine.intercept_ for machine in model.estimators_])

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
        # Each row of `coef_` is one where its decision is. The rows of what take() returns are
        # contiguous, so that their sums do not depend on how many there are.
        scores: np.ndarray = decisions.take(self.coef_.argmax(axis=1), axis=1)
        scores += self._intercepts
        return scores


class _Head:
    """A head with fast probabilities; decisions that scikit-learn refuses go to it.

    Parameters
    ----------
    head : classifier
        Of scikit-learn.
    fast : object
        Has the same probabilities of decisions that are numbers.
    """

    def __init__(self, head: Any, fast: Any) -> None:
        self._head, self._fast = head, fast

    def predict(self, decisions: np.ndarray) -> np.ndarray:
        """Return what `head` predicts."""
        labels: np.ndarray = self._head.predict(decisions)
        return labels

    def predict_proba(self, decisions: np.ndarray) -> np.ndarray:
        """Return the probabilities of `head`."""
        use = self._fast if np.isfinite(decisions).all() else self._head
        probabilities: np.ndarray = use.predict_proba(decisions)
        return probabilities


def _pair(second: np.ndarray) -> np.ndarray:
    """Return the probabilities of both classes by those of the second one, shape (n, 2)."""
    both = np.empty((len(second), 2))
    both[:, 1] = second
    np.subtract(1, second, out=both[:, 0])
    return both
