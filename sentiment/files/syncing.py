"""Names of files that survive a power failure."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make new names in a folder survive a power failure, as ``fsync`` does it for contents.

    Parameters
    ----------
    folder : Path
        The folder.

    Raises
    ------
    OSError
        It cannot be opened or synced.
    """
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
