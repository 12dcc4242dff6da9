"""Compilation of kernels, and threads that run them."""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, TypeVar

import joblib
import numba
import numpy as np
from numba.core import event

log = logging.getLogger(__name__)

_PACKAGE = __name__.partition(".")[0]
Result = TypeVar("Result")


# Seconds of compilation after which a command reports that it compiles further kernels.
_PATIENCE = 1.0


class _Notice(event.Listener):
    """Listener that logs the compilation of kernels, which takes a while, once per installation."""

    def __init__(self) -> None:
        self._is_first: bool | None = None
        self._is_logged = False
        self._depth = 0  # compiling a kernel also compiles the kernels that it calls
        self._began = self._spent = 0.0

    def on_start(self, event: Any) -> None:
        if not _is_own(event):
            return
        now = time.monotonic()
        if self._depth == 0:
            self._began = now
        self._depth += 1
        if self._is_first is None:
            self._is_first = False  # the marker is a kernel, too
            self._is_first = not _has_compiled()
        if self._is_first:
            self._log("compiling the text kernels: half a minute, once per installation")
        elif self._spent + now - self._began >= _PATIENCE:
            self._log("compiling more text kernels: some seconds, once per installation")

    def on_end(self, event: Any) -> None:
        if _is_own(event):
            self._depth -= 1
            if self._depth == 0:
                self._spent += time.monotonic() - self._began

    def _log(self, notice: str) -> None:
        if not self._is_logged:
            log.warning(notice)
        self._is_logged = True


def _is_own(event: Any) -> bool:
    return str(event.data["dispatcher"].py_func.__module__).startswith(_PACKAGE)


event.register("numba:compile", _Notice())  # type: ignore[no-untyped-call]


def kernel(
    function: Callable[..., Any], *, fastmath: Collection[str] = frozenset()
) -> Callable[..., Any]:
    """Compile `function` when it is first called; it runs without the GIL.

    The machine code is cached on disk, next to the source or in the user's cache. If neither is
    writable, each process compiles again.

    Parameters
    ----------
    function : callable
        Function to compile.
    fastmath : collection of str, optional
        Relaxations of floating-point arithmetic in LLVM, such as ``"reassoc"``: sums in any order.
    """
    options: dict[str, Any] = {"nogil": True, "fastmath": set(fastmath)}
    try:
        compiled: Callable[..., Any] = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # numba found no writable folder
        compiled = numba.njit(**options)(function)
    return compiled


def _mark() -> int:
    """Be compiled before all other kernels."""
    return 0


def _has_compiled() -> bool:
    """Return whether an earlier process has compiled kernels of this version."""
    # Each command compiles the kernels that it is the first to need. The marker is always the
    # first, and numba's own cache knows whether it is up to date.
    mark = kernel(_mark)
    mark()
    return bool(mark.stats.cache_hits)  # type: ignore[attr-defined]


def count_threads(n_jobs: int | None) -> int:
    """Return the number of threads for `n_jobs`; None for all cores.

    A joblib worker uses the share of the cores that joblib assigns to it.
    """
    threads = int(joblib.effective_n_jobs(-1 if n_jobs is None else n_jobs))
    if n_jobs is None or n_jobs < 0:
        # joblib sets the share of a worker in its environment, in a variable of numba.
        threads = min(threads, int(vars(numba.config)["NUMBA_NUM_THREADS"]))
    return max(1, threads)


def run_threads(work: Callable[..., Result], arguments: Sequence[tuple[Any, ...]]) -> list[Result]:
    """Return ``[work(*a) for a in arguments]``, with a thread for each."""
    if len(arguments) == 1:
        return [work(*arguments[0])]
    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(lambda a: work(*a), arguments))


def split_work(work: np.ndarray, count: int) -> list[tuple[int, int]]:
    """Return at most `count` ranges of documents with about the same amount of work in each.

    Parameters
    ----------
    work : ndarray of shape (n_documents,)
        Cumulative work of the documents, ascending.
    count : int
        Maximum number of ranges.
    """
    if len(work) == 0:
        return [(0, 0)]
    targets = work[-1] * np.arange(1, count) / count
    bounds = [0, *np.searchsorted(work, targets).tolist(), len(work)]
    ranges = [(a, b) for a, b in pairwise(bounds) if a < b]
    return ranges or [(0, len(work))]
