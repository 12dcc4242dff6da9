"""Files of SQLite stores."""

import os
from pathlib import Path
from urllib.parse import unquote

SQLITE = "sqlite:///"
# A new store takes 1 MB, and a change of its tables as much again for a while.
_NEEDED = 2_000_000


def find_sqlite_path(uri: str) -> Path | None:
    """Return the file of an SQLite store, or None if `uri` is another kind of store."""
    path = uri.removeprefix(SQLITE).partition("?")[0]
    # As in SQLAlchemy, %20 is a space.
    return Path(unquote(path)) if uri.startswith(SQLITE) and path not in ("", ":memory:") else None


def lacks_space(uri: str) -> bool:
    """Return whether the disk of an SQLite store is too full for its changes.

    A disk that is mounted read-only, or a virtual one such as ``/proc``, has no free space, but is
    not full.
    """
    path = find_sqlite_path(uri)
    if path is None:
        return False
    try:
        disk = os.statvfs(path.absolute().parent)
    except OSError:  # there is no such folder
        return False
    is_writable = disk.f_blocks > 0 and not disk.f_flag & os.ST_RDONLY
    return is_writable and disk.f_bavail * disk.f_frsize < _NEEDED
