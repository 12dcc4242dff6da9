"""Log of a server: its predictions, and feedback with their true labels.

A log is a folder with two tables, ``predictions`` and ``feedback``; see `sentiment.files.hourly`.
"""

import json
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sentiment.errors import InputNotFoundError
from sentiment.files.batches import Batch, Limits, Position
from sentiment.files.hourly import read_batches
from sentiment.files.origins import Origin
from sentiment.files.parquet import make_batch

PREDICTIONS, FEEDBACK = "predictions", "feedback"
TABLES = (PREDICTIONS, FEEDBACK)
CHAMPION, CHALLENGER, SHADOW = _ROLES = "champion", "challenger", "shadow"
_SHOWN = 40  # characters of a wrong value in a message
_TIME = pa.timestamp("us", "UTC")
SCHEMAS = {
    PREDICTIONS: pa.schema(
        {
            "time": _TIME,
            "id": pa.string(),
            "route": pa.string(),
            "role": pa.string(),  # champion, challenger or shadow
            "model": pa.string(),
            "run_id": pa.string(),
            "version": pa.string(),
            "seconds": pa.float64(),  # for all texts of the request
            "rule": pa.string(),  # decision rule, as JSON
            "prediction": pa.string(),
            "probability": pa.float64(),
            "error": pa.string(),  # why the text was rejected
            "text": pa.string(),
        }
    ),
    FEEDBACK: pa.schema(
        {"time": _TIME, "id": pa.string(), "route": pa.string(), "label": pa.string()}
    ),
}
# Columns that are never null.
_FILLED = {
    PREDICTIONS: ("time", "id", "route", "role", "model", "run_id", "rule"),
    FEEDBACK: ("time", "id", "route", "label"),
}


@dataclass(frozen=True)
class LoggedModel:
    """A model in a log.

    Attributes
    ----------
    key : str
        Run id, or the URI if there is no run.
    uri, run_id : str
        URI and run id; the latter is empty if there is no run.
    role : str
        Role of its last prediction.
    rule : dict
        Decision rule of most of its predictions; see `read_rule`.
    """

    key: str
    uri: str
    run_id: str
    role: str
    rule: dict[str, Any]


class Traffic:
    """Predictions of one route in a log, with the labels from feedback.

    Parameters
    ----------
    folder : Path
        Folder of the log.
    route : str
        Name of the route.
    setting : str
        Setting that names the folder, for messages.

    Attributes
    ----------
    labels : DataFrame
        Columns ``id``, ``label`` (the last one) and ``labelled`` (time of the first one).

    Raises
    ------
    InputNotFoundError
        The folder is not a log.
    """

    def __init__(self, folder: Path, route: str, setting: str) -> None:
        if not is_log(folder):
            raise InputNotFoundError(folder, setting, "a log of serve (log.folder)")
        self.folder, self.route = folder, route
        frames = [batch.to_pandas() for batch in self._read(FEEDBACK)]
        feedback = pd.concat([SCHEMAS[FEEDBACK].empty_table().to_pandas(), *frames])
        feedback = feedback[feedback["route"] == route].sort_values("time", kind="stable")
        # A corrected label keeps the time of the first label.
        times = feedback.drop_duplicates("id")[["id", "time"]]
        latest = feedback.drop_duplicates("id", keep="last")[["id", "label"]]
        self.labels = times.merge(latest, on="id").rename(columns={"time": "labelled"})

    def read(self) -> Iterator[pa.Table]:
        """Yield the rows with a prediction, and ``key``, ``label`` and its time, ``labelled``."""
        ids = pa.array(self.labels["id"], pa.string())
        labels = pa.array(self.labels["label"], pa.string())
        times = pa.Array.from_pandas(self.labels["labelled"], type=_TIME)
        for batch in self._read(PREDICTIONS):
            is_selected = pc.and_(
                pc.equal(batch["route"], self.route), pc.is_valid(batch["prediction"])
            )
            rows = pa.table(batch.filter(is_selected))
            if not rows.num_rows:
                continue
            key = pc.if_else(pc.equal(rows["run_id"], ""), rows["model"], rows["run_id"])
            indices = pc.index_in(rows["id"].combine_chunks(), ids)
            rows = rows.append_column("key", key).append_column("label", labels.take(indices))
            yield rows.append_column("labelled", times.take(indices))

    def _read(self, table: str) -> Iterator[pa.RecordBatch]:
        return read_batches(self.folder / table, SCHEMAS[table], _FAULTS[table])

    def list_models(self) -> list[LoggedModel]:
        """Return the models of the predictions, sorted by the times of their last predictions."""
        names = ["key", "model", "run_id", "role", "rule"]
        frames = [
            rows.group_by(names).aggregate([("time", "max"), ("time", "count")]).to_pandas()
            for rows in self.read()
        ]
        if not frames:
            return []
        grouped = pd.concat(frames).groupby(names, as_index=False)
        counts = grouped.agg(last=("time_max", "max"), rows=("time_count", "sum"))
        models = []
        for key, rules_of_model in counts.groupby("key"):
            last = rules_of_model.loc[rules_of_model["last"].idxmax()]
            rules = rules_of_model.groupby("rule")["rows"].sum()
            model = LoggedModel(
                str(key), last["model"], last["run_id"], last["role"], json.loads(rules.idxmax())
            )
            models.append((last["last"], model))
        return [model for _, model in sorted(models, key=lambda pair: pair[0])]


