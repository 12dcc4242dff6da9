"""Seconds, ratios and other figures, each with its spread and goals."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OURS = "sentiment"
_MORE_IS_BETTER = {"x", "%", "requests/s", "reviews/s"}


@dataclass(frozen=True)
class Plan:
    """Settings of a benchmark: counted rounds, those of slow functions, a folder for its files."""

    rounds: int
    slow_rounds: int
    folder: Path


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Attributes
    ----------
    what : str
        Description of the measurement.
    unit : str
        "s", "ms", "x" (speed-up), "requests/s", "MB", "%" or "exponent".
    value, low, high : float
        The figure and its spread over the rounds.
    target, aim : float, optional
        The value that it must reach, and a more ambitious one.
    seconds : dict of str to list of float
        Seconds of every counted round, by the name of the timed function.
    more : dict of str to float
        Further values.
    """

    what: str
    unit: str
    value: float
    low: float
    high: float
    target: float | None = None
    aim: float | None = None
    seconds: dict[str, list[float]] = field(default_factory=dict)
    more: dict[str, float] = field(default_factory=dict)

    def reaches(self, goal: float) -> bool:
        """Return whether the figure is as good as `goal` or better."""
        return self.value >= goal if self.unit in _MORE_IS_BETTER else self.value <= goal


def time_in_turn(
    works: Mapping[str, Callable[[], Any]], rounds: int
) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Time `works` one after the other, `rounds` times, after a warm-up round.

    If the machine is slow for a while, that affects all of them.

    Returns
    -------
    seconds : dict of str to list of float
        One number per round.
    results : dict of str to object
        The last result of each; earlier results are freed outside the timed sections.
    """
    seconds: dict[str, list[float]] = {name: [] for name in works}
    results: dict[str, Any] = {}
    for number in range(rounds + 1):
        for name, work in works.items():
            results.pop(name, None)
            gc.collect()
            start = time.perf_counter()
            results[name] = work()
            duration = time.perf_counter() - start
            if number:
                seconds[name].append(duration)
    return seconds, results


def summarize(what: str, unit: str, values: list[float], **others: Any) -> Figure:
    """Return the figure whose value is the median of `values`."""
    return Figure(what, unit, statistics.median(values), min(values), max(values), **others)


def time_calls(what: str, work: Callable[[], Any], rounds: int) -> Figure:
    """Return the seconds of `work`."""
    seconds, _ = time_in_turn({OURS: work}, rounds)
    return summarize(what, "s", seconds[OURS], seconds=seconds)


def compare(
    what: str, works: Mapping[str, Callable[[], Any]], rounds: int, **others: Any
) -> Figure:
    """Return the speed-up of the first of two `works` over the second."""
    seconds, _ = time_in_turn(works, rounds)
    return make_ratio(what, seconds, **others)


def make_ratio(what: str, seconds: dict[str, list[float]], **others: Any) -> Figure:
    """Return the speed-up of the first of two over the second.

    The value is the ratio of the medians, the spread is that of the ratios of single rounds.
    """
    ours, theirs = seconds.values()
    ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
    value = statistics.median(theirs) / statistics.median(ours)
    low, high = min([*ratios, value]), max([*ratios, value])
    return Figure(what, "x", value, low, high, seconds=seconds, **others)
