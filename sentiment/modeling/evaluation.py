"""Evaluation of predictions: metrics, tables and cross-validation."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline

from sentiment.config.metrics import METRICS, CustomMetric, list_custom_metrics
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
# Number of characters of each text that are stored with its scores, to inspect errors.
EXCERPT = 200


def scores_file(split: str) -> str:
    """Return the path, in the folder of a run, of its `Predictions` for `split`."""
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
    labels = frame["label"].to_numpy(dtype=str)
    with estimator_failures("evaluate"):
        separator, classes = find_separator(pipeline), pipeline.classes_
        probabilities = predict_probabilities(pipeline, frame)
    if scale is None:
        order = find_order(classes)
        return make_predictions(labels, probabilities[:, order], classes[order], separator)
    values = np.array([scale[str(label)] for label in classes])
    order = np.argsort(values, kind="stable")
    return Predictions(labels, probabilities[:, order], classes[order], values[order])


def score(predictions: Predictions) -> dict[str, float]:
    """Return the value of each metric of these predictions.

    Precision, recall and F1 without an average in their name are those of the second of two
    classes, and the macro averages of more classes. A class without rows in the split has no
    precision, recall, F1 or area: it is left out of the means, and if it is the second of two,
    these metrics are NaN. ROC AUC is the mean of one-vs-rest areas. The Brier score is the mean of
    the squared error summed over the classes (Brier, 1950), halved for two classes, so that it is
    between 0 and 1. For label sets, accuracy is the share of exact matches, and log loss and Brier
    score are means over the labels.
    """
    counts = predictions.count_classes()
    scores = {name: float(measure(counts)[0]) for name, measure in OF_COUNTS.items()}
    rows = measure_rows(predictions, METRICS)
    scores |= {name: float(values.mean()) for name, values in rows.items()}
    area = average_areas(measure_areas(predictions), has_second=predictions.has_second)
    scores |= dict.fromkeys(AREAS, area)
    if predictions.separator is None:
        scores["ece"] = expected_calibration_error(predictions)
    if predictions.scale is not None:
        squares = np.array([np.square(predictions.rank_errors).sum()])
        ranks = np.arange(len(predictions.classes))
        scores[KAPPA] = float(measure_kappa(counts, ranks, squares)[0])
    scores |= {name: measure(predictions) for name, measure in list_own_measures().items()}
    return {name: scores[name] for name in predictions.metrics}


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
    right, predicted, rows = counts.right[0], counts.predicted[0], counts.true[0]
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


def list_confusions(predictions: Predictions, count: int) -> list[tuple[str, str, int]]:
    """Return the most frequent confusions of two classes: true label, predicted label, rows."""
    is_wrong = predictions.codes != predictions.predicted_codes
    codes = np.column_stack([predictions.codes, predictions.predicted_codes])[is_wrong]
    pairs, counts = np.unique(codes, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:count]
    labels = predictions.classes[pairs[order]].tolist()
    return [(*pair, int(n)) for pair, n in zip(labels, counts[order], strict=True)]


def list_own_measures() -> dict[str, Callable[[Predictions], float]]:
    """Return the metrics of the user's project as functions of predictions."""
    return {name: _make_measure(metric) for name, metric in list_custom_metrics().items()}


def _make_measure(metric: CustomMetric) -> Callable[[Predictions], float]:
    function = metric.load()

    def measure(predictions: Predictions) -> float:
        if isinstance(predictions, LabelSetPredictions):  # scikit-learn takes matrices of 0 and 1
            truth = predictions.truth.astype(int)
            if metric.response_method == "predict":
                return function(truth, predictions.predicted_truth.astype(int))
            return function(truth, predictions.probabilities)
        if metric.response_method == "predict":
            return function(predictions.labels, predictions.predicted)
        # Like scikit-learn, pass the probability of the second of two classes.
        p = predictions.probabilities
        return function(predictions.labels, p[:, 1] if p.shape[1] == 2 else p)

    return measure


def calibration_table(predictions: Predictions) -> pd.DataFrame:
    """Return confidence and accuracy of predictions, in bins of equal width.

    Returns
    -------
    DataFrame
        One row per non-empty bin: ``rows``, ``confidence`` (mean) and ``accuracy``.
    """
    confidence, index = find_bins(predictions)
    table = pd.DataFrame({"bin": index, "confidence": confidence, "accuracy": predictions.right})
    grouped = table.groupby("bin")
    return grouped[["confidence", "accuracy"]].mean().assign(rows=grouped.size())


def find_bins(predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Return the confidence in the predicted class of each row, and the number of its bin."""
    confidence = predictions.probabilities.max(axis=1)
    # Bins are closed on the right, as in Guo et al. (2017).
    bins = np.ceil(confidence * CALIBRATION_BINS) - 1
    return confidence, np.clip(bins, 0, CALIBRATION_BINS - 1).astype(int)


def expected_calibration_error(predictions: Predictions) -> float:
    """Return the mean difference of confidence and accuracy, weighted by rows.

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
        Not fitted; each fold fits a clone of it, features included.
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
    scores, predictions, rows = [], [], []
    for train, held_out in _split_folds(frame["label"], folds, seed, find_separator(pipeline)):
        fitted = fit(clone(pipeline), frame.iloc[train], unlabelled)
        predictions.append(evaluate(fitted, frame.iloc[held_out], scale))
        scores.append(score(predictions[-1]))
        rows.append(held_out)
    summary: dict[str, float] = {}
    for name in scores[0]:
        values = [fold[name] for fold in scores]
        summary |= {f"{name}_mean": float(np.mean(values))}
        summary |= {f"{name}_std": float(np.std(values, ddof=1))}
    return summary, _concatenate(predictions).take(np.argsort(np.concatenate(rows)))


def _concatenate(folds: list[Predictions]) -> Predictions:
    """Return the predictions of all folds; a class that a fold lacks has probability 0 there."""
    labels = np.concatenate([fold.classes for fold in folds])
    values = None
    if folds[0].scale is not None:
        scale = dict(zip(labels, np.concatenate([fold.scale for fold in folds]), strict=True))
        classes = np.array(sorted(scale, key=lambda label: scale[label]))
        values = np.array([scale[label] for label in classes])
    else:
        classes = np.unique(labels)
        classes = classes[find_order(classes)]
    tables = [
        pd.DataFrame(fold.probabilities, columns=fold.classes).reindex(columns=classes)
        for fold in folds
    ]
    return replace(
        folds[0],
        labels=np.concatenate([fold.labels for fold in folds]),
        probabilities=pd.concat(tables).fillna(0.0).to_numpy(),
        classes=classes,
        scale=values,
    )


def _split_folds(
    labels: pd.Series, folds: int, seed: int, separator: str | None
) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Return the training rows and the held-out rows of each stratified fold."""
    if separator is None:
        splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
        splits: Iterable[tuple[np.ndarray, np.ndarray]] = splitter.split(labels, labels)
        return splits
    shares = {str(fold): 1 / folds for fold in range(folds)}
    row_folds = stratify_sets(labels.to_list(), separator, shares, seed)
    return [
        (np.flatnonzero(row_folds != fold), np.flatnonzero(row_folds == fold)) for fold in shares
    ]
