import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import f1_score, precision_recall_curve

from sentiment.config.schemas import ScorerSettings
from sentiment.config.type_hints import show
from sentiment.errors import ConfigError, GoalOutOfReachError
from sentiment.modeling.decision_rules import DecisionRule
from sentiment.modeling.predictions import Predictions
from sentiment.modeling.thresholds import choose_rule, needs_scores

CLASSES = np.array(["bad", "good"])


def make_scores(seed: int, rows: int, decimals: int = 2) -> Predictions:
    """Two classes that overlap, with probabilities of which many are equal."""
    rng = np.random.default_rng(seed)
    good = rng.random(rows) < 0.4
    good[:2] = [True, False]
    second = np.clip(rng.normal(0.4 + 0.2 * good, 0.2), 0, 1).round(decimals)
    return Predictions(
        np.where(good, "good", "bad"), np.column_stack([1 - second, second]), CLASSES
    )


def answer(rule: DecisionRule, scores: Predictions) -> np.ndarray:
    return CLASSES[rule.decide(scores.probabilities)[0]]


@pytest.mark.slow
@given(seed=st.integers(0, 10_000), rows=st.integers(5, 200))
@settings(deadline=None, max_examples=80)
def test_no_threshold_has_a_better_f1(seed: int, rows: int) -> None:
    scores = make_scores(seed, rows)
    predicted = answer(choose_rule("max_f1", 0.0, CLASSES, scores), scores)
    precision, recall, _ = precision_recall_curve(
        scores.labels, scores.probabilities[:, 1], pos_label="good"
    )
    best = np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12))
    assert f1_score(scores.labels, predicted, pos_label="good") == pytest.approx(best)


def bound(hits: int, rows: int) -> float:
    """Return the lower bound as scipy has it."""
    interval = binomtest(hits, rows, alternative="greater").proportion_ci(0.975, method="exact")
    return float(interval.low)


@pytest.mark.slow
@given(seed=st.integers(0, 10_000), rows=st.integers(5, 200), least=st.floats(0.05, 0.9))
@settings(deadline=None, max_examples=60)
@pytest.mark.parametrize("wanted", ["precision", "recall"])
def test_a_goal_is_reached_with_the_most_of_the_other(
    wanted: str, seed: int, rows: int, least: float
) -> None:
    scores = make_scores(seed, rows)
    good, second = scores.labels == "good", scores.probabilities[:, 1]
    possible = []
    for line in np.unique(second):
        count, hits = int(np.sum(second >= line)), int(np.sum(good & (second >= line)))
        shares = {"precision": (hits, count), "recall": (hits, int(good.sum()))}
        low = bound(*shares.pop(wanted))
        (other,) = shares.values()
        possible.append((low, other[0] / other[1]))
    reached = [other for low, other in possible if low >= least]
    goal = f"{wanted}>={least}"
    if not reached:
        with pytest.raises(GoalOutOfReachError) as caught:
            choose_rule(goal, 0.0, CLASSES, scores)
        best = max(low for low, _ in possible)
        assert f"{rows} scored rows ({good.sum()} of that class)" in str(caught.value)
        assert f"not less than {best:.4f}" in str(caught.value)
        # What the message suggests works.
        suggestion = re.search(r"Ask for (\S+) or less", str(caught.value))
        assert suggestion is not None
        if not suggestion[1].endswith("=0.000"):
            choose_rule(suggestion[1], 0.0, CLASSES, scores)
        return
    predicted = answer(choose_rule(goal, 0.0, CLASSES, scores), scores)
    counts = [
        int(np.sum(good & (predicted == "good"))),
        int(np.sum(predicted == "good")),
        int(good.sum()),
    ]
    sizes = (1, 2) if wanted == "precision" else (2, 1)
    assert bound(counts[0], counts[sizes[0]]) >= least
    assert counts[0] / counts[sizes[1]] == pytest.approx(max(reached))


