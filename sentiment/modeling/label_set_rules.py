"""Decision rules of label sets: from probabilities of labels to sets, by thresholds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from sentiment.data.labels import sort_labels
from sentiment.errors import ConfigError
from sentiment.modeling.decision_rules import (
    UNSURE,
    DecisionRule,
    choose_rule,
    find_threshold,
    needs_scores,
)
from sentiment.modeling.predictions import LabelSetPredictions, Predictions

_MOST_TABULATED = 500


@dataclass(frozen=True)
class LabelSetRule(DecisionRule):
    """Rule that turns probabilities into label sets.

    Parameters
    ----------
    threshold : float
        The least probability at which a label is in the set.
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

    def measure(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the confidence in the set of each row, shape (n,).

        With thresholds of 0.5, it is the probability of the set if its labels are independent. With
        another threshold, probabilities are rescaled such that it becomes 0.5.
        """
        lines = np.array(self.thresholds or self.threshold)
        room = np.where(self.choose(probabilities), 1 - lines, lines)
        far = np.abs(probabilities - lines) / np.maximum(room, np.finfo(float).tiny)
        sure: np.ndarray = (0.5 + far / 2).prod(axis=1)
        return sure

    def name(self, probabilities: np.ndarray, classes: np.ndarray) -> list[list[str]]:
        """Return the label set of each row, as a list of names of `classes`, or of "unsure"."""
        sure = self.is_sure(self.measure(probabilities))
        sets = [classes[row].tolist() for row in self.choose(probabilities)]
        return [labels if known else [UNSURE] for labels, known in zip(sets, sure, strict=True)]


def make_rule(separator: str | None) -> DecisionRule:
    """Return the rule of models by default, with a separator for those of label sets."""
    return DecisionRule() if separator is None else LabelSetRule()


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
            find_threshold(goal, scores.probabilities[:, k], scores.find_rows(k), str(label))
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
    scores: Predictions | None = None,
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
        least = facts.get("least_confidence", 0.0)
        return LabelSetRule(threshold, least, thresholds=tuple(facts["thresholds"]))
    factors, f1_macro = (tuple(facts.get(name, ())) for name in ("factors", "f1_macro"))
    return DecisionRule(threshold, facts.get("least_confidence", 0.0), factors, f1_macro)
