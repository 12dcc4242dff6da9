"""Worker processes, forked from a process that has loaded the models.

They share the memory of the parent until they write to it, so another worker costs little.
"""

import gc
import logging
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable

from sentiment.redaction import format_error
from sentiment.tracking import forget_connections

log = logging.getLogger(__name__)

_ENDING = {signal.SIGTERM, signal.SIGINT}
_SIGNALS = _ENDING | {signal.SIGCHLD}
# Seconds; a worker that ends earlier is a failure, after which the next one starts with a pause.
_LONG_ENOUGH = 5.0
_PAUSES = (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 30.0)  # seconds after 1, 2, ... failures
_STEP = 0.1  # seconds between two looks for a signal during a pause


class Workers:
    """A fixed number of worker processes, replaced if they end.

    Parameters
    ----------
    count : int
        Number of workers.
    work : callable
        Function that each worker runs until SIGTERM. Its arguments are the index of the worker,
        from 0, which a replacement inherits, and the id of the parent process.
    on_end : callable
        Called with the id of a worker that has ended.
    on_stop : callable
        Called without arguments after SIGTERM was sent to all workers.
    """

    def __init__(
        self,
        count: int,
        work: Callable[[int, int], None],
        on_end: Callable[[int], None],
        on_stop: Callable[[], None],
    ) -> None:
        self._count, self._work, self._on_end, self._on_stop = count, work, on_end, on_stop
        self._started: dict[int, float] = {}
        self._places: dict[int, int] = {}
        self._failures = 0

    def run(self) -> None:
        """Start the workers, replace those that end, and stop all at SIGTERM or SIGINT."""
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        gc.collect()
        gc.freeze()  # so that garbage collections write to no page that workers share
        try:
            while len(self._started) < self._count:
                self._start()
            while self._wait() == signal.SIGCHLD:
                ended = self._reap()
                for pid, started in ended.items():
                    log.warning("worker %d has ended; it is replaced", pid)
                    lived = time.monotonic() - started
                    self._failures = 0 if lived > _LONG_ENOUGH else self._failures + 1
                if self._failures and self._is_stopped_after(_find_pause(self._failures)):
                    break
                while len(self._started) < self._count:
                    self._start()
            self._end_workers()
            self._on_stop()
            while self._started:
                if self._wait() == signal.SIGCHLD:
                    self._reap()
                else:  # the second signal, which ends the workers at once
                    self._end_workers()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def _wait(self) -> int:
        return signal.sigwait(_SIGNALS)

    def _is_stopped_after(self, pause: float) -> bool:
        """Wait for `pause` seconds; return True as soon as SIGTERM or SIGINT has arrived."""
        end = time.monotonic() + pause
        while time.monotonic() < end:
            if signal.sigpending() & _ENDING:
                signal.sigwait(_ENDING)
                return True
            time.sleep(_STEP)
        return False

    def _end_workers(self) -> None:
        for pid in self._started:
            os.kill(pid, signal.SIGTERM)

    def _reap(self) -> dict[int, float]:
        ended: dict[int, float] = {}
        for pid in list(self._started):
            if os.waitpid(pid, os.WNOHANG)[0]:
                ended[pid] = self._started.pop(pid)
                del self._places[pid]
                self._on_end(pid)
        return ended

    def _start(self) -> None:
        parent = os.getpid()
        place = min(set(range(self._count)) - set(self._places.values()))
        with warnings.catch_warnings():
            # The warning is about threads of libraries, which have handlers for forks.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid:
            self._started[pid], self._places[pid] = time.monotonic(), place
            return
        code = 1
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            forget_connections()
            self._work(place, parent)
            code = 0
        except BaseException as error:  # no code of the parent may run in the fork
            sys.stderr.write(format_error(error))
        finally:
            sys.stderr.flush()
            os._exit(code)


def _find_pause(failures: int) -> float:
    """Return the seconds to wait before the next worker starts, after some failures in a row."""
    return _PAUSES[min(failures, len(_PAUSES)) - 1]
