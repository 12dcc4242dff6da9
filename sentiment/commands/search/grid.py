"""A grid: every combination of the typed values, each once."""

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from omegaconf import DictConfig, OmegaConf

from sentiment.commands.search.failures import FailurePolicy, check_failures
from sentiment.commands.search.launching import HydraSweep, JobRunner
from sentiment.commands.search.ranking import Objective, find_objectives, rank
from sentiment.commands.search.results import (
    GRID,
    JobResult,
    PlannedJob,
    discard_result,
    find_newest,
    read_results,
    read_state,
    read_winner,
    write_state,
)
from sentiment.commands.search.session import Session
from sentiment.commands.search.studies.spaces import MAX_POINTS
from sentiment.commands.search.trial import (
    describe_left_out,
    find_unlearnable,
    is_housekeeping,
    list_settings,
    read_data,
)
from sentiment.config import is_within
from sentiment.data.preparation import DIGESTS
from sentiment.errors import ConfigError, SweepBusyError
from sentiment.files.locking import hold_lock
from sentiment.redaction import redact

# Whether everything in the folder of a grid is recorded in the tracking store.
_COMPLETE = "is_recorded"
# Data are read before the first job to find classes that are too small, and again by their jobs.
# For more data sets, such as many samples of one table, that would be a long wait.
_MAX_DATA_SETS = 10


def check_values(overrides: Sequence[Override]) -> None:
    """Check that each override of a grid has values that can be listed, and not too many.

    Raises
    ------
    ConfigError
        An override has no values that can be listed, or there are too many jobs.
    """
    problems, jobs = [], 1
    for override in overrides:
        value = override.value()
        if isinstance(value, IntervalSweep):
            expected = "expected values, a,b or range(1,4); a search draws from intervals: search="
            problems.append(f"{override.input_line}: {expected}<name>.")
        elif isinstance(value, RangeSweep):
            count = count_range(value)
            jobs *= count
            if not count:
                problems.append(f"{override.input_line}: there is no value in this range.")
        elif isinstance(value, ChoiceSweep):
            jobs *= len(value.list)
    if jobs > MAX_POINTS:
        problems.append(
            f"this grid has {jobs:,} jobs; expected at most {MAX_POINTS:,}. List fewer values, or "
            "let a search choose among them: search=<name> search.n_trials=100."
        )
    if problems:
        raise ConfigError(problems)


