"""Syncing of folders to the disk."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to the disk, so that they survive a power failure.

    Parameters
    ----------
    folder : Path
        The folder.

    Raises
    ------
    OSError
        It cannot be opened or synced.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
