"""Tracker that records runs in an MLflow store and finds them again."""

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sentiment.config import name_source, suggest_command, suggest_training
from sentiment.config.schemas import StoreSettings
from sentiment.errors import (
    ExitCode,
    ExperimentDeletedError,
    RunDeletedError,
    RunNotFoundError,
    TrackingStoreError,
    count_of,
    find_os_exit_code,
)
from sentiment.redaction import redact, redact_values
from sentiment.tracking import provenance
from sentiment.tracking.access import ENVIRONMENT, take_credentials
from sentiment.tracking.choosing import ORDER, choose_best, next_order
from sentiment.tracking.downloads import make_download_folder
from sentiment.tracking.folder import KEY, RunFacts, RunFolder
from sentiment.tracking.limits import NAME_LENGTH, TAG_LENGTH
from sentiment.tracking.opening import connect, import_ahead
from sentiment.tracking.processes import ProcessMark, has_ended
from sentiment.tracking.records import (
    NAMED,
    ModelChoice,
    RunRecord,
    StoredRun,
    SweepRecord,
    Tracker,
    explain_name,
)
from sentiment.tracking.registry import MlflowRegistry
from sentiment.tracking.retries import list_store_errors, translate
from sentiment.tracking.runs import MlflowRun, describe_model
from sentiment.tracking.sqlite_files import find_sqlite_path
from sentiment.tracking.sqlite_reader import find_artifact, find_model, find_version
from sentiment.tracking.sweeps import MlflowSweep, is_active, search_all

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

log = logging.getLogger(__name__)


