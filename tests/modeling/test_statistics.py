"""Intervals and corrections against textbooks and definitions."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentiment.modeling.statistics import adjust_p_values


def test_holms_adjustment_of_a_known_case() -> None:
    adjusted = adjust_p_values([0.01, 0.04, 0.03, 0.005])
    assert adjusted.tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert adjust_p_values([0.6, 0.7]).tolist() == [1, 1]
    assert adjust_p_values([0.2]).tolist() == [0.2]
    assert adjust_p_values([]).tolist() == []


@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=5))
@settings(deadline=None, max_examples=50)
def test_holms_adjustment_is_the_closed_bonferroni_test(p: list[float]) -> None:
    """A hypothesis is rejected if Bonferroni's test rejects every set that contains it."""
    for i, adjusted in enumerate(adjust_p_values(p)):
        sets = [
            subset
            for size in range(1, len(p) + 1)
            for subset in combinations(range(len(p)), size)
            if i in subset
        ]
        closed = max(min(min(p[k] for k in subset) * len(subset), 1.0) for subset in sets)
        assert adjusted == pytest.approx(closed)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_adjustment_keeps_the_order_and_never_lowers_a_p_value(p_values: list[float]) -> None:
    raw = np.array(p_values)
    adjusted = adjust_p_values(raw)
    assert np.all(adjusted >= raw)
    assert np.all(adjusted <= 1)
    assert np.all(np.diff(adjusted[np.argsort(raw, kind="stable")]) >= 0)
