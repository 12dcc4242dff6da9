"""Identities of the processes that share a store, and whether they are still alive.

A study and a lease record the owner of a piece of work and its last heartbeat. A run has no
heartbeat: its tags identify its processes, and a machine can look up its own ones.
"""

import hashlib
import os
import platform
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

# Tags of a run that begin with this name the processes that work on it.
_PREFIX = "process."
# A process on another machine cannot be looked up. No training takes a week.
STALE_AFTER = 7 * 24 * 3600.0
# Seconds between two heartbeats of an owner, and the age of the last heartbeat at which an owner on
# another machine counts as dead.
HEARTBEAT_INTERVAL, HEARTBEAT_TIMEOUT = 15.0, 120.0


def name_owner() -> str:
    """Return a unique name for this process: host, process id and start time."""
    return f"{socket.gethostname()}:{os.getpid()}:{read_start(os.getpid())}"


def is_alive(owner: str | None, last_heartbeat: float) -> bool:
    """Return whether the process that owns a piece of work is alive.

    Parameters
    ----------
    owner : str, optional
        From `name_owner`.
    last_heartbeat : float
        Time of its last heartbeat, in seconds since the epoch. It counts only where the process
        cannot be looked up: on another machine, or on one without ``/proc``.
    """
    if owner is None:
        return False
    host, pid, start = owner.rsplit(":", 2)
    if host == socket.gethostname() and Path("/proc").is_dir():
        return read_start(int(pid)) == start
    return time.time() - last_heartbeat < HEARTBEAT_TIMEOUT


@dataclass(frozen=True)
class ProcessMark:
    """Identity of a process, on this machine and on others.

    Attributes
    ----------
    host : str
        Name and id of the machine.
    boot : str
        Changes whenever the machine starts.
    space : str
        Namespace of process ids: each container on a machine has its own.
    pid : str
        Process id.
    since : str
        When it started, in clock ticks since the boot: the system reuses process ids.
    """

    host: str
    boot: str
    space: str
    pid: str
    since: str

    @classmethod
    def of_this_process(cls) -> "ProcessMark":
        """Return the mark of the running process."""
        machine = _read(Path("/etc/machine-id"))
        return cls(
            host=f"{platform.node()}/{machine}",
            boot=_read(Path("/proc/sys/kernel/random/boot_id")),
            space=_read_link(Path("/proc/self/ns/pid")),
            pid=str(os.getpid()),
            since=read_start(os.getpid()),
        )

    @property
    def tags(self) -> dict[str, str]:
        """The tag that marks a run as belonging to this process."""
        value = "|".join(asdict(self).values())
        return {f"{_PREFIX}{hashlib.sha256(value.encode()).hexdigest()[:12]}": value}


def has_ended(tags: Mapping[str, str], started: float) -> bool:
    """Return whether all processes of a run have ended, as far as this machine can tell.

    Parameters
    ----------
    tags : mapping of str to str
        Tags of the run.
    started : float
        Start of the run, in seconds since the epoch. A run with a process on another machine counts
        as alive for `STALE_AFTER` seconds.
    """
    marks = [value.split("|") for key, value in tags.items() if key.startswith(_PREFIX)]
    current = ProcessMark.of_this_process()
    is_stale = time.time() - started > STALE_AFTER
    return bool(marks) and all(
        len(mark) == len(asdict(current))
        and _is_dead(ProcessMark(*mark), current, is_stale=is_stale)
        for mark in marks
    )


def _is_dead(mark: ProcessMark, current: ProcessMark, *, is_stale: bool) -> bool:
    if mark.host != current.host:
        return is_stale
    if mark.boot != current.boot:
        return True
    if mark.space != current.space:
        return is_stale
    if not Path("/proc/self").exists():
        return not _exists(int(mark.pid))
    return read_start(int(mark.pid)) != mark.since


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def read_start(pid: int) -> str:
    """Return the start of a process, in clock ticks since the boot; "" if it has ended.

    A zombie has ended, although its parent has not read its exit code yet.
    """
    text = _read(Path(f"/proc/{pid}/stat"))
    # The name of the process, in parentheses, may contain any character.
    fields = text.rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in "ZX" else ""


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _read_link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""
