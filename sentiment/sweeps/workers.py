"""Processes that run jobs side by side."""

import gc
import multiprocessing
import os
import signal
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, suppress
from multiprocessing import forkserver
from typing import Any

# The number and the overrides of the next job; None if there is none.
HandOut = Callable[[], tuple[int, Sequence[str]] | None]

# What the process loads from which the workers are forked; the rest is loaded by the first jobs.
_LOADED = ["sentiment.sweeps.trial", "sentiment.features.vectorizers", "sentiment.models"]
# What numerical libraries ask for the number of their threads, numba's among them.
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


class Workers:
    """Worker processes, which get ready while the caller goes on.

    They are forked from one process that has loaded the libraries, so these are loaded once and
    take their memory once.

    Parameters
    ----------
    number : int
        How many; -1 for one per core.
    threads : int, optional
        Threads of each; without it, the cores are shared out.
    app : tuple
        Hydra's context, its config and the task, as a launcher is given them.
    """

    def __init__(self, number: int, threads: int | None, app: tuple[Any, Any, Any]) -> None:
        import joblib

        self._number = int(joblib.effective_n_jobs(number))
        share = str(threads or max(1, joblib.cpu_count() // self._number))
        self._environment = {
            name: share if threads else os.environ.get(name, share) for name in _THREADS
        }
        self._app = app
        self._start()

    def run(self, hand_out: HandOut) -> list[Any]:
        """Run jobs until `hand_out` gives none and all have ended.

        Returns
        -------
        list of JobReturn
            What Hydra says of each, in the order in which they ended.

        Raises
        ------
        Exception
            Of the first job that raised one, or whose worker was killed, when all have ended.
        """
        running: set[Future[Any]] = set()
        ended: list[Future[Any]] = []
        try:
            self._starting.join()
            while True:
                well = not any(future.exception() for future in ended)
                while well and len(running) < self._number and (job := hand_out()) is not None:
                    running.add(self._executor.submit(_run, *job))
                if not running:
                    return [future.result() for future in ended]
                done, running = wait(running, return_when=FIRST_COMPLETED)
                ended += done
        except Exception:
            self._end()
            self._start()
            raise
        except BaseException:
            self._end()
            raise

    def _end(self) -> None:
        """End the workers, whatever they do."""
        for worker in multiprocessing.active_children():
            worker.kill()
        self._close()

    def _start(self) -> None:
        """Start the workers in a thread, since the first waits until everything is loaded."""
        from hydra.core.singleton import Singleton
        from joblib import wrap_non_picklable_objects

        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_LOADED)
        with _environment(self._environment):
            forkserver.ensure_running()
        # By value, since what is in a script cannot be imported.
        app = wrap_non_picklable_objects([*self._app, Singleton.get_state()], keep_wrapper=False)
        self._executor = ProcessPoolExecutor(self._number, context, _prepare, (app,))
        # Python's own way to end them, when it exits, has not always waited for what is under way.
        self._close = weakref.finalize(self, self._executor.shutdown)
        self._starting = threading.Thread(target=_wake, args=(self._executor, self._number))
        self._starting.start()


def _wake(executor: ProcessPoolExecutor, number: int) -> None:
    """Give each worker something to do, so that all are started."""
    with suppress(RuntimeError):  # the sweep is over already
        for _ in range(number):
            executor.submit(os.getpid)


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    """Change the environment that processes are started with."""
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


# In a worker: what it runs jobs of.
_app: list[Any] = []


def _prepare(app: list[Any]) -> None:
    """Make a worker ready for jobs."""
    from sentiment.sweeps.trial import read_data

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the sweep hears it and ends its workers
    threading.Thread(target=_leave_with_sweep, daemon=True).start()
    gc.freeze()
    _app[:] = app
    try:
        read_data(_app[1])
    except Exception:  # each job will say it of itself
        return


def _leave_with_sweep() -> None:
    sweep = multiprocessing.parent_process()
    if sweep is not None:
        sweep.join()
        os._exit(1)


def _run(number: int, overrides: Sequence[str]) -> Any:
    """Run a job as Hydra does."""
    from hydra_plugins.hydra_joblib_launcher._core import execute_job

    context, config, task, state = _app
    return execute_job(number, overrides, context, config, task, 0, state, wrap_result=True)
