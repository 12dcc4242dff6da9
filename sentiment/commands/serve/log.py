"""Log of the traffic: rows are handed to a thread, which writes them twice a second."""

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

from sentiment.commands.serve.answers import Answer
from sentiment.commands.serve.feedback import Label
from sentiment.commands.serve.file_rows import FileAnswer, RowSpool
from sentiment.commands.serve.metrics import Metrics
from sentiment.commands.serve.routes import Options, ServedModel
from sentiment.config.schemas import LogSettings
from sentiment.files.hourly import HourlyTable, recover, remove_old
from sentiment.files.traffic import FEEDBACK, PREDICTIONS, SCHEMAS, TABLES
from sentiment.modeling.label_set_rules import record_rule

log = logging.getLogger(__name__)

# Seconds between two writes: with the write itself, less than the second that a kill may cost.
_PAUSE = 0.5
# Characters that wait to be written, with those of texts; a row without its text counts as 256.
_LARGEST, _ROW = 2**26, 256
# Bytes of rows of files that are written at once, and that wait for it.
_PART, _LARGEST_FILES = 2**24, 2**30
_ID_BYTES = 12


class TrafficLog:
    """Writes what a worker answers, behind its back.

    What cannot be written, since the disk is full or slower than the requests, is dropped and
    counted; no answer waits for it.

    Parameters
    ----------
    settings : LogSettings
        Where, and what.
    metrics : Metrics
        Counts rows.
    """

    def __init__(self, settings: LogSettings, metrics: Metrics) -> None:
        assert settings.folder is not None  # noqa: S101 - else there is no log
        self._settings, self._metrics = settings, metrics
        self._folder = Path(settings.folder).expanduser()
        self._tables = {name: HourlyTable(self._folder / name, SCHEMAS[name]) for name in TABLES}
        self._lock = threading.Lock()
        self._waiting: dict[str, list[Any]] = {name: [] for name in TABLES}
        self._size = 0
        self._files: deque[FileAnswer] = deque()
        self._file_size = 0
        self._looked = ""  # the hour in which old files were looked for
        self._failed = False
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, and leave Parquet files only."""
        self._end.set()
        self._thread.join()

    def add_answer(self, answer: Answer) -> None:
        """Hand over an answer."""
        texts = answer.texts
        if not texts.count:
            return
        size = _ROW * texts.count
        if self._settings.texts:
            size += sum(map(len, texts.values))
        self._add(PREDICTIONS, [answer], size, texts.count)

    def make_spool(self) -> RowSpool:
        """Return where the rows of a file wait."""
        return RowSpool(with_texts=self._settings.texts)

    def add_file(self, answer: FileAnswer) -> None:
        """Hand over the rows of a file."""
        rows = answer.rows
        with self._lock:
            if has_room := self._file_size + rows.size <= _LARGEST_FILES:
                self._file_size += rows.size
                self._files.append(answer)
        if not has_room:
            self._end_file(answer)

    def add_labels(self, labels: Sequence[Label]) -> bool:
        """Hand over labels; return False if there is no room for them."""
        return self._add(FEEDBACK, labels, _ROW * len(labels), len(labels))

    def _add(self, table: str, items: Sequence[Any], size: int, rows: int) -> bool:
        with self._lock:
            if has_room := self._size + size <= _LARGEST:
                self._size += size
                self._waiting[table].extend(items)
        if not has_room:
            self._metrics.count_logged(table, "dropped", rows)
        return has_room

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._end.wait(0 if self._files else _PAUSE)
            self.write()
        while self._files:
            self.write()
        for table in self._tables.values():
            self._try(table.close)

    def write(self) -> None:
        """Write what waits, of files a part; recover and remove files once an hour."""
        now = datetime.now(UTC)
        with self._lock:
            waiting, self._size = self._waiting, 0
            self._waiting = {name: [] for name in TABLES}
        answers = waiting[PREDICTIONS]
        if answers:
            self._write(PREDICTIONS, _tabulate(answers, with_texts=self._settings.texts), now)
        if waiting[FEEDBACK]:
            self._write(FEEDBACK, _tabulate_labels(waiting[FEEDBACK]), now)
        self._write_files(now)
        hour = now.strftime("%Y-%m-%dT%H")
        if hour != self._looked:
            self._looked = hour
            for name, table in self._tables.items():
                self._try(partial(table.roll, now))
                self._try(partial(recover, self._folder / name))
                self._try(partial(self._remove_old, name, now))

    def _write_files(self, now: datetime) -> None:
        """Write some rows of files; the others wait until answers that came meanwhile are kept."""
        taken: list[pa.RecordBatch] = []
        while self._files and sum(rows.nbytes for rows in taken) < _PART:
            answer = self._files[0]
            rows = answer.rows.read_next()
            if rows is not None:
                taken.append(_tabulate_file(answer, rows))
                continue
            with self._lock:
                self._files.popleft()
                self._file_size -= answer.rows.size
            self._end_file(answer)
        if taken:
            self._write(PREDICTIONS, pa.concat_batches(taken), now)

    def _end_file(self, answer: FileAnswer) -> None:
        rows = answer.rows
        rows.close()
        if rows.taken < rows.count:
            self._metrics.count_logged(PREDICTIONS, "dropped", rows.count - rows.taken)

    def _write(self, name: str, rows: pa.RecordBatch, now: datetime) -> None:
        is_written = self._try(lambda: self._tables[name].append(rows, now))
        self._failed &= not is_written
        self._metrics.count_logged(name, "written" if is_written else "dropped", rows.num_rows)

    def _remove_old(self, name: str, now: datetime) -> None:
        if self._settings.keep_days is not None:
            remove_old(self._folder / name, self._settings.keep_days, now)

    def _try(self, act: Callable[[], Any]) -> bool:
        """Do something with files; return False if the disk did not let it, and say so once."""
        try:
            act()
        except (OSError, pa.ArrowException) as error:
            if not self._failed:
                log.warning("the log is not written: %s", error)
            self._failed = True
            return False
        return True


def make_folders(settings: LogSettings) -> None:
    """Make the folder of the log, unless it is off.

    Raises
    ------
    OSError
        It cannot be made, or written to.
    """
    if settings.folder is None:
        return
    for name in TABLES:
        folder = Path(settings.folder).expanduser() / name
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "no permission to write to the log", str(folder))


def make_id() -> str:
    """Return the id of a request, which nobody can guess."""
    return os.urandom(_ID_BYTES).hex()


def _tabulate(answers: Sequence[Answer], *, with_texts: bool) -> pa.RecordBatch:
    rows: list[tuple[Any, ...]] = []
    for one in answers:
        texts, choice = one.texts, one.model.choice
        shared = (one.route, one.role, choice.uri, choice.run_id, one.model.alias_version,
                  one.seconds, _write_rule(one.model, texts.options))  # fmt: skip
        at = int(one.at * 1e6)
        found = zip(one.found["prediction"], one.found["probability"], texts.values, strict=True)
        for place, id_ in enumerate(one.list_ids()):
            if place in texts.faults:
                # Without its end, which may quote the text.
                reason = texts.faults[place].partition(":")[0]
                rows.append((at, id_, *shared, None, None, reason, None))
            else:
                prediction, probability, text = next(found)
                kept = text if with_texts else None
                rows.append((at, id_, *shared, prediction, probability, None, kept))
    return _make_batch(rows, SCHEMAS[PREDICTIONS])


def _tabulate_file(one: FileAnswer, rows: pa.RecordBatch) -> pa.RecordBatch:
    """Return rows of a file, with what all of them share."""
    choice, schema = one.model.choice, SCHEMAS[PREDICTIONS]
    ids = pc.binary_join_element_wise(one.id, rows["place"].cast(pa.string()), "-")
    shared = {
        "time": int(one.at * 1e6), "route": one.route, "role": one.role, "model": choice.uri,
        "run_id": choice.run_id, "version": one.model.alias_version, "seconds": one.seconds,
        "rule": _write_rule(one.model, one.options),
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
    return json.dumps(record_rule(model.vary(options).rule))


def _tabulate_labels(labels: Sequence[Label]) -> pa.RecordBatch:
    rows = [(int(one.at * 1e6), one.id, one.route, one.label) for one in labels]
    return _make_batch(rows, SCHEMAS[FEEDBACK])


def _make_batch(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(one, kind) for one, kind in zip(columns, schema.types, strict=True)]
    return pa.record_batch(arrays, schema=schema)
