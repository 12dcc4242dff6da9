"""No tracking: what a run makes stays in its own folder."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from sklearn.pipeline import Pipeline

from sentiment.errors import RunNotFoundError
from sentiment.model_files import save_model
from sentiment.tracking.folder import MODEL, RunFolder
from sentiment.tracking.records import ModelChoice, RunRecord, SweepRecord, Tracker

if TYPE_CHECKING:
    from sentiment.tracking.registry import MlflowRegistry


class NoTracker(Tracker):
    """A tracker that keeps no record."""

    @contextlib.contextmanager
    def start(
        self, name: str, tags: dict[str, str], parent_id: str | None = None
    ) -> Iterator[RunRecord]:
        """Start a run that leaves no record; its model is saved in the folder of the job."""
        yield _UntrackedRun()

    def open_sweep(self, name: str, tags: dict[str, str], run_id: str | None) -> SweepRecord:
        """Return a record that keeps nothing."""
        return _Unrecorded()

    def find_model(self, run: str, metric: str, *, greater_is_better: bool) -> ModelChoice:
        """Raise, since nothing was tracked."""
        raise RunNotFoundError(
            f"run {run!r}",
            "off",
            "They are found only where training tracked them: tracking=mlflow.",
        )

    def open_registry(self, name: str) -> "MlflowRegistry":
        """Raise, since nothing is registered."""
        raise RunNotFoundError(
            f"the registered model {name!r}", "off", "Models are registered with tracking=mlflow."
        )


class _Unrecorded(SweepRecord):
    """No record of a sweep."""


class _UntrackedRun(RunRecord):
    id = None

    def log_model(
        self, pipeline: Pipeline, example: pd.DataFrame, folder: RunFolder
    ) -> tuple[str, Path]:
        path = folder.add(MODEL)
        save_model(pipeline, path)
        return str(path), path
