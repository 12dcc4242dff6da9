"""Sweeps: one parent run, made before the first job starts, to which all jobs belong."""

import json
import logging
import sys
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from sentiment.config import Job, make
from sentiment.evaluation import METRICS
from sentiment.tracking import Tracker

log = logging.getLogger(__name__)

# The jobs may run in other processes, or on other machines that share the folder.
_PARENT_FILE = "parent_run_id"


def parent_of(job: Job) -> str | None:
    """Return the run that `job` belongs to, or None if it is not part of a tracked sweep."""
    if job.sweep is None or not (job.sweep / _PARENT_FILE).is_file():
        return None
    return (job.sweep / _PARENT_FILE).read_text().strip()


class ParentRun(Callback):
    """Open the run of a sweep before its jobs, close it behind them and say which was best."""

    def __init__(self) -> None:
        self._tracker: Tracker | None = None
        self._run_id: str | None = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Make the store and the parent run."""
        tracker: Tracker = make(config, "tracking", "start_parent")
        tracker.open()
        overrides = " ".join(config.hydra.overrides.task)
        self._run_id = tracker.start_parent(f"sweep {overrides}".strip(), {"kind": "sweep"})
        self._tracker = tracker
        if self._run_id is not None:
            folder = Path(config.hydra.sweep.dir)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / _PARENT_FILE).write_text(self._run_id)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """End the parent run."""
        scores = read_scores(Path(config.hydra.sweep.dir), config.optimize)
        if scores:
            choose = max if METRICS.get(config.optimize, True) else min
            best = choose(scores, key=lambda number: scores[number])
            log.info("best: #%d, %s %.4f on validation", best, config.optimize, scores[best])
        if self._tracker is not None and self._run_id is not None:
            failed = sys.exc_info()[0] is not None
            self._tracker.end_parent(self._run_id, failed=failed)


def read_scores(folder: Path, metric: str) -> dict[int, float]:
    """Return the validation `metric` of each finished job of the sweep in `folder`."""
    return {
        int(path.parent.name): json.loads(path.read_text())[f"validation/{metric}"]
        for path in sorted(folder.glob("[0-9]*/metrics.json"))
    }
