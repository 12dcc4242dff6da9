"""Processes that run jobs side by side."""

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, suppress
from multiprocessing import forkserver
from multiprocessing.connection import wait
from multiprocessing.util import Finalize
from typing import Any

from sentiment.redaction import protect_process, redact

# The number and the overrides of the next job; None at the end of the queue.
NextJob = Callable[[], tuple[int, Sequence[str]] | None]

# Modules that the parent of all workers loads before it forks; jobs load the rest.
_LOADED = [
    "sentiment.commands.search.trial",
    "sentiment.ngrams.vectorizers",
    "sentiment.modeling.estimators",
]
# Variables by which numerical libraries choose their number of threads.
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


class Workers:
    """Pool of worker processes, which start in the background.

    They are forked from one process that has loaded the libraries, so that these take time and
    memory once. Each worker has its own pipe, and only the caller waits for them. The workers of an
    executor of the standard library share queues and locks: if one is killed or the caller is
    interrupted, the others may wait forever.

    Parameters
    ----------
    number : int
        How many; -1 for one per core.
    threads : int, optional
        Threads of each; default: an equal share of the cores.
    app : tuple
        Hydra's context, its config and the task function, as launchers get them.
    """

    def __init__(self, number: int, threads: int | None, app: tuple[Any, Any, Any]) -> None:
        import joblib
        from hydra.core.singleton import Singleton

        self._number = int(joblib.effective_n_jobs(number))
        share = str(threads or max(1, joblib.cpu_count() // self._number))
        environment = {name: share if threads else os.environ.get(name, share) for name in _THREADS}
        # By value, since functions of a script cannot be imported.
        self._app = joblib.wrap_non_picklable_objects(
            [*app, Singleton.get_state()], keep_wrapper=False
        )
        multiprocessing.get_context("forkserver").set_forkserver_preload(_LOADED)
        with _environment(environment):
            forkserver.ensure_running()
        self._workers: list[_Worker] = []
        # Shut down before Python waits for its child processes at exit.
        Finalize(self, _shut_down, args=(self._workers,), exitpriority=1)
        self._problem: BaseException | None = None
        # In a thread, since the first waits until everything is loaded.
        self._starting = threading.Thread(target=self._start)
        self._starting.start()

    def run(self, next_job: NextJob) -> list[Any]:
        """Run jobs until `next_job` returns None and all of them have ended.

        Returns
        -------
        list of JobReturn
            Hydra's results, in the order in which the jobs ended.

        Raises
        ------
        Exception
            The error of the first job that raised one, after all running jobs have ended.
        BrokenExecutor
            The process of a job was killed.
        """
        try:
            self._starting.join()
            if self._problem:
                raise self._problem
            return self._run(next_job)
        except KeyboardInterrupt:
            for worker in self._workers:
                worker.end()
            raise

    def _run(self, next_job: NextJob) -> list[Any]:
        idle, busy = list(self._workers), dict[Any, _Worker]()
        ended: list[Any] = []
        problem: Exception | None = None
        while True:
            while idle and problem is None and (job := next_job()) is not None:
                worker = self._send(idle.pop(), job)
                busy[worker.pipe] = worker
            if not busy:
                break
            for pipe in wait(list(busy)):
                worker = busy.pop(pipe)
                try:
                    outcome = worker.pipe.recv()
                except (EOFError, OSError):
                    outcome = BrokenExecutor("its process was killed")
                    worker = self._replace(worker)
                idle.append(worker)
                if isinstance(outcome, Exception):
                    problem = problem or outcome
                else:
                    ended.append(outcome)
        if problem:
            raise problem
        return ended

    def _send(self, worker: "_Worker", job: tuple[int, Sequence[str]]) -> "_Worker":
        """Send a job to `worker`, or to a new one if it was killed meanwhile."""
        try:
            worker.pipe.send(job)
        except OSError:
            worker = self._replace(worker)
            worker.pipe.send(job)
        return worker

    def _replace(self, worker: "_Worker") -> "_Worker":
        worker.end()
        self._workers.remove(worker)
        self._workers.append(_Worker(self._app))
        return self._workers[-1]

    def _start(self) -> None:
        try:
            while len(self._workers) < self._number:
                self._workers.append(_Worker(self._app))
        except BaseException as problem:
            self._problem = problem


class _Worker:
    """A process that runs jobs, and the pipe to it."""

    def __init__(self, app: Any) -> None:
        context = multiprocessing.get_context("forkserver")
        self.pipe, worker_end = context.Pipe()
        self.process = context.Process(target=_serve, args=(worker_end, app))
        self.process.start()
        worker_end.close()

    def end(self) -> None:
        """Kill the process, even while it runs a job."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _shut_down(workers: list[_Worker]) -> None:
    """End idle workers."""
    for worker in workers:
        worker.pipe.close()
    for worker in workers:
        worker.process.join()


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    """Change the environment of processes that are started in the ``with`` block."""
    original = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(original)


def _serve(pipe: Any, app: list[Any]) -> None:
    """Run jobs as they come through `pipe`, in a worker, until it is shut down."""
    _initialize(app)
    with suppress(EOFError, OSError):
        while True:
            number, overrides = pipe.recv()
            pipe.send(_run(number, overrides, *app))


def _initialize(app: list[Any]) -> None:
    from sentiment.commands.search.trial import read_data

    protect_process()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the sweep handles it and ends its workers
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    gc.freeze()
    try:
        read_data(app[1])
    except Exception:  # each job reports it
        return


def _exit_with_parent() -> None:
    sweep = multiprocessing.parent_process()
    if sweep is not None:
        sweep.join()
        os._exit(1)


def _run(
    number: int, overrides: Sequence[str], context: Any, config: Any, task: Any, state: Any
) -> Any:
    """Run a job as Hydra does; return what it returns, or the exception that it raises."""
    from hydra_plugins.hydra_joblib_launcher._core import execute_job

    try:
        return execute_job(number, overrides, context, config, task, 0, state, wrap_result=True)
    except Exception as error:
        # Not every exception can be pickled, or unpickled by the receiver.
        return RuntimeError(redact(f"{type(error).__name__}: {error}"))
