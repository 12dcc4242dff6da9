"""From probabilities of labels to label sets: where to draw the line of each label."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sentiment.errors import ConfigError
from sentiment.modeling.decision_rules import DecisionRule, find_threshold
from sentiment.modeling.predictions import LabelSetPredictions, Predictions


@dataclass(frozen=True)
class LabelSetRule(DecisionRule):
    """Rule that turns probabilities into label sets.

    Parameters
    ----------
    threshold : float
        The least probability of a label for which it is in the set.
    thresholds : tuple of float
        Those of the labels one by one, in the order of the classes; default: `threshold` for all.

    Examples
    --------
    >>> rule = LabelSetRule(thresholds=(0.5, 0.2))
    >>> rule.choose(np.array([[0.6, 0.3], [0.1, 0.1]])).tolist()
    [[True, True], [False, False]]
    """

    thresholds: tuple[float, ...] = ()

    def choose(self, probabilities: np.ndarray) -> np.ndarray:
        """Return True for each label in the set of each row, shape (n, n_labels)."""
        chosen: np.ndarray = probabilities >= (self.thresholds or self.threshold)
        return chosen

    def name(self, probabilities: np.ndarray, classes: np.ndarray) -> list[list[str]]:
        """Return the label set of each row, as a list of names of `classes`."""
        return [classes[row].tolist() for row in self.choose(probabilities)]


def make_rule(separator: str | None) -> DecisionRule:
    """Return the rule of models by default, with a separator for those of label sets."""
    return DecisionRule() if separator is None else LabelSetRule()


def choose_set_rule(
    threshold: float | str, abstain: float, scores: Predictions | None = None
) -> LabelSetRule:
    """Return the rule that reaches the goal for each label on `scores`.

    Parameters
    ----------
    threshold : float or str
        A probability for all labels, or a goal for each of them; see `choose_rule`.
    abstain : float
        Must be 0.
    scores : Predictions, optional
        Of rows that the model was not fitted on; needed for a goal.

    Raises
    ------
    ConfigError
        Rows are to be left open, or the scores are not those of label sets.
    GoalOutOfReachError
        No threshold of a label is known to reach the goal.
    """
    if abstain:
        raise ConfigError(
            [
                f"deploy.abstain is {abstain:g}, but a model of several labels in a row leaves no "
                "row open: a row without a likely label has none. Leave it at 0."
            ]
        )
    if not isinstance(threshold, str):
        return LabelSetRule(threshold)
    if not isinstance(scores, LabelSetPredictions):
        raise ConfigError(
            [
                f"deploy.threshold is {threshold!r}, but the run of the model has kept no scores "
                "of labels. Give a number, such as deploy.threshold=0.3."
            ]
        )
    goal = threshold.strip()
    return LabelSetRule(
        thresholds=tuple(
            find_threshold(goal, scores.probabilities[:, k], scores.find_rows(k), str(label))
            for k, label in enumerate(scores.classes)
        )
    )


def record_rule(rule: DecisionRule) -> dict[str, Any]:
    """Return what `read_rule` makes `rule` of, as JSON keeps it."""
    facts = asdict(rule)
    lists = {name: list(value) for name, value in facts.items() if isinstance(value, tuple)}
    facts |= lists
    return {name: value for name, value in facts.items() if value != [] or name == "thresholds"}


def read_rule(facts: Mapping[str, Any]) -> DecisionRule:
    """Return the rule that `record_rule` recorded among other facts."""
    threshold = facts.get("threshold", 0.5)
    if "thresholds" in facts:
        return LabelSetRule(threshold, thresholds=tuple(facts["thresholds"]))
    factors, f1_macro = (tuple(facts.get(name, ())) for name in ("factors", "f1_macro"))
    return DecisionRule(threshold, facts.get("least_confidence", 0.0), factors, f1_macro)
