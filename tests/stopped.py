"""A script that kills its own process before one of its changes of an MLflow store.

Environment variables: ``STOPPED_SCRIPT`` is the script, ``STOPPED_AT`` the number of the change,
counted from 1, and ``STOPPED_IN`` the method whose first call is change 1 (default: any method).
"""

import os
import runpy
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow

CHANGES = ("create_", "set_", "update_", "delete_", "log_", "finalize_")


def _patch() -> None:
    left, begins = int(os.environ["STOPPED_AT"]), os.environ.get("STOPPED_IN", "")

    def stop_before(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def change(*args: Any, **kwargs: Any) -> Any:
            nonlocal left, begins
            if begins in ("", name):
                begins = ""
                left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return method(*args, **kwargs)

        return change

    for name in dir(mlflow.MlflowClient):
        if name.startswith(CHANGES):
            method = getattr(mlflow.MlflowClient, name)
            setattr(mlflow.MlflowClient, name, stop_before(name, method))


if __name__ == "__main__":
    _patch()
    script = Path(__file__).parents[1] / "scripts" / f"{os.environ['STOPPED_SCRIPT']}.py"
    sys.argv[0] = str(script)
    runpy.run_path(str(script), run_name="__main__")
