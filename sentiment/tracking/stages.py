"""Time and peak memory of the stages of a job."""

import ctypes
import logging
import math
import mmap
import re
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

log = logging.getLogger(__name__)

_MB = 1024 * 1024


@dataclass(frozen=True)
class Stage:
    """A finished stage: wall time in seconds, peak resident memory of this process in MB.

    The memory is NaN where it was not measured.
    """

    name: str
    seconds: float
    peak_mb: float


class StageObserver(Protocol):
    """Progress callback for the stages of a job."""

    def on_start(self, name: str) -> None:
        """Handle the start of the stage `name`."""

    def on_progress(self, done: int, total: int | None, unit: str) -> None:
        """Handle progress of the running stage."""

    def on_end(self, stage: Stage) -> None:
        """Handle the end of a stage."""


class SilentObserver:
    """A no-op callback."""

    def on_start(self, name: str) -> None: ...  # noqa: D102

    def on_progress(self, done: int, total: int | None, unit: str) -> None: ...  # noqa: D102

    def on_end(self, stage: Stage) -> None: ...  # noqa: D102


@dataclass
class Stages:
    """Times the named stages of one job.

    Parameters
    ----------
    observer : StageObserver
        Receives progress.
    done : list of Stage
        Finished stages.
    watches_memory : bool, default=True
        If True, peaks are measured and freed memory is returned after each stage. Both take some
        hundredths of a second, which adds up over the short jobs of a sweep.

    Examples
    --------
    >>> stages = Stages()
    >>> with stages("sum"):
    ...     _ = sum(range(10))
    >>> [stage.name for stage in stages.done]
    ['sum']
    """

    observer: StageObserver = field(default_factory=SilentObserver)
    done: list[Stage] = field(default_factory=list)
    watches_memory: bool = True

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Measure the ``with`` block as the stage `name`."""
        self.observer.on_start(name)
        if self.watches_memory:
            _reset_peak_memory()
        start = time.perf_counter()
        try:
            yield
        finally:
            seconds, peak = time.perf_counter() - start, math.nan
            if self.watches_memory:
                peak = _peak_memory_mb()
                release_memory()
            stage = Stage(name, seconds, peak)
            self.observer.on_end(stage)
        self.done.append(stage)
        memory = f", peak {peak:.0f} MB" if self.watches_memory else ""
        log.info("%s: %.2f s%s", name, seconds, memory)


def release_memory() -> None:
    """Return freed memory to the operating system.

    Arrow's allocator and the C library keep the freed memory of the largest stage, though the next
    stage needs blocks of other sizes.
    """
    arrow: Any = sys.modules.get("pyarrow")
    if arrow is not None:
        arrow.default_memory_pool().release_unused()
    with suppress(AttributeError, OSError, TypeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)


def release_libraries() -> None:
    """Return unchanged pages of libraries to the operating system.

    Most of these pages are needed only at start: LLVM alone keeps 70 MB once kernels are loaded.
    If a page is used again, the system reads it from its file cache.
    """
    with suppress(AttributeError, OSError, TypeError):  # another system than Linux
        madvise = ctypes.CDLL(None).madvise
        for start, stop in _list_unchanged(Path("/proc/self/smaps").read_text()):
            madvise(ctypes.c_void_p(start), ctypes.c_size_t(stop - start), mmap.MADV_DONTNEED)


def _list_unchanged(smaps: str) -> list[tuple[int, int]]:
    r"""Return the addresses of the private read-only mappings of files without a changed page.

    Examples
    --------
    >>> library = "00401000-00402000 r-xp 00001000 08:01 173 /usr/lib/x.so\nAnonymous: {} kB"
    >>> _list_unchanged(library.format(0)), _list_unchanged(library.format(4))
    ([(4198400, 4202496)], [])
    """
    mappings = re.findall(
        r"^(\w+)-(\w+) r-[-x]p \w+ \S+ \d+ +/.*\n(?:[A-Z].*\n)*?Anonymous: +0 kB",
        smaps,
        re.MULTILINE,
    )
    return [(int(start, 16), int(stop, 16)) for start, stop in mappings]


def _reset_peak_memory() -> None:
    # Linux resets the peak (man proc_pid_clear_refs, value 5). On other systems, the peak is that
    # of the whole process so far.
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        log.debug("peak memory is counted from the start of the process")


def _peak_memory_mb() -> float:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / _MB if sys.platform == "darwin" else peak / 1024
    kilobytes = next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]
    return int(kilobytes) / 1024
