"""Atomic replacement of small files: a reader finds the old or the new content, never a part."""

import os
from pathlib import Path


def replace_file(
    path: Path,
    content: bytes,
    *,
    durable: bool = False,
    mode: int = 0o666,
    temporary: Path | None = None,
) -> None:
    """Write a file under a temporary name beside it, and rename it.

    Parameters
    ----------
    path : Path
        The file, which may exist.
    content : bytes
        The whole content.
    durable : bool, default=False
        Sync the file before it is renamed, so that it also survives a power failure.
    mode : int, default=0o666
        Permissions of the file, before the umask is applied.
    temporary : Path, optional
        The temporary path; default: one of this process, so that several may write at once.

    Raises
    ------
    OSError
        The disk is full or the folder is not writable; the file is unchanged.
    """
    temporary = temporary or path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)  # left by a killed process
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
