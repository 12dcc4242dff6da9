"""Exit codes of all commands."""

from enum import IntEnum
from errno import EDQUOT, EFBIG, EIO, ENOSPC

# Errors of the disk: the same command may succeed once there is space.
_DISK = {EDQUOT, EFBIG, EIO, ENOSPC}


class ExitCode(IntEnum):
    """Exit code of a command, which shows whether a retry may help.

    A scheduler needs one rule: retry `FAILED`, `UNAVAILABLE`, `IO_ERROR` and `BUSY`, do not retry
    `MISTAKE`, `DRIFT` and `REFUSED`. The codes 69 to 75 are those of BSD's ``sysexits.h``.

    Attributes
    ----------
    OK
        Done.
    FAILED
        Jobs of a sweep failed, or there was an unexpected error.
    MISTAKE
        The config, the data or the model cannot be used; a retry ends in the same way.
    DRIFT
        Monitoring found drift.
    REFUSED
        The run was not promoted.
    UNAVAILABLE
        A tracking store, database or cluster does not answer.
    IO_ERROR
        The disk is full or broken.
    BUSY
        Another process is writing the same files.
    INTERRUPTED
        Ctrl-C.
    TERMINATED
        SIGTERM.
    """

    OK = 0
    FAILED = 1
    MISTAKE = 2
    DRIFT = 3
    REFUSED = 4
    UNAVAILABLE = 69
    IO_ERROR = 74
    BUSY = 75
    INTERRUPTED = 130
    TERMINATED = 143

    @property
    def is_transient(self) -> bool:
        """True if the same command may succeed later."""
        return self in {self.FAILED, self.UNAVAILABLE, self.IO_ERROR, self.BUSY}


def find_os_exit_code(error: OSError) -> ExitCode:
    """Return the exit code of an error of the operating system.

    Examples
    --------
    >>> find_os_exit_code(OSError(28, "No space left on device")).name
    'IO_ERROR'
    """
    return ExitCode.IO_ERROR if error.errno in _DISK else ExitCode.MISTAKE
