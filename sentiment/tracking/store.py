"""An MLflow store: where runs are kept and found again."""

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sentiment import provenance
from sentiment.config import suggest_training
from sentiment.errors import (
    ExperimentDeletedError,
    RunDeletedError,
    RunNotFoundError,
    TrackingStoreError,
)
from sentiment.redaction import redact, redact_values
from sentiment.tracking.access import ENVIRONMENT, check_address, take_credentials
from sentiment.tracking.choosing import ORDER, choose_best, next_order
from sentiment.tracking.records import ModelChoice, RunRecord, StoredRun, SweepRecord, Tracker
from sentiment.tracking.registry import MlflowRegistry
from sentiment.tracking.runs import MlflowRun, describe_model
from sentiment.tracking.sweeps import MlflowSweep, is_active, search_all

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# What sqlite keeps of a database: the file, and beside it what it needs to undo or redo.
_SQLITE_FILES = ("", "-journal", "-wal", "-shm")


class MlflowTracker(Tracker):
    """Runs in an MLflow store.

    Parameters
    ----------
    uri : str
        Any MLflow tracking URI. A relative sqlite path counts from the working folder.
    artifacts : str
        Folder for the artifacts of a store that is a database without a server.
    experiment : str
        Name of the experiment; made if it is not there.
    """

    def __init__(self, uri: str, artifacts: str, experiment: str) -> None:
        check_address(uri)
        self.uri, self._credentials = take_credentials(uri)
        self._shown = redact(uri)
        self.artifacts = artifacts
        self.experiment = experiment
        # Before MLflow is imported, which reads some of them only then.
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)

    def open(self) -> None:
        """Make the store ready, and make it and the experiment if they are not there."""
        client = self._connect()
        if client.get_experiment_by_name(self.experiment) is None:
            server = self.uri.startswith(("http://", "https://", "databricks"))
            # A server decides by itself where artifacts go.
            location = None if server else Path(self.artifacts).resolve().as_uri()
            # So that the UI opens with runs and metrics rather than with traces of agents.
            kind = {"mlflow.experimentKind": "custom_model_development"}
            client.create_experiment(self.experiment, artifact_location=location, tags=kind)
        self._experiment_id(client)

    @contextlib.contextmanager
    def start(
        self, name: str, tags: dict[str, str], parent_id: str | None = None
    ) -> Iterator[RunRecord]:
        """Start a run that ends with the ``with`` block, as failed if that raises."""
        import mlflow

        parent = {"mlflow.parentRunId": parent_id} if parent_id else {}
        run_id = self._create_run(name, tags | parent)
        # By its id, since MLFLOW_RUN_ID in the environment would beat everything else.
        with mlflow.start_run(run_id=run_id, nested=True):
            yield MlflowRun(run_id)

    def open_sweep(self, name: str, tags: dict[str, str], run_id: str | None) -> SweepRecord:
        """Start the run that the jobs of a sweep belong to, or go on with that of `run_id`."""
        client = self._connect()
        if run_id is None or not is_active(client, run_id):
            run_id = self._create_run(name, tags)
        client.update_run(run_id, status="RUNNING")
        return MlflowSweep(client, self._experiment_id(client), run_id)

    def find_model(self, run: str, metric: str, *, greater_is_better: bool) -> ModelChoice:
        """Return the model that `run` names."""
        client = self._connect_to_existing(f"run {run!r}")
        if run.startswith("models:/"):
            return self._find_by_address(client, run)
        if run == "best":
            found, why = self._find_best(client, metric, greater_is_better)
        else:
            found, why = self._find_run(client, run), "it was named"
        models = found.outputs.model_outputs if found.outputs else []
        if not models:
            raise RunNotFoundError(
                f"a model of run {found.info.run_id!r}",
                self._shown,
                "That run failed, is still going or trained nothing; name another.",
            )
        return describe_model(f"models:/{models[-1].model_id}", found, why, self._shown)

    def fetch_file(self, run_id: str, name: str) -> Path:
        """Return a file or folder that a run kept, on this machine."""
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        self._connect()
        try:
            return Path(download_artifacts(run_id=run_id, artifact_path=name))
        except (MlflowException, OSError) as error:
            raise RunNotFoundError(
                f"the file {name} of run {run_id!r}",
                self._shown,
                "Runs of an earlier version lack it: train that model again.",
            ) from error

    def read_run(self, run_id: str) -> StoredRun:
        """Return what is recorded of a run."""
        run = self._find_run(self._connect(), run_id)
        data = run.data
        return StoredRun(run_id, run.info.run_name, data.tags, data.params, data.metrics)

    def count_runs(self, tags: dict[str, str]) -> int:
        """Return how many runs of the experiment have all of these tags."""
        client = self._connect()
        wanted = " AND ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        return len(search_all(client, self._experiment_id(client), wanted))

    def annotate(
        self, run_id: str, tags: dict[str, str], files: Sequence[Path], folder: str
    ) -> None:
        """Add facts to a run that has ended, and files to its `folder`."""
        client = self._connect()
        for path in files:
            client.log_artifact(run_id, str(path), folder)
        for key, value in redact_values(tags).items():
            client.set_tag(run_id, key, value[:5000])

    def open_registry(self, name: str) -> MlflowRegistry:
        """Return the versions of the registered model `name`, of which there may be none yet."""
        client = self._connect_to_existing(f"the registered model {name!r}")
        return MlflowRegistry(client, name)

    def _create_run(self, name: str, tags: dict[str, str]) -> str:
        client = self._connect()
        experiment = self._experiment_id(client)
        commit = provenance.read_commit()
        shown = {
            "mlflow.source.name": tags.get("command", name),
            "mlflow.source.type": "LOCAL",
            "mlflow.source.git.commit": commit.get("git.commit", ""),
        }
        shown[ORDER] = next_order(client, experiment)
        told = redact_values(shown | tags | commit)
        run = client.create_run(experiment, run_name=redact(name)[:250], tags=told)
        return str(run.info.run_id)

    def _experiment_id(self, client: "MlflowClient") -> str:
        found = client.get_experiment_by_name(self.experiment)
        if found is None:
            raise RunNotFoundError(
                f"experiment {self.experiment!r}",
                self._shown,
                f"Name another one with tracking.experiment=<name>. {suggest_training()}",
            )
        if found.lifecycle_stage != "active":
            raise ExperimentDeletedError(self.experiment, found.experiment_id, self._shown)
        return str(found.experiment_id)

    def _find_best(self, client: "MlflowClient", metric: str, more: bool) -> "tuple[Run, str]":
        name = f"validation/{metric}"
        trained = "attributes.status = 'FINISHED' AND tags.kind = 'training'"
        runs = search_all(client, self._experiment_id(client), trained)
        found = choose_best(runs, name, more=more)
        if found is None:
            wanted = f"a finished training run with {name}"
            raise RunNotFoundError(wanted, self._shown, suggest_training())
        return found

    def _find_run(self, client: "MlflowClient", run_id: str, *, deleted: bool = False) -> "Run":
        from mlflow.exceptions import MlflowException

        try:
            found = client.get_run(run_id)
        except MlflowException as error:
            raise RunNotFoundError(
                f"run {run_id!r}",
                self._shown,
                "Expected best, a run id, models:/name@alias or, to predict, a file that ends "
                "with .skops.",
            ) from error
        if found.info.lifecycle_stage != "active" and not deleted:
            raise RunDeletedError(run_id, self._shown)
        return found

    def _find_by_address(self, client: "MlflowClient", uri: str) -> ModelChoice:
        from mlflow.exceptions import MlflowException
        from mlflow.models import get_model_info

        try:
            run_id = str(get_model_info(uri).run_id)
        except MlflowException as error:
            raise RunNotFoundError(
                f"model {uri!r}",
                self._shown,
                "Expected models:/sentiment@champion, for instance, with its files still there.",
            ) from error
        # A version serves on when its run is deleted, as long as its files are there.
        run = self._find_run(client, run_id, deleted=True)
        return describe_model(uri, run, "it was named", self._shown)

    def _connect_to_existing(self, wanted: str) -> "MlflowClient":
        """Return a client; do not make a store only to look for what cannot be there."""
        database = self._sqlite_path()
        if database is not None and not database.exists():
            raise RunNotFoundError(wanted, self._shown, suggest_training())
        return self._connect()

    def _connect(self) -> "MlflowClient":
        """Return a client of the store, whose tables are there and up to date."""
        import mlflow
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        for name in ("alembic", "mlflow.store.db.utils", "urllib3.connectionpool"):
            logging.getLogger(name).setLevel(logging.ERROR)
        database = self._sqlite_path()
        try:
            with _one_at_a_time(database):
                if database is not None and not database.exists():
                    _make_whole(database)
                os.environ |= self._credentials
                mlflow.set_tracking_uri(self.uri)
                client = mlflow.MlflowClient()
                client.search_experiments(max_results=1)
        except (MlflowException, SQLAlchemyError, OSError) as error:
            raise TrackingStoreError(self._shown, _first_sentence(error)) from error
        return client

    def _sqlite_path(self) -> Path | None:
        prefix = "sqlite:///"
        return Path(self.uri.removeprefix(prefix)) if self.uri.startswith(prefix) else None


def _first_sentence(error: Exception) -> str:
    text = str(error).splitlines()[0]
    return "no server answers there" if "Max retries exceeded" in text else text.split(". ")[0]


@contextlib.contextmanager
def _one_at_a_time(database: Path | None) -> Iterator[None]:
    """Let one process at a time open an sqlite store: of two that migrate a new one, one fails."""
    if database is None:
        yield
        return
    import fcntl

    database.parent.mkdir(parents=True, exist_ok=True)
    with database.with_name(f".{database.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make_whole(database: Path) -> None:
    """Make an sqlite store elsewhere first: MLflow cannot go on with one that is made in part."""
    import mlflow

    draft = database.with_name(f".{database.name}.draft")
    for ending in _SQLITE_FILES:  # of a process that was killed
        draft.with_name(f"{draft.name}{ending}").unlink(missing_ok=True)
    mlflow.MlflowClient(f"sqlite:///{draft}").search_experiments(max_results=1)
    # Unlike a renamed file, a link replaces none that somebody has put there in the meantime.
    try:
        os.link(draft, database)
    except FileExistsError:
        pass
    except OSError:  # the file system has no links
        draft.replace(database)
    draft.unlink(missing_ok=True)
