"""Folders for the caches of libraries if the home of the user is not writable."""

import os
import stat
import tempfile
from pathlib import Path

# Where numba keeps compiled code, and matplotlib its fonts.
_CACHES = {"XDG_CACHE_HOME": ".cache", "MPLCONFIGDIR": "matplotlib"}


def prepare_home() -> None:
    """Set a folder for the caches of libraries if the home of the user is not writable.

    A user without an entry in the system has no home, with which MLflow and Prefect fail at their
    import. Without a cache, each process compiles the kernels again. A read-only home stays the
    home, since it may hold credentials. The change applies to this process and its child processes.
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
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _make_private() -> Path:
    """Return a private folder of this user, the same each time unless another user took its name.

    Compiled code is loaded from it, so no other user must be able to write into it.
    """
    folder = Path(tempfile.gettempdir()) / f"sentiment-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if own and not stat.S_IMODE(found.st_mode) & 0o077:
        return folder
    return Path(tempfile.mkdtemp(prefix="sentiment-"))
