"""CSV file of a person's answers, each on the disk before the page shows the next text."""

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

# Training and agreement read the first columns.
FIELDS = ("text", "label", "labeler", "guess", "probability", "reason", "labelled_at")
# Without it, spreadsheets read a CSV file in another encoding.
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class LabelFile:
    """A CSV file of answers: rows are appended, and the last rows can be removed again.

    Each row is written and synced to the disk at once. If a killed process left an incomplete row,
    the next process that opens the file removes it. One process writes a file at a time; its lock
    is ``.<name>.lock``. The file is made with its first row, since training refuses empty files.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    LabelsBusyError
        Another process is writing the file.
    UnreadableFileError
        The file has other columns.

    Examples
    --------
    >>> import tempfile
    >>> from contextlib import closing
    >>> path = Path(tempfile.mkdtemp(), "ann.csv")
    >>> with closing(LabelFile(path)) as file:
    ...     file.append(["a gem", "positive", "ann", "", "", "", ""])
    ...     file.append(["a bore", "positive", "ann", "", "", "", ""])
    ...     file.remove_last()
    >>> path.read_text(encoding="utf-8-sig").splitlines()[1:]
    ['"a gem","positive","ann","","","",""']
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        # Sizes of the file before and after each row that this object wrote.
        self._sizes: list[tuple[int, int]] = []
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
            The disk is full or broken; the file is unchanged.
        """
        # Open the path each time, since a spreadsheet may save another file under this name.
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        start = os.fstat(file).st_size
        data = _format(row)
        if start == 0:
            data = _BYTE_ORDER_MARK + _format(FIELDS) + data
        elif os.pread(file, 1, start - 1) != b"\n":
            data = b"\n" + data
        try:
            n_written = 0
            while n_written < len(data):
                n_written += os.pwrite(file, data[n_written:], start + n_written)
            os.fsync(file)
        except OSError:
            self._truncate(file, start)
            raise
        finally:
            os.close(file)
        if start == 0:
            sync_folder(self.path.parent)
        self._sizes.append((start, start + len(data)))

    def remove_last(self) -> None:
        """Remove the last row that this object has written.

        Raises
        ------
        OSError
            The file has changed since.
        """
        start, end = self._sizes[-1]
        file = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            if os.fstat(file).st_size != end:
                raise OSError(errno.EBUSY, f"another program has changed '{self.path}'")
            self._truncate(file, start)
        finally:
            os.close(file)
        self._sizes.pop()

    def close(self) -> None:
        """Release the lock, so that other processes can write the file."""
        self._lock.close()

    def _truncate(self, file: int, size: int) -> None:
        os.ftruncate(file, size)
        if size == 0:
            self.path.unlink()
        else:
            os.fsync(file)

    def _recover(self) -> None:
        """Remove an incomplete last row, and check the columns."""
        if not self.path.exists():
            return
        data = self.path.read_bytes()
        complete_size = _measure_complete_rows(data)
        if _is_complete_row(data[complete_size:]):
            complete_size = len(data)
        header = next(
            csv.reader(io.StringIO(data[:complete_size].decode("utf-8-sig", "replace"))), None
        )
        if header is not None and header != list(FIELDS):
            reason = f"its columns are {', '.join(header)}"
            raise UnreadableFileError(self.path, "labels of the page", reason)
        if (
            header is None
            or data[:complete_size].rstrip() == (_BYTE_ORDER_MARK + _format(FIELDS)).rstrip()
        ):
            self.path.unlink()  # it has no complete answer
        elif complete_size < len(data):
            os.truncate(self.path, complete_size)


def _format(row: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow(row)
    return text.getvalue().encode()


def _is_complete_row(data: bytes) -> bool:
    """Return whether `data` is a row without a line break; some editors end a file like this."""
    if data.count(b'"') % 2 or data.endswith(b","):  # the last field is never empty
        return False
    return len(next(csv.reader([data.decode("utf-8", "replace")]), [])) == len(FIELDS)


def _measure_complete_rows(data: bytes) -> int:
    r"""Return the length of the complete rows in `data`: up to the last line break outside quotes.

    Examples
    --------
    >>> _measure_complete_rows(b'"a"\n"b\n'), _measure_complete_rows(b'"a\n"')
    (4, 0)
    """
    complete_size = line_end = quotes = 0
    for line in data.split(b"\n")[:-1]:
        line_end += len(line) + 1
        quotes += line.count(b'"')
        if quotes % 2 == 0:
            complete_size = line_end
    return complete_size
