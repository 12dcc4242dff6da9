"""Folders for the caches of libraries if the home of the user is not writable."""

import os
import stat
import tempfile
from pathlib import Path

# Variables for the caches of numba (compiled code) and matplotlib (fonts).
_CACHES = {"XDG_CACHE_HOME": ".cache", "MPLCONFIGDIR": "matplotlib"}


def prepare_home() -> None:
    """Set a folder for the caches of libraries if the home of the user is not writable.

    MLflow and Prefect cannot be imported by a user without a home, as one without an entry in the
    user database. Without a cache, each process compiles the kernels again. A read-only home stays
    the home, since it may hold credentials. The change applies to this process and its children.
    """
    try:
        home = Path.home()
    except RuntimeError:
        home = None
    if home is not None and _can_write(home):
        return
    private = _make_private()
    if home is None or not home.is_dir():
        os.environ["HOME"] = str(private)
        return
    for name, folder in _CACHES.items():
        os.environ.setdefault(name, str(private / folder))


def _can_write(folder: Path) -> bool:
    """Return whether `folder` is writable, or can be created."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def _make_private() -> Path:
    """Return a private folder of this user, the same each time unless another user has its name.

    Compiled code is loaded from it, so no other user must be able to write into it.
    """
    folder = Path(tempfile.gettempdir()) / f"sentiment-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    is_owned = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    if is_owned and not stat.S_IMODE(status.st_mode) & 0o077:
        return folder
    return Path(tempfile.mkdtemp(prefix="sentiment-"))
