"""Scripts as processes that need not import everything first.

A script that works for a second spends three to ten on importing MLflow, Optuna and scikit-learn.
Here, one process imports them, and a fork of it becomes the script: a real process with a session,
a folder, an environment and output of its own, which can be killed with all that it started. All
workers of a test session share that process, which listens on a socket.
"""

import atexit
import fcntl
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import util
from pathlib import Path
from typing import Any, NoReturn

import shortcuts
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]
# That of the session, whatever a test has changed in its own process. Two workers have two cores,
# so no library starts threads of its own.
ENVIRONMENT = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1") | os.environ
_SCRIPTS = ROOT / "scripts"
_PRELOADED = (
    "hydra._internal.logging_config",
    "hydra.main",
    "hydra_plugins.hydra_joblib_launcher.joblib_launcher",
    "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper",
    "joblib",
    "matplotlib.pyplot",
    "mlflow.models",
    "mlflow.pyfunc",
    "mlflow.sklearn",
    "mlflow.store.db.utils",
    "mlflow.store.model_registry.sqlalchemy_workspace_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_workspace_store",
    "mlflow.tracing.processor",
    "mlflow.tracking",
    "mlflow.utils.search_logged_model_utils",
    "optuna.importance",
    "optuna.samplers",
    "optuna.storages.journal",
    "sentiment.commands.promote.job",
    "sentiment.ngrams.vectorizers",
    "sentiment.commands.train.figures",
    "sentiment.modeling.estimators.nbsvm",
    "sentiment.commands.monitor.job",
    "sentiment.commands.predict.job",
    "sentiment.commands.search.grid",
    "sentiment.commands.search.search",
    "sentiment.commands.train.job",
    "skops.io",
    "sklearn.calibration",
    "sklearn.ensemble",
    "sklearn.inspection",
    "sklearn.naive_bayes",
    "sklearn.svm",
)
# The choices of many tests.
_COMPOSED = (
    "train",
    "train data=csv",
    "train data=csv features=tfidf_unigram",
    "train data=rotten_tomatoes features=tfidf_unigram",
    "train data=rotten_tomatoes features=tfidf_unigram model=naive_bayes",
    "train data=rotten_tomatoes search=naive_bayes features=tfidf",
    "train data=rotten_tomatoes search=naive_bayes features=tfidf hydra/launcher=joblib",
    "predict",
    "monitor",
    "promote",
    "compare",
    "serve",
)
_TIMEOUT = 300


