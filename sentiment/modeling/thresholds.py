"""Choice of decision rules that reach a goal on rows with known labels."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from sentiment.config.schemas import parse_goal
from sentiment.data.labels import sort_labels
from sentiment.errors import LISTED, ConfigError, GoalOutOfReachError, quote_list
from sentiment.modeling.class_factors import estimate_gain, find_factors
from sentiment.modeling.decision_rules import UNSURE, DecisionRule, LabelSetRule
from sentiment.modeling.predictions import LabelSetPredictions, Predictions
from sentiment.modeling.statistics import lower_bound

# Confidence that the threshold reaches its goal in the population. The rows of a new file vary as
# well, and the best of many thresholds is chosen: at 97.5 %, 5 to 10 % of the files with as many
# rows as the validation split miss the goal, at 95 % up to 16 % (benchmarks, "thresholds").
_CONFIDENCE = 0.975
# For 200 classes, it takes seconds to choose factors again in each of five folds.
_MAX_ESTIMATED = 200
_MAX_TABULATED = 500


def needs_scores(threshold: float | str, abstain: float) -> bool:
    """Return whether a rule for these goals has to be chosen by rows with known labels."""
    return isinstance(threshold, str) or abstain > 0


def choose_rule(
    threshold: float | str, abstain: float, classes: np.ndarray, scores: Predictions | None = None
) -> DecisionRule:
    """Return the rule that reaches the goals on `scores`.

    Parameters
    ----------
    threshold : float or str
        A probability; ``"max_f1"``; or ``"precision>=x"`` for the highest recall with a precision
        of `x` or more, and ``"recall>=x"`` the other way round. All are for the second of two
        classes. With more classes, ``"max_f1"`` is the best macro-F1; see `find_factors`.
        A goal is reached if the exact binomial lower bound of the share, at a confidence of 97.5 %,
        is `x` or more.
    abstain : float
        Share of rows to abstain for.
    classes : ndarray of str, of shape (n_classes,)
        Sorted classes.
    scores : Predictions, optional
        Predictions for rows that the model was not fitted on; required if `needs_scores` returns
        True.

    Raises
    ------
    ConfigError
        The goal is for two classes and there are more, or a class is called "unsure".
    GoalOutOfReachError
        No threshold is known to reach the goal.
    """
    is_multiclass = len(classes) > 2
    goal = threshold.strip() if isinstance(threshold, str) else threshold
    if is_multiclass and goal not in (0.5, "max_f1"):
        raise ConfigError(
            [
                f"deploy.threshold is {threshold!r}, which is for two classes, and the model has "
                f"{len(classes):,}: {quote_list(classes, LISTED)}. Use max_f1 for the best "
                "macro-F1, deploy.abstain to leave uncertain rows open, or leave it at 0.5."
            ]
        )
    if abstain and UNSURE in classes:
        raise ConfigError(
            [f"deploy.abstain would predict {UNSURE!r}, which is a class of the model."]
        )
    if not needs_scores(threshold, abstain):
        return DecisionRule(float(threshold))
    assert scores is not None  # noqa: S101 - needs_scores
    if is_multiclass:
        probabilities, codes = _order_scores(scores, classes)
        rule = _choose_factors(probabilities, codes) if goal == "max_f1" else DecisionRule()
    else:
        probabilities = scores.probabilities
        if isinstance(goal, str):
            hits, label = scores.labels == scores.classes[1], str(scores.classes[1])
            goal = _find_threshold(goal, probabilities[:, 1], hits, label)
        rule = DecisionRule(goal)
    if not abstain:
        return rule
    _, confidence = rule.decide(probabilities)
    return replace(rule, least_confidence=float(np.quantile(confidence, abstain)))


def _order_scores(scores: Predictions, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities and codes in the order of `sort_labels` instead of that of a scale."""
    order = sort_labels(str(label) for label in classes)
    columns = pd.Index(scores.classes).get_indexer(pd.Index(order))
    codes = pd.Index(order).get_indexer(pd.Index(scores.labels))
    return scores.probabilities[:, columns], codes


def _choose_factors(probabilities: np.ndarray, codes: np.ndarray) -> DecisionRule:
    factors = tuple(find_factors(probabilities, codes).tolist())
    if len(factors) > _MAX_ESTIMATED:
        return DecisionRule(factors=factors)
    return DecisionRule(factors=factors, f1_macro=estimate_gain(probabilities, codes))


