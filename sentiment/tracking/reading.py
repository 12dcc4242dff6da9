"""Models of an sqlite store, found without MLflow, whose import takes longer than most predictions.

Only what is in order is found here. In all other cases, such as a locked store, one of another
version or a deleted run, nothing is returned: the caller asks MLflow, which reports the problem.
"""

import contextlib
import json
import math
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sentiment.tracking.choosing import choose_best
from sentiment.tracking.folder import MODEL

# Revisions of MLflow's tables, as its migrations number them, which the queries below fit.
KNOWN_REVISIONS = frozenset({"dc11669786a5"})
# Seconds to wait for a lock before MLflow is asked, which waits longer.
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
    """A run with the attributes of MLflow's entity that are used of it."""

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


def find_model(
    database: Path, experiment: str, run: str, metric: str, *, more: bool
) -> FoundModel | None:
    """Return the model of a run, or None if MLflow has to be asked.

    Parameters
    ----------
    database : Path
        File of the store.
    experiment : str
        Name of the experiment whose best run is looked for.
    run : str
        "best" or the id of a run.
    metric : str
        The metric that makes a run the best, such as ``validation/accuracy``.
    more : bool
        Whether a greater value is better.
    """
    try:
        address = f"{database.absolute().as_uri()}?mode=ro"
        opened = sqlite3.connect(address, timeout=_PATIENCE, uri=True)
        with contextlib.closing(opened) as connection:
            connection.execute("BEGIN")  # all is read as of one moment
            found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
            if not found or not {revision for (revision,) in found} <= KNOWN_REVISIONS:
                return None
            chosen: tuple[Any, str] | None
            if run == "best":
                runs = _read_runs(connection, _FINISHED, experiment)
                chosen = choose_best(runs, metric, more=more)
            else:
                runs = _read_runs(connection, _ONE, run)
                chosen = (runs[0], "it was named") if runs else None
            models = chosen and connection.execute(_MODELS, [chosen[0].info.run_id]).fetchall()
    except (sqlite3.Error, OSError):
        return None
    if not chosen or not models or len(models) > 1:  # of several, MLflow knows the latest
        return None
    [(model, location)] = models
    address = urlsplit(location)
    if address.scheme != "file" or address.netloc:  # the files may be elsewhere
        return None
    path = Path(unquote(address.path), MODEL)
    return FoundModel(f"models:/{model}", path, *chosen) if path.is_file() else None


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
