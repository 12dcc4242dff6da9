"""Log of the traffic, written twice a second by a background thread."""

import json
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sentiment.commands.serve.feedback import Label
from sentiment.commands.serve.file_rows import FileResponse, RowSpool
from sentiment.commands.serve.metrics import Metrics
from sentiment.commands.serve.responses import Response
from sentiment.commands.serve.routes import Options, ServedModel
from sentiment.config.schemas import LogSettings
from sentiment.files.hourly import HourlyTable, recover, remove_old
from sentiment.files.traffic import FEEDBACK, PREDICTIONS, SCHEMAS, TABLES
from sentiment.modeling.decision_rules import record_rule

log = logging.getLogger(__name__)

# Seconds between two writes. With the time of a write, a killed server loses less than a second.
_WRITE_INTERVAL = 0.5
# Maximum size of the queue in characters. A row counts as 256, plus the length of a logged text.
_MAX_QUEUE_CHARS, _ROW_CHARS = 2**26, 256
# For rows of files: the size of one write, and the maximum size of the queue, in bytes.
_FILE_WRITE_BYTES, _MAX_FILE_BYTES = 2**24, 2**30
_ID_BYTES = 12


class TrafficLog:
    """Writer of the log of one worker, with its own thread.

    No response waits for the log: if the disk is full or slower than the requests, rows are dropped
    and counted.

    Parameters
    ----------
    settings : LogSettings
        Settings of the log.
    metrics : Metrics
        Counts written and dropped rows.
    """

    def __init__(self, settings: LogSettings, metrics: Metrics) -> None:
        assert settings.folder is not None  # noqa: S101 - otherwise there is no log
        self._settings, self._metrics = settings, metrics
        self._folder = Path(settings.folder).expanduser()
        self._tables = {name: HourlyTable(self._folder / name, SCHEMAS[name]) for name in TABLES}
        self._lock = threading.Lock()
        self._queue: dict[str, list[Any]] = {name: [] for name in TABLES}
        self._size = 0
        self._files: deque[FileResponse] = deque()
        self._file_size = 0
        self._cleanup_hour = ""  # hour of the last cleanup
        self._failed = False
        self._stop_event = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Write all queued rows, and convert the journals to Parquet files."""
        self._stop_event.set()
        self._thread.join()

    def add_response(self, response: Response) -> None:
        """Queue the predictions for a request."""
        texts = response.texts
        if not texts.count:
            return
        size = _ROW_CHARS * texts.count
        if self._settings.texts:
            size += sum(map(len, texts.values))
        self._add(PREDICTIONS, [response], size, texts.count)

    def make_spool(self) -> RowSpool:
        """Return a temporary file for the rows of a predicted file; see `add_file`."""
        return RowSpool(with_texts=self._settings.texts)

    def add_file(self, response: FileResponse) -> None:
        """Queue the rows of a predicted file."""
        rows = response.rows
        with self._lock:
            if has_room := self._file_size + rows.size <= _MAX_FILE_BYTES:
                self._file_size += rows.size
                self._files.append(response)
        if not has_room:
            self._finish_file(response)

    def add_labels(self, labels: Sequence[Label]) -> bool:
        """Queue labels; return False if the queue is full."""
        return self._add(FEEDBACK, labels, _ROW_CHARS * len(labels), len(labels))

    def _add(self, table: str, items: Sequence[Any], size: int, rows: int) -> bool:
        with self._lock:
            if has_room := self._size + size <= _MAX_QUEUE_CHARS:
                self._size += size
                self._queue[table].extend(items)
        if not has_room:
            self._metrics.count_logged(table, "dropped", rows)
        return has_room

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._stop_event.wait(0 if self._files else _WRITE_INTERVAL)
            self.write()
        while self._files:
            self.write()
        for table in self._tables.values():
            self._try(table.close)

    def write(self) -> None:
        """Write queued rows, and a part of queued files; clean up the folder once an hour."""
        now = datetime.now(UTC)
        with self._lock:
            queue, self._size = self._queue, 0
            self._queue = {name: [] for name in TABLES}
        responses = queue[PREDICTIONS]
        if responses:
            self._write(PREDICTIONS, _tabulate(responses, with_texts=self._settings.texts), now)
        if queue[FEEDBACK]:
            self._write(FEEDBACK, _tabulate_labels(queue[FEEDBACK]), now)
        self._write_files(now)
        hour = now.strftime("%Y-%m-%dT%H")
        if hour != self._cleanup_hour:
            self._cleanup_hour = hour
            for name, table in self._tables.items():
                self._try(partial(table.roll, now))
                self._try(partial(recover, self._folder / name))
                self._try(partial(self._remove_old, name, now))

    def _write_files(self, now: datetime) -> None:
        """Write one part of the queued files, so that other rows do not wait for whole files."""
        batches: list[pa.RecordBatch] = []
        while self._files and sum(rows.nbytes for rows in batches) < _FILE_WRITE_BYTES:
            response = self._files[0]
            rows = response.rows.read_next()
            if rows is not None:
                batches.append(_tabulate_file(response, rows))
                continue
            with self._lock:
                self._files.popleft()
                self._file_size -= response.rows.size
            self._finish_file(response)
        if batches:
            self._write(PREDICTIONS, pa.concat_batches(batches), now)

    def _finish_file(self, response: FileResponse) -> None:
        rows = response.rows
        rows.close()
        if rows.read_count < rows.count:
            self._metrics.count_logged(PREDICTIONS, "dropped", rows.count - rows.read_count)

    def _write(self, name: str, rows: pa.RecordBatch, now: datetime) -> None:
        is_written = self._try(lambda: self._tables[name].append(rows, now))
        self._failed &= not is_written
        self._metrics.count_logged(name, "written" if is_written else "dropped", rows.num_rows)

    def _remove_old(self, name: str, now: datetime) -> None:
        if self._settings.keep_days is not None:
            remove_old(self._folder / name, self._settings.keep_days, now)

    def _try(self, action: Callable[[], Any]) -> bool:
        """Call `action`; return False if it fails to write, and log only the first failure."""
        try:
            action()
        except (OSError, pa.ArrowException) as error:
            if not self._failed:
                log.warning("the log is not written: %s", error)
            self._failed = True
            return False
        return True


def make_folders(settings: LogSettings) -> None:
    """Make the folder of the log, if one is set.

    Raises
    ------
    OSError
        The folder cannot be made or is not writable.
    """
    if settings.folder is None:
        return
    for name in TABLES:
        folder = Path(settings.folder).expanduser() / name
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "no permission to write to the log", str(folder))


def make_id() -> str:
    """Return a random id for a request, 24 hexadecimal digits that cannot be guessed."""
    return os.urandom(_ID_BYTES).hex()


def _tabulate(responses: Sequence[Response], *, with_texts: bool) -> pa.RecordBatch:
    rows: list[tuple[Any, ...]] = []
    for response in responses:
        texts, model = response.texts, response.model
        rule = _write_rule(model, texts.options)
        shared = (response.route, response.role, model.choice.uri, model.choice.run_id,
                  model.alias_version, response.seconds, rule)  # fmt: skip
        at = int(response.at * 1e6)
        predictions = zip(
            response.predictions["prediction"],
            response.predictions["probability"],
            texts.values,
            strict=True,
        )
        for i, text_id in enumerate(response.list_ids()):
            if i in texts.faults:
                # Log only the part before the colon, since the rest may quote the text.
                reason = texts.faults[i].partition(":")[0]
                rows.append((at, text_id, *shared, None, None, reason, None))
            else:
                prediction, probability, text = next(predictions)
                logged_text = text if with_texts else None
                rows.append((at, text_id, *shared, prediction, probability, None, logged_text))
    return _make_batch(rows, SCHEMAS[PREDICTIONS])


def _tabulate_file(response: FileResponse, rows: pa.RecordBatch) -> pa.RecordBatch:
    """Return rows of a predicted file with the columns of the log."""
    choice, schema = response.model.choice, SCHEMAS[PREDICTIONS]
    ids = pc.binary_join_element_wise(response.id, rows["position"].cast(pa.string()), "-")
    shared = {
        "time": int(response.at * 1e6), "route": response.route, "role": response.role,
        "model": choice.uri, "run_id": choice.run_id, "version": response.model.alias_version,
        "seconds": response.seconds, "rule": _write_rule(response.model, response.options),
    }  # fmt: skip
    columns = {"id": ids}
    for field in schema:
        if field.name in shared:
            value = pa.scalar(shared[field.name], field.type)
            columns[field.name] = pa.repeat(value, rows.num_rows)
        elif field.name in rows.schema.names:
            columns[field.name] = rows[field.name]
    return pa.record_batch([columns[name] for name in schema.names], schema=schema)


def _write_rule(model: ServedModel, options: Options) -> str:
    if options.threshold is None:
        return model.rule
    return json.dumps(record_rule(model.with_options(options).rule))


def _tabulate_labels(labels: Sequence[Label]) -> pa.RecordBatch:
    rows = [(int(label.at * 1e6), label.id, label.route, label.label) for label in labels]
    return _make_batch(rows, SCHEMAS[FEEDBACK])


def _make_batch(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    arrays = [
        pa.array(column, column_type)
        for column, column_type in zip(columns, schema.types, strict=True)
    ]
    return pa.record_batch(arrays, schema=schema)
