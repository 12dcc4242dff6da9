"""A folder of text files with one text each."""

import hashlib
import os
from collections.abc import Generator
from functools import partial
from pathlib import Path

import pyarrow as pa

from sentiment.files.batches import Batch, Limits, Position, Reject
from sentiment.files.columns import list_text_columns
from sentiment.files.dialects import ReadOptions
from sentiment.files.origins import Origin, warn_of_change
from sentiment.files.values import show_value

ENDING = ".txt"
FILE, TEXT = "file", "text"
# Limits of a batch: number of files, and bytes after which no further file is added.
_FILES, _BYTES = 2_000, 2**23
# Number of files whose first lines are compared, and bytes of each.
_COMPARED, _LINE = 20, 4_096
# Separators of column names in a first line.
_SEPARATORS = (b",", b";", b"\t", b"|")
_SHOWN = 1_000  # bytes of a file that is rejected


class TextFolder:
    """The ``.txt`` files of a folder, in the order of their names, as rows of two columns.

    Parameters
    ----------
    folder : Path
        The folder; see `holds_texts`.
    encoding : str, optional
        Encoding of the texts; default: UTF-8.

    Attributes
    ----------
    columns : list of str
        ``file``, the name of each file, and ``text``.
    origin : Origin
        The origin, whose identity changes with names, sizes and modification times.
    """

    kind = "csv"
    assumed = ()
    layout = None

    def __init__(self, folder: Path, encoding: str | None = None) -> None:
        self.columns = [FILE, TEXT]
        self.share = 0.0
        self._encoding = encoding or "utf-8-sig"
        self._reason = f"bytes that are not {encoding or 'UTF-8'}"
        self._folder = folder
        listing = _list_files(folder)
        self._files = [(path, size) for path, size, _ in listing]
        resolved = folder.resolve()
        self._listing = _digest(listing)
        identity = {"input": str(resolved), "files": len(listing), "listing": self._listing}
        self.origin = Origin(str(folder), identity, resolved, ".csv")

    def read(self, text_column: str, limits: Limits, start: Position) -> Generator[Batch]:
        """Yield the texts of the files from `start` on."""
        names, texts, rejects, size = list[str](), list[str](), list[Reject](), 0
        for row, (path, file_size) in enumerate(self._files[start.row :], start.row + 1):
            raw, name = _read(path), show_value(os.fsencode(path.name))
            try:
                text = raw.decode(self._encoding)
                reason = limits.find_fault(name if text_column == FILE else text)
            except UnicodeError:
                text, reason = "", self._reason
            if reason is None:
                names.append(name)
                texts.append(text)
            else:
                rejects.append(Reject(row, 0, reason, f"{name}: {show_value(raw[:_SHOWN])}"))
            size += file_size
            if len(texts) + len(rejects) == _FILES or size >= _BYTES or row == len(self._files):
                self.share = row / len(self._files)
                yield _make_batch(names, texts, rejects, text_column, Position(row, row))
                names, texts, rejects, size = [], [], [], 0
        if self._has_changed():
            warn_of_change(self.origin)

    def _has_changed(self) -> bool:
        try:
            return _digest(_list_files(self._folder)) != self._listing
        except OSError:  # a file or the folder has just been removed
            return True


def _list_files(folder: Path) -> list[tuple[Path, int, int]]:
    """Return the files, their sizes and their times of modification."""
    files = [(path, path.stat()) for path in _list_texts(folder)]
    return [(path, status.st_size, status.st_mtime_ns) for path, status in files]


def _digest(files: list[tuple[Path, int, int]]) -> str:
    listing = [(path.name, size, modified) for path, size, modified in files]
    return hashlib.sha256(repr(listing).encode()).hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:  # unlike an error at opening, one at reading has no file name
        raise OSError(error.errno, error.strerror, str(path)) from error


def _make_batch(
    names: list[str], texts: list[str], rejects: list[Reject], text_column: str, end: Position
) -> Batch:
    columns = {FILE: pa.array(names, pa.large_string()), TEXT: pa.array(texts, pa.large_string())}
    return Batch(
        texts=columns[text_column],
        make_table=partial(pa.table, columns),
        read_column=columns.__getitem__,
        rejects=rejects,
        end=end,
    )


def _list_texts(folder: Path) -> list[Path]:
    """Return the ``.txt`` files of `folder` by name, without hidden ones."""
    files = (path for path in folder.iterdir() if path.suffix.lower() == ENDING)
    return sorted(path for path in files if path.is_file() and not path.name.startswith("."))


def holds_texts(folder: Path, options: ReadOptions) -> bool:
    """Return whether the ``.txt`` files of `folder` are texts, rather than delimited tables.

    Tables begin with the names of their columns: all with the same line, or each with a line that
    has a usual name for texts. The files also count as tables if a setting of tables is given, or
    if there is only one.
    """
    files = _list_texts(folder)
    has_table_options = (options.sep, options.quote, options.escape, options.header) != (None,) * 4
    if len(files) < 2 or has_table_options:
        return False
    first_lines = set[bytes]()
    for path in files[:_COMPARED]:
        with path.open("rb") as file:
            first_lines.add(file.readline(_LINE).strip())
    return len(first_lines) > 1 and not all(map(_names_texts, first_lines))


def _names_texts(line: bytes) -> bool:
    """Return whether one of the fields of a line is a usual name for a column of texts."""
    separator = max(_SEPARATORS, key=line.count)
    fields = line.decode("utf-8", "replace").lstrip("\ufeff").split(separator.decode())
    return bool(list_text_columns([field.strip().strip('"') for field in fields]))
