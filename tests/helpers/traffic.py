"""Logs of servers, made up."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sentiment.files.hourly import HourlyTable
from sentiment.files.traffic import FEEDBACK, PREDICTIONS, SCHEMAS, TABLES

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class MadeLog:
    """A log to which rows are added one by one; it is written by `write`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}

    def answer(self, id_: str, run: str, prediction: str, **more: Any) -> None:
        """Add an answer, by default of the champion."""
        shared = {"time": NOON, "route": "sentiment", "role": "champion", "model": f"models:/{run}",
                  "version": "", "seconds": 0.001, "rule": '{"threshold": 0.5}',
                  "probability": 0.75}  # fmt: skip
        row = shared | {"id": id_, "run_id": run, "prediction": prediction} | more
        self._rows[PREDICTIONS].append(row)

    def label(self, id_: str, label: str, minutes: float = 0, route: str = "sentiment") -> None:
        """Add a label that came `minutes` after noon."""
        time = NOON + timedelta(minutes=minutes)
        self._rows[FEEDBACK].append({"time": time, "id": id_, "route": route, "label": label})

    def write(self) -> Path:
        for name, rows in self._rows.items():
            (self.folder / name).mkdir(parents=True, exist_ok=True)
            table = HourlyTable(self.folder / name, SCHEMAS[name])
            if rows:
                table.append(pa.RecordBatch.from_pylist(rows, SCHEMAS[name]), NOON)
            table.close()
        return self.folder


WRONG_TEXTS = ["", "\x00\n", "x" * 50_000, "no", "[]", '{"threshold": "x"}', '{"threshold": 1e999}']
WRONG_TEXTS += [
    '{"thresholds": [0.5]}',
    '{"factors": [1, 2, 3]}',
    '{"threshold": 0.7}',
    "[" * 50_000,
]
WRONG = {
    pa.string(): WRONG_TEXTS,
    pa.float64(): [float("nan"), float("inf"), -1.0, 2.0, 1e308],
    pa.timestamp("us", "UTC"): [-(2**63), 2**63 - 1, -(2**62), 0],
}
# What is done to each column.
SHAPES = ("missing", "null", "nulls", "number", "large", "twice")


def list_damages(table: str) -> list[tuple[str, object]]:
    """Return columns of a table, each with what may be done to it or a value for its last row."""
    return [
        (field.name, damage)
        for field in SCHEMAS[table]
        for damage in [*SHAPES, *([value] for value in WRONG[field.type])]
    ]


def damage_log(folder: Path, table: str, column: str, damage: object) -> Path:
    """Damage a column of the first Parquet file of a log, whose path is returned."""
    path = min((folder / table).glob("*.parquet"))
    rows = pq.read_table(path)
    place, kind = rows.schema.get_field_index(column), rows.schema.field(column).type
    values = rows[column].to_pylist()
    match damage:
        case "missing":
            rows = rows.remove_column(place)
        case "twice":
            rows = rows.append_column(column, rows[column])
        case "number":
            rows = rows.set_column(place, column, pa.array([*range(rows.num_rows)]))
        case "large":
            array = pa.array([str(value) for value in values], pa.large_string())
            rows = rows.set_column(place, column, array)
        case "nulls":
            rows = rows.set_column(place, column, pa.nulls(rows.num_rows, kind))
        case _:
            value = damage[0] if isinstance(damage, list) else None
            changed = pa.array([value], pa.int64() if pa.types.is_timestamp(kind) else kind)
            array = pa.concat_arrays([rows[column].combine_chunks()[:-1], changed.cast(kind)])
            rows = rows.set_column(place, column, array)
    pq.write_table(rows, path)
    return path
