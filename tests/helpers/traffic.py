"""Logs of servers, made up."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

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
