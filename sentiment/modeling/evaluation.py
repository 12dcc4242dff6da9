"""Evaluation of predictions: plain arrays in, numbers and tables out."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline

from sentiment.config.metrics import METRICS, OwnMetric, list_own_metrics
from sentiment.data.label_sets import stratify_sets
from sentiment.data.labels import find_order
from sentiment.modeling.metrics import AREAS, KAPPA, average_areas, measure_areas, measure_rows
from sentiment.modeling.outcomes import OF_COUNTS, divide, measure_kappa
from sentiment.modeling.pipeline import (
    estimator_failures,
    find_separator,
    fit,
    predict_probabilities,
)
from sentiment.modeling.predictions import LabelSetPredictions, Predictions, make_predictions

# Fifteen bins, as in Guo et al. (2017).
CALIBRATION_BINS = 15
# Characters of each text that are kept beside its scores, to look at mistakes.
EXCERPT = 200


def scores_file(split: str) -> str:
    """Return the file, in the folder of a run, of its `Predictions` for `split`."""
    return f"scores/{split}.parquet"


def evaluate(
    pipeline: Pipeline, frame: pd.DataFrame, scale: Mapping[str, float] | None = None
) -> Predictions:
    """Return the predictions of the fitted `pipeline` for `frame`.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted.
    frame : DataFrame
        Columns ``text`` and ``label``.
    scale : dict of str to float, optional
        Values of ordered labels.

    Raises
    ------
    FitError
        An estimator cannot predict these texts, such as a classifier of neighbors without any.
    """
    separator, classes = find_separator(pipeline), pipeline.classes_
    labels = frame["label"].to_numpy(dtype=str)
    with estimator_failures("evaluate"):
        probabilities = predict_probabilities(pipeline, frame)
    if scale is None:
        order = find_order(classes)
        return make_predictions(labels, probabilities[:, order], classes[order], separator)
    values = np.array([scale[str(label)] for label in classes])
    order = np.argsort(values, kind="stable")
    return Predictions(labels, probabilities[:, order], classes[order], values[order])


def score(predictions: Predictions) -> dict[str, float]:
    """Return every metric of these predictions, with its value.

    Precision, recall and F1 without an average in their name are those of the second of two
    classes, and of more classes the macro averages. A class without a row in the split has no
    precision, recall, F1 or area: it is left out of the means, and where it is the second of two,
    these metrics are NaN. ROC AUC is the mean area of one class against the rest. The Brier score
    is the mean of the squared error summed over the classes (Brier, 1950), halved for two classes,
    so that it lies between 0 and 1 there. Accuracy of label sets is that of whole sets, and log
    loss and Brier score are means over their labels.
    """
    counts = predictions.count_classes()
    found = {name: float(measure(counts)[0]) for name, measure in OF_COUNTS.items()}
    rows = measure_rows(predictions, METRICS)
    found |= {name: float(values.mean()) for name, values in rows.items()}
    area = average_areas(measure_areas(predictions), has_second=predictions.has_second)
    found |= dict.fromkeys(AREAS, area)
    if predictions.separator is None:
        found["ece"] = expected_calibration_error(predictions)
    if predictions.scale is not None:
        squares = np.array([np.square(predictions.rank_errors).sum()])
        ranks = np.arange(len(predictions.classes))
        found[KAPPA] = float(measure_kappa(counts, ranks, squares)[0])
    found |= {name: measure(predictions) for name, measure in list_own_measures().items()}
    return {name: found[name] for name in predictions.metrics}


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
        if isinstance(predictions, LabelSetPredictions):  # matrices of 0 and 1, as scikit-learn
            truth = predictions.truth.astype(int)
            if metric.response_method == "predict":
                return function(truth, predictions.predicted_truth.astype(int))
            return function(truth, predictions.probabilities)
        if metric.response_method == "predict":
            return function(predictions.labels, predictions.predicted)
        # As scikit-learn has it: of two classes, the probability of the second.
        p = predictions.probabilities
        return function(predictions.labels, p[:, 1] if p.shape[1] == 2 else p)

    return measure


def calibration_table(predictions: Predictions) -> pd.DataFrame:
    """Return confidence and accuracy of the predicted class, in bins of equal width.

    Returns
    -------
    DataFrame
        One row per bin that is not empty: ``rows``, ``confidence`` (mean) and ``accuracy``.
    """
    confidence, index = find_bins(predictions)
    table = pd.DataFrame({"bin": index, "confidence": confidence, "accuracy": predictions.right})
    grouped = table.groupby("bin")
    return grouped[["confidence", "accuracy"]].mean().assign(rows=grouped.size())


def find_bins(predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Return the confidence in the predicted class of each row, and the number of its bin."""
    confidence = predictions.probabilities.max(axis=1)
    # Bins are closed on the right, as in Guo et al. (2017).
    places = np.ceil(confidence * CALIBRATION_BINS) - 1
    return confidence, np.clip(places, 0, CALIBRATION_BINS - 1).astype(int)


