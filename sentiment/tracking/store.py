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
from sentiment.tracking.opening import connect, find_sqlite_path, import_ahead
from sentiment.tracking.patience import list_store_errors, translate
from sentiment.tracking.processes import ProcessMark, has_ended
from sentiment.tracking.reading import find_artifact, find_model, find_version
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
from sentiment.tracking.runs import MlflowRun, describe_model
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
        Name of the experiment; made if it is not there.
    """

    def __init__(self, uri: str, artifacts: str, experiment: str) -> None:
        given = StoreSettings(uri=uri, artifacts=artifacts, experiment=experiment)
        self.uri, self._credentials = take_credentials(given.uri)
        self._shown = redact(given.uri)
        self.artifacts = given.artifacts
        self.experiment = given.experiment
        # Before MLflow is imported, which reads some of them at its import.
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)

    def import_ahead(self) -> None:
        """Start to import, in another thread, what `open` needs."""
        import_ahead(self.uri)

    def open(self) -> None:
        """Make the store ready, make it and the experiment if they are not there, end dead runs."""
        client = self._connect()
        if client.get_experiment_by_name(self.experiment) is None:
            server = self.uri.startswith(("http://", "https://", "databricks"))
            # A tracking server chooses the place of artifacts itself.
            location = None if server else Path(self.artifacts).resolve().as_uri()
            # Opens the UI with runs and metrics instead of traces of agents.
            kind = {"mlflow.experimentKind": "custom_model_development"}
            client.create_experiment(self.experiment, artifact_location=location, tags=kind)
        self._close_dead(client, self._experiment_id(client))

    @contextlib.contextmanager
    def start(self, name: str, tags: dict[str, str]) -> Iterator[RunRecord]:
        """Start a run that ends with the ``with`` block, as failed if that raises."""
        client = self._connect()
        run_id = self._create_run(client, name, tags)
        run = MlflowRun(client, self._shown, self._experiment_id(client), run_id)
        try:
            yield run
        except TrackingStoreError:
            raise  # the store is away, so the run cannot be ended
        except BaseException as error:
            status = "FAILED" if isinstance(error, Exception) else "KILLED"
            try:
                run.end(status)
            except list_store_errors() as problem:
                log.warning("the run could not be ended: %s", translate(self._shown, problem))
            raise
        if not run.has_ended:
            run.end("FINISHED")

    def record(self, folder: RunFolder, facts: RunFacts) -> tuple[str, str]:
        """Record a run that was kept; return the ids of the run and the address of its model."""
        client = self._connect()
        experiment = self._experiment_id(client)
        found = client.search_runs([experiment], f"tags.`{KEY}` = '{facts.key}'")
        run_id = (
            found[0].info.run_id
            if found
            else self._create_run(client, facts.name, facts.tags | {KEY: facts.key}, facts.started)
        )
        run = MlflowRun(client, self._shown, experiment, run_id)
        return run.id, run.record(folder, facts)

    def open_sweep(self, name: str, tags: dict[str, str], run_id: str | None) -> SweepRecord:
        """Start the run that the jobs of a sweep belong to, or resume that of `run_id`."""
        client = self._connect()
        if run_id is None or not is_active(client, run_id):
            run_id = self._create_run(client, name, tags)
        client.update_run(run_id, status="RUNNING")
        for key, value in ProcessMark.of_this_process().tags.items():
            client.set_tag(run_id, key, value)
        return MlflowSweep(client, self._shown, self._experiment_id(client), run_id)

    def find_model(self, run: str, metric: str) -> ModelChoice:
        """Return the model that `run` names."""
        database = find_sqlite_path(self.uri)
        if database is not None:
            known = find_model(database, self.experiment, run, f"validation/{metric}")
            if known is not None:
                return describe_model(known.uri, known.run, known.why, self._shown, known.path)
        client = self._connect_to_existing(f"run {run!r}")
        if run.startswith("models:/"):
            return self._find_by_address(client, run)
        if run == "best":
            found, why = self._find_best(client, metric)
        else:
            found, why = self._find_run(client, run), NAMED
        models = found.outputs.model_outputs if found.outputs else []
        if not models:
            raise RunNotFoundError(
                f"a model of run {found.info.run_id!r}",
                self._shown,
                "That run failed, is still going or trained nothing; name another.",
            )
        return describe_model(f"models:/{models[-1].model_id}", found, why, self._shown)

    def fetch_file(self, run_id: str, name: str) -> Path:
        """Return a file or folder that a run kept, on this machine, to read it."""
        database = find_sqlite_path(self.uri)
        known = find_artifact(database, run_id, name) if database is not None else None
        if known is not None:
            return known
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
                self._shown,
                "It was deleted, or an earlier version trained that model, which lacks it: train "
                "it again.",
            ) from error

    def read_run(self, run_id: str) -> StoredRun:
        """Return what is recorded of a run."""
        return _describe(self._find_run(self._connect(), run_id))

    def list_runs(self) -> list[StoredRun]:
        """Return the training runs of the experiment, the newest first."""
        client = self._connect_to_existing("a training run")
        found = search_all(client, self._experiment_id(client), "tags.kind = 'training'")
        return sorted(map(_describe, found), key=lambda run: str(run.started), reverse=True)

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
            client.set_tag(run_id, key, value[:TAG_LENGTH])

    def find_version(self, name: str, alias: str) -> str | None:
        """Return the number of the version of a registered model that `alias` means, or None."""
        database = find_sqlite_path(self.uri)
        known = find_version(database, name, alias) if database is not None else None
        if known is not None:
            return known
        found = self.open_registry(name).find(alias)
        return found.number if found else None

    def open_registry(self, name: str) -> MlflowRegistry:
        """Return the versions of the registered model `name`, of which there may be none yet."""
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

    def _close_dead(self, client: "MlflowClient", experiment: str) -> None:
        """End the runs whose processes were killed, which would otherwise stay "running"."""
        for run in search_all(client, experiment, "attributes.status = 'RUNNING'"):
            if has_ended(run.data.tags, run.info.start_time / 1000):
                client.set_terminated(run.info.run_id, "KILLED")
                log.info("run %s was left by a process that has ended", run.info.run_id)

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

    def _find_best(self, client: "MlflowClient", metric: str) -> "tuple[Run, str]":
        name = f"validation/{metric}"
        trained = "attributes.status = 'FINISHED' AND tags.kind = 'training'"
        runs = search_all(client, self._experiment_id(client), trained)
        found = choose_best(runs, name)
        if found is None:
            wanted, remedy = f"a finished training run with {name}", suggest_training()
            if runs:
                known = f"Its experiment has {count_of(len(runs), 'run')} without that metric"
                remedy = f"{known}; name another one, or train: {suggest_command('train')}"
            raise RunNotFoundError(wanted, self._shown, remedy)
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
            found = get_model_info(uri)
        except MlflowException as error:
            raise RunNotFoundError(
                f"model {uri!r}",
                self._shown,
                "That model, its version or its alias was deleted or never made. Promote a run, or "
                f"name another model: {suggest_command('promote', 'run=best')}",
            ) from error
        # A version stays usable if its run is deleted, as long as its files exist.
        run = self._find_run(client, str(found.run_id), deleted=True)
        # An alias may move; this address always means the same model.
        model = f"models:/{found.model_id}" if found.model_id else uri
        return describe_model(model, run, explain_name(model, uri), self._shown)

    def _connect_to_existing(self, wanted: str) -> "MlflowClient":
        """Return a client of an existing store; a new store could not hold anything."""
        database = find_sqlite_path(self.uri)
        if database is not None and not database.exists():
            raise RunNotFoundError(wanted, self._shown, suggest_training())
        return self._connect()

    def _connect(self) -> "MlflowClient":
        """Return a client of the store, after making or migrating its tables."""
        os.environ |= self._credentials
        return connect(self.uri, self._shown)


def _describe(run: "Run") -> StoredRun:
    info, data = run.info, run.data
    started = datetime.fromtimestamp(info.start_time / 1000, UTC)
    return StoredRun(
        info.run_id, info.run_name, data.tags, data.params, data.metrics, started, info.status
    )
