"""Decision rules: from probabilities to predictions, with thresholds and abstention."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from sentiment.config.schemas import parse_goal
from sentiment.data.labels import sort_labels
from sentiment.errors import ConfigError, GoalOutOfReachError
from sentiment.modeling.class_factors import estimate_gain, find_factors
from sentiment.modeling.metrics import divide
from sentiment.modeling.predictions import Predictions
from sentiment.modeling.statistics import lower_bound

# The prediction for a text for which the rule abstains.
UNSURE = "unsure"
# Confidence that a goal is reached on all rows like those that it was chosen on. The rows of a new
# file vary as well, and one of many thresholds is chosen: at 97.5 %, 5 to 10 % of the files with as
# many rows as the validation split miss the goal, at 95 % up to 16 % (benchmarks, "thresholds").
_CONFIDENCE = 0.975
# The factors of 200 classes take seconds to choose once more in each of five folds.
_MOST_ESTIMATED = 200
_TINY = float(np.finfo(float).tiny)


@dataclass(frozen=True)
class DecisionRule:
    """Rule that turns probabilities into predictions.

    Parameters
    ----------
    threshold : float
        The least probability at which the second of two classes is predicted. At 0.5, and of more
        than two classes, the most probable class is predicted.
    least_confidence : float
        The rule abstains for rows of less confidence; see `decide`.
    factors : tuple of float
        Of more than two classes, in the order of `sort_labels`: the class with the largest product
        of probability and factor is predicted; default: 1 for all.
    f1_macro : tuple of float
        Macro-F1 without the factors and with them; see `estimate_gain`. Empty if not estimated.
    """

    threshold: float = 0.5
    least_confidence: float = 0.0
    factors: tuple[float, ...] = ()
    f1_macro: tuple[float, ...] = ()

    def choose(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the predicted class of each row, by its place, shape (n,).

        Parameters
        ----------
        probabilities : ndarray of shape (n, n_classes)
            A row sums to 1.
        """
        if self.factors:
            probabilities = probabilities * np.array(self.factors)
        elif probabilities.shape[1] == 2 and self.threshold != 0.5:
            return np.where(probabilities[:, 1] >= self.threshold, 1, 0)
        codes: np.ndarray = np.argmax(probabilities, axis=1)  # a tie goes to the first class
        return codes

    def decide(self, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the predicted class of each row, and the confidence of the prediction.

        Parameters
        ----------
        probabilities : ndarray of shape (n, n_classes)
            A row sums to 1.

        Returns
        -------
        codes : ndarray of int64, of shape (n,)
            Places of the classes; see `choose`.
        confidence : ndarray of float64, of shape (n,)
            Of two classes, from 0 at the threshold to 1 where a class is certain, in proportion to
            the probability. Of more classes, the probability of the prediction, or its share of the
            products with factors. To abstain for the least probable predictions is optimal for any
            share of abstentions (Chow 1970, On Optimum Recognition Error and Reject Tradeoff).
        """
        codes = self.choose(probabilities)
        if self.factors:
            products = probabilities * np.array(self.factors)
            shares = divide(products, products.sum(axis=1, keepdims=True), 0)
            return codes, shares.max(axis=1, initial=0.0)
        if probabilities.shape[1] != 2:
            return codes, probabilities.max(axis=1, initial=0.0)
        second, line = probabilities[:, 1], self.threshold
        # A threshold that was chosen may be at the end, with no room on one of its sides.
        room = np.where(codes == 1, 1 - line, line)
        return codes, np.abs(second - line) / np.maximum(room, _TINY)

    def name(self, probabilities: np.ndarray, classes: np.ndarray) -> np.ndarray | list[list[str]]:
        """Return the prediction for each row: a name of `classes`, or "unsure"."""
        codes, confidence = self.decide(probabilities)
        sure = self.is_sure(confidence)
        named: np.ndarray = classes[codes]
        return named if sure.all() else np.where(sure, named, UNSURE)

    def is_sure(self, confidence: np.ndarray) -> np.ndarray:
        """Return True for the rows for which the rule does not abstain."""
        sure: np.ndarray = confidence >= self.least_confidence
        return sure


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
                f"{len(classes)}: {', '.join(map(str, classes))}. Use max_f1 for the best "
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
            goal = find_threshold(goal, probabilities[:, 1], hits, label)
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


def find_threshold(goal: str, probabilities: np.ndarray, truth: np.ndarray, label: str) -> float:
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
