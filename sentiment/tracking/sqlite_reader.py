"""Models and other files of an sqlite store, found without MLflow.

The import of MLflow takes longer than most predictions, and a hundred megabytes. These functions
only handle the usual case. In all others, such as a locked store, a store of another version or a
deleted run, they return None, and the caller asks MLflow, which reports the problem.
"""

import contextlib
import json
import math
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sentiment.tracking.choosing import choose_best
from sentiment.tracking.folder import MODEL
from sentiment.tracking.records import NAMED, explain_name

# Revisions of MLflow's tables, by the ids of its migrations, for which the queries below work.
KNOWN_REVISIONS = frozenset({"dc11669786a5"})
# Seconds to wait for a lock before asking MLflow, which waits longer.
_PATIENCE = 0.2
_FINISHED = """
    SELECT run_uuid, name, start_time FROM runs
    WHERE lifecycle_stage = 'active' AND status = 'FINISHED' AND experiment_id = (
        SELECT experiment_id FROM experiments
        WHERE name = ? AND workspace = 'default' AND lifecycle_stage = 'active'
    )
    AND run_uuid IN (SELECT run_uuid FROM tags WHERE key = 'kind' AND value = 'training')
    ORDER BY start_time DESC, run_uuid
"""
_ONE = (
    "SELECT run_uuid, name, start_time FROM runs WHERE lifecycle_stage = 'active' AND run_uuid = ?"
)
_TAGS = """
    SELECT run_uuid, key, value FROM tags WHERE run_uuid IN (SELECT value FROM json_each(?))
"""
_PARAMS = """
    SELECT run_uuid, key, value FROM params WHERE run_uuid IN (SELECT value FROM json_each(?))
"""
_METRICS = """
    SELECT run_uuid, key, iif(is_nan, NULL, value) FROM latest_metrics
    WHERE run_uuid IN (SELECT value FROM json_each(?))
"""
_MODELS = """
    SELECT model_id, artifact_location FROM inputs JOIN logged_models ON model_id = destination_id
    WHERE source_type = 'RUN_OUTPUT' AND destination_type = 'MODEL_OUTPUT' AND source_id = ?
    AND lifecycle_stage = 'active'
"""
# Addresses of models that are looked up here: by id, by alias and by number.
_ADDRESS = re.compile(
    r"models:/((?P<id>m-[0-9a-f]{32})|(?P<name>[\w. -]+)(@(?P<alias>[\w. -]+)|/(?P<number>\d+)))"
)
_ALIAS = """
    SELECT version FROM registered_model_aliases
    WHERE name = ? AND alias = ? AND workspace = 'default'
"""
_VERSION = """
    SELECT model_id, artifact_location, source_run_id
    FROM model_versions JOIN logged_models ON source = 'models:/' || model_id
    WHERE model_versions.name = ? AND version = ? AND workspace = 'default'
    AND model_versions.status = 'READY' AND current_stage <> 'Deleted_Internal'
    AND storage_location = artifact_location AND lifecycle_stage = 'active'
"""
_MODEL = """
    SELECT model_id, artifact_location, source_run_id FROM logged_models
    WHERE model_id = ? AND lifecycle_stage = 'active'
"""
_ARTIFACTS = "SELECT artifact_uri FROM runs WHERE lifecycle_stage = 'active' AND run_uuid = ?"


@dataclass
class _Info:
    run_id: str
    run_name: str
    start_time: int


@dataclass
class _Data:
    metrics: dict[str, float] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class _Run:
    """A run with the attributes of MLflow's entity that this package uses."""

    info: _Info
    data: _Data = field(default_factory=_Data)


@dataclass(frozen=True)
class FoundModel:
    """A model in a store.

    Attributes
    ----------
    uri : str
        Its address.
    path : Path
        Its skops file.
    run : Run
        The run that trained it.
    why : str
        How it was chosen.
    """

    uri: str
    path: Path
    run: Any
    why: str


def find_model(database: Path, experiment: str, run: str, metric: str) -> FoundModel | None:
    """Return the model of a run, or None if MLflow has to be asked.

    Parameters
    ----------
    database : Path
        File of the store.
    experiment : str
        Name of the experiment in which to look for the best run.
    run : str
        "best", the id of a run or the address of a model.
    metric : str
        The metric that makes a run the best, such as ``validation/accuracy``.
    """
    try:
        with _open(database) as connection:
            if run.startswith("models:/"):
                model = _find_by_address(connection, run)
            else:
                model = _find_by_run(connection, experiment, run, metric)
    except (sqlite3.Error, OSError):
        return None
    return model if model and model.path.is_file() else None


