"""Custom metrics: current rows against rows of training."""

import logging
import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from sentiment.commands.monitor.performance import select_labelled
from sentiment.config.metrics import CustomMetric, list_custom_metrics
from sentiment.data.label_sets import make_indicators
from sentiment.modeling.decision_rules import UNSURE
from sentiment.modeling.drift import WORSENING, Check
from sentiment.modeling.reference import MOST_ROWS, Reference

# The smallest p-value is alpha / 25: Holm's correction leaves it below alpha among 25 checks.
_MAX_CHECKS = 25
# Permutations for a check whose effect is below its threshold, so that it cannot be an alarm.
_FEW_PERMUTATIONS = 100
# After this number of permutations as extreme as the rows, more of them would change no verdict:
# the sequential p-value of Besag and Clifford (1991).
_MAX_EXTREMES = 20
# Smaller values at training count as this one, to bound the relative effect.
_MIN_REFERENCE = 1e-3

log = logging.getLogger(__name__)


def compare_metrics(
    reference: Reference, current: pd.DataFrame, threshold: float, alpha: float
) -> list[Check]:
    """Return a check for each custom metric, of a worse value than at training.

    Parameters
    ----------
    reference : Reference
        Reference profile of training.
    current : DataFrame
        ``label``, ``prediction`` and ``probability``; without labels there are no checks.
    threshold : float
        Smallest worsening that matters, as a share of the value at training.
    alpha : float
        Maximum probability of a false alarm.

    Raises
    ------
    UserCodeError
        A metric raises an error.
    """
    metrics = list_custom_metrics().values()
    reference_rows, current_rows = select_labelled(reference.rows, current)
    if not metrics or reference_rows.empty or current_rows.empty:
        return []
    if len(current_rows) > MOST_ROWS:  # the limit of the reference, since a metric may be slow
        current_rows = current_rows.sample(MOST_ROWS, random_state=0)
    classes = [name for name in reference.classes if name != UNSURE]
    checks = []
    for metric in metrics:
        is_binary = len(classes) == 2 and reference.separator is None
        if metric.response_method == "predict_proba" and not is_binary:
            log.warning("%s is not compared: it takes probabilities of all classes", metric.name)
            continue
        samples = [
            _make_arguments(metric, rows, classes, reference.separator)
            for rows in (reference_rows, current_rows)
        ]
        check = _compare_metric(metric, samples, threshold, alpha)
        if check is None:
            log.warning("%s is not compared: it has no value for these rows", metric.name)
        else:
            checks.append(check)
    return checks


def _make_arguments(
    metric: CustomMetric, rows: pd.DataFrame, classes: list[str], separator: str | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the arguments of the metric: the true labels, and predictions or probabilities."""
    if separator is not None:
        labels, predicted = (
            make_indicators(rows[name].tolist(), classes, separator).toarray().astype(np.int64)
            for name in ("label", "prediction")
        )
        return labels, predicted
    labels, predicted = (rows[name].to_numpy(dtype=str) for name in ("label", "prediction"))
    if metric.response_method == "predict":
        return labels, predicted
    probability = rows["probability"].to_numpy(dtype=np.float64)
    return labels, np.where(predicted == classes[-1], probability, 1 - probability)


def _compare_metric(
    metric: CustomMetric,
    samples: list[tuple[np.ndarray, np.ndarray]],
    threshold: float,
    alpha: float,
) -> Check | None:
    """Return the check of one metric; None if the metric has no value for these rows."""
    measure = metric.load()
    reference, current = (measure(*arguments) for arguments in samples)
    if math.isnan(reference) or math.isnan(current):
        return None
    sign = -1 if metric.greater_is_better else 1
    worsening = sign * (current - reference)
    labels, outputs = (np.concatenate(pair) for pair in zip(*samples, strict=True))
    reference_size = len(samples[0][0])

    def is_extreme(order: np.ndarray) -> bool:
        halves = order[:reference_size], order[reference_size:]
        values = [measure(labels[rows], outputs[rows]) for rows in halves]
        # A permutation without a value counts as extreme, which is conservative.
        return not sign * (values[1] - values[0]) < worsening - 1e-12

    effect = worsening / max(abs(reference), _MIN_REFERENCE)
    is_candidate = effect >= threshold
    permutations = math.ceil(_MAX_CHECKS / alpha) if is_candidate else _FEW_PERMUTATIONS
    return Check(
        name=metric.name,
        reference=reference,
        current=current,
        effect=effect,
        measure=WORSENING,
        threshold=threshold,
        p_value=_compute_p_value(is_extreme, len(labels), permutations - 1),
    )


def _compute_p_value(
    is_extreme: Callable[[np.ndarray], bool], rows: int, permutations: int
) -> float:
    """Return the p-value of a permutation test, which stops early if the rows are not unusual.

    The test is exact for every metric (Phipson & Smyth, 2010).
    """
    random = np.random.default_rng(0)
    extremes = 0
    for done in range(1, permutations + 1):
        extremes += is_extreme(random.permutation(rows))
        if extremes == _MAX_EXTREMES:
            return extremes / done
    return (extremes + 1) / (permutations + 1)
