"""Metrics of the user's own: rows of a file against those of training."""

import logging
import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from sentiment.commands.monitor.performance import select_known
from sentiment.config.metrics import OwnMetric, list_own_metrics
from sentiment.data.label_sets import make_indicators
from sentiment.modeling.decision_rules import UNSURE
from sentiment.modeling.drift import Check
from sentiment.modeling.reference import MOST_ROWS, Reference

_WORSENING = "worse by a share"
# The least p-value is alpha / 25, which Holm's correction leaves below alpha among as many checks.
_CHECKS = 25
# The p-value of a check that cannot be an alarm.
_FEW = 100
# After so many permutations that are as extreme as the rows, more would change no verdict: the
# sequential p-value of Besag and Clifford (1991).
_ENOUGH = 20
# Smaller values at training count as this one.
_SMALLEST = 1e-3

log = logging.getLogger(__name__)


def compare_metrics(
    reference: Reference, current: pd.DataFrame, threshold: float, alpha: float
) -> list[Check]:
    """Return a check for each metric of the user's project: whether it is worse than at training.

    Parameters
    ----------
    reference : Reference
        What training left.
    current : DataFrame
        ``label``, ``prediction`` and ``probability``; without known labels there are no checks.
    threshold : float
        Smallest worsening that matters, as a share of the value at training.
    alpha : float
        The largest probability of a false alarm.

    Raises
    ------
    OwnCodeError
        A metric raises an error.
    """
    metrics = list_own_metrics().values()
    before, after = select_known(reference.rows, current)
    if not metrics or before.empty or after.empty:
        return []
    if len(after) > MOST_ROWS:  # the reference has no more, and a metric may be slow
        after = after.sample(MOST_ROWS, random_state=0)
    classes = [name for name in reference.classes if name != UNSURE]
    checks = []
    for metric in metrics:
        several = len(classes) > 2 or reference.separator is not None
        if metric.response_method == "predict_proba" and several:
            log.warning("%s is not compared: it takes probabilities of all classes", metric.name)
            continue
        columns = [
            _read_columns(metric, rows, classes, reference.separator) for rows in (before, after)
        ]
        check = _compare(metric, columns, threshold, alpha)
        if check is None:
            log.warning("%s is not compared: it has no value for these rows", metric.name)
        else:
            checks.append(check)
    return checks


def _read_columns(
    metric: OwnMetric, rows: pd.DataFrame, classes: list[str], separator: str | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the true labels, and what the metric takes beside them."""
    if separator is not None:
        truth, found = (
            make_indicators(rows[name].tolist(), classes, separator).toarray().astype(np.int64)
            for name in ("label", "prediction")
        )
        return truth, found
    labels, predicted = (rows[name].to_numpy(dtype=str) for name in ("label", "prediction"))
    if metric.response_method == "predict":
        return labels, predicted
    probability = rows["probability"].to_numpy(dtype=np.float64)
    return labels, np.where(predicted == classes[-1], probability, 1 - probability)


def _compare(
    metric: OwnMetric, columns: list[tuple[np.ndarray, np.ndarray]], threshold: float, alpha: float
) -> Check | None:
    """Return the check of one metric, None if it has no value."""
    measure = metric.load()
    before, after = (measure(*one) for one in columns)
    if math.isnan(before) or math.isnan(after):
        return None
    sign = -1 if metric.greater_is_better else 1
    worse = sign * (after - before)
    labels, others = (np.concatenate(pair) for pair in zip(*columns, strict=True))
    size = len(columns[0][0])

    def is_as_bad(order: np.ndarray) -> bool:
        first, second = order[:size], order[size:]
        values = [measure(labels[rows], others[rows]) for rows in (first, second)]
        # One without a value counts as extreme, which is conservative.
        return not sign * (values[1] - values[0]) < worse - 1e-12

    effect = worse / max(abs(before), _SMALLEST)
    permutations = math.ceil(_CHECKS / alpha) if effect >= threshold else _FEW
    return Check(
        name=metric.name,
        reference=before,
        current=after,
        effect=effect,
        measure=_WORSENING,
        threshold=threshold,
        p_value=_permute(is_as_bad, len(labels), permutations - 1),
    )


def _permute(is_extreme: Callable[[np.ndarray], bool], rows: int, permutations: int) -> float:
    """Return the p-value of a permutation test, which ends early if the rows are not unusual.

    It is exact for the ranks of the permutations (Phipson & Smyth, 2010), whatever the metric is.
    """
    random = np.random.default_rng(0)
    extreme = 0
    for done in range(1, permutations + 1):
        extreme += is_extreme(random.permutation(rows))
        if extreme == _ENOUGH:
            return extreme / done
    return (extreme + 1) / (permutations + 1)
