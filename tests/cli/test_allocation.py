"""Threads of a command share one arena of the C library."""

import os
import subprocess
import sys

import pytest

_COUNT_ARENAS = """
import ctypes, tempfile, threading
import numpy as np
from sentiment.cli.allocation import share_arena
if {shared}:
    share_arena()
gate = threading.Barrier(4)
def work():
    kept = [np.ones(1000) for _ in range(100)]
    gate.wait()
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
with tempfile.NamedTemporaryFile() as file:
    stream = ctypes.c_void_p(libc.fopen(file.name.encode(), b"w"))
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    print(open(file.name).read().count("<heap nr="))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="arenas are those of glibc")
@pytest.mark.parametrize(
    ("shared", "variables", "is_shared"),
    [
        pytest.param(False, {}, False, id="without"),
        pytest.param(True, {}, True, id="shared"),
        pytest.param(True, {"MALLOC_ARENA_MAX": "3"}, False, id="a number that the user has set"),
    ],
)
def test_threads_share_an_arena(shared: bool, variables: dict[str, str], is_shared: bool) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "MALLOC_ARENA_MAX"} | variables
    code = _COUNT_ARENAS.format(shared=shared)
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert (int(run.stdout) == 1) is is_shared
