"""Replacing of small files: a reader finds the old content or the new one, never a part of it."""

import os
from pathlib import Path


def replace_file(
    path: Path,
    content: bytes,
    *,
    durable: bool = False,
    mode: int = 0o666,
    fresh: Path | None = None,
) -> None:
    """Write a file under another name beside it, and rename it.

    Parameters
    ----------
    path : Path
        The file, which may exist.
    content : bytes
        All of its content.
    durable : bool, default=False
        Sync the file before it is renamed, so that it also survives a power failure.
    mode : int, default=0o666
        Permissions of the file, less the umask.
    fresh : Path, optional
        The other name; default: one of this process, so that several may write at the same time.

    Raises
    ------
    OSError
        The disk is full or the folder not writable; the file is as it was.
    """
    fresh = fresh or path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)  # left by a killed process
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(fresh, flags, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
