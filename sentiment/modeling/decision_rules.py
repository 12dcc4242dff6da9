"""Decision rules: from probabilities to predictions, with thresholds and abstention."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sentiment.modeling.outcomes import divide

# The prediction for a text for which the rule abstains.
UNSURE = "unsure"
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
        far = np.abs(probabilities - lines) / np.maximum(room, _TINY)
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