class TrafficRows:
    """Predictions of one model as an input, with the columns of an output of `predict`.

    Rows of requests that set a threshold are skipped, and so are rows without a text if any row
    has one.

    Parameters
    ----------
    traffic : Traffic
        The log.
    model : LoggedModel
        The model.

    Attributes
    ----------
    has_texts : bool
        True if any row has its text.
    """

    kind = "parquet"
    assumed = ()
    layout = None
    share = 0.0

    def __init__(self, traffic: Traffic, model: LoggedModel) -> None:
        self._traffic, self._model = traffic, model
        self.has_texts = any(pc.any(pc.is_valid(rows["text"])).as_py() for rows in self._read())
        self.columns = [*["text"] * self.has_texts, "prediction", "probability", "time"]
        self.columns += ["label"] * (not traffic.labels.empty)
        folder = traffic.folder
        self.origin = Origin(str(folder), {"input": str(folder.resolve())}, folder, ".parquet")

    def read(self, text_column: str, limits: Limits, start: Position) -> Generator[Batch]:
        """Yield the rows from `start` on; if there are no texts, predictions stand in for them."""
        row, column = 0, text_column if self.has_texts else "prediction"
        for rows in self._read():
            selected = rows.filter(pc.is_valid(rows["text"])) if self.has_texts else rows
            row += selected.num_rows
            if row > start.row and selected.num_rows:
                time = pc.strftime(selected["time"], "%Y-%m-%dT%H:%M:%SZ")
                table = selected.set_column(selected.column_names.index("time"), "time", time)
                yield make_batch(table.select(self.columns), column, limits, row)

    def _read(self) -> Iterator[pa.Table]:
        key, rule = self._model.key, json.dumps(self._model.rule)
        for rows in self._traffic.read():
            yield rows.filter(pc.and_(pc.equal(rows["key"], key), pc.equal(rows["rule"], rule)))


def is_log(folder: Path) -> bool:
    """Return whether `folder` is the log of a server."""
    return (folder / PREDICTIONS).is_dir()


def is_rule(rule: Mapping[str, Any]) -> bool:
    """Return whether `rule`, parsed from JSON, are a valid decision rule."""
    shares = [rule.get(name, 0.0) for name in ("threshold", "least_confidence")]
    lists = [rule.get(name, []) for name in ("factors", "f1_macro", "thresholds")]
    return all(isinstance(share, int | float) and 0 <= share <= 1 for share in shares) and all(
        isinstance(values, list) and all(isinstance(n, int | float) and n >= 0 for n in values)
        for values in lists
    )


def _find_empty(table: str, rows: pa.RecordBatch) -> str:
    for name in _FILLED[table]:
        if rows[name].null_count:
            return f"a row has no {name!r}"
    years = pc.min_max(pc.year(rows["time"])).as_py()
    if rows.num_rows and not 1 <= years["min"] <= years["max"] <= 9999:
        return "a 'time' is not within the years 1 to 9999"
    return ""


def _find_fault(rows: pa.RecordBatch) -> str:
    """Return the reason why rows are not valid predictions of a server, or ""."""
    if empty := _find_empty(PREDICTIONS, rows):
        return empty
    for role in pc.unique(rows["role"]).to_pylist():
        if role not in _ROLES:
            return f"a 'role' is {role!r}; expected {', '.join(_ROLES)}"
    for rule in pc.unique(rows["rule"]).to_pylist():
        try:
            facts = json.loads(rule)
        except (ValueError, RecursionError):
            facts = None
        if not isinstance(facts, dict) or not is_rule(facts):
            return f"a 'rule' is {rule[:_SHOWN]!r}; expected JSON such as {{\"threshold\": 0.5}}"
    probabilities = rows["probability"].filter(pc.is_valid(rows["prediction"]))
    is_share = pc.and_(
        pc.greater_equal(probabilities, 0), pc.less_equal(probabilities, 1)
    ).fill_null(False)
    if not pc.all(is_share, min_count=0).as_py():
        return "a 'probability' is not a number from 0 to 1"
    return ""


_FAULTS: dict[str, Callable[[pa.RecordBatch], str]] = {
    PREDICTIONS: _find_fault,
    FEEDBACK: partial(_find_empty, FEEDBACK),
}
