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

_STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}
_SIGNALS = _STOP_SIGNALS | {signal.SIGCHLD}
# A worker that ends within these seconds is a failure; its replacement starts after a pause.
_MIN_LIFETIME = 5.0
_PAUSES = (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 30.0)  # seconds after 1, 2, ... failures
_POLL_SECONDS = 0.1  # between two checks for a signal during a pause


class Workers:
    """A fixed number of worker processes, replaced if they end.

    Parameters
    ----------
    count : int
        Number of workers.
    run_worker : callable
        Function that each worker runs until SIGTERM. Its arguments are the index of the worker,
        from 0, and the id of the parent process. A replacement gets the index of its predecessor.
    on_end : callable
        Called with the id of a worker that has ended.
    on_stop : callable
        Called without arguments after SIGTERM was sent to all workers.
    """

    def __init__(
        self,
        count: int,
        run_worker: Callable[[int, int], None],
        on_end: Callable[[int], None],
        on_stop: Callable[[], None],
    ) -> None:
        self._count, self._run_worker, self._on_end, self._on_stop = (
            count,
            run_worker,
            on_end,
            on_stop,
        )
        self._start_times: dict[int, float] = {}
        self._indices: dict[int, int] = {}
        self._failures = 0

    def run(self) -> None:
        """Start the workers, replace those that end, and stop all at SIGTERM or SIGINT."""
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        gc.collect()
        gc.freeze()  # so that garbage collections do not write to shared memory
        try:
            while len(self._start_times) < self._count:
                self._start()
            while self._wait() == signal.SIGCHLD:
                ended = self._reap()
                for pid, started in ended.items():
                    log.warning("worker %d has ended; it is replaced", pid)
                    lifetime = time.monotonic() - started
                    self._failures = 0 if lifetime > _MIN_LIFETIME else self._failures + 1
                if self._failures and self._is_stopped_after(_find_pause(self._failures)):
                    break
                while len(self._start_times) < self._count:
                    self._start()
            self._end_workers()
            self._on_stop()
            while self._start_times:
                if self._wait() == signal.SIGCHLD:
                    self._reap()
                else:  # a second signal ends the workers at once
                    self._end_workers()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def _wait(self) -> int:
        return signal.sigwait(_SIGNALS)

    def _is_stopped_after(self, pause: float) -> bool:
        """Wait for `pause` seconds; return True as soon as SIGTERM or SIGINT has arrived."""
        deadline = time.monotonic() + pause
        while time.monotonic() < deadline:
            if signal.sigpending() & _STOP_SIGNALS:
                signal.sigwait(_STOP_SIGNALS)
                return True
            time.sleep(_POLL_SECONDS)
        return False

    def _end_workers(self) -> None:
        for pid in self._start_times:
            os.kill(pid, signal.SIGTERM)

    def _reap(self) -> dict[int, float]:
        ended: dict[int, float] = {}
        for pid in list(self._start_times):
            if os.waitpid(pid, os.WNOHANG)[0]:
                ended[pid] = self._start_times.pop(pid)
                del self._indices[pid]
                self._on_end(pid)
        return ended

    def _start(self) -> None:
        parent = os.getpid()
        index = min(set(range(self._count)) - set(self._indices.values()))
        with warnings.catch_warnings():
            # Python warns of the threads of libraries, but these libraries handle forks.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid:
            self._start_times[pid], self._indices[pid] = time.monotonic(), index
            return
        code = 1
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            forget_connections()
            self._run_worker(index, parent)
            code = 0
        except BaseException as error:  # no code of the parent may run in the fork
            sys.stderr.write(format_error(error))
        finally:
            sys.stderr.flush()
            os._exit(code)


def _find_pause(failures: int) -> float:
    """Return the seconds to wait before the next worker starts, after `failures` in a row."""
    return _PAUSES[min(failures, len(_PAUSES)) - 1]
