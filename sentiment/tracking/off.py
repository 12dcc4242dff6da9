"""No tracking: what a run makes stays in its own folder."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sentiment.errors import ConfigError, RunNotFoundError
from sentiment.tracking.folder import MODEL, RunFacts, RunFolder
from sentiment.tracking.records import ModelChoice, RunRecord, SweepRecord, Tracker

if TYPE_CHECKING:
    from sentiment.tracking.registry import MlflowRegistry


class NoTracker(Tracker):
    """A tracker that keeps no record."""

    @contextlib.contextmanager
    def start(self, name: str, tags: dict[str, str]) -> Iterator[RunRecord]:
        """Start a run that leaves no record; its model stays in its folder."""
        yield _UntrackedRun()

    def record(self, folder: RunFolder, facts: RunFacts) -> tuple[str, str]:
        """Raise, since there is no record."""
        raise ConfigError(["tracking=off records nothing; choose tracking=mlflow."])

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

    def record(self, folder: RunFolder, facts: RunFacts) -> str:
        """Return the path of the model in the folder of the run, if it has one."""
        return str(folder.path / MODEL) if MODEL in folder.files else ""
