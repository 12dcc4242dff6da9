"""Small JSON files that a job keeps beside its output, in folders that may be shared."""

import json
import os
import stat
import zlib
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from sentiment.errors import OccupiedNameError
from sentiment.files.replacing import replace_file

_CHECKSUM = "checksum"
ASIDE = ".damaged"  # suffix of a file that was set aside


class DamagedRecordError(ValueError):
    """A file is not as `write_record` wrote it; callers handle this error."""


def open_plain_file(path: Path) -> IO[bytes]:
    """Open a file for reading and writing, and create it if it is missing.

    Raises
    ------
    OccupiedNameError
        The path is a link, which may point to a file elsewhere, a folder or a device.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    check_plain_file(path)
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError:
        check_plain_file(path)  # another process may have created it meanwhile
        raise
    file = os.fdopen(descriptor, "r+b")
    if os.fstat(descriptor).st_nlink > 1:
        file.close()
        raise OccupiedNameError(path, "it is a link to another file")
    return file


def check_plain_file(path: Path) -> None:
    """Check that `path` is a plain file or does not exist.

    Raises
    ------
    OccupiedNameError
        It is a link, a folder or a special file.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISLNK(status.st_mode):
        raise OccupiedNameError(path, f"it is a symbolic link to '{path.readlink()}'")
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a plain file"
        raise OccupiedNameError(path, f"it is {kind}")


def write_record(
    path: Path, record: dict[str, Any], *, durable: bool = True, indent: int | None = None
) -> None:
    """Write `record` and a checksum atomically: `path` always is the old or the new file.

    Parameters
    ----------
    path : Path
        The file.
    record : dict
        JSON values.
    durable : bool
        Sync the file, so that it also survives a power failure; `read_record` reports a lost record
        as damaged.
    indent : int, optional
        Spaces of indentation; default: one line.

    Raises
    ------
    OccupiedNameError
        The path is not a plain file.
    """
    check_plain_file(path)
    content = json.dumps({**record, _CHECKSUM: _sum(record)}, indent=indent) + "\n"
    # The name is fixed, so that the next process replaces the file of a killed one.
    temporary = path.with_name(f".{path.name}.new")
    replace_file(path, content.encode(), durable=durable, temporary=temporary)


def read_record(path: Path) -> dict[str, Any] | None:
    """Return the record in a file of `write_record`, or None if there is no such file.

    Raises
    ------
    OccupiedNameError
        The path is not a plain file.
    DamagedRecordError
        The file does not fit its checksum, or is not a record.
    """
    check_plain_file(path)
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise DamagedRecordError(f"not JSON: {error}") from error
    if not isinstance(record, dict):
        raise DamagedRecordError("not a JSON object")
    if record.pop(_CHECKSUM, None) != _sum(record):
        raise DamagedRecordError("its checksum does not fit")
    return record


def set_aside(path: Path) -> Path:
    """Rename a file to a free name beside it, and return that name."""
    number = 1
    while True:
        target = path.with_name(f"{path.name}{ASIDE}{f'-{number}' if number > 1 else ''}")
        try:
            rename_to_free(path, target)
        except FileExistsError:
            number += 1
        except FileNotFoundError:  # another process was faster
            return target
        else:
            return target


def rename_to_free(path: Path, target: Path) -> None:
    """Rename a file; unlike `Path.rename`, never replace another one.

    Raises
    ------
    FileExistsError
        `target` exists.
    """
    try:
        os.link(path, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            raise FileExistsError(target) from None
        path.rename(target)
        return
    with suppress(FileNotFoundError):
        path.unlink()


def _sum(record: dict[str, Any]) -> str:
    """Return a checksum of `record` that survives writing and reading."""
    text = json.dumps(json.loads(json.dumps(record)), sort_keys=True)
    return f"{zlib.crc32(text.encode()):08x}"
