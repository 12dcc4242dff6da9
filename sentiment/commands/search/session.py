"""One process's part in a sweep: it records and ranks results, and trains the best."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from omegaconf import DictConfig

from sentiment.commands.search.failures import FailurePolicy
from sentiment.commands.search.objectives import Objective
from sentiment.commands.search.observing import SweepObserver
from sentiment.commands.search.ranking import Ranking, rank
from sentiment.commands.search.recorder import Progress, Recorder
from sentiment.commands.search.results import WINNER, JobResult, read_results
from sentiment.commands.search.savings import estimate_savings
from sentiment.commands.search.state import write_state
from sentiment.commands.search.trial import list_settings, read_data
from sentiment.commands.train.job import train
from sentiment.config import Job, make
from sentiment.errors import RunNotRecordedError, SweepNotRecordedError, TrackingStoreError
from sentiment.tracking import MODEL, RunFacts, RunFolder, SweepRecord
from sentiment.tracking.recording import RecordingResult, find_kept_run, record_kept

# Seconds in which a process records a job that has ended; it takes a fraction of one.
_RECORDING = 60.0


@dataclass
class Session:
    """Record of the results of a sweep.

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
    observer : SweepObserver
        Receives progress.
    policy : FailurePolicy
        When to give up.
    tell : callable
        Enters a result elsewhere, such as in a study, before anything else happens to it.
    total : int
        How many jobs there will be.
    shared : sequence of str
        The overrides that all jobs have.
    find_others : callable
        Returns what other processes found as well, by number.
    results : dict of int to JobResult
        The results of this process and of earlier ones, by number.
    """

    name: str
    folder: Path
    objective: Objective
    record: SweepRecord
    observer: SweepObserver
    policy: FailurePolicy
    total: int
    shared: Sequence[str]
    tell: Callable[[JobResult], None] = lambda result: None
    find_others: Callable[[], dict[int, JobResult]] = dict
    results: dict[int, JobResult] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._recorder = Recorder(self.record, self.observer.on_note)

    def begin(self, *, alone: bool = True) -> None:
        """Take up what an earlier process left: its results, and those it did not record.

        If this process is not `alone`, others may be about to record what has just ended.
        """
        self.results = read_results(self.folder)
        now = time.time()
        left = {n: r for n, r in self.results.items() if alone or now - r.ended > _RECORDING}
        self._recorder.begin(left, self._measure_progress())
        done = len(self.results)
        self.observer.on_sweep(self.name, self.shared, self.total, done, self.objective)

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
        """Report the ranking at the end of all jobs."""
        self.observer.on_ranking(self.ranking, self.find_others() | self.results)

    @property
    def failed(self) -> list[JobResult]:
        """The results of the jobs that failed."""
        return [result for _, result in sorted(self.results.items()) if result.error]

    def _measure_progress(self) -> Progress:
        known = self.find_others() | self.results
        places = rank(known, self.objective).places
        if not places:
            return Progress()
        best = known[places[0].numbers[0]]
        return Progress(
            {"best.job": str(best.number), "best.overrides": " ".join(best.overrides)},
            {f"best/{self.objective.metric}": places[0].score, "jobs/done": float(len(known))},
        )

    @contextmanager
    def keeping(self, command: str) -> Iterator[None]:
        """End the record of the sweep with the ``with`` block, however that ends.

        Raises
        ------
        SweepNotRecordedError
            The tracking store is away; `command` records what is missing.
        """
        try:
            yield
            self._recorder.flush()
            self.record.end(complete=True)
            found, saved = estimate_savings(self.results.values())
            if found:
                self.observer.on_note(
                    f"counts were made once and read by {found} job{'s' * (found != 1)}, which "
                    f"saved {saved:,.0f} s"
                )
        except BaseException as error:
            self._recorder.abandon()
            # Some results may not have been taken yet.
            kept = len(read_results(self.folder))
            if isinstance(error, KeyboardInterrupt):
                self.observer.on_note(
                    f"stopped: {kept} of {self.total} jobs are kept. Resume with: {command}"
                )
            if isinstance(error, TrackingStoreError):
                trained = isinstance(error, RunNotRecordedError)
                raise SweepNotRecordedError(
                    error, self.folder, (kept, self.total), command, trained=trained
                ) from error
            raise
        finally:
            self.observer.on_end()

    def train_winner(
        self, number: int, overrides: list[str], cfg: DictConfig, choices: dict[str, str]
    ) -> None:
        """Train the best job as a run of its own, and score it on the test rows, once.

        One that an earlier process trained and could not record is recorded instead.

        Parameters
        ----------
        number : int
            The job.
        overrides : list of str
            What it was asked for.
        cfg : DictConfig
            As composed for the best job.
        choices : dict of str to str
            The config files in it.

        Raises
        ------
        TrackingStoreError
            The store is away; a model that was trained is kept.
        """
        self._recorder.flush()  # while it is away, nothing is trained for it
        home = self.folder / WINNER
        job = Job(home, choices, overrides, parent=self.record.id)
        data = read_data(cfg)
        kept = find_kept_run(home, list_settings(cfg), data.fingerprint)
        if kept is None:
            self.observer.on_note(f"training #{number} in full, and scoring it on test rows once")
            result = train(cfg, job, data=data)
            run_id, metrics, folder = result.run_id, result.metrics, result.folder
        else:
            recorded = self._record_kept(cfg, *kept)
            run_id, metrics, folder = recorded.run_id, kept[1].metrics, recorded.folder
        self.record.update(
            {"winner.run": str(run_id)},
            {k: v for k, v in metrics.items() if k.startswith("test/")},
        )
        facts = {
            "number": number,
            "run": run_id,
            "command": job.write_command(),
            # Another one if an earlier process was killed while it trained the winner.
            "folder": folder.relative_to(home.absolute()).as_posix(),
        }
        write_state(home / "job.json", facts)
        if kept is None:
            self.observer.on_winner(number, result, cfg.tracking.get("uri"))
        else:
            self.observer.on_recorded_winner(number, recorded)

    def _record_kept(self, cfg: DictConfig, folder: RunFolder, facts: RunFacts) -> RecordingResult:
        if self.record.id is None:  # without tracking
            return RecordingResult(None, str(folder.path / MODEL), facts.name, folder.path)
        return record_kept(make(cfg, "tracking", "record"), folder, facts)
