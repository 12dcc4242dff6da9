"""MLflow servers of tests."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ports import find_port


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.3)
        else:
            return
    raise AssertionError(f"{url} did not answer")


@pytest.fixture
def served(store: Path) -> Iterator[Callable[..., str]]:
    """Start an mlflow command on a free port; it is ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str, health: str) -> str:
        port = find_port()
        command = [sys.executable, "-m", "mlflow", *arguments, "--host", "127.0.0.1"]
        if "--workers" not in arguments:  # MLflow's four would import everything four times
            command += ["--workers", "1"]
        # As in an activated environment: mlflow starts uvicorn by its name.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        with (store / "server.log").open("ab") as log:
            process = subprocess.Popen(
                [*command, "--port", str(port)],
                env=os.environ | {"PATH": path, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        started.append(process)
        wait_for(f"http://127.0.0.1:{port}{health}", process)
        return f"http://127.0.0.1:{port}"

    def stop() -> None:
        """End them as a power cut would."""
        while started:
            process = started.pop()
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=300)

    start.stop = stop  # type: ignore[attr-defined]
    yield start
    stop()
