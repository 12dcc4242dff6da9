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

_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
# Seconds; a worker that ends earlier is a failure, after which the next one starts with a pause.
_LONG_ENOUGH = 5.0
_LONGEST_PAUSE = 30.0  # seconds


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
