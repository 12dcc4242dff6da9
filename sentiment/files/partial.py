"""Files that grow until they are complete, and that another process can resume."""

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
    check_name,
    open_own,
    read_record,
    rename_to_free,
    set_aside,
    write_record,
)

log = logging.getLogger(__name__)

_FIELDS = ("row", "line", "reason", "raw")


class PartialOutput:
    """An output and its rejected rows, which grow and can be resumed.

    While they grow, they are ``<output>.partial`` and ``<output>.rejected.csv.partial``, and
    ``<output>.partial.json`` has the sizes up to which both are valid. A process that is killed
    leaves all three, and the next one resumes there.

    None of these names is followed if it is a link, and a file that has one of them by chance is
    never written to, replaced or removed: it is named in an error, or renamed.

    Parameters
    ----------
    output : Path
        The finished output.
    overwrite : bool
        Whether a finished output may be replaced, and the unfinished output of another job dropped.
    many : bool
        Whether rejected rows are of many files.
    """

    def __init__(self, output: Path, *, overwrite: bool, many: bool = False) -> None:
        self.output, self.overwrite, self._many = output, overwrite, many
        self.rejected = output.with_name(f"{output.name}.rejected.csv")
        self.report = output.with_name(f"{output.name}.json")
        self.partial = output.with_name(f"{output.name}.partial")
        self._partial_rejected = output.with_name(f"{self.rejected.name}.partial")
        self._assembled = output.with_name(f"{output.name}.partial.whole")
        self._state = output.with_name(f"{output.name}.partial.json")

    @property
    def names(self) -> list[Path]:
        """All files that a job may write."""
        return [self.output, self.rejected, self.report, *self._growing, self._state]

    @property
    def _growing(self) -> list[Path]:
        return [self.partial, self._partial_rejected, self._assembled]

    def read_finished(self) -> dict[str, Any] | None:
        """Return the report of a job that was killed after its last row, or None.

        Such a job lacks only the names of its files, which they get here.

        Raises
        ------
        OccupiedNameError, OutputExistsError
            Something else has one of these names by now.
        """
        state = self._read_record()
        if state is None or not state.get("complete"):
            return None
        made = self.output.with_name(state["ready"])
        done = next((path for path in (made, self.output) if path.is_file()), None)
        if done is None or done.stat().st_size != state["size"]:
            return None  # it was removed, or it is another file
        self._name_files(state)
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
        """Check that nothing else has the names of the finished files.

        Raises
        ------
        OutputExistsError
            The output is there and may not be replaced.
        OccupiedNameError
            One of the names belongs to a file of somebody else.
        """
        for path in self.names:
            check_name(path)
        if self.output.exists() and not self.overwrite:
            raise OutputExistsError(self.output)
        if self.report.exists() and not self._is_report():
            raise OccupiedNameError(self.report, "it is not a report of predict, or a damaged one")
        check_rejected(self.rejected)

    def read_state(self) -> dict[str, Any] | None:
        """Return the last checkpoint, if there is one that can be resumed."""
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
            It is of another job, which may not be dropped.
        """
        begun = state["job"]
        differences = [
            f"{key} was {begun.get(key)!r} and is {job.get(key)!r}"
            for key in {**begun, **job}
            if begun.get(key) != job.get(key)
        ]
        if differences and not self.overwrite:
            raise UnfinishedOutputError(self.partial, differences)
        return not differences

    @contextlib.contextmanager
    def open(self, state: dict[str, Any] | None, job: dict[str, Any]) -> Iterator[None]:
        """Open the files for the ``with`` block, from `state` on or anew for `job`.

        Raises
        ------
        OutputBusyError
            Another process is writing them.
        OccupiedNameError
            One of their names belongs to a file of somebody else.
        """
        self.output.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(self._lock())
            if state is None and self._set_aside():
                file = stack.enter_context(self._lock())
            rejected = stack.enter_context(open_own(self._partial_rejected))
            if state is not None and self.read_state() != state:
                raise OutputBusyError(self.output)  # another process has resumed it meanwhile
            self._file, self._rejected = file, rejected
            for one, name in ((file, "size"), (rejected, "rejected_size")):
                one.truncate(state[name] if state else 0)
                one.seek(0, os.SEEK_END)
            # What a power failure would cost; it is worth a wait for the disk if it is much.
            self._is_long = state is not None
            if not state:
                # From now on, these files are known to be of this job.
                empty = {"job": job, "progress": {}, "size": 0, "rejected_size": 0}
                try:
                    write_record(self._state, empty, durable=False)
                except OSError:  # the disk is full; nothing was written that could be resumed
                    self.discard()
                    raise
            if not state or not state["progress"]:
                rejected.write(format_rejects([], header=True, many=self._many))
            yield

    def _lock(self) -> IO[bytes]:
        """Return the growing output, which no other process has open."""
        file = open_own(self.partial)
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
        """Rename growing files of which nobody knows what they are; return whether there are any.

        Raises
        ------
        OccupiedNameError
            They were not made by predict, as far as can be seen.
        """
        try:
            reason = "" if read_record(self._state) else "there is no record of it"
        except DamagedRecordError as error:
            reason = f"its record '{self._state.name}' is damaged: {error}"
        found = [path for path in self._growing if _measure(path)]
        if not reason or not (found or self._state.exists()):
            return False
        if self._state.exists():
            found.append(self._state)
        elif not self.overwrite:
            if not _measure(self.partial):
                self.partial.unlink()  # it is ours, and has been for a moment only
            raise OccupiedNameError(found[0], f"it has no record '{self._state.name}'")
        kept = ", ".join(f"'{set_aside(path)}'" for path in found)
        log.warning("'%s' is not resumed: %s. Kept: %s", self.output, reason, kept)
        return self.partial in found

    def append(self, data: bytes, rejects: list[Reject]) -> None:
        """Write rows and rejected rows."""
        self._file.write(data)
        if rejects:
            self._rejected.write(format_rejects(rejects, many=self._many))

    def save(self, job: dict[str, Any], progress: dict[str, Any]) -> None:
        """Record that all that was appended belongs to `progress`, for a later process."""
        self._is_long = True
        self.flush()
        sizes = {"size": self._file.tell(), "rejected_size": self._rejected.tell()}
        write_record(self._state, {"job": job, "progress": progress, **sizes})

    def flush(self) -> None:
        """Write all that was appended to the disk."""
        for file in (self._file, self._rejected):
            file.flush()
            os.fdatasync(file.fileno())

    def finish(self, report: dict[str, Any], assemble: Callable[[Path, IO[bytes]], bool]) -> None:
        """Give the files their names.

        Parameters
        ----------
        report : dict
            What is known of the job.
        assemble : callable
            Takes what was appended and an empty file, and may write the output into that; returns
            whether it did, as what was appended is the output otherwise.

        Raises
        ------
        OutputExistsError, OccupiedNameError
            Somebody else has made a file of such a name meanwhile; nothing is lost, and the same
            command finishes once that file has another name.
        """
        self._file.flush()
        self._rejected.flush()
        made, written = self.partial, [self._file]
        if report["rows"]["rejected"]:
            written.append(self._rejected)
        with open_own(self._assembled) as file:
            file.truncate()
            if assemble(self.partial, file):
                file.flush()
                made, written[0] = self._assembled, file
            for one in written:
                os.fdatasync(one.fileno())
        sizes = {"size": made.stat().st_size}
        state = {"complete": True, "report": report, "ready": made.name, **sizes}
        write_record(self._state, state, durable=self._is_long)
        self._name_files(state)

    def _name_files(self, state: dict[str, Any]) -> None:
        """Give the files their names; called again where a process was killed in it."""
        made, report = self.output.with_name(state["ready"]), state["report"]
        if made.exists() and self.output.exists() and made.samefile(self.output):
            made.unlink()  # of its two names, it was about to lose this one
        if made.exists():
            self.check_free()
        write_record(self.report, report, indent=2)
        if self._partial_rejected.exists():
            if report["rows"]["rejected"]:
                self._partial_rejected.replace(self.rejected)
            else:
                self._partial_rejected.unlink()
                self.rejected.unlink(missing_ok=True)
        if made.exists():
            if self.overwrite:
                made.replace(self.output)
            else:
                try:
                    rename_to_free(made, self.output)
                except FileExistsError as error:
                    raise OutputExistsError(self.output) from error
        self.partial.unlink(missing_ok=True)
        self._assembled.unlink(missing_ok=True)
        self._state.unlink()

    def discard(self) -> None:
        """Remove what was begun."""
        for path in (*self._growing, self._state):
            path.unlink(missing_ok=True)

    def _read_record(self) -> dict[str, Any] | None:
        """Return what is known of unfinished files; nothing of a damaged record."""
        try:
            return read_record(self._state)
        except DamagedRecordError:
            return None

    def _is_report(self) -> bool:
        """Return whether predict wrote what has the name of the report, in any version."""
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
        It is something else than such a file.
    """
    check_name(path)
    headers = [format_rejects([], header=True, many=many) for many in (False, True)]
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        if file.readline(1000) not in headers:
            raise OccupiedNameError(path, "it is not a file of rejected rows that predict wrote")


def format_rejects(rejects: list[Reject], *, many: bool, header: bool = False) -> bytes:
    """Return rejected rows as lines of CSV.

    Parameters
    ----------
    rejects : list of Reject
        The rows.
    header : bool
        True to write a line of column names first.
    many : bool
        True to add a column with the file of each row.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(["file", *_FIELDS] if many else _FIELDS)
    for one in rejects:
        fields = (one.row, one.line or "", one.reason, one.raw)
        writer.writerow([one.file, *fields] if many else fields)
    return text.getvalue().encode()
