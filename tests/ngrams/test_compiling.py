import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import joblib
import numba
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sentiment.ngrams.compiling import count_threads, kernel, run_threads, split_work

NOTICE = "compiling the text kernels"


def double(numbers):
    """A kernel in the making."""
    for k in range(len(numbers)):
        numbers[k] *= 2
    return len(numbers)


def assert_doubles(compiled: Any) -> None:
    numbers = np.arange(4)
    assert isinstance(compiled, numba.core.dispatcher.Dispatcher)
    assert compiled.targetoptions["nogil"]
    assert compiled(numbers) == 4
    assert numbers.tolist() == [0, 2, 4, 6]


def test_kernels_are_compiled_where_numba_cannot_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, njit = [], numba.njit

    def refuse(*parts: Any, **options: Any) -> Any:
        calls.append(options)
        if options.get("cache"):
            raise RuntimeError("cannot cache function 'double': no locator available")
        return njit(*parts, **options)

    monkeypatch.setattr(numba, "njit", refuse)
    compiled = kernel(double)
    monkeypatch.undo()  # numba calls it too
    assert_doubles(compiled)
    assert [options.get("cache", False) for options in calls] == [True, False]


def test_numba_itself_refuses_what_stands_in_no_file() -> None:
    scope: dict[str, Any] = {"__name__": "nowhere"}
    exec("def triple(numbers):\n    return numbers.sum() * 3\n", scope)
    with pytest.raises(RuntimeError, match="no locator available"):
        numba.njit(cache=True)(scope["triple"])
    assert kernel(scope["triple"])(np.arange(4)) == 18


def run_kernels(cache: Path, other: str = "") -> str:
    """Run small kernels, and the line `other`, in a process that caches them in `cache`."""
    program = (
        "import logging; logging.basicConfig(format='%(levelname)s|%(name)s|%(message)s')\n"
        "import numpy as np\n"
        "from sentiment.ngrams.kernels.scanning import copy_lowered, scan_documents\n"
        "out = np.zeros(3, np.uint8)\n"
        "copy_lowered(np.array([65, 98, 91], np.uint8), out)\n"
        "bounds, found = np.array([0, 3]), np.ones(1, bool)\n"
        "scan_documents(out, bounds[:1], bounds[1:], 0, 1, found, found.copy())\n"
        f"print(out.tolist(), found)\n{other}"
    )
    process = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"NUMBA_CACHE_DIR": str(cache)},
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    assert process.stdout == "[97, 98, 91] [False]\n"
    return process.stderr


@pytest.mark.process
def test_it_is_said_once_that_kernels_are_compiled(tmp_path: Path) -> None:
    messages = run_kernels(tmp_path)
    assert re.fullmatch(
        rf"WARNING\|sentiment\.ngrams\.compiling\|{NOTICE}[^\n]*, once per installation\n", messages
    )
    assert len(list(tmp_path.rglob("*.nbc"))) == 3  # and that of the mark
    assert run_kernels(tmp_path) == ""
    statement = "import sentiment.modeling.exact_tests as t; t.compute_smirnov_p_value(2, 2, 4)"
    assert run_kernels(tmp_path, statement) == ""  # although it compiles one more
    assert len(list(tmp_path.rglob("*.nbc"))) == 4


@pytest.mark.process
def test_it_is_said_that_more_kernels_are_compiled_if_that_takes_a_while(tmp_path: Path) -> None:
    run_kernels(tmp_path)
    patience = "import sentiment.ngrams.compiling as c; c._PATIENCE = 0.0\n"
    statement = "import sentiment.modeling.exact_tests as t; t.compute_smirnov_p_value(2, 2, 4)"
    messages = run_kernels(tmp_path, patience + statement)
    assert re.fullmatch(rf"WARNING\|[\w.]+\|{NOTICE.replace('the', 'more')}[^\n]*\n", messages)
    assert run_kernels(tmp_path, patience + statement) == ""


@pytest.mark.process
def test_kernels_run_where_the_cache_is_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    messages = run_kernels(tmp_path / "file" / "cache")  # the cache beside the source may serve
    assert messages.count("\n") == messages.count(NOTICE) <= 1


