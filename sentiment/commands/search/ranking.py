"""Objectives of a sweep, and the ranking of its jobs by scores on the same rows."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite

from sentiment.commands.search.results import JobResult
from sentiment.config import is_within
from sentiment.config.metrics import COSTS, METRICS, describe_expected
from sentiment.errors import ConfigError, count_of, quote_list, suggest
from sentiment.tracking.choosing import describe_score

_SEED, _LIMIT = "seed", "data.limit"


@dataclass(frozen=True)
class Objective:
    """A metric of each job and its direction.

    Attributes
    ----------
    name : str
        Its name in settings.
    metric : str
        Its full name, such as ``validation/accuracy``; see `JobResult.find_metric`.
    greater_is_better : bool
        Its direction.
    """

    name: str
    metric: str
    greater_is_better: bool

    def measure_loss(self, value: float) -> float:
        """Return `value` with the sign by which less is better."""
        return -value if self.greater_is_better else value


def find_objectives(names: Sequence[str]) -> list[Objective]:
    """Return the objectives that have these names.

    Raises
    ------
    ConfigError
        There is no such metric, or none was named.
    """
    metrics = [*METRICS, *COSTS]
    problems = [
        f"there is no metric {name!r} to optimize.{suggest(name, metrics)} "
        f"Expected {describe_expected(COSTS)}."
        for name in names
        if name not in metrics
    ]
    if not names:
        problems = ["search.objectives is empty; name a metric, such as accuracy."]
    if problems:
        raise ConfigError(problems)
    return [
        Objective(name, COSTS.get(name, f"validation/{name}"), METRICS.get(name, False))
        for name in names
    ]


def format_with_std(score: float, std: float | None) -> str:
    """Return a score with four digits, and with its standard deviation if there is one."""
    return f"{score:.4f}" + ("" if std is None else f" ± {std:.4f}")


@dataclass(frozen=True)
class Place:
    """A place in a ranking: one job, or those that differ in their seed only.

    Attributes
    ----------
    numbers : tuple of int
        The jobs, the representative one first.
    score : float
        The objective; of several jobs its mean.
    std : float, optional
        Standard deviation over several jobs (n - 1).
    """

    numbers: tuple[int, ...]
    score: float
    std: float | None = None

    def __str__(self) -> str:
        return format_with_std(self.score, self.std)


@dataclass(frozen=True)
class Ranking:
    """Places of the jobs that can be compared, the best first.

    Attributes
    ----------
    places : sequence of Place
        Empty if no job has a score, or if no two scores can be compared.
    note : str
        Message on scores that were averaged or left out; empty if all jobs were validated on the
        same rows.
    """

    places: Sequence[Place]
    note: str = ""

    @property
    def winner(self) -> int | None:
        """The number of the best job."""
        return self.places[0].numbers[0] if self.places else None


def rank(results: Mapping[int, JobResult], objective: Objective) -> Ranking:
    """Return the ranking of the jobs that have a score.

    - Jobs on the same rows are ranked by their scores, equal ones by their number.
    - Where the seed differs, so does the split: jobs that differ in nothing else share a place, by
      their mean over all seeds.
    - Where the size of a sample differs (``data.limit``), jobs on the most rows are ranked.
    - Where the data differ in another way, scores cannot be compared, and there are no places.

    Parameters
    ----------
    results : mapping of int to JobResult
        Results by number.
    objective : Objective
        The metric and its direction.
    """
    scored = {
        number: result
        for number, result in sorted(results.items())
        if isfinite(result.read_score(objective.metric))
    }
    if len(_list_rows(scored)) <= 1:
        return Ranking(_sort([_place([n], scored, objective) for n in scored], objective))
    varied = {key for key in _list_data_settings(scored) if len(_list_values(scored, key)) > 1}
    if varied - {_SEED, _LIMIT}:
        keys = quote_list(sorted(varied - {_SEED, _LIMIT}))
        reason = f"the jobs were scored on different rows, since they differ in {keys}"
        return Ranking([], f"{reason}: their scores cannot be compared, and none is the best")
    notes = []
    comparable = _keep_largest(scored)
    if len(comparable) < len(scored):
        jobs = count_of(len(scored) - len(comparable), "job")
        notes.append(f"left out: {jobs} on fewer rows ({_LIMIT}), which cannot be compared")
    if len(_list_rows(comparable)) == 1:
        places = [_place([number], comparable, objective) for number in comparable]
        return Ranking(_sort(places, objective), "; ".join(notes))
    seeds = {result.settings.get(_SEED) for result in comparable.values()}
    if len(_list_rows(comparable)) > len(seeds):
        return Ranking([], "the data changed while the sweep ran: no score can be compared")
    places = _average(comparable, objective)
    averaged = f"scores are means over {len(seeds)} seeds"
    notes.append(f"{averaged}, since each seed scores other rows")
    unfinished = len(comparable) - len(seeds) * len(places)
    if unfinished:
        notes.append(f"left out: {count_of(unfinished, 'job')} without a score for every seed")
    return Ranking(_sort(places, objective), "; ".join(notes))


def _keep_largest(results: Mapping[int, JobResult]) -> dict[int, JobResult]:
    """Return the jobs on the largest sample, and those on the same rows as one of them."""
    limits = {n: _read_limit(result.settings.get(_LIMIT)) for n, result in results.items()}
    largest = max(limits.values())
    rows = _list_rows({n: result for n, result in results.items() if limits[n] == largest})
    return {n: result for n, result in results.items() if _read_rows(result) in rows}


def _average(results: Mapping[int, JobResult], objective: Objective) -> list[Place]:
    """Return a place for each setting that has a score for every seed."""
    seeds = {result.settings.get(_SEED) for result in results.values()}
    ignored = {_SEED, _LIMIT, *_list_followers(results)}
    by_setting: dict[tuple[tuple[str, str], ...], dict[str | None, int]] = {}
    for number, result in results.items():
        settings = {k: v for k, v in result.settings.items() if k not in ignored}
        jobs = by_setting.setdefault(tuple(sorted(settings.items())), {})
        jobs.setdefault(result.settings.get(_SEED), number)
    complete = [jobs for jobs in by_setting.values() if jobs.keys() == seeds]
    return [_place(list(jobs.values()), results, objective) for jobs in complete]


def _list_followers(results: Mapping[int, JobResult]) -> set[str]:
    """Return the settings that always equal the seed, such as ``model.random_state``."""
    keys = {key for result in results.values() for key in result.settings}
    return {
        key
        for key in keys
        if key.endswith("random_state")
        and all(
            result.settings.get(key) in (None, result.settings.get(_SEED))
            for result in results.values()
        )
    }


def _place(numbers: Sequence[int], results: Mapping[int, JobResult], objective: Objective) -> Place:
    scores = [results[number].read_score(objective.metric) for number in numbers]
    std = statistics.stdev(scores) if len(scores) > 1 else None
    return Place(tuple(sorted(numbers)), statistics.fmean(scores), std)


def _sort(places: Sequence[Place], objective: Objective) -> list[Place]:
    return sorted(places, key=lambda place: (objective.measure_loss(place.score), place.numbers))


def _read_rows(result: JobResult) -> str | None:
    rows = result.tags.get("data.fingerprint")
    return f"{rows} in folds" if rows and result.is_cross_validated else rows


def _list_rows(results: Mapping[int, JobResult]) -> set[str | None]:
    """Return the identities of the rows that jobs were scored on, as far as they are known."""
    return {_read_rows(result) for result in results.values()} - {None}


def _list_data_settings(results: Mapping[int, JobResult]) -> set[str]:
    keys = {key for result in results.values() for key in result.settings}
    return {key for key in keys if is_within(key, _SEED, "data", "cv")}


def _list_values(results: Mapping[int, JobResult], key: str) -> set[str | None]:
    return {result.settings.get(key) for result in results.values()}


def _read_limit(limit: str | None) -> float:
    return float(limit) if limit and limit.isdecimal() else inf


def describe_uncertainty(
    place: Place, results: Mapping[int, JobResult], objective: Objective
) -> str:
    """Return the interval of the score of a place in words, or "" if none is known."""
    result = results[place.numbers[0]]
    metric = result.find_metric(objective.metric)
    if place.std is not None or metric not in result.metrics:
        return ""
    score = describe_score(metric, result.metrics)
    return f"best #{place.numbers[0]}: {score}" if "interval" in score else ""