class Started:
    """A process that was started.

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
        """Return its standard output so far."""
        return self._output.with_suffix(".out").read_text()

    @property
    def stderr(self) -> str:
        """Return its standard error so far."""
        return self._output.with_suffix(".err").read_text()

    def send(self, number: int) -> None:
        """Send a signal to it and to all that it started."""
        os.killpg(self.pid, number)

    def has_ended(self) -> bool:
        """Return whether it has ended."""
        return bool(self._starter.ask({"poll": self.pid}))

    def wait_until(self, happened: Callable[[], object], interval: float = 0.02) -> None:
        """Wait until something has happened, before this process ends.

        Parameters
        ----------
        happened : callable
            Returns whether it has happened.
        interval : float
            Seconds between two questions, each of which takes time from what is waited for.

        Raises
        ------
        AssertionError
            It has ended before, or it takes too long.
        """
        end = time.monotonic() + _TIMEOUT
        while not happened():
            ended = self.has_ended() and not happened()
            assert not ended, f"it has ended:\n{self.stdout}\n{self.stderr}"
            assert time.monotonic() < end, f"it runs for {_TIMEOUT} s:\n{self.stdout}"
            time.sleep(interval)

    def wait_for_output(self, text: str) -> None:
        """Wait until it has printed `text`."""
        self.wait_until(lambda: text in self.stdout)

    def wait(self) -> "subprocess.CompletedProcess[str]":
        """Return what it printed and its exit code, once it has ended."""
        code = self._starter.ask({"wait": self.pid})
        if code is None:
            self.send(signal.SIGKILL)
            raise TimeoutError(f"it runs for {_TIMEOUT} s:\n{self.stdout}\n{self.stderr}")
        return subprocess.CompletedProcess([], code, self.stdout, self.stderr)


@dataclass
class Starter:
    """Starts scripts; to be closed.

    Parameters
    ----------
    shared : Path
        A folder of the session, which has the socket.
    folder : Path
        For what the scripts print.
    """

    shared: Path
    folder: Path
    _count: int = 0
    _socket: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        address = self.shared / "starter"
        with FileLock(self.shared / "starter.lock"):
            try:
                self._socket = _connect(address)
            except (ConnectionRefusedError, FileNotFoundError):
                _start_server(address)
                self._socket = _connect(address)
        self._answers = self._socket.makefile()

    def start(
        self,
        cwd: Path,
        name: str,
        *arguments: str,
        env: dict[str, str | None] | None = None,
        stdin: Path | None = None,
        before: str = "",
    ) -> Started:
        """Start a script of the project.

        Parameters
        ----------
        cwd : Path
            Its folder.
        name : str
            Of the script, without its ending.
        *arguments : str
            Its arguments.
        env : dict, optional
            Changes of the environment; None removes a variable.
        stdin : Path, optional
            What it reads; default: nothing.
        before : str
            Code that is run in its process first; what it changes, its workers have changed, too.
        """
        return self._start(cwd, [str(_SCRIPTS / f"{name}.py"), *arguments], before, env, stdin)

    def start_code(
        self, cwd: Path, code: str, *arguments: str, env: dict[str, str | None] | None = None
    ) -> Started:
        """Start a process that runs `code` in the folder `cwd`; for the rest, see `start`."""
        return self._start(cwd, ["-c", *arguments], code, env)

    def _start(
        self,
        cwd: Path,
        argv: list[str],
        code: str,
        env: dict[str, str | None] | None = None,
        stdin: Path | None = None,
    ) -> Started:
        self._count += 1
        output = self.folder / f"{self._count}"
        for ending in (".out", ".err"):
            Path(f"{output}{ending}").touch()
        changed = ENVIRONMENT | (env or {})
        pid = self.ask({
            "argv": argv,
            "code": code,
            "cwd": str(cwd),
            "env": {key: value for key, value in changed.items() if value is not None},
            "output": str(output),
            "stdin": str(stdin or os.devnull),
        })  # fmt: skip
        return Started(self, pid, output)

    def run(self, cwd: Path, name: str, *arguments: str, **options: Any) -> Any:
        """Run a script of the project to its end; see `start`."""
        return self.start(cwd, name, *arguments, **options).wait()

    def ask(self, question: dict[str, Any]) -> Any:
        """Return what the process that has everything imported answers."""
        self._socket.sendall(json.dumps(question).encode() + b"\n")
        answer = self._answers.readline()
        if not answer:
            raise ConnectionError("the process that starts scripts has ended")
        return json.loads(answer)

    def close(self) -> None:
        """Disconnect; the last one ends the process that has everything imported."""
        self._answers.close()
        self._socket.close()


def _connect(address: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(address))
    except OSError:
        connection.close()
        raise
    return connection


def _start_server(address: Path) -> None:
    """Start the process that has everything imported, and wait until it listens."""
    address.unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, __file__, str(address)], env=ENVIRONMENT, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"listens\n"
    # It outlives this process if another one needs it, and nobody waits for it.
    process.returncode = 0


class Server:
    """Starts scripts for those who are connected, until there are none."""

    def __init__(self, listener: socket.socket) -> None:
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        self._listener = listener
        self._clients: set[socket.socket] = set()
        self._ended: dict[int, int] = {}
        # Who waits for a process, and until when.
        self._waiting: dict[int, tuple[socket.socket, float]] = {}

    def serve(self) -> dict[str, Any] | None:
        """Return the job of a script in its own process, and None in the one that started it."""
        while True:
            for key, _ in self._selector.select(timeout=1 if self._waiting else None):
                job = key.data(key.fileobj)
                if job is not None:
                    return job
            if not self._clients:
                return None
            for pid, (client, end) in list(self._waiting.items()):
                if time.monotonic() > end:
                    del self._waiting[pid]
                    self._answer(client, None)

    def _accept(self, listener: socket.socket) -> None:
        client, _ = listener.accept()
        self._clients.add(client)
        self._selector.register(client, selectors.EVENT_READ, self._read)

    def _read(self, client: socket.socket) -> dict[str, Any] | None:
        line = b""
        while not line.endswith(b"\n"):
            part = client.recv(1 << 16)
            if not part:
                self._selector.unregister(client)
                self._clients.remove(client)
                client.close()
                return None
            line += part
        question = json.loads(line)
        if "poll" in question:
            self._answer(client, question["poll"] in self._ended)
        elif "wait" in question:
            self._waiting[question["wait"]] = (client, time.monotonic() + _TIMEOUT)
            self._report(question["wait"])
        else:
            return self._fork(client, question)
        return None

    def _fork(self, client: socket.socket, job: dict[str, Any]) -> dict[str, Any] | None:
        ready, go = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(ready)
            os.setsid()  # before its number is known: whoever knows it may signal its group
            os.close(go)
            for one in (self._listener, *self._clients):
                one.close()
            self._selector.close()
            return job
        os.close(go)
        os.read(ready, 1)
        os.close(ready)
        self._ended.pop(pid, None)  # of an earlier process with this number
        self._selector.register(os.pidfd_open(pid), selectors.EVENT_READ, self._reap(pid))
        self._answer(client, pid)
        return None

    def _reap(self, pid: int) -> Callable[[int], None]:
        def reap(descriptor: int) -> None:
            self._selector.unregister(descriptor)
            os.close(descriptor)
            self._ended[pid] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            self._report(pid)

        return reap

    def _report(self, pid: int) -> None:
        if pid in self._ended and pid in self._waiting:
            self._answer(self._waiting.pop(pid)[0], self._ended[pid])

    def _answer(self, client: socket.socket, answer: Any) -> None:
        if client in self._clients:
            client.sendall(json.dumps(answer).encode() + b"\n")


def _warm_up() -> None:
    """Import everything and load what is compiled.

    A fork has the calling thread alone. Python's threads have ended by then, and those of Arrow and
    jemalloc are started anew in it.
    """
    from sentiment.cli.startup import trust_no_skops_defaults

    trust_no_skops_defaults()
    for name in _PRELOADED:
        __import__(name)
    shortcuts.install()
    from mlflow.utils.requirements_utils import _init_modules_to_packages_map

    from sentiment.config import compose
    from sentiment.data import preparation
    from sentiment.data.datasets import EmbeddedReviews
    from sentiment.errors import ConfigError
    from sentiment.modeling.precompile import compile_kernels

    _init_modules_to_packages_map()
    compile_kernels()
    for words in _COMPOSED:  # what is parsed and merged here, no script has to
        primary, *overrides = words.split()
        with suppress(ConfigError):  # a setting without a default
            compose(primary, overrides)
    for source in ("imdb", "rotten_tomatoes"):
        preparation.add_keys(EmbeddedReviews(name=source, source=source).read())
    shortcuts.make_tables()


def _become(job: dict[str, Any]) -> None:
    """Run a script in this process."""
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["env"])
    for descriptor, path, mode in (
        (0, job["stdin"], os.O_RDONLY),
        (1, job["output"] + ".out", os.O_WRONLY),
        (2, job["output"] + ".err", os.O_WRONLY),
    ):
        opened = os.open(path, mode)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.argv = job["argv"]
    sys.path[0] = str(_SCRIPTS)
    code: Any = 0
    try:
        exec(job["code"], {})
        # Other code may wait for its children, of which this would be one that does not end.
        if {"-m", "--multirun"} & set(job["argv"]):
            _keep_spare()
        if job["argv"][0] != "-c":
            runpy.run_path(job["argv"][0], run_name="__main__")
    except SystemExit as end:
        code = end.code or 0
        if not isinstance(code, int):
            raise
    # As forks of multiprocessing end: to take a thousand modules apart would cost more than most
    # scripts do.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code & 0xFF)


def _keep_spare() -> None:
    """Fork this process before its script begins, for the server that forks the script's workers.

    multiprocessing would start that server as a new process of Python, which imports everything
    again; the fork takes its place, in the same process group and with the same protocol.
    """
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _be_spare(theirs)
    theirs.close()
    spares = [(pid, ours)]
    start = util.spawnv_passfds

    def spawn(path: bytes, arguments: list[str], descriptors: list[int]) -> int:
        if not spares or "multiprocessing.forkserver" not in arguments[-1]:
            return int(start(path, arguments, descriptors))
        pid, connection = spares.pop()
        with connection:
            socket.send_fds(connection, [b"."], descriptors)
            job = [arguments[-1], descriptors, dict(os.environ)]
            connection.sendall(json.dumps(job).encode())
        return pid

    util.spawnv_passfds = spawn


def _be_spare(connection: socket.socket) -> NoReturn:
    """Wait for what multiprocessing would have started, and run that in this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = 1
    try:
        begun, received, *_ = socket.recv_fds(connection, 1, 8)
        if not begun:  # the script has ended
            os._exit(0)
        with connection, connection.makefile() as lines:
            program, descriptors, environment = json.load(lines)
        # Beyond all that are expected, so that none replaces another.
        copies = [fcntl.fcntl(one, fcntl.F_DUPFD, max(descriptors) + 1) for one in received]
        for copy, descriptor in zip(copies, descriptors, strict=True):
            os.dup2(copy, descriptor)
            os.close(copy)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["-c"]
        signal.signal(signal.SIGINT, signal.default_int_handler)
        exec(program, {})
        code = 0
    except SystemExit:
        code = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _main() -> None:
    address = sys.argv[1]
    # As scripts do: this checkout comes before another one that its environment has installed.
    sys.path.insert(1, str(ROOT))
    _warm_up()
    assert threading.active_count() == 1, "a fork would lack the other threads"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("listens", flush=True)
        sys.stdout = sys.__stdout__
        os.dup2(2, 1)
        job = Server(listener).serve()
    if job is not None:
        _become(job)


if __name__ == "__main__":
    _main()
