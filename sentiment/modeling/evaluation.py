"""Evaluation of predictions: plain arrays in, numbers and tables out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline

from sentiment.config.metrics import METRICS, OwnMetric, list_own_metrics
from sentiment.data.labels import find_order
from sentiment.modeling.metrics import (
    AREAS,
    KAPPA,
    OF_COUNTS,
    OF_ORDERED_ROWS,
    OF_ROWS,
    ClassCounts,
    average_areas,
    divide,
    measure_areas,
    measure_kappa,
)
from sentiment.modeling.pipeline import fit, predict

# Fifteen bins, as in Guo et al. (2017).
CALIBRATION_BINS = 15
# Characters of each text that are kept beside its scores, to look at mistakes.
EXCERPT = 200
# In front of a label, it names the column of its probabilities.
PROBABILITY = "p:"
_SCALE = "scale"  # attribute of a table, which Parquet keeps


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
        Their labels in the order of `sort_labels`, or of the scale; of two classes the second is
        the positive one.
    scale : ndarray of shape (n_classes,), optional
        Values of ordered labels, ascending.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    classes: np.ndarray
    scale: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> Self:
        """Return the predictions for the rows with these numbers, shape (m,)."""
        return replace(self, labels=self.labels[rows], probabilities=self.probabilities[rows])

    @property
    def predicted(self) -> np.ndarray:
        """The most probable class of each row, shape (n,)."""
        labels: np.ndarray = self.classes[self.predicted_codes]
        return labels

    @cached_property
    def codes(self) -> np.ndarray:
        """Places of the true labels in `classes`, shape (n,)."""
        codes: np.ndarray = pd.Index(self.classes).get_indexer(pd.Index(self.labels))
        return codes

    @cached_property
    def predicted_codes(self) -> np.ndarray:
        """Places of the predicted labels in `classes`, shape (n,)."""
        codes: np.ndarray = np.argmax(self.probabilities, axis=1)
        return codes

    @property
    def errors(self) -> np.ndarray:
        """Predicted less true value of each row, of labels on a scale, shape (n,)."""
        assert self.scale is not None  # noqa: S101 - only ordered labels have errors
        differences: np.ndarray = self.scale[self.predicted_codes] - self.scale[self.codes]
        return differences

    @property
    def rank_errors(self) -> np.ndarray:
        """Predicted less true place of each row on the scale, shape (n,)."""
        differences: np.ndarray = self.predicted_codes - self.codes
        return differences

    def count_classes(self) -> ClassCounts:
        """Return how many rows each class has, and how many were predicted, and rightly."""
        size = len(self.classes)
        right = self.codes[self.codes == self.predicted_codes]
        found = (right, self.predicted_codes, self.codes)
        # Floats, as squares of counts are too large for integers.
        return ClassCounts(*(np.bincount(c, minlength=size)[None].astype(float) for c in found))

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

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Self:
        """Return the predictions that `to_frame` made a table of; other columns are left out."""
        columns = [name for name in frame.columns if name.startswith(PROBABILITY)]
        classes = np.array([name.removeprefix(PROBABILITY) for name in columns], dtype=str)
        if frame.attrs.get(_SCALE):
            labels, values = frame["label"].to_numpy(dtype=str), np.array(frame.attrs[_SCALE])
            return cls(labels, frame[columns].to_numpy(), classes, values)
        order = find_order(classes)  # earlier versions had that of texts
        probabilities = frame[columns].to_numpy()[:, order]
        return cls(frame["label"].to_numpy(dtype=str), probabilities, classes[order])


def scores_file(split: str) -> str:
    """Return the name, in the folder of a run, of the table of its `Predictions` of `split`."""
    return f"scores/{split}.parquet"


def evaluate(
    pipeline: Pipeline, frame: pd.DataFrame, scale: Mapping[str, float] | None = None
) -> Predictions:
    """Return what the fitted `pipeline` says of `frame`, which has ``text`` and ``label``.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted.
    frame : DataFrame
        Texts and labels.
    scale : dict of str to float, optional
        Values of ordered labels.
    """
    _, probabilities = predict(pipeline, frame)
    labels, classes = frame["label"].to_numpy(dtype=str), pipeline.classes_
    if scale is None:
        order = find_order(classes)
        return Predictions(labels, probabilities[:, order], classes[order])
    values = np.array([scale[str(label)] for label in classes])
    order = np.argsort(values, kind="stable")
    return Predictions(labels, probabilities[:, order], classes[order], values[order])


def score(predictions: Predictions) -> dict[str, float]:
    """Return every metric of `METRICS`, with its value.

    Precision, recall and F1 without an average in their name are those of the second of two
    classes, and of more classes the macro averages. A class without a row in the split has no
    precision, recall, F1 or area: it is left out of the means, and where it is the second of two,
    these metrics are NaN. ROC AUC is the mean area of one class against the rest. The Brier score
    is the mean of the squared error summed over the classes (Brier, 1950), halved for two classes,
    so that it lies between 0 and 1 there.
    """
    counts = predictions.count_classes()
    found = {name: float(measure(counts)[0]) for name, measure in OF_COUNTS.items()}
    found |= {name: float(measure(predictions).mean()) for name, measure in OF_ROWS.items()}
    found |= dict.fromkeys(AREAS, average_areas(measure_areas(predictions)))
    found["ece"] = expected_calibration_error(predictions)
    if predictions.scale is not None:
        found |= {k: float(measure(predictions).mean()) for k, measure in OF_ORDERED_ROWS.items()}
        squares = np.array([np.square(predictions.rank_errors).sum()])
        ranks = np.arange(len(predictions.classes))
        found[KAPPA] = float(measure_kappa(counts, ranks, squares)[0])
    own = {name: measure(predictions) for name, measure in list_own_measures().items()}
    return {name: found[name] for name in METRICS if name in found} | own


def measure_each_class(predictions: Predictions) -> pd.DataFrame:
    """Return precision, recall and F1 of each class.

    Returns
    -------
    DataFrame
        ``label``, ``precision`` (NaN if the class was never predicted), ``recall`` (NaN if it has
        no rows), ``f1``, ``rows`` (scikit-learn's support), ``predicted`` and ``right``, in the
        order of the classes.
    """
    counts = predictions.count_classes()
    right, predicted, rows = (part[0] for part in (counts.right, counts.predicted, counts.true))
    return pd.DataFrame(
        {
            "label": predictions.classes.astype(str),
            "precision": divide(right, predicted, np.nan),
            "recall": divide(right, rows, np.nan),
            "f1": divide(2 * right, predicted + rows, np.nan),
            "rows": rows.astype(int),
            "predicted": predicted.astype(int),
            "right": right.astype(int),
        }
    )


def choose_classes(table: pd.DataFrame, frequent: int, worst: int) -> pd.DataFrame:
    """Return the rows of the most frequent classes, and of the others those with the lowest F1.

    Parameters
    ----------
    table : DataFrame
        From `measure_each_class`.
    frequent, worst : int
        How many there are at most.

    Returns
    -------
    DataFrame
        In the order of `table`, with its index.
    """
    order = table.sort_values("rows", ascending=False, kind="stable").index
    rest = table.loc[order[frequent:]].query("rows > 0").sort_values("f1", kind="stable").index
    return table.loc[sorted([*order[:frequent], *rest[:worst]])]


def list_confusions(predictions: Predictions, most: int) -> list[tuple[str, str, int]]:
    """Return which class was most often predicted in place of which: true, predicted, rows."""
    wrong = predictions.codes != predictions.predicted_codes
    pairs = np.column_stack([predictions.codes, predictions.predicted_codes])[wrong]
    found, counts = np.unique(pairs, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:most]
    labels = predictions.classes[found[order]].tolist()
    return [(*pair, int(n)) for pair, n in zip(labels, counts[order], strict=True)]


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


def calibration_table(predictions: Predictions, bins: int = CALIBRATION_BINS) -> pd.DataFrame:
    """Return confidence and accuracy of the predicted class, in bins of equal width.

    Returns
    -------
    DataFrame
        One row per bin that is not empty: ``rows``, ``confidence`` (mean) and ``accuracy``.
    """
    hit = predictions.predicted_codes == predictions.codes
    confidence, index = find_bins(predictions, bins)
    table = pd.DataFrame({"bin": index, "confidence": confidence, "accuracy": hit})
    grouped = table.groupby("bin")
    return grouped[["confidence", "accuracy"]].mean().assign(rows=grouped.size())


def find_bins(
    predictions: Predictions, bins: int = CALIBRATION_BINS
) -> tuple[np.ndarray, np.ndarray]:
    """Return the confidence in the predicted class of each row, and the number of its bin."""
    confidence = predictions.probabilities.max(axis=1)
    # Bins are closed on the right, as in Guo et al. (2017).
    return confidence, np.clip(np.ceil(confidence * bins) - 1, 0, bins - 1).astype(int)


def expected_calibration_error(predictions: Predictions, bins: int = CALIBRATION_BINS) -> float:
    """Return the mean distance of confidence and accuracy, weighted by rows.

    ``ECE = sum_b n_b / n * |accuracy_b - confidence_b|`` over bins of equal width of the
    confidence in the predicted class (Naeini et al., 2015; Guo et al., 2017).
    """
    table = calibration_table(predictions, bins)
    gaps = (table["accuracy"] - table["confidence"]).abs()
    return float(np.average(gaps, weights=table["rows"]))


def cross_validate(
    pipeline: Pipeline,
    frame: pd.DataFrame,
    folds: int,
    seed: int,
    scale: Mapping[str, float] | None = None,
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
    scale : dict of str to float, optional
        Values of ordered labels.
    """
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    scores = []
    for train, held_out in splitter.split(frame, frame["label"]):
        fitted = fit(clone(pipeline), frame.iloc[train])
        scores.append(score(evaluate(fitted, frame.iloc[held_out], scale)))
    summary: dict[str, float] = {}
    for name in scores[0]:
        values = [fold[name] for fold in scores]
        summary |= {f"{name}_mean": float(np.mean(values))}
        summary |= {f"{name}_std": float(np.std(values, ddof=1))}
    return summary