def list_points(overrides: Sequence[Override]) -> list[list[str]]:
    """Return the overrides of each job of a grid.

    Hydra's own sweeper would write ``~key``, which deletes a setting, as ``~key=null``.

    Raises
    ------
    ConfigError
        There are values that cannot be listed, or too many.
    """
    check_values(overrides)
    choices: dict[str, list[str]] = {}
    for override in overrides:
        key = override.get_key_element()
        if override.is_sweep_override():
            choices[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        elif override.is_delete():
            choices[key] = [str(override.input_line)]
        else:
            choices[key] = [f"{key}={override.get_value_element_as_str()}"]
    return [list(point) for point in itertools.product(*choices.values())]


def count_range(swept: RangeSweep) -> int:
    """Return the number of values in a range, without listing them."""
    start, stop, step = (Fraction(str(end)) for end in (swept.start, swept.stop, swept.step))
    return max(0, math.ceil((stop - start) / step)) if step else 0


def run_grid(hydra: HydraSweep, points: Sequence[Sequence[str]]) -> None:
    """Start or resume a grid: run the jobs that have not succeeded, and train the best job.

    The same command resumes a grid that was interrupted or whose tracking store was away, and runs
    its failed jobs again. A complete grid starts anew in another folder.

    Parameters
    ----------
    hydra : HydraSweep
        Config and launcher of the sweep.
    points : sequence of sequence of str
        The overrides of each job.

    Raises
    ------
    SentimentError
        The config cannot be run, or jobs failed.
    """
    cfg = hydra.task
    jobs = hydra.check_jobs(points)
    (objective,) = find_objectives([cfg.optimize])
    points, notes = _leave_out(points, jobs)
    home = Path(cfg.outputs).resolve() / "sweep"
    taken = [path.name for path in home.glob("*") if path.is_dir()]
    newest, following = find_newest(_name_grid(cfg, points), taken)
    folder = home / (newest or following)
    if cfg.search.fresh or not _can_resume(hydra, folder, points, objective):
        folder = home / following
    folder.mkdir(parents=True, exist_ok=True)
    with hold_folder(folder):
        _run(hydra, points, objective, folder, notes)


def _leave_out(
    points: Sequence[Sequence[str]], jobs: Iterable[tuple[Sequence[str], DictConfig]]
) -> tuple[list[Sequence[str]], list[str]]:
    """Leave out the points whose data have too few rows; return the others and lines on the rest.

    Parameters
    ----------
    points : sequence of sequence of str
        The overrides of each job.
    jobs : iterable of (overrides, config)
        The jobs that were checked.

    Raises
    ------
    SentimentError
        Data cannot be read, or are not enough for any job.
    """
    jobs_by_data: dict[str, list[tuple[Sequence[str], DictConfig]]] = {}
    for overrides, cfg in jobs:
        settings = OmegaConf.to_yaml(cfg.data, resolve=True, sort_keys=True)
        jobs_by_data.setdefault(settings, []).append((overrides, cfg))
    if len(jobs_by_data) > _MAX_DATA_SETS:
        return [*points], []
    shared = set(points[0]).intersection(*points)
    left_out: dict[tuple[str, ...], dict[str, str]] = {}
    reasons: dict[str, str] = {}
    problems: list[str] = []
    for group in jobs_by_data.values():
        data = " ".join(word for word in _select_data(group[0][0]) if word not in shared)
        try:
            unlearnable = find_unlearnable(group)
        except ConfigError as error:
            problems += [f"{data}: {problem}" if data else problem for problem in error.problems]
            continue
        left_out |= {_select_data(overrides): unlearnable for overrides, _ in group}
        reasons |= {
            f"{override} on {data}" if data else override: reason
            for override, reason in unlearnable.items()
        }
    if problems:
        raise ConfigError(problems)
    learnable = [
        point for point in points if left_out.get(_select_data(point), {}).keys().isdisjoint(point)
    ]
    return learnable, describe_left_out(reasons)


def _select_data(overrides: Iterable[str]) -> tuple[str, ...]:
    """Return the overrides that determine the data of a job."""
    return tuple(word for word in overrides if is_within(word, "data", "experiment"))


def _run(
    hydra: HydraSweep,
    points: Sequence[Sequence[str]],
    objective: Objective,
    folder: Path,
    notes: Sequence[str],
) -> None:
    results = read_results(folder)
    failed = [number for number, result in results.items() if result.error]
    for number in failed:
        discard_result(folder / str(number))
    name = f"sweep {' '.join(hydra.list_typed())}".strip()
    record = hydra.open_record(name, (read_state(folder / GRID) or {}).get("run_id"))
    facts = {"run_id": record.id, "objective": objective.name, "jobs": len(points)}
    write_state(folder / GRID, facts | {_COMPLETE: False})
    session = Session(
        name=folder.name,
        folder=folder,
        objective=objective,
        record=record,
        policy=FailurePolicy(hydra.task.search.max_failures, fresh=len(failed) == len(results)),
        total=len(points),
        shared=[redact(word) for word in points[0] if all(word in point for point in points)],
    )
    session.begin()
    for line in notes:
        session.observer.on_note(line)
    pending = [
        PlannedJob(number, point)
        for number, point in enumerate(points)
        if number not in session.results
    ]
    runner = JobRunner(folder, hydra.launch, hydra.compose, session.take, lambda: None)
    with session.recording(hydra.suggest_resuming()):
        runner.run(partial(next, iter(pending), None))
        session.report_ranking()
        best, winner = session.ranking.winner, read_winner(folder)
        if best is not None and winner is not None and winner.number == best:
            session.report_earlier_winner(best)
        elif best is not None:
            session.train_winner(PlannedJob(best, points[best]), *hydra.compose(points[best]))
    write_state(folder / GRID, facts | {_COMPLETE: True})
    check_failures(session.failed, len(points))


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Lock the folder of a grid, so that no other process runs its jobs at the same time.

    Raises
    ------
    SweepBusyError
        Another process has locked it.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(hold_lock(folder / ".lock", wait=False))
        except BlockingIOError as error:
            raise SweepBusyError(folder) from error
        yield


def _name_grid(cfg: DictConfig, points: Sequence[Sequence[str]]) -> str:
    """Return a name of the grid, the same for the same jobs however they are run."""
    shown = [[redact(word) for word in point if not is_housekeeping(word)] for point in points]
    identity = json.dumps([list_settings(cfg), cfg.optimize, shown], default=str)
    return hashlib.sha256(identity.encode()).hexdigest()[:8]


def _can_resume(
    hydra: HydraSweep, folder: Path, points: Sequence[Sequence[str]], objective: Objective
) -> bool:
    """Return whether the grid is incomplete and its data have not changed."""
    succeeded = [result for result in read_results(folder).values() if not result.error]
    winner = rank({result.number: result for result in succeeded}, objective).winner
    is_trained = winner is None or read_winner(folder) is not None
    # Earlier versions did not keep whether the store has everything.
    is_recorded = (read_state(folder / GRID) or {}).get(_COMPLETE, True)
    if len(succeeded) == len(points) and is_trained and is_recorded:
        return False
    digests: dict[str, dict[str, str]] = {}
    return all(
        _read_digests(hydra, result, points[result.number], digests)
        == {tag: result.tags[tag] for tag in DIGESTS if tag in result.tags}
        for result in succeeded
    )


def _read_digests(
    hydra: HydraSweep, result: JobResult, point: Sequence[str], cache: dict[str, dict[str, str]]
) -> dict[str, str]:
    """Return the digests of the data of a job as they are now, read once for the same settings."""
    data = {k: v for k, v in result.settings.items() if is_within(k, "data", "seed")}
    key = json.dumps(data, sort_keys=True)
    if key not in cache:
        cache[key] = read_data(hydra.compose(point)[0]).digests
    return cache[key]