def expected_calibration_error(predictions: Predictions) -> float:
    """Return the mean distance of confidence and accuracy, weighted by rows.

    ``ECE = sum_b n_b / n * |accuracy_b - confidence_b|`` over bins of equal width of the
    confidence in the predicted class (Naeini et al., 2015; Guo et al., 2017).
    """
    table = calibration_table(predictions)
    gaps = (table["accuracy"] - table["confidence"]).abs()
    return float(np.average(gaps, weights=table["rows"]))


def cross_validate(
    pipeline: Pipeline,
    frame: pd.DataFrame,
    folds: int,
    seed: int,
    scale: Mapping[str, float] | None = None,
    unlabelled: pd.Series | None = None,
) -> tuple[dict[str, float], Predictions]:
    """Return the cross-validated metrics and predictions of a pipeline.

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
    unlabelled : Series of str, optional
        Texts without a label that each fold learns from, too.

    Returns
    -------
    summary : dict of str to float
        Mean and standard deviation (over folds, n - 1) of every metric.
    predictions : Predictions
        For all rows of `frame`, in its order.
    """
    scores, parts, rows = [], [], []
    for train, held_out in _cut_folds(frame["label"], folds, seed, find_separator(pipeline)):
        fitted = fit(clone(pipeline), frame.iloc[train], unlabelled)
        parts.append(evaluate(fitted, frame.iloc[held_out], scale))
        scores.append(score(parts[-1]))
        rows.append(held_out)
    summary: dict[str, float] = {}
    for name in scores[0]:
        values = [fold[name] for fold in scores]
        summary |= {f"{name}_mean": float(np.mean(values))}
        summary |= {f"{name}_std": float(np.std(values, ddof=1))}
    return summary, _join(parts).take(np.argsort(np.concatenate(rows)))


def _join(parts: list[Predictions]) -> Predictions:
    """Return the predictions of all parts; a class that one of them lacks has probability 0."""
    known = np.concatenate([part.classes for part in parts])
    values = None
    if parts[0].scale is not None:
        scale = dict(zip(known, np.concatenate([part.scale for part in parts]), strict=True))
        classes = np.array(sorted(scale, key=lambda label: scale[label]))
        values = np.array([scale[label] for label in classes])
    else:
        classes = np.unique(known)
        classes = classes[find_order(classes)]
    tables = [
        pd.DataFrame(part.probabilities, columns=part.classes).reindex(columns=classes)
        for part in parts
    ]
    return replace(
        parts[0],
        labels=np.concatenate([part.labels for part in parts]),
        probabilities=pd.concat(tables).fillna(0.0).to_numpy(),
        classes=classes,
        scale=values,
    )


def _cut_folds(
    labels: pd.Series, folds: int, seed: int, separator: str | None
) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Return the rows to learn from and those to score of each of the stratified folds."""
    if separator is None:
        splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
        cut: Iterable[tuple[np.ndarray, np.ndarray]] = splitter.split(labels, labels)
        return cut
    shares = {str(fold): 1 / folds for fold in range(folds)}
    parts = stratify_sets(labels.to_list(), separator, shares, seed)
    return [(np.flatnonzero(parts != fold), np.flatnonzero(parts == fold)) for fold in shares]
