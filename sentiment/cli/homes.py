"""Places for the caches of libraries where the home of the user cannot be written."""

import os
import stat
import tempfile
from pathlib import Path

# Where numba keeps compiled code, and matplotlib its fonts.
_CACHES = {"XDG_CACHE_HOME": ".cache", "MPLCONFIGDIR": "matplotlib"}


def prepare_home() -> None:
    """Give libraries a folder for their caches if the home of the user is not one.

    A user that the system does not know has no home, which ends MLflow and Prefect at their import;
    without a cache, kernels are compiled in every process. A home that can only be read stays the
    home, since credentials may be there. This process and those that it starts see the change.
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
    """Return whether `folder` can be written, or made if it is not there."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _make_private() -> Path:
    """Return a folder of this user alone, the same one each time if nobody else took its name.

    Compiled code is loaded from it, so no other user may have written into it.
    """
    folder = Path(tempfile.gettempdir()) / f"sentiment-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if own and not stat.S_IMODE(found.st_mode) & 0o077:
        return folder
    return Path(tempfile.mkdtemp(prefix="sentiment-"))
