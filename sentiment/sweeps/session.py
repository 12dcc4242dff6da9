"""One process's part in a sweep: results are recorded, told and judged, and the best is trained."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from omegaconf import DictConfig

from sentiment.config import Job
from sentiment.sweeps.failures import FailurePolicy
from sentiment.sweeps.objectives import Objective
from sentiment.sweeps.observing import SweepObserver
from sentiment.sweeps.ranking import Ranking, rank
from sentiment.sweeps.results import WINNER, JobResult, read_results
from sentiment.sweeps.savings import estimate_savings
from sentiment.sweeps.state import write_state
from sentiment.sweeps.trial import read_data
from sentiment.tracking import SweepRecord
from sentiment.training import train

# Seconds in which a process records a job that has ended; it takes a fraction of one.
_RECORDING = 60.0


@dataclass
class Session:
    """What happens to the results of a sweep.

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
        Whoever watches.
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

    def begin(self, *, alone: bool = True) -> None:
        """Take up what an earlier process left: its results, and those it did not record.

        If this process is not `alone`, others may be about to record what has just ended.
        """
        self.results = read_results(self.folder)
        recorded = self.record.find_jobs()
        for number, result in sorted(self.results.items()):
            # One that was run again has ended later; a store keeps milliseconds.
            left = alone or time.time() - result.ended > _RECORDING
            if left and recorded.get(number, 0) < result.ended - 0.001:
                self._record(result)
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
        self._record(result)
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

    def _record(self, result: JobResult) -> None:
        parts = (result.error, result.trace)
        self.record.add_job(
            result.number,
            result.name,
            (result.started, result.ended),
            result.tags,
            result.settings,
            result.metrics,
            "\n\n".join(part for part in parts if part),
        )
        known = self.find_others() | self.results
        places = rank(known, self.objective).places
        if places:
            best = known[places[0].numbers[0]]
            self.record.update(
                {"best.job": str(best.number), "best.overrides": " ".join(best.overrides)},
                {
                    f"best/{self.objective.metric}": places[0].score,
                    "jobs/done": float(len(known)),
                },
            )

    @contextmanager
    def keeping(self, command: str) -> Iterator[None]:
        """End the record of the sweep with the ``with`` block, however that ends."""
        complete = False
        try:
            yield
            complete = True
            found, saved = estimate_savings(self.results.values())
            if found:
                self.observer.on_note(
                    f"counts were made once and read by {found} jobs, which saved {saved:,.0f} s"
                )
        except KeyboardInterrupt:
            # Some may not have been taken yet.
            kept = len(read_results(self.folder))
            self.observer.on_note(
                f"stopped: {kept} of {self.total} jobs are kept. Go on with: {command}"
            )
            raise
        finally:
            self.observer.on_end()
            self.record.end(complete=complete)

    def train_winner(
        self, number: int, overrides: list[str], cfg: DictConfig, choices: dict[str, str]
    ) -> None:
        """Train the best job as a run of its own, and score it on the test rows, once.

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
        """
        self.observer.on_note(f"training #{number} in full, and scoring it on test rows once")
        folder = self.folder / WINNER
        job = Job(folder, choices, overrides, parent=self.record.id)
        result = train(cfg, job, data=read_data(cfg))
        facts = {
            "number": number,
            "run": result.run_id,
            "command": job.write_command(),
            # Another one if an earlier process was killed while it trained the winner.
            "folder": result.folder.relative_to(folder.absolute()).as_posix(),
        }
        write_state(folder / "job.json", facts)
        self.record.update(
            {"winner.run": str(result.run_id)},
            {k: v for k, v in result.metrics.items() if k.startswith("test/")},
        )
        self.observer.on_winner(number, result, cfg.tracking.get("uri"))