def _find_by_run(
    connection: sqlite3.Connection, experiment: str, run: str, metric: str
) -> FoundModel | None:
    choice: tuple[Any, str] | None
    if run == "best":
        choice = choose_best(_read_runs(connection, _FINISHED, experiment), metric)
    else:
        runs = _read_runs(connection, _ONE, run)
        choice = (runs[0], NAMED) if runs else None
    models = choice and connection.execute(_MODELS, [choice[0].info.run_id]).fetchall()
    if not choice or not models or len(models) > 1:  # MLflow knows the latest of several
        return None
    [(model_id, location)] = models
    path = _find_file(location, MODEL)
    return FoundModel(f"models:/{model_id}", path, *choice) if path else None


def _find_by_address(connection: sqlite3.Connection, address: str) -> FoundModel | None:
    match = _ADDRESS.fullmatch(address)
    if match is None:
        return None
    name, number = match["name"], match["number"]
    if match["alias"]:
        number = _find_number(connection, name, match["alias"])
    query, values = (_MODEL, [match["id"]]) if match["id"] else (_VERSION, [name, number])
    models = connection.execute(query, values).fetchall()
    runs = _read_runs(connection, _ONE, models[0][2]) if models else []
    path = _find_file(models[0][1], MODEL) if models else None
    if not runs or path is None:
        return None
    uri = f"models:/{models[0][0]}"
    return FoundModel(uri, path, runs[0], explain_name(uri, address))


def find_version(database: Path, name: str, alias: str) -> str | None:
    """Return the number of the version that an alias refers to, or None if MLflow has to be asked.

    Parameters
    ----------
    database : Path
        File of the store.
    name : str
        The registered model.
    alias : str
        Such as ``champion``.
    """
    try:
        with _open(database) as connection:
            return _find_number(connection, name, alias)
    except (sqlite3.Error, OSError):
        return None


def _find_number(connection: sqlite3.Connection, name: str, alias: str) -> str | None:
    row = connection.execute(_ALIAS, [name, alias]).fetchone()
    return str(row[0]) if row else None


def find_artifact(database: Path, run_id: str, name: str) -> Path | None:
    """Return a local file or folder among the artifacts of a run, or None to ask MLflow.

    Parameters
    ----------
    database : Path
        File of the store.
    run_id : str
        Id of the run.
    name : str
        Path of the file below the run's artifacts.
    """
    try:
        with _open(database) as connection:
            row = connection.execute(_ARTIFACTS, [run_id]).fetchone()
    except (sqlite3.Error, OSError):
        return None
    path = _find_file(row[0], name) if row else None
    return path if path and path.exists() else None


@contextlib.contextmanager
def _open(database: Path) -> Iterator[sqlite3.Connection]:
    """Yield a read-only connection in one transaction.

    Raises
    ------
    sqlite3.Error
        The store cannot be read, or its tables have another version.
    """
    address = f"{database.absolute().as_uri()}?mode=ro"
    unlocked = sqlite3.connect(address, timeout=_PATIENCE, uri=True)
    with contextlib.closing(unlocked) as connection:
        connection.execute("BEGIN")
        revisions = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        if not revisions or not {revision for (revision,) in revisions} <= KNOWN_REVISIONS:
            raise sqlite3.DatabaseError("the tables have another version")
        yield connection


def _find_file(location: str, name: str) -> Path | None:
    """Return the path of a file below an address of artifacts; None if they may be elsewhere."""
    address = urlsplit(location)
    if address.scheme != "file" or address.netloc:
        return None
    return Path(unquote(address.path), name)


def _read_runs(connection: sqlite3.Connection, query: str, argument: str) -> list[Any]:
    runs = {row[0]: _Run(_Info(*row)) for row in connection.execute(query, [argument])}
    ids = [json.dumps(list(runs))]
    for run, key, value in connection.execute(_TAGS, ids):
        runs[run].data.tags[key] = value
    for run, key, value in connection.execute(_PARAMS, ids):
        runs[run].data.params[key] = value
    for run, key, value in connection.execute(_METRICS, ids):
        runs[run].data.metrics[key] = math.nan if value is None else value
    return list(runs.values())
