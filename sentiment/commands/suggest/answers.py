"""File of a person's answers: one CSV row each, on the disk before the next text is shown."""

import csv
import errno
import io
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from sentiment.errors import LabelsBusyError, UnreadableFileError
from sentiment.files.locking import hold_lock
from sentiment.files.syncing import sync_folder

# The columns that training and agreement read come first.
FIELDS = ("text", "label", "labeler", "guess", "probability", "reason", "labelled_at")
_MARK = b"\xef\xbb\xbf"  # spreadsheets read a CSV without a byte order mark in another encoding


class AnswerFile:
    """A CSV file of answers: rows are appended, or taken back from its end.

    Each row is written and synced to the disk at once. A row that a killed process left incomplete
    is cut off when the file is opened again. One process writes a file at a time; its lock is
    ``.<name>.lock``. The file is made with its first row, since training refuses empty files.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    LabelsBusyError
        Another process is writing it.
    UnreadableFileError
        It has other columns.

    Examples
    --------
    >>> import tempfile
    >>> from contextlib import closing
    >>> path = Path(tempfile.mkdtemp(), "ann.csv")
    >>> with closing(AnswerFile(path)) as file:
    ...     file.append(["a gem", "positive", "ann", "", "", "", ""])
    ...     file.append(["a bore", "positive", "ann", "", "", "", ""])
    ...     file.cut()
    >>> path.read_text(encoding="utf-8-sig").splitlines()[1:]
    ['"a gem","positive","ann","","","",""']
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        # The size of the file before and after each row that this object wrote.
        self._rows: list[tuple[int, int]] = []
        with ExitStack() as stack:
            try:
                stack.enter_context(hold_lock(path.with_name(f".{path.name}.lock"), wait=False))
            except BlockingIOError as error:
                raise LabelsBusyError(path) from error
            self._recover()
            self._lock = stack.pop_all()

    def append(self, row: Sequence[str]) -> None:
        """Write a row and sync it to the disk.

        Raises
        ------
        OSError
            The disk is full or broken; the file is as it was before.
        """
        # Opened anew each time: a spreadsheet may save another file under this name.
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        start = os.fstat(file).st_size
        data = _format(row)
        if start == 0:
            data = _MARK + _format(FIELDS) + data
        elif os.pread(file, 1, start - 1) != b"\n":
            data = b"\n" + data
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(file, data[written:], start + written)
            os.fsync(file)
        except OSError:
            self._shrink(file, start)
            raise
        finally:
            os.close(file)
        if start == 0:
            sync_folder(self.path.parent)
        self._rows.append((start, start + len(data)))

    def cut(self) -> None:
        """Take back the last row that this object has written.

        Raises
        ------
        OSError
            The file has changed since.
        """
        start, end = self._rows[-1]
        file = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            if os.fstat(file).st_size != end:
                raise OSError(errno.EBUSY, f"another program has changed '{self.path}'")
            self._shrink(file, start)
        finally:
            os.close(file)
        self._rows.pop()

    def close(self) -> None:
        """Release the lock, so that other processes can write the file."""
        self._lock.close()

    def _shrink(self, file: int, size: int) -> None:
        os.ftruncate(file, size)
        if size == 0:
            self.path.unlink()
        else:
            os.fsync(file)

    def _recover(self) -> None:
        """Cut off an incomplete last row, and check the columns."""
        if not self.path.exists():
            return
        data = self.path.read_bytes()
        whole = _measure_whole_rows(data)
        if _is_whole_row(data[whole:]):
            whole = len(data)
        first = next(csv.reader(io.StringIO(data[:whole].decode("utf-8-sig", "replace"))), None)
        if first is not None and first != list(FIELDS):
            reason = f"its columns are {', '.join(first)}"
            raise UnreadableFileError(self.path, "labels of the page", reason)
        if first is None or data[:whole].rstrip() == (_MARK + _format(FIELDS)).rstrip():
            self.path.unlink()  # a first row was cut off
        elif whole < len(data):
            os.truncate(self.path, whole)


def _format(row: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow(row)
    return text.getvalue().encode()


def _is_whole_row(data: bytes) -> bool:
    """Return whether `data` is a row without its line break, as some editors write the last one."""
    if data.count(b'"') % 2 or data.endswith(b","):  # the last field is never empty
        return False
    return len(next(csv.reader([data.decode("utf-8", "replace")]), [])) == len(FIELDS)


def _measure_whole_rows(data: bytes) -> int:
    r"""Return the length of the complete rows in `data`: up to the last line break outside quotes.

    Examples
    --------
    >>> _measure_whole_rows(b'"a"\n"b\n'), _measure_whole_rows(b'"a\n"')
    (4, 0)
    """
    whole = end = quotes = 0
    for line in data.split(b"\n")[:-1]:
        end += len(line) + 1
        quotes += line.count(b'"')
        if quotes % 2 == 0:
            whole = end
    return whole
