"""Runs in an MLflow store: recording them and loading their models."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from sentiment.errors import RunNotFoundError, UntrustedModelError, read_reason
from sentiment.modeling.model_files import digest_file, was_written_here
from sentiment.redaction import redact, redact_values
from sentiment.tracking.downloads import is_local, make_download_folder
from sentiment.tracking.folder import MODEL, RUN_ID, RunFacts, RunFolder
from sentiment.tracking.limits import CALL_ITEMS, PARAM_LENGTH, TAG_LENGTH
from sentiment.tracking.model_folder import make_model_folder
from sentiment.tracking.records import SCALE, ModelChoice, RunRecord
from sentiment.tracking.retries import store_failures

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Run

# Tags of a run: the digest of its model file, whether the training itself recorded it, and the
# reason why the file cannot be loaded without the run ("" if it can).
_DIGEST, _IS_OWN, _AUDIT = "model.sha256", "model.own", "model.audit"
# The tag that MLflow shows as the description of a run, as Markdown.
_DESCRIPTION = "mlflow.note.content"


def _fetch_checked_model(uri: str, run: "Run", store: str) -> Path:
    """Return the skops file of the model `uri`, after checking its digest against the run.

    Raises
    ------
    RunNotFoundError
        The file does not exist any more.
    UntrustedModelError
        The file is not the one that the run recorded.
    """
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    missing = f"the model file of run {run.info.run_id!r}"
    try:
        download_folder = None if is_local(run.info.artifact_uri) else str(make_download_folder())
        path = Path(download_artifacts(artifact_uri=uri, dst_path=download_folder), MODEL)
    except (MlflowException, OSError) as error:
        reason = redact(read_reason(error).rstrip("."))
        # For a deleted folder, MLflow's message is about an artifact with an empty name.
        is_deleted = "No such artifact" in reason or isinstance(error, FileNotFoundError)
        problem = "were deleted" if is_deleted else f"cannot be read ({reason})"
        raise RunNotFoundError(
            missing, store, f"Its artifacts {problem}: train that model again, or name another run."
        ) from error
    if not path.is_file():
        if _DIGEST not in run.data.tags:  # another program made it
            raise UntrustedModelError(path.parent, f"it is not saved as {MODEL}")
        raise RunNotFoundError(
            missing,
            store,
            f"'{path}' was deleted: restore it, such as from the folder of its training, train "
            "that model again, or name another run.",
        )
    _check_digest(path, run.data.tags)
    return path


def describe_model(
    uri: str, run: "Run", why: str, store: str, path: Path | None = None
) -> ModelChoice:
    """Return the model `uri` of a run, with its digest checked.

    Its skops file is downloaded unless its local `path` is given.
    """
    tags = run.data.tags
    if path is None:
        path = _fetch_checked_model(uri, run, store)
    else:
        _check_digest(path, tags)
    return ModelChoice(
        uri=uri,
        path=path,
        run_id=run.info.run_id,
        run_name=run.info.run_name,
        why=why,
        commit=tags.get("git.commit", "unknown"),
        data=tags.get("data", "unknown"),
        fingerprint=tags.get("data.fingerprint", "unknown"),
        text_column=run.data.params.get("data.text_column", ""),
        label_column=run.data.params.get("data.label_column", ""),
        scale=tags.get(SCALE, ""),
        digest=tags.get(_DIGEST, "") if tags.get(_IS_OWN) == "true" else "",
    )


def _check_digest(path: Path, tags: Mapping[str, str]) -> None:
    """Check the model file `path` against the digest in the `tags` of its run.

    Raises
    ------
    UntrustedModelError
        The file is not the one that the run recorded. A run without a digest is accepted.
    """
    recorded = tags.get(_DIGEST)
    if recorded is None:
        return
    digest = digest_file(path)
    if digest != recorded:
        raise UntrustedModelError(
            path,
            f"it was changed after it was trained: its SHA-256 is {digest[:12]}…, and its run "
            f"keeps {recorded[:12]}…",
        )


def log_files(client: Any, run_id: str, folder: Path, names: Sequence[str]) -> None:
    """Keep the files `names`, paths relative to `folder`, under the same paths."""
    for name in names:
        parent = str(PurePosixPath(name).parent)
        client.log_artifact(run_id, str(folder / name), None if parent == "." else parent)


class MlflowRun(RunRecord):
    """Run in an MLflow store.

    Every method may be called again, such as after an outage: nothing is recorded twice.

    Parameters
    ----------
    client : MlflowClient
        Of a store that is ready.
    store : str
        Its address, without passwords.
    experiment : str
        Id of the experiment.
    run_id : str
        Id of the run.
    """

    id: str

    def __init__(self, client: "MlflowClient", store: str, experiment: str, run_id: str) -> None:
        self._client = client
        self._store = store
        self._experiment = experiment
        self.id = run_id
        self.has_ended = False

    def log_data(self, name: str, fingerprint: str) -> None:
        """Record the data of the run."""
        from mlflow.data.code_dataset_source import CodeDatasetSource
        from mlflow.data.meta_dataset import MetaDataset
        from mlflow.entities import DatasetInput, InputTag
        from mlflow.exceptions import MlflowException

        # MLflow's limit of a digest is 36 characters.
        source = CodeDatasetSource(tags={})
        data = MetaDataset(source, name=name, digest=fingerprint[:36])  # type: ignore[abstract]
        inputs = DatasetInput(
            data._to_mlflow_entity(), [InputTag("mlflow.data.context", "training")]
        )
        try:
            self._client.log_inputs(self.id, [inputs])
        except MlflowException:
            # Another job recorded the same data at the same time; a second call finds them.
            self._client.log_inputs(self.id, [inputs])

    def log_params(self, params: dict[str, Any]) -> None:
        """Record settings."""
        from mlflow.entities import Param

        public = redact_values({key: str(value) for key, value in params.items()})
        items = [Param(key, value[:PARAM_LENGTH]) for key, value in public.items()]
        for start in range(0, len(items), CALL_ITEMS):
            self._client.log_batch(self.id, params=items[start : start + CALL_ITEMS])

    def log_metrics(self, metrics: dict[str, float], moment: float | None = None) -> None:
        """Record metrics that were measured at `moment`, in seconds since the epoch."""
        from mlflow.entities import Metric

        timestamp = round(1000 * (time.time() if moment is None else moment))
        items = [Metric(key, value, timestamp, 0) for key, value in metrics.items()]
        for start in range(0, len(items), CALL_ITEMS):
            self._client.log_batch(self.id, metrics=items[start : start + CALL_ITEMS])

    def log_files(self, folder: Path, names: Sequence[str]) -> None:
        """Keep the files `names`, paths relative to `folder`, under the same paths."""
        log_files(self._client, self.id, folder, names)

    def record(self, folder: RunFolder, facts: RunFacts) -> str:
        """Record a kept run, and end this one; return the address of its model, if it has one.

        Raises
        ------
        TrackingStoreError
            The store cannot be used.
        """
        with store_failures(self._store):
            self.log_params(facts.params)
            if facts.data is not None:
                self.log_data(*facts.data)
            self.log_metrics(facts.metrics, facts.ended)
            if facts.description:
                description = redact(facts.description).replace(RUN_ID, self.id)
                self._client.set_tag(self.id, _DESCRIPTION, description)
            self.log_files(folder.path, [name for name in folder.files if name != MODEL])
            has_model = MODEL in folder.files
            address = self._log_model(folder.path, facts) if has_model else ""
            self.end("FINISHED", facts.ended)
        return address

    def end(self, status: str, moment: float | None = None) -> None:
        """End the run, as of `moment` in seconds since the epoch."""
        self._client.set_terminated(self.id, status, round(1000 * moment) if moment else None)
        self.has_ended = True

    def _log_model(self, files: Path, facts: RunFacts) -> str:
        from mlflow.entities import LoggedModelOutput, LoggedModelStatus

        model = self._find_model() or self._client.create_logged_model(
            self._experiment, name="model", source_run_id=self.id
        )
        if model.status != LoggedModelStatus.READY:
            with tempfile.TemporaryDirectory() as temporary_folder:
                folder = Path(temporary_folder, "model")
                make_model_folder(files, facts, folder, self.id, model.model_id)
                self._client.log_model_artifacts(model.model_id, str(folder))
            self._client.finalize_logged_model(model.model_id, "READY")
        outputs = self._client.get_run(self.id).outputs
        output_ids = {output.model_id for output in outputs.model_outputs} if outputs else set()
        if model.model_id not in output_ids:
            self._client.log_outputs(self.id, [LoggedModelOutput(model.model_id, step=0)])
        digest = digest_file(files / MODEL)
        # A digest in the folder of a run proves nothing, since anyone could have written the
        # folder.
        is_own = facts.is_own or was_written_here(digest)
        tags = {_DIGEST: digest, _IS_OWN: str(is_own).lower(), _AUDIT: facts.audit}
        for key, value in tags.items():
            self._client.set_tag(self.id, key, value[:TAG_LENGTH])
        return f"models:/{model.model_id}"

    def _find_model(self) -> "LoggedModel | None":
        """Return the model of an earlier attempt, which may have been interrupted."""
        query = f"source_run_id = '{self.id}'"
        models: list[LoggedModel] = self._client.search_logged_models([self._experiment], query)
        return models[0] if models else None
