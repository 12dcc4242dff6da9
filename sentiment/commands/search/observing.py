"""Progress callbacks of a sweep, in a context variable, since Hydra passes none to a sweeper."""

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the command sets its observer before anything heavy is loaded
    from sentiment.commands.search.ranking import Objective, Ranking
    from sentiment.commands.search.results import JobResult
    from sentiment.commands.train.job import TrainingResult
    from sentiment.tracking.recording import RecordingResult


class SweepObserver:
    """Progress callback of a sweep, called by one thread at a time; the base class does nothing."""

    def on_sweep(
        self, name: str, shared: Sequence[str], total: int, done: int, objective: "Objective"
    ) -> None:
        """Handle the start of a sweep, or its resumption.

        Parameters
        ----------
        name : str
            Name of the sweep.
        shared : sequence of str
            The overrides that all jobs have.
        total, done : int
            Number of jobs, and how many of them earlier processes have done.
        objective : Objective
            What makes a job the best.
        """

    def on_job(self, result: "JobResult", ranking: "Ranking") -> None:
        """Handle the end of a job; `ranking` is that of all jobs so far."""

    def on_ranking(self, ranking: "Ranking", results: "Mapping[int, JobResult]") -> None:
        """Handle the final ranking; `results` holds all jobs by number."""

    def on_note(self, text: str) -> None:
        """Handle a message for the user."""

    def on_winner(self, number: int, result: "TrainingResult") -> None:
        """Handle the recorded training of the best job."""

    def on_recorded_winner(self, number: int, result: "RecordingResult") -> None:
        """Handle the late record of the best job, which an earlier process has trained."""

    def on_end(self) -> None:
        """Handle the end of the sweep."""


# Makes the callback for the sweeps of this thread.
OBSERVER: ContextVar[Callable[[], SweepObserver]] = ContextVar("OBSERVER", default=SweepObserver)
