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

# Confidence that a goal is reached on all rows like those that it was chosen on. The rows of a new
# file vary as well, and one of many thresholds is chosen: at 97.5 %, 5 to 10 % of the files with as
# many rows as the validation split miss the goal, at 95 % up to 16 % (benchmarks, "thresholds").
_CONFIDENCE = 0.975
# The factors of 200 classes take seconds to choose once more in each of five folds.
_MOST_ESTIMATED = 200
_MOST_TABULATED = 500


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
        A probability; ``"max_f1"``; or ``"precision>=x"`` for the most recall with a precision of
        `x` or more, and ``"recall>=x"`` the other way round. All are of the second of two classes,
        but ``"max_f1"`` of more classes is the best macro-F1; see `find_factors`.
        A goal counts as reached where the lower bound of the share is `x` or more: the exact
        binomial one, at a confidence of 97.5 %.
    abstain : float
        The share of rows to abstain for.
    classes : ndarray of str, of shape (n_classes,)
        Sorted.
    scores : Predictions, optional
        Of rows that the model was not fitted on; required if `needs_scores` returns True.

    Raises
    ------
    ConfigError
        The goal is for two classes and there are more, or a class is called "unsure".
    GoalOutOfReachError
        No threshold is known to reach the goal.
    """
    several = len(classes) > 2
    goal = threshold.strip() if isinstance(threshold, str) else threshold
    if several and goal not in (0.5, "max_f1"):
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
    if several:
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
    """Return probabilities and true classes in the order of `sort_labels`; a scale has its own."""
    order = sort_labels(str(label) for label in classes)
    places = pd.Index(scores.classes).get_indexer(pd.Index(order))
    codes = pd.Index(order).get_indexer(pd.Index(scores.labels))
    return scores.probabilities[:, places], codes


def _choose_factors(probabilities: np.ndarray, codes: np.ndarray) -> DecisionRule:
    factors = tuple(find_factors(probabilities, codes).tolist())
    if len(factors) > _MOST_ESTIMATED:
        return DecisionRule(factors=factors)
    return DecisionRule(factors=factors, f1_macro=estimate_gain(probabilities, codes))


def _find_threshold(goal: str, probabilities: np.ndarray, truth: np.ndarray, label: str) -> float:
    """Return the threshold that reaches `goal`, between two probabilities that occur.

    Parameters
    ----------
    goal : str
        See `choose_rule`.
    probabilities : ndarray of shape (n,)
        Of a label.
    truth : ndarray of bool, of shape (n,)
        True for rows that have it.
    label : str
        Its name, for messages.

    Raises
    ------
    GoalOutOfReachError
        No threshold is known to reach the goal.
    """
    if goal == "max_f1" and not truth.any():
        return 0.5  # no threshold has an F1
    order = np.argsort(-probabilities, kind="stable")
    sorted_scores, hits = probabilities[order], np.cumsum(truth[order])
    # Rows of the same probability are on the same side of any threshold.
    ends = np.flatnonzero(np.append(sorted_scores[1:] != sorted_scores[:-1], True))
    taken, hits = ends + 1, hits[ends]
    precision, recall = hits / taken, hits / max(int(hits[-1]), 1)
    if goal == "max_f1":
        best = int(np.argmax(2 * hits / (taken + hits[-1])))
    else:
        found = parse_goal(goal)
        assert found is not None  # noqa: S101 - the schema says so
        wanted, least = found
        size, other = (taken, recall) if wanted == "precision" else (hits[-1], precision)
        bound = lower_bound(hits, size, _CONFIDENCE)
        reached = np.flatnonzero(bound >= least)
        if not len(reached):
            raise GoalOutOfReachError(
                goal,
                f"{wanted} of '{label}'",
                len(probabilities),
                int(hits[-1]),
                best=float((hits / np.maximum(size, 1)).max()),
                bound=float(bound.max()),
                confidence=_CONFIDENCE,
            )
        best = int(reached[np.argmax(other[reached])])
    low = sorted_scores[ends[best]]
    following = sorted_scores[ends[best] + 1] if ends[best] + 1 < len(probabilities) else 0.0
    between = (low + following) / 2
    # Of neighbors among floats, the middle is one of them.
    return float(between if between > following else low)


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
        A probability for all labels, or a goal for each of them; see `choose_rule`.
    abstain : float
        The share of rows that is left open.
    scores : Predictions, optional
        Of rows that the model was not fitted on; needed for a goal, and to leave rows open.
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
        lines = tuple(
            _find_threshold(goal, scores.probabilities[:, k], scores.find_rows(k), str(label))
            for k, label in enumerate(scores.classes)
        )
        rule = LabelSetRule(thresholds=lines)
    else:
        rule = LabelSetRule(threshold)
    if not abstain:
        return rule
    sure = rule.measure(scores.probabilities)
    return replace(rule, least_confidence=float(np.quantile(sure, abstain)))


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
    """Return the rule of ``threshold=max_f1`` on `scores`, for those who lack this package.

    Returns
    -------
    dict of str to float
        Of two classes, the threshold of the second one by its name; of more, the factor of each;
        of label sets, the threshold of each label. Empty for more than 500 classes, of which the
        factors would take longer than a fit.
    """
    if scores.separator is None and len(scores.classes) > _MOST_TABULATED:
        return {}
    names = np.array(sort_labels(scores.classes.astype(str)))
    rule = choose_any_rule("max_f1", 0.0, names, scores.separator, scores)
    if isinstance(rule, LabelSetRule):
        return dict(zip(scores.classes.tolist(), rule.thresholds, strict=True))
    values = rule.factors or (rule.threshold,)
    return dict(zip(names[-len(values) :].tolist(), values, strict=True))
