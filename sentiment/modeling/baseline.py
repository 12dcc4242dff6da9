"""Scores of constant predictions, which a model has to beat."""

import math
from collections import Counter
from dataclasses import dataclass

from sentiment.modeling.predictions import LabelSetPredictions, Predictions


@dataclass(frozen=True)
class Baseline:
    """Scores of constant predictions for the rows of a split.

    Attributes
    ----------
    label : str
        The most frequent label, or label set.
    accuracy : float
        Accuracy of always predicting `label`.
    log_loss : float
        Log loss of predicting the shares of the labels for every row; for label sets, the mean over
        the labels.
    """

    label: str
    accuracy: float
    log_loss: float


def measure_baseline(predictions: Predictions) -> Baseline:
    """Return the scores of the best constant predictions for the rows of `predictions`.

    They are the scores of scikit-learn's ``DummyClassifier(strategy="prior")``.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.array(["neg", "pos", "pos", "pos"])
    >>> measure_baseline(Predictions(labels, np.full((4, 2), 0.5), np.array(["neg", "pos"])))
    Baseline(label='pos', accuracy=0.75, log_loss=0.5623351446188083)
    """
    rows = len(predictions.labels)
    counts = Counter(map(str, predictions.labels))
    ((label, count),) = counts.most_common(1)
    if isinstance(predictions, LabelSetPredictions):
        label_counts = predictions.truth.sum(axis=0).tolist()
        loss = sum(_entropy([n, rows - n]) for n in label_counts) / len(label_counts)
    else:
        loss = _entropy([*counts.values()])
    return Baseline(label, count / rows, loss)


def _entropy(counts: list[int]) -> float:
    """Return the entropy of the distribution with these `counts`, in nats."""
    total = sum(counts)
    return sum(n * math.log(total / n) for n in counts if n) / total
