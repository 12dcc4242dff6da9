"""Outputs that are written in parts, and that another process can resume."""

import contextlib
import csv
import fcntl
import io
import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from sentiment.errors import (
    OccupiedNameError,
    OutputBusyError,
    OutputExistsError,
    UnfinishedOutputError,
)
from sentiment.files.batches import Reject
from sentiment.files.control import (
    DamagedRecordError,
    check_plain_file,
    open_plain_file,
    read_record,
    rename_to_free,
    set_aside,
    write_record,
)

log = logging.getLogger(__name__)

_FIELDS = ("row", "line", "reason", "raw")


class PartialOutput:
    """An output and its rejected rows, which grow and can be resumed.

    Until they are complete, their names are ``<output>.partial`` and
    ``<output>.rejected.csv.partial``, and ``<output>.partial.json`` has the sizes up to which both
    are valid. A killed process leaves all three, and the next one resumes there.

    Links with these names are not followed. An unrelated file with one of these names is never
    written to, replaced or removed: an error names it, or it is renamed.

    Parameters
    ----------
    output : Path
        The finished output.
    overwrite : bool
        If True, a finished output, or the unfinished output of another job, is replaced.
    with_file : bool
        If True, rejected rows have a column with their file.
    """

    def __init__(self, output: Path, *, overwrite: bool, with_file: bool = False) -> None:
        self.output, self.overwrite, self._with_file = output, overwrite, with_file
        self.rejected = output.with_name(f"{output.name}.rejected.csv")
        self.report = output.with_name(f"{output.name}.json")
        self.partial = output.with_name(f"{output.name}.partial")
        self._partial_rejected = output.with_name(f"{self.rejected.name}.partial")
        self._assembled = output.with_name(f"{output.name}.partial.whole")
        self._state = output.with_name(f"{output.name}.partial.json")

    @property
    def names(self) -> list[Path]:
        """All files that a job may write."""
        return [self.output, self.rejected, self.report, *self._partial_files, self._state]

    @property
    def _partial_files(self) -> list[Path]:
        return [self.partial, self._partial_rejected, self._assembled]

    def read_finished(self) -> dict[str, Any] | None:
        """Return the report of a job that was killed after its last row, or None.

        Only the final names of its files are missing, which they get here.

        Raises
        ------
        OccupiedNameError, OutputExistsError
            Another file has one of these names by now.
        """
        state = self._read_record()
        if state is None or not state.get("complete"):
            return None
        finished_file = self.output.with_name(state["ready"])
        existing = next((path for path in (finished_file, self.output) if path.is_file()), None)
        if existing is None or existing.stat().st_size != state["size"]:
            return None  # it was removed or replaced
        self._rename_files(state)
        report: dict[str, Any] = state["report"]
        return report

    def read_report(self, job: dict[str, Any]) -> dict[str, Any] | None:
        """Return the report of a finished output, if it is of the same `job`."""
        if not self.output.is_file():
            return None
        try:
            report = read_record(self.report)
        except DamagedRecordError as error:
            log.warning("'%s' is damaged: %s", self.report, error)
            return None
        return report if report and report["job"] == job else None

    def check_free(self) -> None:
        """Check that no other file has the names of the finished files.

        Raises
        ------
        OutputExistsError
            The output exists and must not be replaced.
        OccupiedNameError
            An unrelated file has one of the names.
        """
        for path in self.names:
            check_plain_file(path)
        if self.output.exists() and not self.overwrite:
            raise OutputExistsError(self.output)
        if self.report.exists() and not self._is_report():
            raise OccupiedNameError(self.report, "it is not a report of predict, or a damaged one")
        check_rejected(self.rejected)

    def read_state(self) -> dict[str, Any] | None:
        """Return the last checkpoint if it can be resumed, else None."""
        state = self._read_record()
        if state is None or state.get("complete"):
            return None
        for path, name in ((self.partial, "size"), (self._partial_rejected, "rejected_size")):
            # After a power failure, a file may be shorter than its checkpoint.
            if not path.is_file() or path.stat().st_size < state[name]:
                return None
        return state

    def check_same(self, state: dict[str, Any], job: dict[str, Any]) -> bool:
        """Return whether the checkpoint `state` is of the same `job`.

        Raises
        ------
        UnfinishedOutputError
            It is of another job, whose output must not be replaced.
        """
        recorded = state["job"]
        differences = [
            f"{key} was {recorded.get(key)!r} and is {job.get(key)!r}"
            for key in {**recorded, **job}
            if recorded.get(key) != job.get(key)
        ]
        if differences and not self.overwrite:
            raise UnfinishedOutputError(self.partial, differences)
        return not differences

    @contextlib.contextmanager
    def open(self, state: dict[str, Any] | None, job: dict[str, Any]) -> Iterator[None]:
        """Open the files for the ``with`` block, to resume at `state` or to begin `job`.

        Raises
        ------
        OutputBusyError
            Another process is writing them.
        OccupiedNameError
            An unrelated file has one of their names.
        """
        self.output.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(self._lock())
            if state is None and self._set_aside():
                file = stack.enter_context(self._lock())
            rejected = stack.enter_context(open_plain_file(self._partial_rejected))
            if state is not None and self.read_state() != state:
                raise OutputBusyError(self.output)  # another process has resumed it meanwhile
            self._file, self._rejected = file, rejected
            for stream, name in ((file, "size"), (rejected, "rejected_size")):
                stream.truncate(state[name] if state else 0)
                stream.seek(0, os.SEEK_END)
            # True if a power failure would cost much work, which is worth a wait for the disk.
            self._is_long = state is not None
            if not state:
                # From now on, the record shows that these files belong to this job.
                empty = {"job": job, "progress": {}, "size": 0, "rejected_size": 0}
                try:
                    write_record(self._state, empty, durable=False)
                except OSError:  # the disk is full; there is nothing to resume yet
                    self.discard()
                    raise
            if not state or not state["progress"]:
                rejected.write(format_rejects([], header=True, with_file=self._with_file))
            yield

    def _lock(self) -> IO[bytes]:
        """Open and lock the growing output."""
        file = open_plain_file(self.partial)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), self.partial.lstat()):
                return file
        except (BlockingIOError, FileNotFoundError) as error:
            file.close()
            raise OutputBusyError(self.output) from error
        file.close()  # another process has just finished it
        raise OutputBusyError(self.output)

    def _set_aside(self) -> bool:
        """Rename growing files without a valid record; return whether the output is one of them.

        Raises
        ------
        OccupiedNameError
            There is no sign that predict has written them.
        """
        try:
            reason = "" if read_record(self._state) else "there is no record of it"
        except DamagedRecordError as error:
            reason = f"its record '{self._state.name}' is damaged: {error}"
        paths = [path for path in self._partial_files if _measure(path)]
        if not reason or not (paths or self._state.exists()):
            return False
        if self._state.exists():
            paths.append(self._state)
        elif not self.overwrite:
            if not _measure(self.partial):
                self.partial.unlink()  # `_lock` has just created it
            raise OccupiedNameError(paths[0], f"it has no record '{self._state.name}'")
        renamed = ", ".join(f"'{set_aside(path)}'" for path in paths)
        log.warning("'%s' is not resumed: %s. Kept: %s", self.output, reason, renamed)
        return self.partial in paths

    def append(self, data: bytes, rejects: list[Reject]) -> None:
        """Write rows and rejected rows."""
        self._file.write(data)
        if rejects:
            self._rejected.write(format_rejects(rejects, with_file=self._with_file))

    def save(self, job: dict[str, Any], progress: dict[str, Any]) -> None:
        """Record `progress`, up to which all rows were appended, for a later process."""
        self._is_long = True
        self.flush()
        sizes = {"size": self._file.tell(), "rejected_size": self._rejected.tell()}
        write_record(self._state, {"job": job, "progress": progress, **sizes})

    def flush(self) -> None:
        """Sync all appended rows to the disk."""
        for file in (self._file, self._rejected):
            file.flush()
            os.fdatasync(file.fileno())

    def finish(self, report: dict[str, Any], assemble: Callable[[Path, IO[bytes]], bool]) -> None:
        """Give the files their final names.

        Parameters
        ----------
        report : dict
            Facts of the job.
        assemble : callable
            Gets the appended file and an empty one. Either writes the output into the latter and
            returns True, or returns False if the appended file is the output.

        Raises
        ------
        OutputExistsError, OccupiedNameError
            Another process has created a file of such a name meanwhile. Nothing is lost: the same
            command finishes once that file has another name.
        """
        self._file.flush()
        self._rejected.flush()
        finished_file, streams = self.partial, [self._file]
        if report["rows"]["rejected"]:
            streams.append(self._rejected)
        with open_plain_file(self._assembled) as file:
            file.truncate()
            if assemble(self.partial, file):
                file.flush()
                finished_file, streams[0] = self._assembled, file
            for stream in streams:
                os.fdatasync(stream.fileno())
        sizes = {"size": finished_file.stat().st_size}
        state = {"complete": True, "report": report, "ready": finished_file.name, **sizes}
        write_record(self._state, state, durable=self._is_long)
        self._rename_files(state)

    def _rename_files(self, state: dict[str, Any]) -> None:
        """Give the files their final names; called again if a process was killed while doing so."""
        finished_file, report = self.output.with_name(state["ready"]), state["report"]
        if finished_file.exists() and self.output.exists() and finished_file.samefile(self.output):
            finished_file.unlink()  # a killed process has linked, but not unlinked it
        if finished_file.exists():
            self.check_free()
        write_record(self.report, report, indent=2)
        if self._partial_rejected.exists():
            if report["rows"]["rejected"]:
                self._partial_rejected.replace(self.rejected)
            else:
                self._partial_rejected.unlink()
                self.rejected.unlink(missing_ok=True)
        if finished_file.exists():
            if self.overwrite:
                finished_file.replace(self.output)
            else:
                try:
                    rename_to_free(finished_file, self.output)
                except FileExistsError as error:
                    raise OutputExistsError(self.output) from error
        self.partial.unlink(missing_ok=True)
        self._assembled.unlink(missing_ok=True)
        self._state.unlink()

    def discard(self) -> None:
        """Remove the unfinished files."""
        for path in (*self._partial_files, self._state):
            path.unlink(missing_ok=True)

    def _read_record(self) -> dict[str, Any] | None:
        """Return the record of unfinished files; None if it is missing or damaged."""
        try:
            return read_record(self._state)
        except DamagedRecordError:
            return None

    def _is_report(self) -> bool:
        """Return whether the file at the path of the report is one, of any version of predict."""
        try:
            report = json.loads(self.report.read_bytes())
        except (ValueError, RecursionError):
            return False
        return isinstance(report, dict) and {"job", "model", "rows"} <= report.keys()


def _measure(path: Path) -> int:
    return path.lstat().st_size if os.path.lexists(path) else 0


def check_rejected(path: Path) -> None:
    """Check that a file of rejected rows may be written to `path`.

    Raises
    ------
    OccupiedNameError
        It is not such a file.
    """
    check_plain_file(path)
    headers = [format_rejects([], header=True, with_file=with_file) for with_file in (False, True)]
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        if file.readline(1000) not in headers:
            raise OccupiedNameError(path, "it is not a file of rejected rows that predict wrote")


def format_rejects(rejects: list[Reject], *, with_file: bool, header: bool = False) -> bytes:
    """Return rejected rows as lines of CSV.

    Parameters
    ----------
    rejects : list of Reject
        The rows.
    header : bool
        True to write a line of column names first.
    with_file : bool
        True to add a column with the file of each row.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    if header:
        writer.writerow(["file", *_FIELDS] if with_file else _FIELDS)
    for reject in rejects:
        fields = (reject.row, reject.line or "", reject.reason, reject.raw)
        writer.writerow([reject.file, *fields] if with_file else fields)
    return buffer.getvalue().encode()
