"""Scripts as processes of their own that need not load everything first.

A script that takes a second of work spends five to ten on importing MLflow, Optuna and
scikit-learn. Here one process imports them, and a fork of it becomes the script: it has a session,
a folder, an environment and output of its own, and can be killed with all that it started.
"""

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_SCRIPTS = ROOT / "scripts"
_PRELOADED = (
    "hydra.main",
    "joblib",
    "matplotlib.pyplot",
    "mlflow.models",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.tracking",
    "optuna.importance",
    "optuna.samplers",
    "optuna.storages.journal",
    "optuna.visualization.matplotlib",
    "plotly.graph_objects",
    "sentiment.comparison.promotion",
    "sentiment.features.vectorizers",
    "sentiment.figures",
    "sentiment.models.nbsvm",
    "sentiment.monitoring.job",
    "sentiment.prediction",
    "sentiment.sweeps.grid",
    "sentiment.sweeps.search",
    "sentiment.training",
    "skops.io",
    "sklearn.calibration",
    "sklearn.ensemble",
    "sklearn.inspection",
    "sklearn.naive_bayes",
    "sklearn.svm",
)
_TIMEOUT = 300


class Started:
    """A script that is running.

    Parameters
    ----------
    starter : Starter
        Where it came from.
    pid : int
        Its number, and that of its process group.
    output : Path
        Begins the names of the files with what it prints.
    """

    def __init__(self, starter: "Starter", pid: int, output: Path) -> None:
        self.pid = pid
        self._starter = starter
        self._output = output

    @property
    def stdout(self) -> str:
        """What it has printed so far."""
        return self._output.with_suffix(".out").read_text()

    def send(self, number: int) -> None:
        """Send a signal to it and to all that it started."""
        os.killpg(self.pid, number)

    def wait(self) -> "subprocess.CompletedProcess[str]":
        """Return what it printed and its exit code, once it has ended."""
        code = self._starter.ask({"wait": self.pid})
        if code is None:
            self.send(signal.SIGKILL)
            raise TimeoutError(f"still running after {_TIMEOUT} s:\n{self.stdout}")
        stderr = self._output.with_suffix(".err").read_text()
        return subprocess.CompletedProcess([], code, self.stdout, stderr)


@dataclass
class Starter:
    """Starts scripts; to be closed.

    Attributes
    ----------
    folder : Path
        For what the scripts print.
    """

    folder: Path
    _count: int = 0
    _server: "subprocess.Popen[str]" = field(init=False)

    def __post_init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(
        self,
        cwd: Path,
        name: str,
        *arguments: str,
        env: dict[str, str] | None = None,
        stdin: Path | None = None,
    ) -> Started:
        """Start a script of the project in the folder `cwd`; it reads from `stdin`."""
        self._count += 1
        output = self.folder / f"{self._count}"
        job = {
            "argv": [str(_SCRIPTS / f"{name}.py"), *arguments],
            "cwd": str(cwd),
            "env": env or {},
            "output": str(output),
            "stdin": str(stdin or os.devnull),
        }
        for ending in (".out", ".err"):
            Path(f"{output}{ending}").touch()
        pid = self.ask({"start": job})
        while os.getpgid(pid) != pid:  # until then, it could not be told from others
            time.sleep(0.001)
        return Started(self, pid, output)

    def run(
        self,
        cwd: Path,
        name: str,
        *arguments: str,
        env: dict[str, str] | None = None,
        stdin: Path | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a script of the project to its end."""
        return self.start(cwd, name, *arguments, env=env, stdin=stdin).wait()

    def ask(self, question: dict[str, Any]) -> Any:
        """Return what the process that has everything loaded answers."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(question) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())

    def close(self) -> None:
        """Stop."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait()


def _serve() -> None:
    """Load everything, then start what is asked for."""
    # What scripts print must not get among the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for name in _PRELOADED:
        __import__(name)
    for line in sys.stdin:
        question = json.loads(line)
        if "start" in question:
            pid = os.fork()
            if pid == 0:
                os.close(answers.fileno())
                _become(question["start"])
                return
            answer: int | None = pid
        else:
            answer = _await(question["wait"])
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _await(pid: int) -> int | None:
    """Return the exit code of a process, or None if it does not end."""
    end = time.monotonic() + _TIMEOUT
    while time.monotonic() < end:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    return None


def _become(job: dict[str, Any]) -> None:
    """Run a script in this process."""
    os.setsid()
    os.chdir(job["cwd"])
    os.environ |= job["env"]
    os.dup2(os.open(job["stdin"], os.O_RDONLY), 0)
    for descriptor, ending in ((1, ".out"), (2, ".err")):
        os.dup2(os.open(job["output"] + ending, os.O_WRONLY), descriptor)
    sys.argv = job["argv"]
    sys.path[0] = str(_SCRIPTS)
    runpy.run_path(job["argv"][0], run_name="__main__")


if __name__ == "__main__":
    _serve()
