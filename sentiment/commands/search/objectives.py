"""Objectives of a sweep."""

from collections.abc import Sequence
from dataclasses import dataclass

from sentiment.config.metrics import COSTS, METRICS
from sentiment.errors import ConfigError, suggest


@dataclass(frozen=True)
class Objective:
    """A metric of each job and its direction.

    Attributes
    ----------
    name : str
        What the user calls it.
    metric : str
        Its full name, such as ``validation/accuracy``.
    more : bool
        Whether more is better.
    """

    name: str
    metric: str
    more: bool


def find_objectives(names: Sequence[str]) -> list[Objective]:
    """Return the objectives that have these names.

    Raises
    ------
    ConfigError
        There is no such metric, or none was named.
    """
    known = [*METRICS, *COSTS]
    problems = [
        f"there is no metric {name!r} to optimize.{suggest(name, known)} "
        f"Expected one of {', '.join(known)}."
        for name in names
        if name not in known
    ]
    if not names:
        problems = ["search.objectives is empty; name a metric, such as accuracy."]
    if problems:
        raise ConfigError(problems)
    return [
        Objective(name, COSTS.get(name, f"validation/{name}"), METRICS.get(name, False))
        for name in names
    ]
