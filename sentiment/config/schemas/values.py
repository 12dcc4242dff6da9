"""Types that settings share, with their ranges."""

import re
import warnings
from typing import Annotated
from urllib.parse import urlsplit

from sentiment.config.metrics import (
    ALL_BUILT_IN,
    COSTS,
    METRICS,
    describe_expected,
    list_custom_metrics,
)
from sentiment.config.project import EXPECTED, is_class_pattern
from sentiment.config.type_hints import Rule, one_of
from sentiment.files.dialects import is_encoding

_GOAL = re.compile(r"(precision|recall)\s*>=\s*(\d*\.?\d+)")
# Largest values of C's int, which solvers use for counts, and of seeds in NumPy.
INT_MAX, _SEED_MAX = 2**31 - 1, 2**32 - 1


def parse_goal(text: str) -> tuple[str, float] | None:
    """Return the metric and the smallest value of a goal, or None if `text` is not a goal.

    Examples
    --------
    >>> parse_goal("precision>=0.95")
    ('precision', 0.95)
    """
    match = _GOAL.fullmatch(text.strip())
    return (match[1], float(match[2])) if match and 0 < float(match[2]) <= 1 else None


def _is_web_address(text: str) -> bool:
    """Return whether `text` is an HTTP address with a host, by urllib's rules."""
    if not re.fullmatch(r"https?://[!-~]+", text):
        return False
    try:
        address = urlsplit(text)
        return bool(address.hostname) and address.port != 0
    except ValueError:  # brackets that are not closed, or a port above 65535
        return False


def _is_goal(text: str) -> bool:
    return text == "max_f1" or parse_goal(text) is not None


def is_pattern(text: str) -> bool:
    """Return whether `text` is a token pattern: a regular expression with at most one group."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return re.compile(text).groups <= 1
        except (re.error, OverflowError, RecursionError):
            return False


def is_range(pair: list[float]) -> bool:
    """Return whether these are two numbers, the smaller one first."""
    return len(pair) == 2 and pair[0] <= pair[1]


def at_least(minimum: int, expected: str, maximum: int = 2**63 - 1) -> Rule:
    """Return the rule of numbers from `minimum` to `maximum`; messages call them `expected`."""
    limits = (("minimum", minimum), ("maximum", maximum))
    return Rule(expected, lambda value: minimum <= value <= maximum, limits=limits)


_BETWEEN_0_AND_1 = (("exclusiveMinimum", 0), ("exclusiveMaximum", 1))


Text = Annotated[str, Rule("a text that is not empty", lambda text: bool(text.strip()))]
Folder = Annotated[str, Rule("a folder, such as outputs=outputs", lambda text: bool(text.strip()))]
Column = Annotated[str, Rule("the name of a column", bool)]
# A project may define its own metrics.
Metric = Annotated[
    str,
    Rule(
        describe_expected,
        METRICS.__contains__,
        tuple(ALL_BUILT_IN),
        list_more=list_custom_metrics,
    ),
]
Objective = Annotated[
    str,
    Rule(
        lambda: describe_expected(COSTS),
        lambda name: name in METRICS or name in COSTS,
        (*ALL_BUILT_IN, *COSTS),
        list_more=list_custom_metrics,
    ),
]
Count = Annotated[int, at_least(1, "a whole number above 0")]
# In joblib, negative numbers count down from the number of cores.
Jobs = Annotated[
    int,
    Rule("a whole number from 1 to 1,024, or -1 for all cores", lambda n: n and -1024 <= n <= 1024),
]
Automatic = Annotated[str, Rule("auto", "auto".__eq__, ("auto",))]
Refit = Annotated[str, one_of("auto", "all", "train+validation")]
Seed = Annotated[int, at_least(0, "a whole number from 0 to 2**32 - 1", _SEED_MAX)]
Share = Annotated[
    float, Rule("a share between 0 and 1", lambda value: 0 < value < 1, limits=_BETWEEN_0_AND_1)
]
Probability = Annotated[
    float,
    Rule("a number above 0 and below 1", lambda value: 0 < value < 1, limits=_BETWEEN_0_AND_1),
]
WebAddress = Annotated[
    str,
    Rule(
        "an address that begins with https:// or http://, with a host",
        _is_web_address,
        is_secret=True,
    ),
]
Factor = Annotated[
    float, Rule("a number above 1", lambda value: value > 1, limits=(("exclusiveMinimum", 1),))
]
Goal = Annotated[str, Rule("max_f1, precision>=0.95 or recall>=0.95", _is_goal)]
Positive = Annotated[
    float, Rule("a number above 0", lambda value: value > 0, limits=(("exclusiveMinimum", 0),))
]
Seconds = Annotated[
    float,
    Rule(
        "a number from 0 to 1e9",
        lambda value: 0 <= value <= 1e9,
        limits=(("minimum", 0), ("maximum", 1e9)),
    ),
]
Encoding = Annotated[
    str, Rule("utf-8, utf-16, latin-1, cp1252 or another that Python knows", is_encoding)
]
Level = Annotated[
    float,
    Rule(
        "a share from 0.5 to below 1, such as 0.95",
        lambda value: 0.5 <= value < 1,
        limits=(("minimum", 0.5), ("exclusiveMaximum", 1)),
    ),
]
# With fewer resamples, very few would determine the ends of a 95 % interval.
Resamples = Annotated[int, at_least(200, "a whole number from 200 to 1,000,000", 10**6)]
Trusted = list[Annotated[str, Rule(EXPECTED, is_class_pattern)]]
ModelName = Annotated[
    str,
    Rule(
        "a name without / : @ and full stops",
        lambda t: bool(t.strip()) and not set(t) & set("/:@."),
    ),
]
StudyName = Annotated[
    str,
    Rule(
        "a name of at most 200 characters that can be that of a folder: no /, no dot in front",
        lambda t: bool(t.strip()) and "/" not in t and t[0] != "." and len(t) <= 200,
    ),
]
