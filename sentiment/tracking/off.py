"""No tracking: the files of a run stay in its folder."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentiment.errors import RunNotFoundError
from sentiment.tracking.folder import MODEL, RunFacts, RunFolder
from sentiment.tracking.records import ModelChoice, RunRecord, StoredRun, SweepRecord, Tracker

if TYPE_CHECKING:
    from sentiment.tracking.registry import MlflowRegistry


class NoTracker(Tracker):
    """A tracker that records nothing."""

    def import_ahead(self) -> None:
        """Do nothing."""

    def open(self) -> None:
        """Do nothing."""

    @contextlib.contextmanager
    def start(self, name: str, tags: dict[str, str]) -> Iterator[RunRecord]:
        """Start a run that is not recorded; its model stays in its folder."""
        yield _UntrackedRun()

    def record(self, folder: RunFolder, facts: RunFacts) -> tuple[None, str]:
        """Return the path of the model in the folder of the run, which is not recorded."""
        return None, _UntrackedRun().record(folder, facts)

    def open_sweep(self, name: str, tags: dict[str, str], run_id: str | None) -> SweepRecord:
        """Return a sweep that is not recorded."""
        return _UntrackedSweep()

    def find_model(self, run: str, metric: str) -> ModelChoice:
        """Raise, since nothing was tracked."""
        raise _not_found(f"run {run!r}")

    def fetch_file(self, run_id: str, name: str) -> Path:
        """Raise, since nothing was tracked."""
        raise _not_found(f"the file {name} of run {run_id!r}")

    def read_run(self, run_id: str) -> StoredRun:
        """Raise, since nothing was tracked."""
        raise _not_found(f"run {run_id!r}")

    def list_runs(self) -> list[StoredRun]:
        """Raise, since nothing was tracked."""
        raise _not_found("a training run")

    def count_runs(self, tags: dict[str, str]) -> int:
        """Return 0."""
        return 0

    def annotate(
        self, run_id: str, tags: dict[str, str], files: Sequence[Path], folder: str
    ) -> None:
        """Raise, since nothing was tracked."""
        raise _not_found(f"run {run_id!r}")

    def find_version(self, name: str, alias: str) -> str | None:
        """Raise, since nothing is registered."""
        raise _not_registered(name)

    def open_registry(self, name: str) -> "MlflowRegistry":
        """Raise, since nothing is registered."""
        raise _not_registered(name)


def _not_found(missing: str) -> RunNotFoundError:
    remedy = "They are found only where training tracked them: tracking=mlflow."
    return RunNotFoundError(missing, "off", remedy)


def _not_registered(name: str) -> RunNotFoundError:
    remedy = "Models are registered with tracking=mlflow."
    return RunNotFoundError(f"the registered model {name!r}", "off", remedy)


class _UntrackedSweep(SweepRecord):
    id = None

    def find_jobs(self) -> dict[int, float]:
        return {}

    def add_job(self, *args: Any, **kwargs: Any) -> None:
        pass

    def update(self, tags: dict[str, str], metrics: dict[str, float]) -> None:
        pass

    def log_files(self, folder: Path, names: Sequence[str]) -> None:
        pass

    def end(self, *, complete: bool) -> None:
        pass


class _UntrackedRun(RunRecord):
    id = None

    def log_data(self, name: str, fingerprint: str) -> None:
        pass

    def log_params(self, params: dict[str, Any]) -> None:
        pass

    def log_metrics(self, metrics: dict[str, float]) -> None:
        pass

    def log_files(self, folder: Path, names: Sequence[str]) -> None:
        pass

    def record(self, folder: RunFolder, facts: RunFacts) -> str:
        """Return the path of the model in the folder of the run, if it has one."""
        return str(folder.path / MODEL) if MODEL in folder.files else ""
