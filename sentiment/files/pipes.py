"""Standard input, standard output and named pipes."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, TextIO

from sentiment.errors import ConfigError
from sentiment.files.batches import Reject
from sentiment.files.control import open_plain_file
from sentiment.files.origins import Origin
from sentiment.files.partial import check_rejected, format_rejects
from sentiment.files.streams import BLOCK, MAGIC, ByteSource

# Standard input or output, on the command line.
PIPE = "-"


class PipeSource(ByteSource):
    """Bytes of a pipe, which can be read once.

    Parameters
    ----------
    stream : binary file
        The end of the pipe.
    encoding : str, optional
        As for a file.
    path : Path, optional
        The named pipe, which is closed at its end; default: standard input, which stays open.
    """

    def __init__(self, stream: IO[bytes], encoding: str | None, path: Path | None = None) -> None:
        self._replay = _Replay(stream, close=path is not None)
        self._start = self._replay.peek(4)
        super().__init__(path or Path("standard input"), encoding)

    def _find_origin(self) -> Origin:
        # Each time, other data may come through the pipe.
        identity = {"input": str(self.path), "begun": time.time()}
        return Origin(str(self.path), identity, Path(PIPE), "")

    def read(self, offset: int = 0, size: int = BLOCK) -> Iterator[bytes]:
        """Yield the text from the byte `offset` on, once; see the parent."""
        self._replay.keeping = False
        return super().read(offset, size)

    def _find_compression(self) -> str | None:
        return next((name for magic, name in MAGIC.items() if self._start.startswith(magic)), None)

    @contextlib.contextmanager
    def _open_raw(self) -> Iterator[Any]:
        self._replay.rewind()
        yield self._replay


class _Replay:
    """A stream whose beginning is buffered, so that it can be read again."""

    def __init__(self, stream: IO[bytes], *, close: bool) -> None:
        self._stream, self._close, self._head, self._at = stream, close, b"", 0
        self.keeping, self.closed = True, False

    def rewind(self) -> None:
        self._at = 0

    def peek(self, size: int) -> bytes:
        self.rewind()
        start = self.read(size)
        self.rewind()
        return start

    def read(self, size: int) -> bytes:
        replayed = self._head[self._at : self._at + size]
        self._at += len(replayed)
        if len(replayed) == size:
            return replayed
        if not self.keeping:
            self._head = b""
        new_bytes = b"" if self._stream.closed else self._stream.read(size - len(replayed))
        if self._close and not new_bytes:
            self._stream.close()
        self._at += len(new_bytes)
        if self.keeping:
            self._head += new_bytes
        return replayed + new_bytes

    def seek(self, position: int) -> None:
        self.rewind()
        self.read(position)

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        """Leave the stream open, since its reader continues."""


class StreamOutput:
    """Rows for standard output; like a `PartialOutput` that cannot be resumed.

    Rejected rows are kept in a file in the working folder, if there are any.

    Parameters
    ----------
    stream : binary file
        Destination of the rows.
    with_file : bool
        If True, rejected rows have a column with their file.
    """

    def __init__(self, stream: IO[bytes], *, with_file: bool) -> None:
        self._stream, self._with_file = stream, with_file
        self.output = self.partial = Path(PIPE)
        self.rejected = Path("stdout.rejected.csv")
        self.report = None
        self.names = [self.rejected]

    def read_finished(self) -> None:
        """Return None: there is no earlier output."""

    def read_state(self) -> None:
        """Return None: there is no earlier output."""

    def read_report(self, job: dict[str, Any]) -> None:
        """Return None: there is no earlier output."""

    def check_free(self) -> None:
        """Remove the rejected rows of another job.

        Raises
        ------
        OccupiedNameError
            An unrelated file has their name.
        """
        check_rejected(self.rejected)
        self.rejected.unlink(missing_ok=True)

    def check_same(self, state: dict[str, Any], job: dict[str, Any]) -> bool:
        """Return False: there is no checkpoint."""
        return False

    @contextlib.contextmanager
    def open(self, state: dict[str, Any] | None, job: dict[str, Any]) -> Iterator[None]:
        """Do nothing: the stream is open."""
        yield

    def append(self, data: bytes, rejects: list[Reject]) -> None:
        """Write rows and rejected rows."""
        remaining = memoryview(data)
        while remaining:  # without a buffer (PYTHONUNBUFFERED), a pipe accepts what fits into it
            remaining = remaining[self._stream.write(remaining) :]
        if rejects:
            with open_plain_file(self.rejected) as file:
                is_new = not file.seek(0, os.SEEK_END)
                file.write(format_rejects(rejects, header=is_new, with_file=self._with_file))

    def save(self, job: dict[str, Any], progress: dict[str, Any]) -> None:
        """Flush the stream."""
        self._stream.flush()

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()

    def finish(self, report: dict[str, Any], assemble: Callable[..., bool]) -> None:
        """Do nothing: the rows were written already."""

    def discard(self) -> None:
        """Do nothing: the rows were written already."""


def open_stdin(encoding: str | None) -> tuple[ByteSource, str]:
    """Return the source of standard input, and its format, ``"jsonl"`` or ``"csv"``.

    Raises
    ------
    ConfigError
        It is closed or a terminal, or there is no such encoding.
    """
    _check_open(sys.stdin, "input", "standard input")
    if sys.stdin.isatty():
        raise ConfigError(
            [f"input is {PIPE!r}, standard input, but nothing is piped into it; expected a file in "
             "front of the same command, such as cat reviews.csv | ..."]
        )  # fmt: skip
    return _find_format(PipeSource(sys.stdin.buffer, encoding))


def open_stdout(*, with_file: bool) -> StreamOutput:
    """Return standard output for rows.

    Parameters
    ----------
    with_file : bool
        If True, rejected rows have a column with their file.

    Raises
    ------
    ConfigError
        It is closed.
    """
    _check_open(sys.stdout, "output", "standard output")
    return StreamOutput(sys.stdout.buffer, with_file=with_file)


def _check_open(stream: TextIO, setting: str, name: str) -> None:
    # Commands replace streams that their caller has closed with this device.
    if str(getattr(stream, "name", None)) == os.devnull:
        raise ConfigError([
            f"{setting} is {PIPE!r}, {name}, but that is closed; expected a file or a pipe behind "
            f"it, or the name of a file: {setting}=<file>"
        ])  # fmt: skip


def open_fifo(path: Path, encoding: str | None) -> tuple[ByteSource, str]:
    """Return the source of a named pipe, such as ``<(zcat x.gz)``, and its format."""
    return _find_format(PipeSource(path.open("rb"), encoding, path))


def _find_format(source: ByteSource) -> tuple[ByteSource, str]:
    start = next(source.peek(), b"").lstrip()
    return source, "jsonl" if start.startswith(b"{") else "csv"