def test_new_files_rarely_miss_a_goal() -> None:
    """600 rows to choose on and a new file of 600, 200 times; the point estimate misses half."""
    missed, n_chosen = 0, 0
    for seed in range(200):
        scores, new = (draw_scores(np.random.default_rng((seed, part)), 600) for part in (0, 1))
        try:
            rule = choose_rule("precision>=0.9", 0.0, CLASSES, scores)
        except GoalOutOfReachError:
            continue
        n_chosen += 1
        is_good = answer(rule, new) == "good"
        missed += bool(np.mean(new.labels[is_good] == "good") < 0.9)
    assert n_chosen > 150
    # 10 % and two standard deviations.
    assert missed / n_chosen < 0.15


def draw_scores(rng: np.random.Generator, rows: int) -> Predictions:
    """Return scores of a calibrated model that is right on 86 % of the rows."""
    good = rng.random(rows) < 0.5
    margin = 1.1 * (2 * good - 1) + rng.normal(size=rows)
    second = 1 / (1 + np.exp(-2.2 * margin))
    labels = np.where(good, "good", "bad")
    return Predictions(labels, np.column_stack([1 - second, second]), CLASSES)


@pytest.mark.parametrize("threshold", [0.5, 0.3, "max_f1"])
@pytest.mark.parametrize("abstain", [0.05, 0.3])
def test_the_share_that_was_asked_for_is_left_open(threshold: float | str, abstain: float) -> None:
    scores = make_scores(1, 4000, decimals=9)
    rule = choose_rule(threshold, abstain, CLASSES, scores)
    codes, confidence = rule.decide(scores.probabilities)
    sure = rule.is_sure(confidence)
    assert np.mean(~sure) == pytest.approx(abstain, abs=1e-3)
    assert confidence[~sure].max() < confidence[sure].min()
    # What is left is better.
    right = CLASSES[codes] == scores.labels
    assert right[sure].mean() > right.mean()


def test_confidence_is_how_far_the_line_is_away() -> None:
    second = np.array([0.0, 0.4, 0.79, 0.8, 0.9, 1.0])
    codes, confidence = DecisionRule(0.8).decide(np.column_stack([1 - second, second]))
    assert codes.tolist() == [0, 0, 0, 1, 1, 1]
    np.testing.assert_allclose(confidence, [1, 0.5, 0.0125, 0, 0.5, 1], atol=1e-12)
    codes, confidence = DecisionRule().decide(np.array([[0.5, 0.5], [0.2, 0.8]]))
    assert codes.tolist() == [0, 1]  # a tie is of the first, as in scikit-learn
    three = np.array([[0.3, 0.4, 0.3], [0.8, 0.1, 0.1]])
    codes, confidence = DecisionRule().decide(three)
    assert (codes.tolist(), confidence.tolist()) == ([1, 0], [0.4, 0.8])


@pytest.mark.parametrize(
    "threshold", [0, 1, 1.5, True, None, "max_accuracy", "precision>0.9", "precision>=1.5"]
)
def test_goals_that_do_not_exist(threshold: object) -> None:
    with pytest.raises(ConfigError) as caught:
        ScorerSettings(threshold=threshold)  # type: ignore[arg-type]
    assert str(caught.value) == (
        f"deploy.threshold is {show(threshold)}; expected a number above 0 and below 1, or max_f1, "
        "precision>=0.95 or recall>=0.95."
    )


def test_shares_that_may_be_left_open() -> None:
    with pytest.raises(ConfigError, match=r"deploy\.abstain is 1\.0; expected the share of rows"):
        ScorerSettings(abstain=1.0)
    assert ScorerSettings(threshold="recall >= .9", abstain=0.2).threshold == "recall >= .9"


def test_only_a_number_needs_no_rows() -> None:
    assert not needs_scores(0.7, 0.0)
    assert needs_scores("max_f1", 0.0)
    assert needs_scores(0.5, 0.1)


def test_goals_that_a_model_cannot_have() -> None:
    with pytest.raises(ConfigError, match="for two classes, and the model has 3: 'a', 'b' and 'c'"):
        choose_rule(0.7, 0.0, np.array(["a", "b", "c"]))
    with pytest.raises(ConfigError, match=r"the model has 2,000: .*, '9' and 1,990 more\. Use"):
        choose_rule(0.7, 0.0, np.arange(2000).astype(str))
    with pytest.raises(ConfigError, match="would predict 'unsure', which is a class of the model"):
        choose_rule(0.5, 0.1, np.array(["sure", "unsure"]))
