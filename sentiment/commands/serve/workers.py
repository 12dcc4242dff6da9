"""Several workers on one port: forks of a process that has loaded the models.

Their memory is that of the parent until they write to it, so a further worker costs little.
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

_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
# Seconds that a worker has to live for, before another one follows it at once.
_LONG_ENOUGH = 5.0
_LONGEST_PAUSE = 30.0


class Workers:
    """Processes of which a fixed number runs until a signal ends all of them.

    Parameters
    ----------
    count : int
        How many.
    work : callable
        What each does; it returns at SIGTERM. Its arguments are the place of the worker, from 0,
        which is that of the one that it replaces, and the number of this process.
    on_end : callable
        Called with the number of a worker that has ended.
    on_stop : callable
        Called once the signal has been passed on to all of them.
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
        """Start the workers, replace those that end, and end all at SIGTERM or SIGINT."""
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        gc.collect()
        gc.freeze()  # so that a collection of garbage writes to no page that workers share
        try:
            while len(self._started) < self._count:
                self._start()
            while self._wait() == signal.SIGCHLD:
                ended = self._reap()
                for pid, started in ended.items():
                    log.warning("worker %d has ended; another one takes its place", pid)
                    lived = time.monotonic() - started
                    self._failures = 0 if lived > _LONG_ENOUGH else self._failures + 1
                if self._failures:
                    time.sleep(min(_LONGEST_PAUSE, 0.1 * 2**self._failures))
                while len(self._started) < self._count:
                    self._start()
            for pid in self._started:
                os.kill(pid, signal.SIGTERM)
            self._on_stop()
            while self._started:
                signal.sigwait({signal.SIGCHLD})
                self._reap()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def _wait(self) -> int:
        return signal.sigwait(_SIGNALS)

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
            # Threads of libraries, which their own handlers stop around a fork.
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
        except BaseException as error:  # nothing of the parent may run here
            sys.stderr.write(format_error(error))
        finally:
            sys.stderr.flush()
            os._exit(code)