def test_kernels_of_others_are_compiled_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    assert numba.njit(double)(np.arange(3)) == 3
    assert not caplog.records


def test_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = joblib.cpu_count()
    assert count_threads(None) == count_threads(-1) == cores
    assert [count_threads(n) for n in (1, 2, 7)] == [1, 2, 7]
    assert count_threads(-2) == max(1, cores - 1)
    assert count_threads(-1000) == 1
    with pytest.raises(ValueError, match="n_jobs == 0"):
        count_threads(0)
    monkeypatch.setattr(joblib, "effective_n_jobs", {-1: 64, 1: 1}.get)
    monkeypatch.setitem(vars(numba.config), "NUMBA_NUM_THREADS", 64)
    assert [count_threads(n) for n in (None, -1, 1)] == [64, 64, 1]


def count_in_worker(_: int) -> tuple[list[int], int]:
    return [count_threads(n) for n in (None, -1, 1, 3)], int(os.environ["OMP_NUM_THREADS"])


@pytest.fixture(scope="module")
def workers() -> Any:
    """What two workers say of the threads that they may start."""
    yield joblib.Parallel(n_jobs=2, backend="loky")(
        joblib.delayed(count_in_worker)(k) for k in range(2)
    )
    joblib.externals.loky.get_reusable_executor().shutdown(wait=True)


@pytest.mark.process
def test_workers_start_as_many_threads_as_they_are_reported(workers: Any) -> None:
    for (every, same, one, three), _ in workers:
        assert 1 <= every == same <= joblib.cpu_count()
        assert (one, three) == (1, 3)


@pytest.mark.process
def test_workers_share_the_cores(workers: Any) -> None:
    for (every, *_), share in workers:
        assert every <= share


works = st.lists(st.integers(0, 10) | st.integers(0, 10**12), max_size=60)


@settings(deadline=None, derandomize=True)
@given(work=works, parts=st.integers(1, 20))
@example(work=[], parts=4)
@example(work=[0], parts=4)
@example(work=[0, 0, 0], parts=2)
@example(work=[0, 0, 9, 0, 0], parts=3)
@example(work=[10**12, 1, 1], parts=3)
@example(work=[1] * 40, parts=20)
def test_ranges_cover_all_documents_in_about_equal_parts(work: list[int], parts: int) -> None:
    ranges = split_work(np.cumsum(np.array(work, np.int64)), parts)
    assert 1 <= len(ranges) <= parts
    assert ranges[0][0] == 0
    assert ranges[-1][1] == len(work)
    assert all(previous[1] == following[0] for previous, following in pairwise(ranges))
    assert all(type(mark) is int for bounds in ranges for mark in bounds)
    if work:
        assert all(first < last for first, last in ranges)
        most = sum(work) / parts + 2 * max(work)
        assert all(sum(work[first:last]) <= most * (1 + 1e-12) for first, last in ranges)


def test_equal_documents_are_cut_into_equal_ranges() -> None:
    assert split_work(np.arange(1, 13), 4) in (
        [(0, 3), (3, 6), (6, 9), (9, 12)],
        [(0, 2), (2, 5), (5, 8), (8, 12)],
    )
    assert split_work(np.array([5, 6, 7, 1000]), 1) == [(0, 4)]
    assert split_work(np.array([], np.int64), 3) == [(0, 0)]
    assert split_work(np.zeros(5, np.int64), 3) == [(0, 5)]


@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_results_come_in_the_order_of_the_arguments(count: int) -> None:
    results = run_threads(lambda a, b: (b, a), [(k, -k) for k in range(count)]) if count else []
    assert results == [(-k, k) for k in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 4])
def test_errors_in_threads_are_passed_on(count: int) -> None:
    finished = []

    def work(k: int) -> None:
        finished.append(k)
        if k == count - 1:
            raise MemoryError(f"in thread {k}")

    with pytest.raises(MemoryError, match=f"in thread {count - 1}"):
        run_threads(work, [(k,) for k in range(count)])
    assert sorted(finished) == list(range(count))  # none is left running
