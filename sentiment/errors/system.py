"""Errors of the operating system and of servers: a path, disk, port or cluster is not usable."""

import os
from errno import (
    EACCES,
    EADDRINUSE,
    EDQUOT,
    EEXIST,
    EFBIG,
    EILSEQ,
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

from sentiment.errors.base import SentimentError, make_clause
from sentiment.errors.exit_codes import ExitCode, find_os_exit_code

_UNUSABLE = {EACCES, EEXIST, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EPERM, EROFS}
_UNUSABLE |= {EDQUOT, EFBIG, EILSEQ, EIO, ENOSPC}


class UnusablePathError(SentimentError, OSError):
    """A path, its disk or the current folder cannot be used.

    Parameters
    ----------
    error : OSError
        The error that the operating system raised.
    """

    def __init__(self, error: OSError) -> None:
        self.exit_code = find_os_exit_code(error)
        if error.errno == ENOENT and error.filename is None and not _has_working_folder():
            message = "the current folder was removed. Change to one that exists, and try again."
        else:
            path = error.filename
            if self.exit_code is ExitCode.IO_ERROR and error.filename2 is not None:
                path = error.filename2  # a copy, whose disk is full
            subject = f"'{path}'" if path is not None else "a file or the disk"
            reason = error.strerror
            if error.errno == EEXIST and path is not None and not Path(os.fsdecode(path)).exists():
                reason = "it is a link to a place that does not exist"
            message = (
                f"{subject} cannot be used: {reason}. Check the path, its permissions and the "
                "space on the disk."
            )
        super().__init__(message)


class ListenError(SentimentError, OSError):
    """A server cannot listen on its address.

    Parameters
    ----------
    host : str
        Address of this machine.
    port : int
        The port.
    error : OSError
        The error of the operating system.
    group : str
        Precedes the settings of the server in messages.
    """

    def __init__(self, host: str, port: int, error: OSError, group: str = "server.") -> None:
        is_taken = error.errno == EADDRINUSE
        reason = "another process listens there" if is_taken else str(error.strerror or error)
        setting = "port=<port>" if is_taken or error.errno == EACCES else "host=<address>"
        super().__init__(
            f"the server cannot listen on {host}:{port}: {reason}. Name another {group}{setting}."
        )


class ClusterError(SentimentError, ConnectionError):
    """A cluster cannot be reached, or fails."""

    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"the Dask cluster {address} failed: {make_clause(reason)}. Check "
            "deploy.address and the logs of its workers, or use this process: deploy=batch."
        )


class FlowServerError(SentimentError, ConnectionError):
    """A Prefect server cannot be reached."""

    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"the Prefect server '{address}' does not answer: {make_clause(reason)}. Start "
            "it (make prefect-up), correct PREFECT_API_URL, or unset it to run the flow without a "
            "server."
        )


def explain_os_error(error: BaseException) -> UnusablePathError | None:
    """Return the error of a path or disk behind `error`, or None if it is not one.

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
