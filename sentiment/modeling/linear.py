"""Linear text classifiers that compute decisions from texts without a feature matrix."""

import copy
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn import linear_model
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import VotingClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import ComplementNB, MultinomialNB
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC

from sentiment.modeling.estimators.label_sets import LabelSetClassifier
from sentiment.modeling.estimators.logistic_regression import LogisticRegression
from sentiment.modeling.estimators.nbsvm import NBSVM
from sentiment.modeling.folding import TermWeights, fold_pipeline, split_pipeline
from sentiment.modeling.heads import CALIBRATED, OneVsRestHead, is_logistic, make_fast_head
from sentiment.modeling.pipeline import (
    STEPS,
    STEPS_WITH_COLUMNS,
    TEXT_COLUMN,
    TextClassifier,
    find_separator,
    find_text_steps,
    predict_probabilities,
)
from sentiment.ngrams.linear_scoring import LinearScorer

# The attribute of the weights of each model, which only uses the weighted sums of the features.
_WEIGHTS = {
    LinearDiscriminantAnalysis: "coef_",
    LinearSVC: "coef_",
    LogisticRegression: "coef_",
    linear_model.LogisticRegression: "coef_",
    linear_model.LogisticRegressionCV: "coef_",
    linear_model.PassiveAggressiveClassifier: "coef_",
    linear_model.Perceptron: "coef_",
    linear_model.RidgeClassifier: "coef_",
    linear_model.RidgeClassifierCV: "coef_",
    linear_model.SGDClassifier: "coef_",
    NBSVM: "coef_",
    MultinomialNB: "feature_log_prob_",
    ComplementNB: "feature_log_prob_",
}


def make_fast(pipeline: Pipeline) -> TextClassifier:
    """Return a classifier with the predictions of a fitted `pipeline`, several times as fast.

    It is `pipeline` itself unless that consists of text vectorizers of this project that read
    words, or a union of these, of linear steps such as a selection of features or a TruncatedSVD,
    and of a linear model, which may be calibrated, a vote, or one-vs-rest. A later fit of
    `pipeline` does not change the returned classifier.
    """
    unchanged: TextClassifier = pipeline
    return LinearTextClassifier.from_pipeline(pipeline) or unchanged


def predict_texts(classifier: TextClassifier, texts: list[str]) -> np.ndarray:
    """Return the probabilities for texts, by a `classifier` that reads no other columns."""
    if isinstance(classifier, LinearTextClassifier):
        return classifier.predict_texts(texts)
    return predict_probabilities(classifier, pd.DataFrame({TEXT_COLUMN: texts}))


