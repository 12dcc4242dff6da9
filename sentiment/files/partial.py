"""Files that grow until they are complete, and that another process can go on with."""

import contextlib
import csv
import fcntl
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sentiment.errors import OutputBusyError, OutputExistsError, UnfinishedOutputError
from sentiment.files.batches import Reject

_FIELDS = ("row", "line", "reason", "raw")


class PartialOutput:
    """An output, its rejected rows and how far both are.

    While it grows, the output is ``<output>.partial``, the rejected rows are
    ``<output>.rejected.csv.partial``, and ``<output>.partial.json`` says up to where both are
    valid. A process that is killed leaves all three, and the next one goes on there.

    Parameters
    ----------
    output : Path
        Where the finished output shall stand.
    overwrite : bool
        Whether it may be replaced, and whether what is left of another job may be dropped.
    many : bool
        Whether rejected rows are of many files.
    """

    def __init__(self, output: Path, *, overwrite: bool, many: bool = False) -> None:
        self.output, self.overwrite, self._many = output, overwrite, many
        self.rejected = output.with_name(f"{output.name}.rejected.csv")
        self.report = output.with_name(f"{output.name}.json")
        self.partial = output.with_name(f"{output.name}.partial")
        self._partial_rejected = output.with_name(f"{self.rejected.name}.partial")
        self._state = output.with_name(f"{output.name}.partial.json")

    def read_finished(self) -> dict[str, Any] | None:
        """Return the report of a job that was killed while its files got their names.

        They have them afterwards.
        """
        state = self.read_state()
        if state is None or not state.get("complete"):
            return None
        self.finish(state["report"], state["ready"])
        report: dict[str, Any] = state["report"]
        return report

    def read_report(self, job: dict[str, Any]) -> dict[str, Any] | None:
        """Return the report of a finished output, if it is of the same `job`."""
        if not self.output.exists():
            return None
        try:
            report: dict[str, Any] = json.loads(self.report.read_text())
        except (FileNotFoundError, ValueError):
            return None
        return report if report.get("job") == job else None

    def check_free(self) -> None:
        """Check that an output that is there may be replaced.

        Raises
        ------
        OutputExistsError
            It may not.
        """
        if self.output.exists() and not self.overwrite:
            raise OutputExistsError(self.output)

    def read_state(self) -> dict[str, Any] | None:
        """Return what the last checkpoint said, if there is one that can be gone on with."""
        try:
            state: dict[str, Any] = json.loads(self._state.read_text())
        except (FileNotFoundError, ValueError):
            return None
        if state.get("complete"):
            return state
        for path, name in ((self.partial, "size"), (self._partial_rejected, "rejected_size")):
            # After a power failure, a file may be shorter than it was said to be.
            if not path.is_file() or path.stat().st_size < state[name]:
                return None
        return state

    def check_same(self, state: dict[str, Any], job: dict[str, Any]) -> bool:
        """Return whether `state` is of the same `job`.

        Raises
        ------
        UnfinishedOutputError
            It is of another, which may not be dropped.
        """
        differences = [
            f"{key} was {state['job'].get(key)!r} and is {job.get(key)!r}"
            for key in {**state["job"], **job}
            if state["job"].get(key) != job.get(key)
        ]
        if differences and not self.overwrite:
            raise UnfinishedOutputError(self.partial, differences)
        return not differences

    @contextlib.contextmanager
    def open(self, state: dict[str, Any] | None) -> Iterator[None]:
        """Open the files for the ``with`` block, from `state` on or anew.

        Raises
        ------
        OutputBusyError
            Another process is writing them.
        """
        self.output.parent.mkdir(parents=True, exist_ok=True)
        with self.partial.open("ab") as file, self._partial_rejected.open("ab") as rejected:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise OutputBusyError(self.output) from error
            if not self.partial.exists() or not os.path.samestat(
                os.fstat(file.fileno()), self.partial.stat()
            ):  # another process has just finished it
                raise OutputBusyError(self.output)
            self._file, self._rejected = file, rejected
            for one, name in ((file, "size"), (rejected, "rejected_size")):
                one.truncate(state[name] if state else 0)
                one.seek(0, os.SEEK_END)
            if not state:
                self._state.unlink(missing_ok=True)
                rejected.write(format_rejects([], header=True, many=self._many))
            yield

    def append(self, data: bytes, rejects: list[Reject]) -> None:
        """Write rows and rejected rows."""
        self._file.write(data)
        if rejects:
            self._rejected.write(format_rejects(rejects, many=self._many))

    def save(self, job: dict[str, Any], progress: dict[str, Any]) -> None:
        """Note that all that was appended belongs to `progress`; a later process goes on there."""
        self.flush()
        sizes = {"size": self._file.tell(), "rejected_size": self._rejected.tell()}
        _replace(self._state, {"job": job, "progress": progress, **sizes})

    def flush(self) -> None:
        """Let all that was appended reach the disk."""
        for file in (self._file, self._rejected):
            file.flush()
            os.fdatasync(file.fileno())

    def finish(self, report: dict[str, Any], ready: str) -> None:
        """Give the files their names; called again where a process was killed in it.

        Parameters
        ----------
        report : dict
            What is told of the job.
        ready : str
            Name of the file, beside the output, that becomes the output.
        """
        _replace(self._state, {"complete": True, "report": report, "ready": ready})
        _replace(self.report, report)
        if self._partial_rejected.exists():
            if report["rows"]["rejected"]:
                self._partial_rejected.replace(self.rejected)
            else:
                self._partial_rejected.unlink()
                self.rejected.unlink(missing_ok=True)
        made = self.output.with_name(ready)
        if made.exists():
            made.replace(self.output)
        self.partial.unlink(missing_ok=True)
        self._state.unlink()

    def discard(self) -> None:
        """Remove what was begun."""
        for path in (self.partial, self._partial_rejected, self._state):
            path.unlink(missing_ok=True)


def format_rejects(rejects: list[Reject], *, header: bool = False, many: bool = False) -> bytes:
    """Return rejected rows as lines of CSV.

    Parameters
    ----------
    rejects : list of Reject
        The rows.
    header : bool
        Whether a line of names stands above them.
    many : bool
        Whether they say which file they are from.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(["file", *_FIELDS] if many else _FIELDS)
    for one in rejects:
        fields = (one.row, one.line or "", one.reason, one.raw)
        writer.writerow([one.file, *fields] if many else fields)
    return text.getvalue().encode()


def _replace(path: Path, content: dict[str, Any]) -> None:
    """Write `content` so that the file is the old or the new one at every moment."""
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("w") as file:
        file.write(json.dumps(content, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
