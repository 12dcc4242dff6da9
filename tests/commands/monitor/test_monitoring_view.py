"""Table of checks in a terminal."""

import io
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest
from rich.console import Console

from sentiment.commands.monitor.tables import format_effect
from sentiment.commands.monitor.view import _list_words, _tabulate_checks
from sentiment.modeling.drift import COHEN, FALL, WORSENING, Check


@pytest.mark.parametrize("width", [72, 80, 120])
def test_no_number_and_no_verdict_is_cut(width: int) -> None:
    name = "column channel_of_the_first_contact"
    checks = [
        Check("probability", 0.9316, 0.9364, 10.379, "distance", 0.1, 0.0002, "", drifted=True),
        Check(name, 0.25, 0.5, 123.961, "distance", 1.68, 0.5, "other value"),
    ]
    console = Console(file=io.StringIO(), width=width)
    console.print(_tabulate_checks(cast("Any", SimpleNamespace(checks=checks))))
    printed = cast("io.StringIO", console.file).getvalue()
    assert "…" not in printed
    heads = printed.splitlines()[1].strip("┃").split("┃")
    assert all(head.strip() for head in heads)  # each column has a name
    for word in ("drift", "10.379", "123.961", "1.68", "0.0002"):
        assert f" {word} " in printed
    names = "".join(line.split("│")[1].strip() for line in printed.splitlines() if "│" in line)
    assert names.replace(" ", "") == f"probability{name}(othervalue)".replace(" ", "")


@pytest.mark.parametrize(
    ("measure", "effect", "expected"),
    [
        (FALL, 0.09, "fell 0.090"),
        (FALL, -0.09, "rose 0.090"),
        (FALL, 0.0, "0.000"),
        (WORSENING, 0.25, "worse 0.250"),
        (WORSENING, -0.25, "better 0.250"),
        (COHEN, 0.09, "0.090"),
    ],
)
def test_an_effect_with_a_direction_says_it(measure: str, effect: float, expected: str) -> None:
    assert format_effect(Check("accuracy", 0.9, 0.9, effect, measure, 0.05, 0.5)) == expected


def test_words_that_changed_are_quoted() -> None:
    """Terms may be punctuation, which reads like the list without quotes."""
    names = ["?", ",", *(f"word {k}" for k in range(8))]
    shares = {"reference": 0.283, "current": 0.0, "effect": -1.0}
    words = _list_words(pd.DataFrame(shares, index=names))["fell"]
    assert words.startswith("'?' (28.3 % -> 0.0 %), ',' (28.3 % -> 0.0 %), 'word 0' (28.3 %")
    assert words.endswith("'word 5' (28.3 % -> 0.0 %) and 2 more")
