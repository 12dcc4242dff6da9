"""Factors of classes for macro-F1, against all factors that there are."""

import json
from itertools import product

import numpy as np
import pytest
from sklearn.metrics import f1_score

from sentiment.errors import ConfigError
from sentiment.modeling.class_factors import estimate_gain, find_factors
from sentiment.modeling.decision_rules import DecisionRule, LabelSetRule, read_rule, record_rule
from sentiment.modeling.predictions import Predictions
from sentiment.modeling.thresholds import choose_rule


def draw(seed: int, rows: int, shares: list[float], digits: int = 3) -> tuple[np.ndarray, ...]:
    """Return probabilities that favor frequent classes, some of them equal, and true classes."""
    rng = np.random.default_rng(seed)
    codes = rng.choice(len(shares), rows, p=shares)
    codes[: len(shares)] = np.arange(len(shares))
    scores = rng.normal(size=(rows, len(shares))) + np.log(shares)
    scores[np.arange(rows), codes] += 1.5
    p = np.exp(scores)
    return (p / p.sum(axis=1, keepdims=True)).round(digits), codes


def measure(probabilities: np.ndarray, codes: np.ndarray, factors: np.ndarray) -> float:
    return measure_answers(codes, np.argmax(probabilities * factors, axis=1))


def measure_answers(codes: np.ndarray, predicted: np.ndarray) -> float:
    labels = np.unique(codes)
    return float(f1_score(codes, predicted, average="macro", labels=labels, zero_division=0))


def list_values(probabilities: np.ndarray, k: int, others: np.ndarray) -> np.ndarray:
    """Return a factor of class `k` between each two at which a row changes its class."""
    rivals = np.delete(probabilities * others, k, axis=1).max(axis=1)
    class_probabilities = probabilities[:, k]
    lines = np.unique(
        rivals[class_probabilities > 0] / class_probabilities[class_probabilities > 0]
    )
    return np.concatenate([[lines[0] / 2], (lines[1:] + lines[:-1]) / 2, [lines[-1] * 2]])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_no_other_factor_of_a_class_is_better(seed: int) -> None:
    p, codes = draw(seed, 60, [0.6, 0.25, 0.1, 0.05])
    factors = find_factors(p, codes)
    score = measure(p, codes, factors)
    assert score >= measure(p, codes, np.ones(4))
    for k in range(4):
        for value in list_values(p, k, factors):
            changed = np.where(np.arange(4) == k, value, factors)
            assert measure(p, codes, changed) <= score + 1e-5


@pytest.mark.parametrize("seed", [1012, 1050, 1162, 1329])
def test_no_factors_are_worse_than_none(seed: int) -> None:
    """Votes of few neighbors or trees are often equal, and factors may turn such rows around."""
    rng = np.random.default_rng(seed)
    votes = rng.integers(0, 4, (20, 5)) + 0.0
    votes[votes.sum(axis=1) == 0] = 1
    p, codes = votes / votes.sum(axis=1, keepdims=True), rng.integers(0, 5, 20)
    assert measure(p, codes, find_factors(p, codes)) >= measure(p, codes, np.ones(5)) - 1e-9


@pytest.mark.slow
def test_few_factors_of_all_are_better() -> None:
    """Every pair of factors that answers some row in another way, the first one being 1."""
    reached = []
    for seed in range(12):
        p, codes = draw(seed, 12, [0.6, 0.3, 0.1])
        ratios = [np.append(p[:, 0] / p[:, k], p[:, 3 - k] / p[:, k]) for k in (1, 2)]
        grids = [np.unique(np.append(r, [r * 1.0001, r * 0.9999])) for r in ratios]
        predicted = np.argmax(
            p * np.array([(1, *pair) for pair in product(*grids)])[:, None], axis=2
        )
        best = max(measure_answers(codes, answers) for answers in np.unique(predicted, axis=0))
        reached.append(measure(p, codes, find_factors(p, codes)) / best)
    assert np.mean(np.array(reached) > 1 - 1e-9) >= 0.5
    assert np.mean(reached) > 0.97


