"""Session of one process in a sweep: it records and ranks results, and trains the best."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from omegaconf import DictConfig

from sentiment.commands.search.failures import FailurePolicy
from sentiment.commands.search.observing import OBSERVER, SweepObserver
from sentiment.commands.search.ranking import Objective, Ranking, rank
from sentiment.commands.search.results import (
    WINNER,
    JobResult,
    PlannedJob,
    count_warnings,
    estimate_savings,
    read_results,
    read_winner,
    write_state,
)
from sentiment.commands.search.trial import list_refit_overrides, list_settings, read_data
from sentiment.commands.train.job import train
from sentiment.config import CHOICES, Job, convert_command_tag
from sentiment.errors import (
    ExitCode,
    RunNotRecordedError,
    SweepNotRecordedError,
    SweepUnfinishedError,
    TrackingStoreError,
    count_of,
    find_os_exit_code,
)
from sentiment.tracking import SweepRecord
from sentiment.tracking.recording import record_earlier

log = logging.getLogger(__name__)

# A store that is away costs a sweep no more than a tenth of its time: an attempt may take 40 s, so
# the next one waits for at least a minute, and for nine times as long as the last one took.
_SHORTEST_PAUSE, _PAUSE_FACTOR = 60.0, 9.0
# Seconds after which a process has certainly recorded an ended job; it takes a fraction of one.
_RECORDING = 60.0


@dataclass(frozen=True)
class Progress:
    """Tags and metrics of the run of a sweep: its best job so far."""

    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


class Recorder:
    """Records the jobs of a sweep in its tracked run, later if the store is away.

    Parameters
    ----------
    record : SweepRecord
        The run of the sweep.
    note : callable
        Shows a line to the user.

    Attributes
    ----------
    outage : TrackingStoreError or None
        Why the last attempt failed.
    """

    def __init__(self, record: SweepRecord, note: Callable[[str], None]) -> None:
        self.outage: TrackingStoreError | None = None
        self._record, self._note = record, note
        self._pending: dict[int, JobResult] = {}
        self._progress = self._recorded = Progress()
        self._next_attempt = 0.0
        # Whether an earlier attempt, here or elsewhere, may have been cut off at any point.
        self._is_unsure = False

    def begin(self, results: Mapping[int, JobResult], progress: Progress) -> None:
        """Record those jobs of earlier processes that the store does not hold."""
        self._is_unsure = True
        self._take(results, progress)

    def add(self, result: JobResult, progress: Progress) -> None:
        """Record a job that has just ended, or record it later if the store is away."""
        self._take({result.number: result}, progress)

    def flush(self) -> None:
        """Record what is pending.

        Raises
        ------
        TrackingStoreError
            The store is away.
        """
        start, count = time.monotonic(), len(self._pending)
        try:
            self._record_pending()
        except TrackingStoreError as error:
            now = time.monotonic()
            self._next_attempt = now + max(_SHORTEST_PAUSE, _PAUSE_FACTOR * (now - start))
            self._is_unsure = True
            if self.outage is None:
                self._note(
                    f"the tracking store is away ({error.reason}); the sweep continues, and its "
                    "jobs are recorded later"
                )
            self.outage = error
            raise
        if self.outage is not None:
            self._note(f"the tracking store is back: {count_of(count, 'job')} recorded")
            self.outage, self._next_attempt = None, 0.0

    def finish(self, progress: Progress) -> None:
        """Record what is pending, and the progress of all processes together; see `flush`."""
        self._progress = progress
        self.flush()

    def abandon(self) -> None:
        """End the run of a sweep that is not complete, as far as the store allows."""
        if self.outage is None:
            with contextlib.suppress(TrackingStoreError):
                self._record.end(complete=False)

    def _take(self, results: Mapping[int, JobResult], progress: Progress) -> None:
        self._pending |= results
        self._progress = progress
        if time.monotonic() >= self._next_attempt:
            with contextlib.suppress(TrackingStoreError):  # it is in `outage`
                self.flush()

    def _record_pending(self) -> None:
        if not self._pending and not self._is_unsure and self._progress == self._recorded:
            return
        if self._is_unsure:
            recorded = self._record.find_jobs()
            for number, result in list(self._pending.items()):
                # A job that was run again has ended later; a store keeps milliseconds.
                if recorded.get(number, 0) >= result.ended - 0.001:
                    del self._pending[number]
        for number, result in list(self._pending.items()):
            self._record.add_job(
                number,
                result.name,
                (result.started, result.ended),
                convert_command_tag(result.tags),
                {k: result.tags[k] for k in CHOICES if k in result.tags} | result.settings,
                result.metrics,
                "\n\n".join(part for part in (result.error, result.trace) if part),
            )
            del self._pending[number]
        self._record.update(self._progress.tags, self._progress.metrics)
        self._is_unsure, self._recorded = False, self._progress


@dataclass
class Session:
    """Part of one process in a sweep: it collects, records and ranks results.

    Attributes
    ----------
    name : str
        Name of the sweep.
    folder : Path
        Where the folders of its jobs are.
    objective : Objective
        What makes a job the best.
    record : SweepRecord
        The tracked run of the sweep.
    policy : FailurePolicy
        When to give up.
    tell : callable
        Called first with each result; a search enters it in its study.
    total : int
        Number of jobs of the sweep.
    shared : sequence of str
        The overrides that all jobs have.
    observer : SweepObserver
        Receives progress; default: the one that `OBSERVER` makes.
    find_others : callable
        Returns the results of other processes, by number.
    results : dict of int to JobResult
        The results of this process and of earlier ones, by number.
    """

    name: str
    folder: Path
    objective: Objective
    record: SweepRecord
    policy: FailurePolicy
    total: int
    shared: Sequence[str]
    observer: SweepObserver = field(default_factory=lambda: OBSERVER.get()())
    tell: Callable[[JobResult], None] = lambda result: None
    find_others: Callable[[], dict[int, JobResult]] = dict
    results: dict[int, JobResult] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._recorder = Recorder(self.record, self.observer.on_note)

    def begin(self, *, alone: bool = True) -> None:
        """Read the results of earlier processes, and record those that they did not record.

        If this process is not `alone`, others may be about to record the latest results.
        """
        self.results = read_results(self.folder)
        now = time.time()
        ended = {n: r for n, r in self.results.items() if alone or now - r.ended > _RECORDING}
        self._recorder.begin(ended, self._measure_progress())
        self.observer.on_sweep(
            self.name, self.shared, self.total, len(self.results), self.objective
        )

    def take(self, result: JobResult) -> None:
        """Take the result of a job that has just ended.

        Raises
        ------
        SweepStoppedError
            Too many jobs failed.
        """
        self.tell(result)
        self.results[result.number] = result
        self._recorder.add(result, self._measure_progress())
        self.observer.on_job(result, self.ranking)
        self.policy.add(result)

    @property
    def ranking(self) -> Ranking:
        """The ranking of the results so far."""
        return rank(self.find_others() | self.results, self.objective)

    def report_ranking(self) -> None:
        """Report the ranking at the end of all jobs, and each warning of jobs once."""
        known = self.find_others() | self.results
        for text, jobs in count_warnings(known.values()).items():
            log.warning("in %s of %s: %s", jobs, count_of(len(known), "job"), text)
        self.observer.on_ranking(self.ranking, known)

    def report_earlier_winner(self, best: int) -> None:
        """Report the run of the best job, if an earlier process has trained it."""
        winner = read_winner(self.folder)
        if winner is not None and winner.number == best:
            run = f"run {winner.run}" if winner.run else f"'{winner.folder}'"
            self.observer.on_note(f"#{best} was trained in full before: {run}")

    @property
    def failed(self) -> list[JobResult]:
        """The results of the jobs that failed."""
        return [result for _, result in sorted(self.results.items()) if result.error]

    def _measure_progress(self) -> Progress:
        results = self.find_others() | self.results
        places = rank(results, self.objective).places
        if not places:
            return Progress()
        best = results[places[0].numbers[0]]
        metric = best.find_metric(self.objective.metric)
        return Progress(
            {"best.job": str(best.number), "best.overrides": " ".join(best.overrides)},
            {f"best/{metric}": places[0].score, "jobs/done": float(len(results))},
        )

    @contextmanager
    def recording(self, command: str) -> Iterator[None]:
        """Complete the record of the sweep at the end of the ``with`` block, or close it on error.

        Raises
        ------
        SweepNotRecordedError
            The tracking store is away; `command` records what is missing.
        SweepUnfinishedError
            The disk is full; the same.
        KeyboardInterrupt
            Ctrl-C; the message has the number of results and the command that resumes.
        """
        try:
            yield
            self._recorder.finish(self._measure_progress())
            self.record.end(complete=True)
            jobs, seconds = estimate_savings(self.results.values())
            if seconds >= 1:
                self.observer.on_note(
                    f"counts were made once and read by {count_of(jobs, 'job')}, which saved "
                    f"{seconds:,.0f} s"
                )
        except BaseException as error:
            self._recorder.abandon()
            # The folders may hold results that this process has not taken yet.
            jobs = len(read_results(self.folder))
            if isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt(
                    f"stopped: {jobs} of {self.total} jobs are kept. Resume with: {command}"
                ) from error
            if isinstance(error, TrackingStoreError):
                is_trained = isinstance(error, RunNotRecordedError)
                is_trained = is_trained or read_winner(self.folder, keep=True) is not None
                raise SweepNotRecordedError(
                    error, self.folder, (jobs, self.total), command, trained=is_trained
                ) from error
            if isinstance(error, OSError) and find_os_exit_code(error) is ExitCode.IO_ERROR:
                raise SweepUnfinishedError(
                    error, self.folder, (jobs, self.total), command
                ) from error
            raise
        finally:
            self.observer.on_end()

    def train_winner(self, best: PlannedJob, cfg: DictConfig, choices: dict[str, str]) -> None:
        """Train the best job as a run of its own, and score it on the test rows, once.

        If an earlier process trained it but could not record it, that run is recorded.

        Parameters
        ----------
        best : PlannedJob
            The job.
        cfg : DictConfig
            As composed for it.
        choices : dict of str to str
            The config files in it.

        Raises
        ------
        TrackingStoreError
            The store is away; a model that was trained is kept.
        """
        self._recorder.flush()  # while the store is away, nothing is trained
        home = self.folder / WINNER
        job = Job(
            home, choices, [*best.overrides, *list_refit_overrides(cfg)], parent=self.record.id
        )
        data = read_data(cfg)
        recorded = record_earlier(cfg, home, list_settings(cfg), data.digests)
        if recorded is None:
            self.observer.on_note(
                f"training #{best.number} in full, and scoring it on test rows once"
            )
            trained = train(cfg, job, data=data)
        result = recorded or trained
        self.record.update(
            {"winner.run": str(result.run_id)},
            {k: v for k, v in result.metrics.items() if k.startswith("test/")},
        )
        facts = {
            "number": best.number,
            "run": result.run_id,
            "command": job.write_command(),
            # Another one if an earlier process was killed while it trained the winner.
            "folder": result.folder.relative_to(home.absolute()).as_posix(),
        }
        write_state(home / "job.json", facts)
        if recorded is None:
            self.observer.on_winner(best.number, trained)
        else:
            self.observer.on_recorded_winner(best.number, recorded)