class MlflowTracker(Tracker):
    """Runs in an MLflow store.

    Parameters
    ----------
    uri : str
        Any MLflow tracking URI. A relative sqlite path counts from the working folder.
    artifacts : str
        Folder for the artifacts of a store that is a database without a server.
    experiment : str
        Name of the experiment, which is created if necessary.
    """

    def __init__(self, uri: str, artifacts: str, experiment: str) -> None:
        settings = StoreSettings(uri=uri, artifacts=artifacts, experiment=experiment)
        self.uri, self._credentials = take_credentials(settings.uri)
        self._public_uri = redact(settings.uri)
        self.artifacts = settings.artifacts
        self.experiment = settings.experiment
        # MLflow reads some of these variables when it is imported.
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)

    def import_ahead(self) -> None:
        """Start a thread that imports the libraries of `open`."""
        import_ahead(self.uri)

    def open(self) -> None:
        """Open or create the store and the experiment, and end runs of dead processes."""
        client = self._connect()
        if client.get_experiment_by_name(self.experiment) is None:
            is_server = self.uri.startswith(("http://", "https://", "databricks"))
            # A tracking server chooses the location of artifacts itself.
            artifact_location = None if is_server else Path(self.artifacts).resolve().as_uri()
            # Opens the UI with runs and metrics instead of traces of agents.
            tags = {"mlflow.experimentKind": "custom_model_development"}
            client.create_experiment(
                self.experiment, artifact_location=artifact_location, tags=tags
            )
        self._end_dead_runs(client, self._experiment_id(client))

    @contextlib.contextmanager
    def start(self, name: str, tags: dict[str, str]) -> Iterator[RunRecord]:
        """Start a run for the ``with`` block; an error in it marks the run as failed."""
        client = self._connect()
        run_id = self._create_run(client, name, tags)
        run = MlflowRun(client, self._public_uri, self._experiment_id(client), run_id)
        try:
            yield run
        except TrackingStoreError:
            raise  # the store is unavailable, so the run cannot be ended
        except BaseException as error:
            status = "FAILED" if isinstance(error, Exception) else "KILLED"
            try:
                run.end(status)
            except list_store_errors() as store_error:
                log.warning(
                    "the run could not be ended: %s", translate(self._public_uri, store_error)
                )
            raise
        if not run.has_ended:
            run.end("FINISHED")

    def record(self, folder: RunFolder, facts: RunFacts) -> tuple[str, str]:
        """Record a run that was kept; return the ids of the run and the address of its model."""
        client = self._connect()
        experiment = self._experiment_id(client)
        runs = client.search_runs([experiment], f"tags.`{KEY}` = '{facts.key}'")
        run_id = (
            runs[0].info.run_id
            if runs
            else self._create_run(client, facts.name, facts.tags | {KEY: facts.key}, facts.started)
        )
        run = MlflowRun(client, self._public_uri, experiment, run_id)
        return run.id, run.record(folder, facts)

    def open_sweep(self, name: str, tags: dict[str, str], run_id: str | None) -> SweepRecord:
        """Start the run of a sweep, or resume the run `run_id`."""
        client = self._connect()
        if run_id is None or not is_active(client, run_id):
            run_id = self._create_run(client, name, tags)
        client.update_run(run_id, status="RUNNING")
        for key, value in ProcessMark.of_this_process().tags.items():
            client.set_tag(run_id, key, value)
        return MlflowSweep(client, self._public_uri, self._experiment_id(client), run_id)

    def find_model(self, run: str, metric: str) -> ModelChoice:
        """Return the model that `run` names."""
        database = find_sqlite_path(self.uri)
        if database is not None:
            model = find_model(database, self.experiment, run, f"validation/{metric}")
            if model is not None:
                return describe_model(model.uri, model.run, model.why, self._public_uri, model.path)
        client = self._connect_to_existing(f"run {run!r}")
        if run.startswith("models:/"):
            return self._find_by_address(client, run)
        if run == "best":
            stored_run, reason = self._find_best(client, metric)
        else:
            stored_run, reason = self._find_run(client, run), NAMED
        models = stored_run.outputs.model_outputs if stored_run.outputs else []
        if not models:
            raise RunNotFoundError(
                f"a model of run {stored_run.info.run_id!r}",
                self._public_uri,
                "That run failed, is still going or trained nothing; name another.",
            )
        return describe_model(
            f"models:/{models[-1].model_id}", stored_run, reason, self._public_uri
        )

    def fetch_file(self, run_id: str, name: str) -> Path:
        """Return a local copy of a file or folder of a run."""
        database = find_sqlite_path(self.uri)
        local_path = find_artifact(database, run_id, name) if database is not None else None
        if local_path is not None:
            return local_path
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        self._connect()
        try:
            # MLflow copies artifacts even from a local folder.
            folder = str(make_download_folder())
            return Path(download_artifacts(run_id=run_id, artifact_path=name, dst_path=folder))
        except (MlflowException, OSError) as error:
            if isinstance(error, OSError) and find_os_exit_code(error) is ExitCode.IO_ERROR:
                raise  # the disk is full
            raise RunNotFoundError(
                f"the file {name} of run {run_id!r}",
                self._public_uri,
                "It was deleted, or an earlier version trained that model, which lacks it: train "
                "it again.",
            ) from error

    def read_run(self, run_id: str) -> StoredRun:
        """Return the record of a run."""
        return _describe(self._find_run(self._connect(), run_id))

    def list_runs(self) -> list[StoredRun]:
        """Return the training runs of the experiment, the newest first."""
        client = self._connect_to_existing("a training run")
        runs = search_all(client, self._experiment_id(client), "tags.kind = 'training'")
        return sorted(map(_describe, runs), key=lambda run: str(run.started), reverse=True)

    def count_runs(self, tags: dict[str, str]) -> int:
        """Return the number of runs of the experiment with all of these tags."""
        client = self._connect()
        query = " AND ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        return len(search_all(client, self._experiment_id(client), query))

    def annotate(
        self, run_id: str, tags: dict[str, str], files: Sequence[Path], folder: str
    ) -> None:
        """Add tags to a run that has ended, and files to its artifact folder `folder`."""
        client = self._connect()
        for path in files:
            client.log_artifact(run_id, str(path), folder)
        for key, value in redact_values(tags).items():
            client.set_tag(run_id, key, value[:TAG_LENGTH])

    def find_version(self, name: str, alias: str) -> str | None:
        """Return the number of the version of a registered model behind an alias, or None."""
        database = find_sqlite_path(self.uri)
        number = find_version(database, name, alias) if database is not None else None
        if number is not None:
            return number
        version = self.open_registry(name).find(alias)
        return version.number if version else None

    def open_registry(self, name: str) -> MlflowRegistry:
        """Return the registry of the registered model `name`, which may have no versions yet."""
        client = self._connect_to_existing(f"the registered model {name!r}")
        return MlflowRegistry(client, name)

    def _create_run(
        self, client: "MlflowClient", name: str, tags: dict[str, str], started: float | None = None
    ) -> str:
        experiment = self._experiment_id(client)
        commit = provenance.read_commit()
        source = {
            "mlflow.source.name": name_source(tags),
            "mlflow.source.type": "LOCAL",
            "mlflow.source.git.commit": commit.get("git.commit", ""),
        }
        order = next_order(client, experiment)
        if tags.get("kind") == "training":
            # The number distinguishes runs with the same settings.
            name = f"{redact(name)[: NAME_LENGTH - 10]} ({int(order)})"
        mark = ProcessMark.of_this_process().tags
        public = redact_values(source | commit | {ORDER: order} | tags | mark)
        run = client.create_run(
            experiment,
            start_time=round(1000 * started) if started else None,
            run_name=redact(name)[:NAME_LENGTH],
            tags=public,
        )
        return str(run.info.run_id)

    def _end_dead_runs(self, client: "MlflowClient", experiment: str) -> None:
        """End the runs whose processes were killed, which would otherwise stay "running"."""
        for run in search_all(client, experiment, "attributes.status = 'RUNNING'"):
            if has_ended(run.data.tags, run.info.start_time / 1000):
                client.set_terminated(run.info.run_id, "KILLED")
                log.info("run %s was left by a process that has ended", run.info.run_id)

    def _experiment_id(self, client: "MlflowClient") -> str:
        experiment = client.get_experiment_by_name(self.experiment)
        if experiment is None:
            raise RunNotFoundError(
                f"experiment {self.experiment!r}",
                self._public_uri,
                f"Name another one with tracking.experiment=<name>. {suggest_training()}",
            )
        if experiment.lifecycle_stage != "active":
            raise ExperimentDeletedError(
                self.experiment, experiment.experiment_id, self._public_uri
            )
        return str(experiment.experiment_id)

    def _find_best(self, client: "MlflowClient", metric: str) -> "tuple[Run, str]":
        name = f"validation/{metric}"
        query = "attributes.status = 'FINISHED' AND tags.kind = 'training'"
        runs = search_all(client, self._experiment_id(client), query)
        best = choose_best(runs, name)
        if best is None:
            missing, remedy = f"a finished training run with {name}", suggest_training()
            if runs:
                problem = f"Its experiment has {count_of(len(runs), 'run')} without that metric"
                remedy = f"{problem}; name another one, or train: {suggest_command('train')}"
            raise RunNotFoundError(missing, self._public_uri, remedy)
        return best

    def _find_run(self, client: "MlflowClient", run_id: str, *, deleted: bool = False) -> "Run":
        from mlflow.exceptions import MlflowException

        try:
            run = client.get_run(run_id)
        except MlflowException as error:
            raise RunNotFoundError(
                f"run {run_id!r}",
                self._public_uri,
                "Expected best, a run id, models:/name@alias or, to predict, a file that ends "
                "with .skops.",
            ) from error
        if run.info.lifecycle_stage != "active" and not deleted:
            raise RunDeletedError(run_id, self._public_uri)
        return run

    def _find_by_address(self, client: "MlflowClient", uri: str) -> ModelChoice:
        from mlflow.exceptions import MlflowException
        from mlflow.models import get_model_info

        try:
            model_info = get_model_info(uri)
        except MlflowException as error:
            raise RunNotFoundError(
                f"model {uri!r}",
                self._public_uri,
                "That model, its version or its alias was deleted or never made. Promote a run, or "
                f"name another model: {suggest_command('promote', 'run=best')}",
            ) from error
        # A version stays usable if its run is deleted, as long as its files exist.
        run = self._find_run(client, str(model_info.run_id), deleted=True)
        # An alias may move; this address always means the same model.
        model_uri = f"models:/{model_info.model_id}" if model_info.model_id else uri
        return describe_model(model_uri, run, explain_name(model_uri, uri), self._public_uri)

    def _connect_to_existing(self, missing: str) -> "MlflowClient":
        """Return a client of an existing store; raise if there is none to look for `missing` in."""
        database = find_sqlite_path(self.uri)
        if database is not None and not database.exists():
            raise RunNotFoundError(missing, self._public_uri, suggest_training())
        return self._connect()

    def _connect(self) -> "MlflowClient":
        """Return a client of the store, after creating or migrating its tables."""
        os.environ |= self._credentials
        return connect(self.uri, self._public_uri)


def _describe(run: "Run") -> StoredRun:
    info, data = run.info, run.data
    started = datetime.fromtimestamp(info.start_time / 1000, UTC)
    return StoredRun(
        info.run_id, info.run_name, data.tags, data.params, data.metrics, started, info.status
    )
