"""Registered models: versions and aliases."""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sentiment.redaction import redact
from sentiment.redaction.printable import escape_markdown
from sentiment.tracking.lease import hold_lease
from sentiment.tracking.limits import TAG_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

# Aliases of the champion, and of the champion that it replaced.
CHAMPION, PREVIOUS = "champion", "previous"
# Error codes of MLflow for a missing model and for a missing alias.
_ABSENT = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


@dataclass(frozen=True)
class Version:
    """A version of a registered model.

    Attributes
    ----------
    number : str
        Its number.
    run_id : str
        The run that trained it.
    tags : dict of str to str
        Its tags.
    """

    number: str
    run_id: str
    tags: dict[str, str] = field(default_factory=dict)


class MlflowRegistry:
    """The versions of one registered model.

    Each call is one transaction of the store, so an alias is never between two versions.

    Parameters
    ----------
    client : MlflowClient
        Of a store that is ready.
    name : str
        The registered model.
    """

    def __init__(self, client: "MlflowClient", name: str) -> None:
        # MLflow logs how long it waits for new versions, although it does not wait here.
        logging.getLogger("mlflow.store.model_registry").setLevel(logging.WARNING)
        self._client = client
        self.name = name

    def find(self, alias: str) -> Version | None:
        """Return the version of `alias`, or None."""
        return self._look_up(self._client.get_model_version_by_alias, alias)

    def get(self, number: str) -> Version | None:
        """Return the version with this number, or None."""
        return self._look_up(self._client.get_model_version, number)

    def _look_up(self, get: "Callable[[str, str], ModelVersion]", reference: str) -> Version | None:
        from mlflow.exceptions import MlflowException

        try:
            return _describe(get(self.name, reference))
        except MlflowException as error:
            if error.error_code in _ABSENT:
                return None
            raise

    def list_versions(self, run_id: str | None = None) -> list[Version]:
        """Return the versions of the models of a run (default: all), the newest first."""
        query = f"name = '{self.name}'"
        if run_id is not None:
            query += f" AND run_id = '{run_id}'"
        versions: list[ModelVersion] = []
        token = None
        while token != "":
            page = self._client.search_model_versions(query, page_token=token)
            versions, token = versions + list(page), page.token or ""
        return sorted(map(_describe, versions), key=lambda version: -int(version.number))

    def read_tags(self) -> dict[str, str]:
        """Return the tags of the registered model itself; empty if there is no such model."""
        from mlflow.exceptions import MlflowException

        try:
            return dict(self._client.get_registered_model(self.name).tags)
        except MlflowException as error:
            if error.error_code in _ABSENT:
                return {}
            raise

    def set_tag(self, key: str, value: str) -> None:
        """Set a tag of the registered model itself, which outlives its versions."""
        self._client.set_registered_model_tag(self.name, key, value)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Let one process at a time move aliases in the ``with`` block.

        Aliases can still be moved by other means, such as the MLflow UI.
        """
        self._create()
        with hold_lease(self._client, self.name):
            yield

    def register(self, uri: str, run_id: str) -> Version:
        """Return a new version of the model ``models:/<id>`` of a run."""
        self._create()
        version = self._client.create_model_version(
            self.name, source=uri, run_id=run_id, model_id=uri.removeprefix("models:/")
        )
        return _describe(version)

    def _create(self) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def annotate(self, number: str, tags: dict[str, str], description: str | None = None) -> None:
        """Set tags and the description, a plain sentence, of a version."""
        for key, value in tags.items():
            self._client.set_model_version_tag(self.name, number, key, redact(value)[:TAG_LENGTH])
        if description is not None:
            self._client.update_model_version(
                self.name, number, escape_markdown(redact(description))
            )

    def set_alias(self, alias: str, number: str | None) -> None:
        """Point `alias` to the version `number`, or remove it."""
        if number is None:
            self._client.delete_registered_model_alias(self.name, alias)
        else:
            self._client.set_registered_model_alias(self.name, alias, number)


def _describe(version: "ModelVersion") -> Version:
    return Version(str(version.version), str(version.run_id), dict(version.tags))
