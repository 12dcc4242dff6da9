"""Jobs of a sweep: composing, checking and running them with a launcher of Hydra."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any

from hydra.types import HydraContext
from omegaconf import DictConfig

from sentiment.cli.interrupts import keeping_interrupts
from sentiment.commands.search.results import (
    JobResult,
    PlannedJob,
    discard_result,
    read_result,
    write_result,
)
from sentiment.commands.search.workers import NextJob
from sentiment.config import (
    check_config,
    describe_error,
    drop_hydra,
    explain_error,
    find_key,
    is_within,
    list_group_choices,
    list_typed,
    make,
    quote,
    suggest_command,
    write_command,
)
from sentiment.errors import ConfigError
from sentiment.redaction import redact
from sentiment.tracking import SweepRecord

# Jobs per batch of a launcher that queues them: enough that workers seldom wait for the slowest job
# of a batch, and few enough that a search learns from one batch to the next.
_QUEUED = 16
_POLL = 0.1  # seconds between two looks for results of jobs that run elsewhere
_MAX_RETURNED = 1000  # configs of checked jobs; one takes 46 kB


@dataclass(frozen=True)
class HydraSweep:
    """A multirun of Hydra: its config, and what composes and launches its jobs.

    Attributes
    ----------
    config : DictConfig
        The composed config, Hydra's own part included.
    context : HydraContext
        Of the running app.
    launcher : hydra Launcher
        Runs jobs.
    """

    config: DictConfig
    context: HydraContext
    launcher: Any

    @cached_property
    def task(self) -> DictConfig:
        """The config without Hydra's own part."""
        return drop_hydra(self.config)

    def compose(self, overrides: Sequence[str]) -> tuple[DictConfig, dict[str, str]]:
        """Return the config of a job and the config files chosen in it."""
        cfg = self.context.config_loader.load_sweep_config(self.config, list(overrides))
        return drop_hydra(cfg), list_group_choices(cfg.hydra.runtime.choices)

    def check_jobs(self, jobs: Iterable[Sequence[str]]) -> list[tuple[Sequence[str], DictConfig]]:
        """Check the configs of jobs before any is run; return those of the first 1,000 checked.

        A job is skipped if each of its words was checked beside the same choices of files: of a
        grid, that leaves as many as there are values.

        Parameters
        ----------
        jobs : iterable of sequence of str
            The overrides of each job.

        Raises
        ------
        ConfigError
            Names everything that is wrong with some job.
        """
        groups = set(map(str, self.config.hydra.runtime.choices))
        problems: dict[str, None] = {}
        checked: list[tuple[Sequence[str], DictConfig]] = []
        seen: set[tuple[frozenset[str], str]] = set()
        for overrides in jobs:
            chosen = frozenset(word for word in overrides if find_key(word) in groups)
            pairs = {(chosen, word) for word in ("", *overrides)}
            if pairs <= seen:
                continue
            seen |= pairs
            try:
                cfg = self.compose(overrides)[0]
                check_config(cfg)
                if len(checked) < _MAX_RETURNED:
                    checked.append((overrides, cfg))
            except Exception as error:  # Hydra and OmegaConf have many
                mistake = explain_error(error)
                if mistake is None:
                    raise
                problems |= dict.fromkeys(
                    mistake.problems if isinstance(mistake, ConfigError) else [str(mistake)]
                )
        if problems:
            raise ConfigError([*problems])
        return checked

    def check_sweep_settings(self) -> None:
        """Refuse ``hydra.sweep`` settings, which only Hydra's own sweepers use.

        Raises
        ------
        ConfigError
            One was typed.
        """
        for word in list_typed(self.config.hydra.overrides.hydra):
            if is_within(word, "hydra.sweep"):
                raise ConfigError(
                    [
                        f"{word!r} is not used: a sweep that can be resumed has a folder by its "
                        "name, <outputs>/sweep/<name> or <outputs>/search/<name>. Choose where "
                        "with outputs=<folder>."
                    ]
                )

    def list_typed(self) -> list[str]:
        """Return the typed overrides, redacted, without ``search.fresh``."""
        typed = self.config.hydra.overrides
        overrides = [*list_typed(typed.task), *list_typed(typed.hydra)]
        hidden = ("search.fresh", "hydra.mode")
        return [redact(word) for word in overrides if not is_within(word, *hidden)]

    def open_record(self, name: str, earlier: str | None, **tags: str) -> SweepRecord:
        """Return the tracked run of the sweep: `earlier`, or a new one of this name if it is None.

        Raises
        ------
        TrackingStoreError
            The store cannot be used.
        """
        tracker = make(self.task, "tracking", "open_sweep")
        tracker.open()
        command = write_command("train", ["-m", *self.list_typed()])
        record: SweepRecord = tracker.open_sweep(
            name, {"kind": "sweep", **tags, "command": command}, earlier
        )
        return record

    def suggest_resuming(self) -> str:
        """Return the command that resumes the sweep, for the terminal of this process."""
        return suggest_command("train", "-m", *self.list_typed())

    @property
    def is_parallel(self) -> bool:
        """True if jobs run side by side."""
        return self._launches_each or self._batch > 1

    @property
    def _launches_each(self) -> bool:
        return self.task.search.batch is None and hasattr(self.launcher, "launch_each")

    @property
    def _batch(self) -> int:
        if self.task.search.batch is not None:
            return int(self.task.search.batch)
        serial = str(self.config.hydra.launcher._target_).endswith(".BasicLauncher")
        return 1 if serial else _QUEUED

    def launch(self, next_job: NextJob) -> None:
        """Run the jobs that `next_job` returns, until it returns None."""
        if self._launches_each:
            self.launcher.launch_each(next_job)
            return
        # submitit pickles the config of each job, whose passwords nobody else may read.
        if folder := self.config.hydra.launcher.get("submitit_folder"):
            Path(str(folder).partition("%")[0]).mkdir(mode=0o700, parents=True, exist_ok=True)
        while jobs := list(islice(iter(next_job, None), self._batch)):
            self.launcher.launch([overrides for _, overrides in jobs], jobs[0][0])