class LinearTextClassifier:
    """A linear text classifier, made from a pipeline by `make_fast`.

    Parameters
    ----------
    pipeline : Pipeline
        Predicts texts that the scorers cannot read.
    scorers : list of LinearScorer
        Their sum is the decisions.
    head : classifier
        Converts decisions to predictions, as the model of the pipeline does.
    columns : TermWeights, optional
        Weights of other columns than the text, which are added to the decisions.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted labels.
    separator : str or None
        Between the labels of a set; None if each row has one label.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        scorers: list[LinearScorer],
        head: Any,
        columns: TermWeights | None = None,
    ) -> None:
        self._pipeline, self._scorers, self._head = pipeline, scorers, make_fast_head(head)
        self._text_steps, self._columns = find_text_steps(pipeline)[:-1], columns
        self.classes_: np.ndarray = pipeline.classes_
        self.separator = find_separator(pipeline)

    @classmethod
    def from_pipeline(cls, pipeline: Pipeline) -> Self | None:
        """Return a classifier with the predictions of `pipeline`, or None; see `make_fast`."""
        if [name for name, _ in pipeline.steps] not in (STEPS, STEPS_WITH_COLUMNS):
            return None
        features, model = split_pipeline(pipeline)
        weights = _Weights([])
        head = weights.split_off(model)
        if head is None:
            return None
        rows = weights.fill_in()
        if not np.isfinite(rows).all():
            return None
        scorers, columns = [], None
        for part in fold_pipeline(pipeline, features, rows):
            if part.is_encoder:
                columns = part
                continue
            scorer = LinearScorer.from_vectorizer(
                part.vectorizer, part.weights if part.factor == 1 else part.factor * part.weights
            )
            if scorer is None or part.cleaners:
                return None
            scorers.append(scorer)
        return cls(pipeline, scorers, head, columns) if scorers else None

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the prediction of the pipeline for each row, shape (n_rows,)."""
        decisions = self._decision_function(frame)
        labels: np.ndarray = (
            self._pipeline.predict(frame) if decisions is None else self._head.predict(decisions)
        )
        return labels

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the probabilities of the pipeline, shape (n_rows, n_classes)."""
        decisions = self._decision_function(frame)
        probabilities: np.ndarray = (
            self._pipeline.predict_proba(frame)
            if decisions is None
            else self._head.predict_proba(decisions)
        )
        return probabilities

    def predict_texts(self, texts: list[str]) -> np.ndarray:
        """Return the probabilities for texts, if the model reads no other columns.

        They are those of `predict_proba`, without the time to make a frame.
        """
        cleaned: Any = texts
        for _, step in self._text_steps.steps[1:]:  # the first step selects the column of texts
            cleaned = step.transform(cleaned)
        decisions = self._sum_decisions(cleaned)
        if decisions is None:
            return self.predict_proba(pd.DataFrame({TEXT_COLUMN: texts}))
        probabilities: np.ndarray = self._head.predict_proba(decisions)
        return probabilities

    def _decision_function(self, frame: pd.DataFrame) -> np.ndarray | None:
        """Return the decisions, or None if the pipeline itself has to predict or raise an error."""
        texts: Any = frame
        for _, step in self._text_steps.steps:
            texts = step.transform(texts)
        total = self._sum_decisions(texts)
        if total is not None and self._columns is not None:
            total = total + self._columns.transform(frame) @ self._columns.weights.T
        return total

    def _sum_decisions(self, texts: Any) -> np.ndarray | None:
        """Return the sum of the decisions of all scorers; see `_decision_function`."""
        if not len(texts):
            return None
        total: np.ndarray | None = None
        for scorer in self._scorers:
            decisions = scorer.decision_function(texts)
            if decisions is None:
                return None
            total = decisions if total is None else total + decisions
        return total


@dataclass
class _Weights:
    """Weights that were split off models.

    Attributes
    ----------
    removed : list of (classifier, str, ndarray)
        The head, which is the rest of a model, the attribute of its weights, and the weights.
    """

    removed: list[tuple[Any, str, np.ndarray]]

    def split_off(self, model: Any) -> Any:
        """Return a copy of `model` that takes decisions for features, or None if it is unknown.

        scikit-learn still does everything after the weighted sums, from intercepts to
        probabilities.
        """
        kind = type(model)
        if kind in _WEIGHTS:
            weights = getattr(model, _WEIGHTS[kind], None)
            if not isinstance(weights, np.ndarray) or weights.dtype != np.float64:
                return None
            head = copy.copy(model)
            # Ridge regression has a vector for two classes.
            self.removed.append((head, _WEIGHTS[kind], np.atleast_2d(weights)))
            return head
        if kind in CALIBRATED:
            return self._split_list(model, "calibrated_classifiers_", "estimator")
        if kind is OneVsRestClassifier and is_logistic(model):
            head = OneVsRestHead(model)
            weights = np.vstack([estimator.coef_ for estimator in model.estimators_])
            self.removed.append((head, "coef_", weights))
            return head
        if kind in (VotingClassifier, OneVsRestClassifier, LabelSetClassifier):
            return self._split_list(model, "estimators_")
        return None

    def _split_list(self, model: Any, name: str, inner: str | None = None) -> Any:
        """Return a copy of `model` whose list `name` holds heads, or members with `inner` heads."""
        members = []
        for member in getattr(model, name, []):
            member_head = self.split_off(getattr(member, inner) if inner else member)
            if member_head is None:
                return None
            if inner:
                member = copy.copy(member)
                setattr(member, inner, member_head)
            members.append(member if inner else member_head)
        if not members:
            return None
        head = copy.copy(model)
        setattr(head, name, members)
        return head

    def fill_in(self) -> np.ndarray:
        """Replace the weights of each head by rows of an identity matrix; return all weights."""
        arrays = [weights for *_, weights in self.removed]
        rows = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
        identity, start = np.eye(len(rows)), 0
        for head, name, weights in self.removed:
            setattr(head, name, identity[start : start + len(weights)])
            head.n_features_in_ = len(rows)
            start += len(weights)
        return rows
