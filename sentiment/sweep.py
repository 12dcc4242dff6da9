"""Sweeps: one parent run, made before the first job starts, to which all jobs belong."""

import logging
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from sentiment.config import Job, make

log = logging.getLogger(__name__)

# The jobs may run in other processes, or on other machines that share the folder.
_PARENT_FILE = "parent_run_id"


def parent_of(job: Job) -> str | None:
    """Return the run that `job` belongs to, or None if it is not part of a tracked sweep."""
    if job.sweep is None or not (job.sweep / _PARENT_FILE).is_file():
        return None
    return (job.sweep / _PARENT_FILE).read_text().strip()


class ParentRun(Callback):
    """Open the run of a sweep before its jobs and close it behind them."""

    def __init__(self) -> None:
        self._tracker: Any = None
        self._run_id: str | None = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Make the store and the parent run."""
        folder = Path(config.hydra.sweep.dir).resolve()
        self._tracker = make(config, "tracking", "start_parent")
        self._tracker.open()
        overrides = " ".join(config.hydra.overrides.task)
        self._run_id = self._tracker.start_parent(f"sweep {overrides}".strip(), {"kind": "sweep"})
        if self._run_id is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / _PARENT_FILE).write_text(self._run_id)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """End the parent run."""
        if self._run_id is not None:
            self._tracker.end_parent(self._run_id)
