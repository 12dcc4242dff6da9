"""A launcher of worker processes; Hydra loads this at every start, so what it needs comes later."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn

    from sentiment.commands.search.workers import NextJob


class WorkerLauncher(Launcher):
    """Worker processes that are kept for all jobs, each given the next when it has ended one.

    The official joblib launcher takes jobs in batches, and each batch waits for its slowest.

    Parameters
    ----------
    n_jobs, inner_max_num_threads : int, optional
        See `sentiment.config.schemas.WorkerSettings`.
    """

    def __init__(self, n_jobs: int = -1, inner_max_num_threads: int | None = None) -> None:
        from sentiment.config.schemas import WorkerSettings

        given = WorkerSettings(n_jobs=n_jobs, inner_max_num_threads=inner_max_num_threads)
        self._numbers = (given.n_jobs, given.inner_max_num_threads)

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Start the workers, which get ready while the sweep does."""
        from sentiment.commands.search.workers import Workers

        self._workers = Workers(*self._numbers, (hydra_context, config, task_function))

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> "Sequence[JobReturn]":
        """Run these jobs."""
        jobs = iter(enumerate(job_overrides, initial_job_idx))
        return self.launch_each(lambda: next(jobs, None))

    def launch_each(self, next_job: "NextJob") -> "Sequence[JobReturn]":
        """Run the jobs that `next_job` gives, until it gives none."""
        return self._workers.run(next_job)
