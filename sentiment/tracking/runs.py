"""The run that is being recorded in an MLflow store."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pandas as pd
from sklearn.pipeline import Pipeline

from sentiment import provenance
from sentiment.errors import RunNotFoundError, UntrustedModelError
from sentiment.model_files import TRUSTED_TYPES, make_savable
from sentiment.redaction import redact
from sentiment.tracking.folder import RunFolder
from sentiment.tracking.records import ModelChoice, RunRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# What another process needs to load a model; the cleaning steps are the standard library's.
_MODEL_REQUIREMENTS = ("numpy", "pandas", "scikit-learn", "scipy", "skops")
# The tag of a run that holds the digest of its model file.
_DIGEST = "model.sha256"


def fetch_model(uri: str) -> Path:
    """Return the skops file of the model `uri` on this machine."""
    from mlflow.artifacts import download_artifacts

    folder = Path(download_artifacts(artifact_uri=uri))
    path = folder / "model.skops"
    if not path.is_file():
        raise UntrustedModelError(folder, "it is not saved as model.skops")
    return path


def fetch_checked_model(uri: str, run: "Run", store: str) -> Path:
    """Return the skops file of the model `uri` of a run, compared with the digest of the run.

    Raises
    ------
    RunNotFoundError
        The file is not there any more.
    UntrustedModelError
        It is another file than the one that was kept.
    """
    from mlflow.exceptions import MlflowException

    try:
        path = fetch_model(uri)
    except (MlflowException, OSError) as error:
        reason = redact(str(error).splitlines()[0].rstrip("."))
        raise RunNotFoundError(
            f"the model file of run {run.info.run_id!r}",
            store,
            f"Its artifacts were deleted or cannot be read ({reason}): train that model again, or "
            "name another run.",
        ) from error
    check_digest(path, run.data.tags)
    return path


def describe_model(uri: str, run: "Run", why: str, store: str) -> ModelChoice:
    """Return the model `uri` of a run, fetched and checked, and why it was chosen."""
    tags = run.data.tags
    return ModelChoice(
        uri=uri,
        path=fetch_checked_model(uri, run, store),
        run_id=run.info.run_id,
        run_name=run.info.run_name,
        why=why,
        commit=tags.get("git.commit", "unknown"),
        data=tags.get("data", "unknown"),
        fingerprint=tags.get("data.fingerprint", "unknown"),
        text_column=run.data.params.get("data.text_column", ""),
        label_column=run.data.params.get("data.label_column", ""),
    )


def check_digest(path: Path, tags: Mapping[str, str]) -> None:
    """Compare the model file `path` with what the `tags` of its run say of it.

    Raises
    ------
    UntrustedModelError
        It is another file than the one that was kept. A run of which no digest was kept passes.
    """
    kept = tags.get(_DIGEST)
    if kept is None:
        return
    found = _digest(path)
    if found != kept:
        raise UntrustedModelError(
            path,
            f"it was changed after it was trained: its SHA-256 is {found[:12]}…, and its run "
            f"keeps {kept[:12]}…",
        )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def log_files(client: "MlflowClient", run_id: str, folder: Path, names: Sequence[str]) -> None:
    """Keep the files `names`, paths relative to `folder`, under the same paths."""
    for name in names:
        inside = str(PurePosixPath(name).parent)
        client.log_artifact(run_id, str(folder / name), None if inside == "." else inside)


class MlflowRun(RunRecord):
    """The run that is active in MLflow.

    Parameters
    ----------
    run_id : str
        Its id.
    """

    id: str

    def __init__(self, run_id: str) -> None:
        import mlflow

        self.id = run_id
        self._mlflow = mlflow

    def log_data(self, name: str, fingerprint: str) -> None:
        """Record which data the run is on."""
        from mlflow.data.code_dataset_source import CodeDatasetSource
        from mlflow.data.meta_dataset import MetaDataset

        # A digest has 36 characters at most.
        source = CodeDatasetSource(tags={})
        data = MetaDataset(source, name=name, digest=fingerprint[:36])  # type: ignore[abstract]
        try:
            self._mlflow.log_input(data, context="training")
        except self._mlflow.MlflowException:
            # Another job of a sweep entered the same data at the same time; now it is there.
            self._mlflow.log_input(data, context="training")

    def log_params(self, params: dict[str, Any]) -> None:
        """Record settings."""
        items = [(key, redact(str(value))) for key, value in params.items()]
        for start in range(0, len(items), 100):  # MLflow takes a hundred at a time
            self._mlflow.log_params(dict(items[start : start + 100]))

    def log_metrics(self, metrics: dict[str, float]) -> None:
        """Record numbers."""
        self._mlflow.log_metrics(metrics)

    def log_text(self, text: str, name: str) -> None:
        """Keep `text` as a file called `name`."""
        self._mlflow.log_text(redact(text), name)

    def log_files(self, folder: Path, names: Sequence[str]) -> None:
        """Keep the files `names`, paths relative to `folder`, under the same paths."""
        log_files(self._mlflow.MlflowClient(), self.id, folder, names)

    def log_model(
        self, pipeline: Pipeline, example: pd.DataFrame, folder: RunFolder
    ) -> tuple[str, Path]:
        """Keep the fitted `pipeline`; return its address and its skops file."""
        from mlflow.models import ModelSignature
        from mlflow.sklearn import log_model
        from mlflow.types import ColSpec, DataType, Schema

        info = log_model(
            make_savable(pipeline),
            name="model",
            serialization_format="skops",
            skops_trusted_types=TRUSTED_TYPES,
            signature=ModelSignature(
                inputs=Schema([ColSpec(DataType.string, "text")]),
                outputs=Schema([ColSpec(DataType.string)]),
            ),
            input_example=example,
            pip_requirements=provenance.pin(*_MODEL_REQUIREMENTS),
        )
        uri = f"models:/{info.model_id}"
        path = fetch_model(uri)
        self._mlflow.set_tag(_DIGEST, _digest(path))
        return uri, path