def _find_threshold(goal: str, probabilities: np.ndarray, truth: np.ndarray, label: str) -> float:
    """Return the threshold that reaches `goal`, midway between two probabilities.

    Parameters
    ----------
    goal : str
        See `choose_rule`.
    probabilities : ndarray of shape (n,)
        Probabilities of the label.
    truth : ndarray of bool, of shape (n,)
        True for rows with the label.
    label : str
        Name of the label, for messages.

    Raises
    ------
    GoalOutOfReachError
        No threshold is known to reach the goal.
    """
    if goal == "max_f1" and not truth.any():
        return 0.5  # no threshold has an F1
    order = np.argsort(-probabilities, kind="stable")
    sorted_scores, hits = probabilities[order], np.cumsum(truth[order])
    # A threshold does not separate rows with the same probability.
    last_rows = np.flatnonzero(np.append(sorted_scores[1:] != sorted_scores[:-1], True))
    predicted, hits = last_rows + 1, hits[last_rows]
    precision, recall = hits / predicted, hits / max(int(hits[-1]), 1)
    if goal == "max_f1":
        best = int(np.argmax(2 * hits / (predicted + hits[-1])))
    else:
        parsed = parse_goal(goal)
        assert parsed is not None  # noqa: S101 - the schema says so
        metric, minimum = parsed
        is_precision = metric == "precision"
        size, maximized = (predicted, recall) if is_precision else (hits[-1], precision)
        bound = lower_bound(hits, size, _CONFIDENCE)
        reached = np.flatnonzero(bound >= minimum)
        if not len(reached):
            raise GoalOutOfReachError(
                goal,
                f"{metric} of '{label}'",
                len(probabilities),
                int(hits[-1]),
                best=float((hits / np.maximum(size, 1)).max()),
                bound=float(bound.max()),
                confidence=_CONFIDENCE,
            )
        best = int(reached[np.argmax(maximized[reached])])
    last = last_rows[best]
    above = sorted_scores[last]
    below = sorted_scores[last + 1] if last + 1 < len(probabilities) else 0.0
    middle = (above + below) / 2
    # The middle of adjacent floats is one of these.
    return float(middle if middle > below else above)


def choose_set_rule(
    threshold: float | str,
    abstain: float,
    scores: Predictions | None = None,
    classes: Sequence[str] = (),
) -> LabelSetRule:
    """Return the rule that reaches the goal for each label on `scores`.

    Parameters
    ----------
    threshold : float or str
        A probability for all labels, or a goal for each label; see `choose_rule`.
    abstain : float
        Share of rows to abstain for.
    scores : Predictions, optional
        Predictions for rows that the model was not fitted on; required if `needs_scores` returns
        True.
    classes : sequence of str
        Labels of the model.

    Raises
    ------
    ConfigError
        A label is called "unsure", or the scores are not those of label sets.
    GoalOutOfReachError
        No threshold of a label is known to reach the goal.
    """
    if abstain and UNSURE in classes:
        raise ConfigError(
            [f"deploy.abstain would predict {UNSURE!r}, which is a label of the model."]
        )
    if not needs_scores(threshold, abstain):
        return LabelSetRule(float(threshold))
    if not isinstance(scores, LabelSetPredictions):
        raise ConfigError(
            [
                f"deploy.threshold is {threshold!r} and deploy.abstain {abstain:g}, but the run of "
                "the model has kept no scores of labels. Give a number, such as "
                "deploy.threshold=0.3, and deploy.abstain=0."
            ]
        )
    if isinstance(threshold, str):
        goal = threshold.strip()
        thresholds = tuple(
            _find_threshold(goal, scores.probabilities[:, k], scores.find_rows(k), str(label))
            for k, label in enumerate(scores.classes)
        )
        rule = LabelSetRule(thresholds=thresholds)
    else:
        rule = LabelSetRule(threshold)
    if not abstain:
        return rule
    confidence = rule.measure(scores.probabilities)
    return replace(rule, least_confidence=float(np.quantile(confidence, abstain)))


def choose_any_rule(
    threshold: float | str,
    abstain: float,
    classes: np.ndarray,
    separator: str | None,
    scores: Predictions | None,
) -> DecisionRule:
    """Return the rule of a model of either kind; see `choose_rule` and `choose_set_rule`."""
    if separator is not None:
        return choose_set_rule(threshold, abstain, scores, classes.tolist())
    return choose_rule(threshold, abstain, classes, scores)


def tabulate_rule(scores: Predictions) -> dict[str, float]:
    """Return the rule of ``threshold=max_f1`` on `scores`, for use without this package.

    Returns
    -------
    dict of str to float
        With two classes, the threshold of the second one by its name; with more, the factor of each
        class; for label sets, the threshold of each label. Empty for more than 500 classes, whose
        factors would take longer than a fit.
    """
    if scores.separator is None and len(scores.classes) > _MAX_TABULATED:
        return {}
    names = np.array(sort_labels(scores.classes.astype(str)))
    rule = choose_any_rule("max_f1", 0.0, names, scores.separator, scores)
    if isinstance(rule, LabelSetRule):
        return dict(zip(scores.classes.tolist(), rule.thresholds, strict=True))
    values = rule.factors or (rule.threshold,)
    return dict(zip(names[-len(values) :].tolist(), values, strict=True))
