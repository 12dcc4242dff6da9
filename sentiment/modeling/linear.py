"""Linear text classifiers that go from texts to decisions without a matrix between."""

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

# The attribute by which each model multiplies the features; all else it does comes after that.
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

    It is `pipeline` itself unless that is made of text vectorizers of this project that read
    words, maybe a union of them, linear steps such as a selection of features or a TruncatedSVD,
    and a linear model, or a calibrated one, a vote of several, or one against the rest. What
    `pipeline` learns later, the returned classifier does not know.
    """
    slow: TextClassifier = pipeline
    return LinearTextClassifier.from_pipeline(pipeline) or slow


def predict_texts(classifier: TextClassifier, texts: list[str]) -> np.ndarray:
    """Return the probabilities for texts of a `classifier` that reads no other columns."""
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
        The decisions are their sum.
    head : classifier
        What the model of the pipeline makes of the decisions.
    columns : TermWeights, optional
        What columns beside the text add to the decisions.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        In sorted order.
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
        self._readers, self._columns = find_text_steps(pipeline)[:-1], columns
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
        """Return what the pipeline predicts for each row, shape (n_rows,)."""
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
        """Return the probabilities for texts of a model that reads no other columns.

        They are those of `predict_proba`, without the time that a frame of them would take.
        """
        read: Any = texts
        for _, step in self._readers.steps[1:]:  # the first one selects the column of texts
            read = step.transform(read)
        decisions = self._sum_up(read)
        if decisions is None:
            return self.predict_proba(pd.DataFrame({TEXT_COLUMN: texts}))
        probabilities: np.ndarray = self._head.predict_proba(decisions)
        return probabilities

    def _decision_function(self, frame: pd.DataFrame) -> np.ndarray | None:
        """Return the decisions, or None if the pipeline has to predict, or to raise its error."""
        texts: Any = frame
        for _, step in self._readers.steps:
            texts = step.transform(texts)
        total = self._sum_up(texts)
        if total is not None and self._columns is not None:
            total = total + self._columns.transform(frame) @ self._columns.weights.T
        return total

    def _sum_up(self, texts: Any) -> np.ndarray | None:
        """Return what the texts add to the decisions; see `_decision_function`."""
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
    """The weights that were split off models, and where they came from.

    Attributes
    ----------
    taken : list of (classifier, str, ndarray)
        What is left of a model, the attribute that is missing there, and what it was.
    """

    taken: list[tuple[Any, str, np.ndarray]]

    def split_off(self, model: Any) -> Any:
        """Return a copy of `model` that takes decisions for features, or None if it is unknown.

        scikit-learn continues from there as always, from intercepts to probabilities.
        """
        kind = type(model)
        if kind in _WEIGHTS:
            weights = getattr(model, _WEIGHTS[kind], None)
            if not isinstance(weights, np.ndarray) or weights.dtype != np.float64:
                return None
            head = copy.copy(model)
            # That of ridge regression is a vector for two classes.
            self.taken.append((head, _WEIGHTS[kind], np.atleast_2d(weights)))
            return head
        if kind in CALIBRATED:
            return self._split_list(model, "calibrated_classifiers_", "estimator")
        if kind is OneVsRestClassifier and is_logistic(model):
            head = OneVsRestHead(model)
            weights = np.vstack([machine.coef_ for machine in model.estimators_])
            self.taken.append((head, "coef_", weights))
            return head
        if kind in (VotingClassifier, OneVsRestClassifier, LabelSetClassifier):
            return self._split_list(model, "estimators_")
        return None

    def _split_list(self, model: Any, name: str, inner: str | None = None) -> Any:
        """Return a copy of `model` for decisions, whose models are in a list, maybe one deeper."""
        parts = []
        for member in getattr(model, name, []):
            part = self.split_off(getattr(member, inner) if inner else member)
            if part is None:
                return None
            if inner:
                member = copy.copy(member)
                setattr(member, inner, part)
            parts.append(member if inner else part)
        if not parts:
            return None
        head = copy.copy(model)
        setattr(head, name, parts)
        return head

    def fill_in(self) -> np.ndarray:
        """Let every model take its own decisions only; return the weights of all decisions."""
        taken = [weights for *_, weights in self.taken]
        rows = taken[0] if len(taken) == 1 else np.concatenate(taken)
        ones, start = np.eye(len(rows)), 0
        for head, name, weights in self.taken:
            setattr(head, name, ones[start : start + len(weights)])
            head.n_features_in_ = len(rows)
            start += len(weights)
        return rows