class JobRunner:
    """Runs jobs and reports each result as soon as its file exists.

    A job writes its result into its folder, whichever process or machine it runs on, so no result
    is lost if this process dies. A job that ends without a result has failed.

    Parameters
    ----------
    folder : Path
        Where the folders of the jobs are.
    launch : callable
        Runs jobs until there are none; see `HydraSweep.launch`.
    compose : callable
        Composes the config of a job, or raises.
    on_result : callable
        Takes each result.
    on_wait : callable
        Called repeatedly while jobs run.
    """

    def __init__(
        self,
        folder: Path,
        launch: Callable[[NextJob], None],
        compose: Callable[[list[str]], Any],
        on_result: Callable[[JobResult], None],
        on_wait: Callable[[], None],
    ) -> None:
        self.folder = folder
        self._launch = launch
        self._compose = compose
        self._on_result = on_result
        self._on_wait = on_wait
        # Jobs under way; one thread at a time looks for their results.
        self._pending: dict[int, PlannedJob] = {}
        self._looking = threading.Lock()

    def run(self, next_job: Callable[[], PlannedJob | None]) -> None:
        """Run the jobs that `next_job` returns, until it returns None.

        `next_job` is called after the results of all ended jobs were reported.

        Raises
        ------
        Exception
            Whatever `next_job` or `on_result` raised.
        """
        postponed: list[PlannedJob] = []
        while True:
            problem, begun = None, time.time()
            with self._collecting() as problems, keeping_interrupts():
                try:
                    self._launch(partial(self._next_job, postponed, next_job, problems))
                except Exception as error:  # of the launcher: the jobs report their own
                    problem = error
            if problem is None and not self._pending:
                return
            for number, cause in self._find_errors(problem, begun).items():
                self._on_result(self._fail(self._pending.pop(number), begun, cause))
            postponed += self._pending.values()
            self._pending.clear()

    def _next_job(
        self,
        postponed: list[PlannedJob],
        next_job: Callable[[], PlannedJob | None],
        problems: list[BaseException],
    ) -> tuple[int, list[str]] | None:
        """Return the next job for the launcher, or None: no job is left, or there is a problem."""
        try:
            self._collect()
            if problems:
                return None
            job = postponed.pop(0) if postponed else next_job()
        except Exception as error:
            problems.append(error)
            return None
        if job is None:
            return None
        discard_result(self.folder / str(job.number))
        self._pending[job.number] = job
        return job.number, self._add_folder(job)

    def _add_folder(self, job: PlannedJob) -> list[str]:
        """Return the overrides of `job` with its own folder among them."""
        return [
            *job.overrides,
            f"hydra.sweep.dir={quote(str(self.folder))}",
            f"hydra.sweep.subdir='{job.number}'",
        ]

    def _find_errors(self, problem: Exception | None, begun: float) -> dict[int, Exception]:
        """Return the errors of the pending jobs that have failed, by number.

        The launcher has ended, with an error if there is a `problem`, which is raised if no job
        accounts for it. A job that never started has not failed, unless its config cannot be
        composed: it is run again.
        """
        if problem is not None and (faulty := self._find_faulty(self._pending.values())):
            return faulty
        started = [number for number in self._pending if self._was_started(number, begun)]
        if not started and problem is not None and not isinstance(problem, BrokenExecutor):
            raise problem
        error = RuntimeError(f"the job ended without a result ({problem or 'no error'})")
        return dict.fromkeys(started or self._pending, error)

    def _was_started(self, number: int, since: float) -> bool:
        """Return whether Hydra made the folder of a job."""
        folder = self.folder / str(number)
        return folder.is_dir() and folder.stat().st_mtime >= since - 1

    def _find_faulty(self, jobs: Iterable[PlannedJob]) -> dict[int, Exception]:
        """Return the errors of the jobs whose configs cannot be composed, by number."""
        faulty: dict[int, Exception] = {}
        for job in jobs:
            try:
                self._compose(self._add_folder(job))
            except Exception as error:  # Hydra and OmegaConf have many
                faulty[job.number] = error
        return faulty

    def _fail(self, job: PlannedJob, begun: float, error: Exception) -> JobResult:
        result = JobResult(
            number=job.number,
            overrides=list(job.overrides),
            started=begun,
            ended=time.time(),
            name="failed",
            error=describe_error(error),
        )
        write_result(self.folder / str(job.number), result)
        return result

    def _collect(self) -> None:
        """Report the results that have been written."""
        with self._looking:
            for number in sorted(self._pending):
                result = read_result(self.folder / str(number))
                if result is not None:
                    del self._pending[number]
                    self._on_result(result)

    @contextmanager
    def _collecting(self) -> Iterator[list[BaseException]]:
        """Report results while the ``with`` block runs, and the last ones at its end.

        Yields the list of errors so far; the first one is raised at the end.
        """
        is_over = threading.Event()
        problems: list[BaseException] = []

        def follow() -> None:
            try:
                while not is_over.wait(_POLL):
                    self._collect()
                    self._on_wait()
            except BaseException as error:
                problems.append(error)

        thread = threading.Thread(target=follow, name="results", daemon=True)
        thread.start()
        try:
            yield problems
        finally:
            is_over.set()
            thread.join()
            if not problems:
                self._collect()
        if problems:
            raise problems[0]
