"""Decision rules: from probabilities to predictions, with thresholds and abstention."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sentiment.modeling.outcomes import divide

# The prediction for a row for which the rule abstains.
UNSURE = "unsure"
_TINY = float(np.finfo(float).tiny)


@dataclass(frozen=True)
class DecisionRule:
    """Rule that turns probabilities into predictions.

    Parameters
    ----------
    threshold : float
        The least probability at which the second of two classes is predicted. At 0.5, and with more
        than two classes, the most probable class is predicted.
    least_confidence : float
        The rule abstains for rows with less confidence; see `decide`.
    factors : tuple of float
        With more than two classes, in the order of `sort_labels`: the class with the largest
        product of probability and factor is predicted; default: 1 for all.
    f1_macro : tuple of float
        Macro-F1 without the factors and with them; see `estimate_gain`. Empty if not estimated.
    """

    threshold: float = 0.5
    least_confidence: float = 0.0
    factors: tuple[float, ...] = ()
    f1_macro: tuple[float, ...] = ()

    def choose(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the index of the predicted class of each row, shape (n,).

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
            Indices of the classes; see `choose`.
        confidence : ndarray of float64, of shape (n,)
            With two classes, from 0 at the threshold to 1 if a class is certain, linear in the
            probability. With more classes, the probability of the prediction, or its share of the
            products with factors. Abstaining for the least probable predictions is optimal for any
            share of abstentions (Chow 1970, On Optimum Recognition Error and Reject Tradeoff).
        """
        codes = self.choose(probabilities)
        if self.factors:
            products = probabilities * np.array(self.factors)
            shares = divide(products, products.sum(axis=1, keepdims=True), 0)
            return codes, shares.max(axis=1, initial=0.0)
        if probabilities.shape[1] != 2:
            return codes, probabilities.max(axis=1, initial=0.0)
        # At a threshold of 0 or 1, the largest possible distance on one side is 0.
        largest = np.where(codes == 1, 1 - self.threshold, self.threshold)
        distance = np.abs(probabilities[:, 1] - self.threshold)
        return codes, distance / np.maximum(largest, _TINY)

    def name(self, probabilities: np.ndarray, classes: np.ndarray) -> np.ndarray | list[list[str]]:
        """Return the prediction for each row: a name of `classes`, or "unsure"."""
        codes, confidence = self.decide(probabilities)
        is_sure = self.is_sure(confidence)
        predictions: np.ndarray = classes[codes]
        return predictions if is_sure.all() else np.where(is_sure, predictions, UNSURE)

    def is_sure(self, confidence: np.ndarray) -> np.ndarray:
        """Return True for each row for which the rule does not abstain."""
        is_sure: np.ndarray = confidence >= self.least_confidence
        return is_sure


@dataclass(frozen=True)
class LabelSetRule(DecisionRule):
    """Rule that turns probabilities into label sets.

    Parameters
    ----------
    threshold : float
        The least probability at which a label is in the set.
    thresholds : tuple of float
        Threshold of each label, in the order of the classes; default: `threshold` for all.

    Examples
    --------
    >>> rule = LabelSetRule(thresholds=(0.5, 0.2))
    >>> rule.choose(np.array([[0.6, 0.3], [0.1, 0.1]])).tolist()
    [[True, True], [False, False]]
    """

    thresholds: tuple[float, ...] = ()

    def choose(self, probabilities: np.ndarray) -> np.ndarray:
        """Return True for each label in the set of each row, shape (n, n_labels)."""
        indicators: np.ndarray = probabilities >= (self.thresholds or self.threshold)
        return indicators

    def measure(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the confidence in the set of each row, shape (n,).

        With thresholds of 0.5, it is the probability of the set if its labels are independent.
        Probabilities are rescaled such that any other threshold becomes 0.5.
        """
        thresholds = np.array(self.thresholds or self.threshold)
        largest = np.where(self.choose(probabilities), 1 - thresholds, thresholds)
        distance = np.abs(probabilities - thresholds) / np.maximum(largest, _TINY)
        confidence: np.ndarray = (0.5 + distance / 2).prod(axis=1)
        return confidence

    def name(self, probabilities: np.ndarray, classes: np.ndarray) -> list[list[str]]:
        """Return the label set of each row, as a list of names of `classes`, or of "unsure"."""
        is_sure = self.is_sure(self.measure(probabilities))
        sets = [classes[row].tolist() for row in self.choose(probabilities)]
        return [labels if sure else [UNSURE] for labels, sure in zip(sets, is_sure, strict=True)]


def make_rule(separator: str | None) -> DecisionRule:
    """Return the default rule, that for label sets if there is a `separator`."""
    return DecisionRule() if separator is None else LabelSetRule()


def record_rule(rule: DecisionRule) -> dict[str, Any]:
    """Return `rule` as a dict that JSON can store, for `read_rule`."""
    facts = asdict(rule)
    lists = {name: list(value) for name, value in facts.items() if isinstance(value, tuple)}
    facts |= lists
    return {name: value for name, value in facts.items() if value != [] or name == "thresholds"}


def read_rule(facts: Mapping[str, Any]) -> DecisionRule:
    """Return the rule that `record_rule` recorded among other facts."""
    threshold = facts.get("threshold", 0.5)
    if "thresholds" in facts:
        least_confidence = facts.get("least_confidence", 0.0)
        return LabelSetRule(threshold, least_confidence, thresholds=tuple(facts["thresholds"]))
    factors, f1_macro = (tuple(facts.get(name, ())) for name in ("factors", "f1_macro"))
    return DecisionRule(threshold, facts.get("least_confidence", 0.0), factors, f1_macro)
