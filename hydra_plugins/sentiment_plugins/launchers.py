"""A launcher of worker processes. Hydra loads it at every start, so it imports lazily."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn

    from sentiment.commands.search.workers import NextJob


class WorkerLauncher(Launcher):
    """Launcher whose worker processes are reused: each gets the next job when it has ended one.

    The official joblib launcher runs jobs in batches, and each batch waits for its slowest job.

    Parameters
    ----------
    n_jobs, inner_max_num_threads : int, optional
        See `sentiment.config.schemas.WorkerSettings`.
    """

    def __init__(self, n_jobs: int = -1, inner_max_num_threads: int | None = None) -> None:
        from sentiment.config.schemas import WorkerSettings

        settings = WorkerSettings(n_jobs=n_jobs, inner_max_num_threads=inner_max_num_threads)
        self._limits = (settings.n_jobs, settings.inner_max_num_threads)

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Start the workers, which import libraries while the sweep is prepared."""
        from sentiment.commands.search.workers import Workers

        self._workers = Workers(*self._limits, (hydra_context, config, task_function))

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> "Sequence[JobReturn]":
        """Run these jobs."""
        jobs = iter(enumerate(job_overrides, initial_job_idx))
        return self.launch_each(lambda: next(jobs, None))

    def launch_each(self, next_job: "NextJob") -> "Sequence[JobReturn]":
        """Run the jobs that `next_job` returns, until it returns None."""
        return self._workers.run(next_job)