def test_of_many_rows_those_that_matter_are_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    p, codes = draw(1, 3000, [0.9, 0.09, 0.006, 0.004], digits=6)
    near = find_factors(p, codes)
    monkeypatch.setattr("sentiment.modeling.class_factors._MIN_SORTED", 10_000)
    exact = find_factors(p, codes)
    np.testing.assert_allclose(near, exact)
    assert near[3] > 1


def test_a_class_without_rows_and_one_without_probability() -> None:
    p, codes = draw(3, 80, [0.5, 0.3, 0.2])
    p = np.column_stack([p * 0.9, np.full(80, 0.1), np.zeros(80)])
    codes[:2] = 4
    factors = find_factors(p, codes)
    assert np.isfinite(factors).all()
    assert (factors > 0).all()
    assert measure(p, codes, factors) >= measure(p, codes, np.ones(5))


def test_the_estimate_is_what_new_rows_have() -> None:
    shares = [0.7, 0.15, 0.1, 0.05]
    p, codes = draw(0, 600, shares)
    new, truth = draw(1, 50_000, shares)
    without, with_factors = estimate_gain(p, codes)
    assert without == pytest.approx(measure(p, codes, np.ones(4)))
    factors = find_factors(p, codes)
    assert with_factors == pytest.approx(measure(new, truth, factors), abs=0.04)
    assert measure(p, codes, factors) > with_factors > without
    assert estimate_gain(p[:4], codes[:4])[0] == pytest.approx(
        measure(p[:4], codes[:4], np.ones(4))
    )


def test_factors_are_in_the_order_of_sorted_labels() -> None:
    p, codes = draw(5, 300, [0.7, 0.2, 0.1])
    ordered = np.array(["1", "2", "10"])
    scores = Predictions(ordered[codes], p, ordered)
    rule = choose_rule("max_f1", 0.2, np.array(["1", "10", "2"]), scores)
    assert rule.factors == tuple(find_factors(p, codes).tolist())
    # A scale may have any order.
    mixed = Predictions(
        ordered[codes], p[:, [2, 0, 1]], ordered[[2, 0, 1]], np.array([1.0, 2.0, 3.0])
    )
    assert choose_rule("max_f1", 0.2, np.array(["1", "10", "2"]), mixed) == rule
    decided, confidence = rule.decide(p)
    products = p * rule.factors
    assert np.array_equal(decided, products.argmax(axis=1))
    np.testing.assert_allclose(confidence, products.max(axis=1) / products.sum(axis=1))
    assert np.mean(~rule.is_sure(confidence)) == pytest.approx(0.2, abs=0.01)
    names = np.array(rule.name(p, ordered))
    assert (names == "unsure").sum() == (~rule.is_sure(confidence)).sum()


@pytest.mark.parametrize("goal", ["precision>=0.9", "recall>=0.9", 0.3])
def test_goals_of_one_class_are_for_two_classes(goal: str | float) -> None:
    with pytest.raises(ConfigError, match="Use max_f1 for the best macro-F1, deploy.abstain to"):
        choose_rule(goal, 0.0, np.array(["a", "b", "c"]))


@pytest.mark.parametrize(
    "rule",
    [
        DecisionRule(),
        DecisionRule(0.3, 0.1),
        DecisionRule(least_confidence=0.2, factors=(0.5, 2.0, 1.0), f1_macro=(0.4, 0.5)),
        LabelSetRule(0.3),
        LabelSetRule(thresholds=(0.2, 0.4)),
    ],
)
def test_a_rule_is_read_as_it_was_recorded(rule: DecisionRule) -> None:
    recorded = record_rule(rule)
    assert json.loads(json.dumps(recorded)) == recorded
    assert read_rule(recorded) == rule
