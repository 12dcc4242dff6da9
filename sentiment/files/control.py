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
ASIDE = ".damaged"  # ending of a file that was set aside


class DamagedRecordError(ValueError):
    """A file does not hold what `write_record` wrote; callers handle this error."""


def open_own(path: Path) -> IO[bytes]:
    """Open a file to read and to write, and create it if it is missing.

    Raises
    ------
    OccupiedNameError
        Its name belongs to a link, which may point to a file elsewhere, a folder or a device.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    check_name(path)
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError:
        check_name(path)  # another process may have made it meanwhile
        raise
    file = os.fdopen(descriptor, "r+b")
    if os.fstat(descriptor).st_nlink > 1:
        file.close()
        raise OccupiedNameError(path, "it is a link to another file")
    return file


def check_name(path: Path) -> None:
    """Check that `path` is a plain file or does not exist.

    Raises
    ------
    OccupiedNameError
        It is something else.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISLNK(found.st_mode):
        raise OccupiedNameError(path, f"it is a symbolic link to '{path.readlink()}'")
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "not a plain file"
        raise OccupiedNameError(path, f"it is {kind}")


def write_record(
    path: Path, facts: dict[str, Any], *, durable: bool = True, indent: int | None = None
) -> None:
    """Write `facts` and a checksum atomically: `path` always is the old or the new file.

    Parameters
    ----------
    path : Path
        The file.
    facts : dict
        JSON values.
    durable : bool
        Sync the file, so that it also survives a power failure; `read_record` reports a lost record
        as damaged.
    indent : int, optional
        Spaces of indentation; default: one line.

    Raises
    ------
    OccupiedNameError
        The name belongs to something else.
    """
    check_name(path)
    content = json.dumps({**facts, _CHECKSUM: _sum(facts)}, indent=indent) + "\n"
    # A name that the next process replaces: one that is killed leaves nothing behind.
    fresh = path.with_name(f".{path.name}.new")
    replace_file(path, content.encode(), durable=durable, fresh=fresh)


def read_record(path: Path) -> dict[str, Any] | None:
    """Return what `write_record` wrote, or None if there is no such file.

    Raises
    ------
    OccupiedNameError
        The name belongs to something else.
    DamagedRecordError
        The file does not fit its checksum, or is not a record.
    """
    check_name(path)
    try:
        facts = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise DamagedRecordError(f"not JSON: {error}") from error
    if not isinstance(facts, dict):
        raise DamagedRecordError("not a JSON object")
    if facts.pop(_CHECKSUM, None) != _sum(facts):
        raise DamagedRecordError("its checksum does not fit")
    return facts


def set_aside(path: Path) -> Path:
    """Rename a file to a free name beside it, and return that name."""
    number = 1
    while True:
        aside = path.with_name(f"{path.name}{ASIDE}{f'-{number}' if number > 1 else ''}")
        try:
            rename_to_free(path, aside)
        except FileExistsError:
            number += 1
        except FileNotFoundError:  # another process was faster
            return aside
        else:
            return aside


def rename_to_free(path: Path, target: Path) -> None:
    """Rename a file; unlike `Path.rename`, this replaces nothing.

    Raises
    ------
    FileExistsError
        There is something at `target`.
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


def _sum(facts: dict[str, Any]) -> str:
    """Return a checksum of `facts` that is the same after writing and reading."""
    written = json.dumps(json.loads(json.dumps(facts)), sort_keys=True)
    return f"{zlib.crc32(written.encode()):08x}"
