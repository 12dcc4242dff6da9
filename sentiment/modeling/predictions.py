"""Predictions of a model for the rows of a split."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd

from sentiment.config.metrics import list_measured
from sentiment.data.label_sets import make_indicators
from sentiment.data.labels import find_order
from sentiment.modeling.decision_rules import DecisionRule, LabelSetRule
from sentiment.modeling.estimators.label_sets import measure_sets, name_label_sets
from sentiment.modeling.outcomes import ClassCounts, Outcomes

# Prefix of the column of probabilities of a label.
PROBABILITY = "p:"
_SCALE, _SEPARATOR = "scale", "label_separator"  # attributes of a frame, which Parquet keeps


@dataclass(frozen=True)
class Predictions:
    """Predictions for one split.

    Attributes
    ----------
    labels : ndarray of shape (n,)
        True labels.
    probabilities : ndarray of shape (n, n_classes)
        Predicted probabilities.
    classes : ndarray of shape (n_classes,)
        The labels in the order of `sort_labels`, or of the scale; the second of two labels is the
        positive class.
    scale : ndarray of shape (n_classes,), optional
        Values of ordered labels, ascending.
    separator : str, optional
        Between the labels of a set; see `LabelSetPredictions`.
    rule : DecisionRule, optional
        Chooses the predicted labels; default: the most probable class or, for label sets, the
        labels with a probability of 0.5 or more.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    classes: np.ndarray
    scale: np.ndarray | None = None
    separator: str | None = None
    rule: DecisionRule | None = None

    def take(self, rows: np.ndarray) -> Self:
        """Return the predictions for the rows with these indices, shape (m,)."""
        return replace(self, labels=self.labels[rows], probabilities=self.probabilities[rows])

    @property
    def has_second(self) -> bool:
        """True if the second of two classes is the positive one."""
        return len(self.classes) == 2

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics of such predictions."""
        return list_measured(ordered=self.scale is not None)

    @cached_property
    def right(self) -> np.ndarray:
        """True for each row with a right prediction, shape (n,)."""
        right: np.ndarray = self.codes == self.predicted_codes
        return right

    @property
    def confidence(self) -> np.ndarray:
        """Probability of the true label of each row, shape (n,)."""
        confidence: np.ndarray = self.probabilities[np.arange(len(self.labels)), self.codes]
        return confidence

    def find_rows(self, k: int) -> np.ndarray:
        """Return True for each row of class `k`, shape (n,)."""
        rows: np.ndarray = self.codes == k
        return rows

    @property
    def predicted(self) -> np.ndarray:
        """The predicted class of each row, shape (n,)."""
        labels: np.ndarray = self.classes[self.predicted_codes]
        return labels

    @cached_property
    def codes(self) -> np.ndarray:
        """Indices of the true labels in `classes`, shape (n,)."""
        codes: np.ndarray = pd.Index(self.classes).get_indexer(pd.Index(self.labels))
        return codes

    @cached_property
    def predicted_codes(self) -> np.ndarray:
        """Indices of the predicted labels in `classes`, shape (n,)."""
        codes: np.ndarray
        if self.rule is None:
            codes = np.argmax(self.probabilities, axis=1)
            return codes
        order = find_order(self.classes)  # the order of a rule, which may differ from a scale
        codes = order[self.rule.decide(self.probabilities[:, order])[0]]
        return codes

    @property
    def errors(self) -> np.ndarray:
        """Predicted minus true value of each row, for labels on a scale, shape (n,)."""
        assert self.scale is not None  # noqa: S101 - only ordered labels have errors
        differences: np.ndarray = self.scale[self.predicted_codes] - self.scale[self.codes]
        return differences

    @property
    def rank_errors(self) -> np.ndarray:
        """Predicted minus true rank of each row on the scale, shape (n,)."""
        differences: np.ndarray = self.predicted_codes - self.codes
        return differences

    @cached_property
    def outcomes(self) -> Outcomes:
        """True and predicted classes of the rows."""
        return Outcomes.of_codes(self.codes, self.predicted_codes, len(self.classes))

    def count_classes(self) -> ClassCounts:
        """Return the counts of true, predicted and rightly predicted rows of each class."""
        return self.outcomes.count(np.ones((1, len(self.labels))), has_second=self.has_second)

    def to_frame(self) -> pd.DataFrame:
        """Return a table of ``label`` and the probability of each class, `n` rows."""
        columns = {
            f"{PROBABILITY}{name}": column
            for name, column in zip(self.classes, self.probabilities.T, strict=True)
        }
        frame = pd.DataFrame({"label": self.labels} | columns)
        if self.scale is not None:
            frame.attrs[_SCALE] = self.scale.tolist()
        return frame

    @staticmethod
    def from_frame(frame: pd.DataFrame) -> "Predictions":
        """Return the predictions in a table of `to_frame`, ignoring other columns."""
        columns = [name for name in frame.columns if name.startswith(PROBABILITY)]
        classes = np.array([name.removeprefix(PROBABILITY) for name in columns], dtype=str)
        labels = frame["label"].to_numpy(dtype=str)
        if frame.attrs.get(_SCALE):
            values = np.array(frame.attrs[_SCALE])
            return Predictions(labels, frame[columns].to_numpy(), classes, values)
        order = find_order(classes)  # earlier versions sorted numbers as texts
        probabilities, separator = frame[columns].to_numpy()[:, order], frame.attrs.get(_SEPARATOR)
        return make_predictions(labels, probabilities, classes[order], separator)


@dataclass(frozen=True)
class LabelSetPredictions(Predictions):
    """Predictions of label sets for one split.

    Attributes
    ----------
    labels : ndarray of shape (n,)
        True label sets, such as ``"late;refund"``.
    probabilities : ndarray of shape (n, n_labels)
        Predicted probability of each label; those of a row need not add up to 1.
    classes : ndarray of shape (n_labels,)
        The labels, sorted.
    separator : str
        Between the labels of a set.
    rule : LabelSetRule, optional
        As of `Predictions`.
    """

    separator: str = ";"
    rule: LabelSetRule | None = None

    @property
    def has_second(self) -> bool:
        """False, since a row may have both of two labels, or none."""
        return False

    @cached_property
    def truth(self) -> np.ndarray:
        """True for each label of each row, shape (n, n_labels)."""
        indicators = make_indicators(self.labels.tolist(), self.classes.tolist(), self.separator)
        truth: np.ndarray = indicators.toarray()
        return truth

    @cached_property
    def predicted_truth(self) -> np.ndarray:
        """True for each predicted label, shape (n, n_labels)."""
        if self.rule is not None:
            return self.rule.choose(self.probabilities)
        predicted: np.ndarray = self.probabilities >= 0.5
        return predicted

    @cached_property
    def predicted(self) -> np.ndarray:
        """The predicted label set of each row, shape (n,)."""
        return name_label_sets(self.predicted_truth, self.classes, self.separator)

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics of such predictions."""
        return list_measured(multilabel=True)

    @cached_property
    def right(self) -> np.ndarray:
        """True for each row whose label set is predicted exactly, shape (n,)."""
        right: np.ndarray = self.predicted == self.labels
        return right

    @property
    def confidence(self) -> np.ndarray:
        """Probability of the true label set of each row, if labels are independent, shape (n,)."""
        return measure_sets(self.truth, self.probabilities)

    def find_rows(self, k: int) -> np.ndarray:
        """Return True for each row with label `k`, shape (n,)."""
        rows: np.ndarray = self.truth[:, k]
        return rows

    @cached_property
    def outcomes(self) -> Outcomes:
        """True and predicted labels of the rows."""
        pairs = pd.MultiIndex.from_arrays([self.labels, self.predicted])
        return Outcomes.of_indicators(self.truth, self.predicted_truth, pd.factorize(pairs)[0])

    def to_frame(self) -> pd.DataFrame:
        """Return a table as of `Predictions`, with the separator as an attribute."""
        frame = super().to_frame()
        frame.attrs[_SEPARATOR] = self.separator
        return frame


def make_predictions(
    labels: np.ndarray, probabilities: np.ndarray, classes: np.ndarray, separator: str | None
) -> Predictions:
    """Return predictions of single labels, or of label sets if there is a separator."""
    if separator is None:
        return Predictions(labels, probabilities, classes)
    return LabelSetPredictions(labels, probabilities, classes, separator=separator)
