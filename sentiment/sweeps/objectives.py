"""What a sweep looks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan

from sentiment.errors import ConfigError, suggest
from sentiment.evaluation import METRICS
from sentiment.sweeps.results import JobResult

# Besides the metrics of predictions: what a model costs. Less is better.
COSTS = {"size_mb": "model/size_mb", "predict_seconds": "validation/predict_seconds"}


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

    def choose(self, results: Mapping[int, JobResult]) -> int | None:
        """Return the number of the best of `results`, the first of equals."""
        sign = -1 if self.more else 1
        found = {n: result.metrics.get(self.metric, nan) for n, result in results.items()}
        finished = sorted(n for n, value in found.items() if isfinite(value))
        return min(finished, key=lambda n: sign * found[n], default=None)


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
