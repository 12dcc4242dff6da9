"""MLflow servers of tests."""

import os
import signal
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ports import find_port
from starting import Started, Starter

# The command `mlflow server`, with the server in this process instead of another new one.
SERVER = """
import os, runpy, sys, mlflow.server
def become(command, extra_env, **_):
    os.environ.update(extra_env)
    sys.argv = command[command.index("uvicorn"):]
    runpy.run_module("uvicorn", run_name="__main__", alter_sys=True)
mlflow.server._exec_cmd = become
from mlflow.cli import cli
cli(sys.argv[1:])
"""


@pytest.fixture
def served(starter: Starter, store: Path) -> Iterator[Callable[..., str]]:
    """Start an mlflow command on a free port; it is ended with the test."""
    started: list[Started] = []

    def start(*arguments: str, health: str) -> str:
        port = find_port()
        words = [*arguments, "--host", "127.0.0.1", "--port", str(port)]
        # As in an activated environment: mlflow starts uvicorn by its name.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        env = os.environ | {"PATH": path, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        if "--workers" not in arguments:  # MLflow's four would import everything four times
            words += ["--workers", "1"]
        process = starter.start_code(store, SERVER, *words, env=env)
        started.append(process)
        process.wait_until(lambda: responds(f"http://127.0.0.1:{port}{health}"), interval=0.2)
        return f"http://127.0.0.1:{port}"

    def stop() -> None:
        """End them as a power cut would."""
        while started:
            process = started.pop()
            process.send(signal.SIGKILL)
            process.wait()

    start.stop = stop  # type: ignore[attr-defined]
    yield start
    stop()


def responds(url: str) -> bool:
    """Return whether a server responds at `url`."""
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
    return True
