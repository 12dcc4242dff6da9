"""Errors of the operating system that a user can fix: a path or its disk cannot be used."""

from errno import (
    EACCES,
    EDQUOT,
    EEXIST,
    EFBIG,
    EIO,
    EISDIR,
    ELOOP,
    ENAMETOOLONG,
    ENOENT,
    ENOSPC,
    ENOTDIR,
    EPERM,
    EROFS,
)
from pathlib import Path

from sentiment.errors.base import SentimentError
from sentiment.errors.exit_codes import ExitCode, find_os_exit_code

_UNUSABLE = {EACCES, EEXIST, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EPERM, EROFS}
_UNUSABLE |= {EDQUOT, EFBIG, EIO, ENOSPC}


class UnusablePathError(SentimentError, OSError):
    """A path, its disk or the current folder cannot be used.

    Parameters
    ----------
    error : OSError
        As the operating system raised it.
    """

    def __init__(self, error: OSError) -> None:
        self.exit_code = find_os_exit_code(error)
        if error.errno == ENOENT and error.filename is None and not _has_working_folder():
            message = "the current folder was removed. Change to one that exists, and try again."
        else:
            path = error.filename
            if self.exit_code is ExitCode.IO_ERROR and error.filename2 is not None:
                path = error.filename2  # a copy, whose disk is full
            where = f"'{path}'" if path is not None else "a file or the disk"
            message = (
                f"{where} cannot be used: {error.strerror}. Check the path, its permissions and "
                "the space on the disk."
            )
        super().__init__(message)


def explain_os_error(error: BaseException) -> UnusablePathError | None:
    """Return the error of a path or disk behind `error`, or None if it is another one.

    Examples
    --------
    >>> explain_os_error(PermissionError(13, "Permission denied", "x.csv")).exit_code.name
    'MISTAKE'
    """
    if isinstance(error, OSError) and error.errno in _UNUSABLE:
        return UnusablePathError(error)
    return None


def _has_working_folder() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True
