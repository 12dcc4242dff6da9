"""Interface of trackers."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sentiment.errors import InputNotFoundError
from sentiment.tracking.folder import RunFacts, RunFolder

if TYPE_CHECKING:
    from sentiment.tracking.registry import MlflowRegistry


# Reason for the choice of a model that the user named.
NAMED = "it was named"
# Tag of a run with ordered labels: their values, as JSON.
SCALE = "data.scale"
_REFITTED = {
    "train+validation": "refitted on training and validation rows",
    "all": "refitted on all labelled rows",
}


@dataclass(frozen=True)
class ModelChoice:
    """A model and where it comes from.

    Attributes
    ----------
    uri : str
        Its address, such as ``models:/m-0123``.
    path : Path
        Its skops file.
    run_id, run_name : str
        The run that trained it; empty for a file of an unknown run.
    why : str
        How it was chosen.
    commit, data, fingerprint : str
        Commit and data of its training; "unknown" if not recorded.
    text_column, label_column : str
        The columns of its training data; "" if they were not recorded or have no names.
    digest : str
        SHA-256 that a training recorded in this store; "" for other files.
    scale : str
        Values of ordered labels, as JSON; empty for other labels.
    """

    uri: str
    path: Path
    run_id: str
    run_name: str
    why: str
    commit: str = "unknown"
    data: str = "unknown"
    fingerprint: str = "unknown"
    text_column: str = ""
    label_column: str = ""
    digest: str = ""
    scale: str = ""

    @classmethod
    def of_file(cls, address: str, setting: str) -> Self:
        """Return the skops file that the value of a setting names; its run is unknown.

        Raises
        ------
        InputNotFoundError
            There is no such file.
        """
        path = Path(address).expanduser()
        if not path.is_file():
            raise InputNotFoundError(path, setting, "a skops file")
        return cls(str(path), path, run_id="", run_name="", why=NAMED)

    @property
    def is_named(self) -> bool:
        """True if the user named it, and neither an alias nor a metric chose it."""
        return self.why == NAMED

    def read_scale(self) -> dict[str, float] | None:
        """Return the value of each label on its scale, or None if labels are not ordered."""
        scale: dict[str, float] | None = json.loads(self.scale) if self.scale else None
        return scale


def explain_name(uri: str, address: str) -> str:
    """Return the reason for the choice of the model `uri`: the user named it, or an alias of it."""
    return NAMED if uri == address else f"{NAMED} {address}"


@dataclass(frozen=True)
class StoredRun:
    """Record of a run in the store.

    Attributes
    ----------
    id, name : str
        Its id and name.
    tags, params : dict of str to str
        Facts and settings.
    metrics : dict of str to float
        Numbers.
    started : datetime or None
        Start, in UTC.
    status : str
        ``"FINISHED"``, ``"RUNNING"``, ``"FAILED"`` or ``"KILLED"``.
    """

    id: str
    name: str
    tags: dict[str, str]
    params: dict[str, str]
    metrics: dict[str, float]
    started: datetime | None = None
    status: str = ""

    def describe_refit(self) -> str:
        """Describe the rows beside the training rows that the saved model was fitted on, or ""."""
        return _REFITTED.get(self.tags.get("fitted_on", ""), "")


class RunRecord(ABC):
    """A run that is being recorded.

    Attributes
    ----------
    id : str or None
        Its id in the store.
    """

    id: str | None

    @abstractmethod
    def log_data(self, name: str, fingerprint: str) -> None:
        """Record the data of the run."""

    @abstractmethod
    def log_params(self, params: dict[str, Any]) -> None:
        """Record settings."""

    @abstractmethod
    def log_metrics(self, metrics: dict[str, float]) -> None:
        """Record numbers."""

    @abstractmethod
    def log_files(self, folder: Path, names: Sequence[str]) -> None:
        """Keep the files `names`, paths relative to `folder`, under the same paths."""

    @abstractmethod
    def record(self, folder: RunFolder, facts: RunFacts) -> str:
        """Record a kept run, and end this one; return the address of its model, if it has one.

        It can be called again after an error: nothing is recorded twice.

        Raises
        ------
        TrackingStoreError
            The store cannot be used.
        """


class SweepRecord(ABC):
    """The run of a sweep, the parent of the runs of its jobs.

    Every method raises `TrackingStoreError` if the store cannot be used, and may then be called
    again.

    Attributes
    ----------
    id : str or None
        Its id in the store.
    """

    id: str | None = None

    @abstractmethod
    def find_jobs(self) -> dict[int, float]:
        """Return the end times of the recorded jobs, in seconds since the epoch, by number."""

    @abstractmethod
    def add_job(
        self,
        number: int,
        name: str,
        period: tuple[float, float],
        tags: dict[str, str],
        params: dict[str, str],
        metrics: dict[str, float],
        error: str,
    ) -> None:
        """Record an ended job, replacing an earlier record of it.

        Parameters
        ----------
        number : int
            Its number in the sweep.
        name : str
            Name of its run.
        period : (float, float)
            When it started and ended, in seconds since the epoch.
        tags, params, metrics : dict
            Facts, settings and numbers.
        error : str
            Message and traceback of its failure; empty if it succeeded.
        """

    @abstractmethod
    def update(self, tags: dict[str, str], metrics: dict[str, float]) -> None:
        """Record the progress of the sweep."""

    @abstractmethod
    def log_files(self, folder: Path, names: Sequence[str]) -> None:
        """Keep the files `names`, paths relative to `folder`, under the same paths."""

    @abstractmethod
    def end(self, *, complete: bool) -> None:
        """End the run; a sweep that is not complete can be resumed."""


class Tracker(ABC):
    """Interface of trackers, which record runs and find them again."""

    @abstractmethod
    def import_ahead(self) -> None:
        """Start a thread that imports the libraries of `open`."""

    @abstractmethod
    def open(self) -> None:
        """Open the store; create it if it does not exist."""

    @abstractmethod
    def start(self, name: str, tags: dict[str, str]) -> AbstractContextManager[RunRecord]:
        """Start a run for the ``with`` block; an error in it marks the run as failed.

        Parameters
        ----------
        name : str
            Name of the run.
        tags : dict of str to str
            Facts to find it by.
        """

    @abstractmethod
    def record(self, folder: RunFolder, facts: RunFacts) -> tuple[str | None, str]:
        """Record a run that was kept; return its id and the address of its model, if it has one.

        A run that was recorded before is not recorded twice. The id is None without tracking.

        Raises
        ------
        TrackingStoreError
            The store cannot be used.
        """

    @abstractmethod
    def open_sweep(self, name: str, tags: dict[str, str], run_id: str | None) -> SweepRecord:
        """Start the run of a sweep, or resume the run `run_id`."""

    @abstractmethod
    def find_model(self, run: str, metric: str) -> ModelChoice:
        """Return the model that `run` names.

        Parameters
        ----------
        run : str
            ``"best"``, a run id, or ``models:/name@alias``.
        metric : str
            The validation metric that makes a run the best.

        Raises
        ------
        RunNotFoundError
            There is no such run, or it has no model.
        TrackingStoreError
            The store cannot be opened.
        """

    @abstractmethod
    def fetch_file(self, run_id: str, name: str) -> Path:
        """Return a file or folder that a run kept, on this machine, to read it.

        Parameters
        ----------
        run_id : str
            Id of the run.
        name : str
            Path of the file in the folder of the run.

        Raises
        ------
        RunNotFoundError
            The run has no such file.
        """

    @abstractmethod
    def read_run(self, run_id: str) -> StoredRun:
        """Return the record of a run.

        Raises
        ------
        RunNotFoundError
            There is no such run.
        """

    @abstractmethod
    def list_runs(self) -> list[StoredRun]:
        """Return the training runs of the experiment, the newest first.

        Raises
        ------
        RunNotFoundError
            Nothing was trained yet.
        """

    @abstractmethod
    def count_runs(self, tags: dict[str, str]) -> int:
        """Return the number of runs of the experiment with all of these tags."""

    @abstractmethod
    def annotate(
        self, run_id: str, tags: dict[str, str], files: Sequence[Path], folder: str
    ) -> None:
        """Add tags to a run that has ended, and files to its artifact folder `folder`."""

    @abstractmethod
    def find_version(self, name: str, alias: str) -> str | None:
        """Return the number of the version of a registered model behind an alias, or None."""

    @abstractmethod
    def open_registry(self, name: str) -> "MlflowRegistry":
        """Return the registry of the registered model `name`, which may have no versions yet."""
