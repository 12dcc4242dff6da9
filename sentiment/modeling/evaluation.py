"""Evaluation of predictions: plain arrays in, numbers and tables out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn import metrics
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline

from sentiment.config.metrics import METRICS, OwnMetric, list_own_metrics
from sentiment.modeling.pipeline import fit, predict

# Fifteen bins, as in Guo et al. (2017).
CALIBRATION_BINS = 15
# Characters of each text that are kept beside its scores, to look at mistakes.
EXCERPT = 200
# In front of a label, it names the column of its probabilities.
PROBABILITY = "p:"


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
        Their labels, sorted; of two classes the second is the positive one.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    classes: np.ndarray

    def take(self, rows: np.ndarray) -> Self:
        """Return the predictions for the rows with these numbers, shape (m,)."""
        return type(self)(self.labels[rows], self.probabilities[rows], self.classes)

    @property
    def predicted(self) -> np.ndarray:
        """The most probable class of each row, shape (n,)."""
        labels: np.ndarray = self.classes[np.argmax(self.probabilities, axis=1)]
        return labels

    @property
    def indicators(self) -> np.ndarray:
        """One column per class, one where a row is of that class, shape (n, n_classes)."""
        ones: np.ndarray = (self.labels[:, None] == self.classes[None, :]).astype(int)
        return ones

    def to_frame(self) -> pd.DataFrame:
        """Return a table of ``label`` and the probability of each class, `n` rows."""
        columns = {
            f"{PROBABILITY}{name}": column
            for name, column in zip(self.classes, self.probabilities.T, strict=True)
        }
        return pd.DataFrame({"label": self.labels} | columns)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Self:
        """Return the predictions that `to_frame` made a table of; other columns are left out."""
        columns = [name for name in frame.columns if name.startswith(PROBABILITY)]
        classes = np.array([name.removeprefix(PROBABILITY) for name in columns], dtype=str)
        return cls(frame["label"].to_numpy(dtype=str), frame[columns].to_numpy(), classes)


def scores_file(split: str) -> str:
    """Return the name, in the folder of a run, of the table of its `Predictions` of `split`."""
    return f"scores/{split}.parquet"


def evaluate(pipeline: Pipeline, frame: pd.DataFrame) -> Predictions:
    """Return what the fitted `pipeline` says of `frame`, which has ``text`` and ``label``."""
    _, probabilities = predict(pipeline, frame)
    return Predictions(frame["label"].to_numpy(dtype=str), probabilities, pipeline.classes_)


def score(predictions: Predictions) -> dict[str, float]:
    """Return every metric of `METRICS`.

    Precision, recall and F1 are those of the positive class where there are two classes, and
    unweighted means over the classes where there are more. ROC AUC is then the mean of one class
    against the rest. A class without a row in the split has no precision, recall, F1 or area: it is
    left out of the means, and where it is the positive class of two, these metrics are NaN. The
    Brier score is the mean of the squared error summed over the classes (Brier, 1950), halved for
    two classes, so that it lies between 0 and 1 there.
    """
    y, p, classes = predictions.labels, predictions.probabilities, predictions.classes
    binary = len(classes) == 2
    present = [label for label in classes[1:] if label in y] if binary else np.unique(y)
    precision, recall, f1 = _measure_classes(y, predictions.predicted, present)
    return {
        "accuracy": float(metrics.accuracy_score(y, predictions.predicted)),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "roc_auc": _roc_auc(predictions),
        "log_loss": float(metrics.log_loss(y, p, labels=classes)),
        "brier": float(metrics.brier_score_loss(y, p, labels=classes)),
        "ece": expected_calibration_error(predictions),
        **{name: measure(predictions) for name, measure in list_own_measures().items()},
    }


def list_own_measures() -> dict[str, Callable[[Predictions], float]]:
    """Return the metrics of the user's project as functions of predictions."""
    return {name: _make_measure(metric) for name, metric in list_own_metrics().items()}


def _make_measure(metric: OwnMetric) -> Callable[[Predictions], float]:
    function = metric.load()

    def measure(predictions: Predictions) -> float:
        if metric.response_method == "predict":
            return function(predictions.labels, predictions.predicted)
        # As scikit-learn has it: of two classes, the probability of the second.
        p = predictions.probabilities
        return function(predictions.labels, p[:, 1] if p.shape[1] == 2 else p)

    return measure


def _measure_classes(y: np.ndarray, predicted: np.ndarray, classes: Any) -> list[float]:
    """Return precision, recall and F1, each the mean over `classes`; NaN if there are none."""
    if not len(classes):
        return [float("nan")] * 3
    found = metrics.precision_recall_fscore_support(
        y, predicted, labels=classes, average="macro", zero_division=0.0
    )
    return [float(value) for value in found[:3]]


def _roc_auc(predictions: Predictions) -> float:
    """Return the mean area of one class against the rest; NaN where all rows are of one class."""
    indicators = predictions.indicators
    columns = [1] if len(predictions.classes) == 2 else range(len(predictions.classes))
    areas = [
        metrics.roc_auc_score(indicators[:, k], predictions.probabilities[:, k])
        for k in columns
        if 0 < indicators[:, k].sum() < len(indicators)
    ]
    return float(np.mean(areas)) if areas else float("nan")


def calibration_table(predictions: Predictions, bins: int = CALIBRATION_BINS) -> pd.DataFrame:
    """Return confidence and accuracy of the predicted class, in bins of equal width.

    Returns
    -------
    DataFrame
        One row per bin that is not empty: ``rows``, ``confidence`` (mean) and ``accuracy``.
    """
    confidence = predictions.probabilities.max(axis=1)
    hit = predictions.predicted == predictions.labels
    # Bins are closed on the right, as in Guo et al. (2017).
    index = np.clip(np.ceil(confidence * bins) - 1, 0, bins - 1).astype(int)
    table = pd.DataFrame({"bin": index, "confidence": confidence, "accuracy": hit})
    grouped = table.groupby("bin")
    return grouped[["confidence", "accuracy"]].mean().assign(rows=grouped.size())


def expected_calibration_error(predictions: Predictions, bins: int = CALIBRATION_BINS) -> float:
    """Return the mean distance of confidence and accuracy, weighted by rows.

    ``ECE = sum_b n_b / n * |accuracy_b - confidence_b|`` over bins of equal width of the
    confidence in the predicted class (Naeini et al., 2015; Guo et al., 2017).
    """
    table = calibration_table(predictions, bins)
    gaps = (table["accuracy"] - table["confidence"]).abs()
    return float(np.average(gaps, weights=table["rows"]))


def cross_validate(
    pipeline: Pipeline, frame: pd.DataFrame, folds: int, seed: int
) -> dict[str, float]:
    """Return mean and standard deviation (over folds, n - 1) of every metric.

    Parameters
    ----------
    pipeline : Pipeline
        Not fitted; each fold fits a clone of all of it, features included.
    frame : DataFrame
        Columns ``text`` and ``label``.
    folds : int
        Number of stratified, shuffled folds.
    seed : int
        Seed of the shuffle.
    """
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    scores = []
    for train, held_out in splitter.split(frame, frame["label"]):
        fitted = fit(clone(pipeline), frame.iloc[train])
        scores.append(score(evaluate(fitted, frame.iloc[held_out])))
    summary: dict[str, float] = {}
    for name in METRICS:
        values = [fold[name] for fold in scores]
        summary |= {f"{name}_mean": float(np.mean(values))}
        summary |= {f"{name}_std": float(np.std(values, ddof=1))}
    return summary
