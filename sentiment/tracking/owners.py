"""Names of processes, and whether one is alive, for all that several processes share."""

import os
import socket
import time
from pathlib import Path

# A process on another machine that has said nothing for as long is taken for dead.
SILENCE = 120.0
# It says that it is there this often, in seconds.
HEARTBEAT_INTERVAL = 15.0


def name_owner() -> str:
    """Return a name for this process that no other has: machine, number and start."""
    return f"{socket.gethostname()}:{os.getpid()}:{_read_start(os.getpid())}"


def is_alive(owner: str | None, last_heartbeat: float) -> bool:
    """Return whether a process is there.

    Parameters
    ----------
    owner : str, optional
        From `name_owner`.
    last_heartbeat : float
        When it last said so, in seconds since the epoch.
    """
    if owner is None:
        return False
    host, pid, start = owner.rsplit(":", 2)
    if host == socket.gethostname() and Path("/proc").is_dir():
        return _read_start(int(pid)) == start
    return time.time() - last_heartbeat < SILENCE


def _read_start(pid: int) -> str:
    """Return when a process started, since its number may be another's later; empty if gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    # A zombie has ended, though nobody has asked for its exit code yet.
    return "" if fields[0] == "Z" else fields[19]
