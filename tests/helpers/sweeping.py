"""Settings of a small job, sweeps that are killed, and readers of what sweeps write."""

import json
import random
import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from mlflow import MlflowClient
from mlflow.entities import Run
from starting import Started, Starter

from sentiment.commands.search.results import JobResult

QUICK = ("data=rotten_tomatoes", "data.limit=300", "features=tfidf_unigram")
# A study of which one number is drawn; jobs of well under a second.
SEARCH = (
    "data=rotten_tomatoes",
    "data.limit=300",
    "search=naive_bayes",
    "features=tfidf",
    "features.ngram_range=[1,1]",
    "features.min_df=1",
    "features.max_df=1.0",
    "features.max_features=300",
    "features.sublinear_tf=true",
    "features.token_pattern='\\w+'",
    "features.log_count_ratio=false",
)
# For what is to be killed while trials run, however late the kill comes.
ENDLESS = "search.n_trials=1000"
STUDY = Path("outputs/search/naive_bayes")
DRAWN = "model.alpha"
WORKERS = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
# Code for a sweep that runs its jobs itself. It halts before the job of a number, so that a kill
# never comes after the end, however late it is.
HALT = """
import signal
from sentiment.commands.search import trial
run = trial.run_trial
def run_or_halt(cfg, job):
    while job.number >= {number}:
        signal.pause()
    return run(cfg, job)
trial.run_trial = run_or_halt
"""
# And one that stops itself after two jobs, until it is sent SIGCONT.
STOP = """
import os, signal
from sentiment.commands.search import trial
run, count = trial.run_trial, 0
def run_or_stop(cfg, job):
    global count
    if count == 2:
        os.kill(os.getpid(), signal.SIGSTOP)
    count += 1
    return run(cfg, job)
trial.run_trial = run_or_stop
"""
# And one of which one job stops its process, a worker or the sweep itself.
STOP_IN_JOB = """
import os, signal
from sentiment.commands.search import trial
run = trial.run_trial
def run_or_stop(cfg, job):
    if job.number == {number}:
        os.kill(os.getpid(), signal.SIGSTOP)
    return run(cfg, job)
trial.run_trial = run_or_stop
"""
WAIT = 300
JOB_LINE = re.compile(r"#(\d+) +(?:(\w+) (\d\.\d{4})|failed: (.*?))  \d+\.\d s")


@dataclass(frozen=True)
class Store:
    """The runs in the store of a folder."""

    parents: list[Run]
    trials: list[Run]
    winners: list[Run]

    def count_trials(self) -> dict[int, int]:
        """Return how many runs each number has."""
        numbers = sorted(int(run.data.tags["sweep.job"]) for run in self.trials)
        return {number: numbers.count(number) for number in numbers}


def read_store(folder: Path) -> Store:
    """Return the runs in the tracking store of `folder`."""
    client = MlflowClient(f"sqlite:///{folder}/outputs/mlflow.db")
    (experiment,) = (e for e in client.search_experiments() if e.name == "sentiment")
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    kinds: dict[str, list[Run]] = {"sweep": [], "trial": [], "training": []}
    for run in reversed(runs):
        kinds[run.data.tags["kind"]].append(run)
    return Store(kinds["sweep"], kinds["trial"], kinds["training"])


def read_jobs(folder: Path) -> dict[int, dict[str, Any]]:
    """Return the results of the jobs of the sweep in `folder`, by number."""
    paths = folder.glob("[0-9]*/result.json")
    found = {int(path.parent.name): json.loads(path.read_text()) for path in paths}
    return dict(sorted(found.items()))


def read_winner(folder: Path) -> dict[str, Any]:
    """Return the winner of the sweep in `folder`, with its metrics."""
    winner = folder / "winner"
    facts: dict[str, Any] = json.loads((winner / "job.json").read_text())
    metrics = winner / facts["folder"] / "metrics.json"
    return facts | {"metrics": json.loads(metrics.read_text())}


def read_lines(stdout: str) -> Iterator[tuple[int, float | str]]:
    """Yield the number of each reported job, and its score or its error."""
    for line in stdout.splitlines():
        found = JOB_LINE.match(line)
        if found:
            yield int(found[1]), float(found[3]) if found[3] else found[4]


def read_study(folder: Path, name: str = "naive_bayes") -> Any:
    """Return the Optuna study `name` in the journal in `folder`."""
    import optuna
    from optuna.storages.journal import JournalFileBackend

    path = folder / "outputs" / "search" / "studies.journal"
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(path)))
    return optuna.load_study(study_name=name, storage=storage)


def list_points(jobs: dict[int, dict[str, Any]]) -> list[str]:
    """Return the value that each job drew."""
    return [
        word.partition("=")[2]
        for job in jobs.values()
        for word in job["overrides"]
        if word.startswith(f"{DRAWN}=")
    ]


def wait_for_jobs(started: Started, folder: Path, pattern: str, number: int) -> None:
    """Wait until as many jobs of a sweep have left a result."""
    results = f"{pattern}/[0-9]*/result.json"
    started.wait_until(lambda: len(list(folder.glob(results))) >= number)


def wait_for_stop(started: Started) -> None:
    """Wait until a process has stopped itself."""
    process = psutil.Process(started.pid)
    started.wait_until(lambda: process.status() == psutil.STATUS_STOPPED)


def list_descendants(started: Started) -> list[psutil.Process]:
    """Return the processes that a script has started, directly or not."""
    return psutil.Process(started.pid).children(recursive=True)


def list_workers(started: Started) -> list[psutil.Process]:
    """Return the worker processes of a sweep: they are forked from one that it started."""
    return [
        worker for helper in psutil.Process(started.pid).children() for worker in helper.children()
    ]


def wait_for_end(processes: list[psutil.Process]) -> None:
    """Wait until processes have ended; zombies count as ended."""
    end = time.monotonic() + WAIT
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                assert time.monotonic() < end, f"{process} goes on"
                time.sleep(0.01)


def kill_repeatedly(
    starter: Starter, folder: Path, pattern: str, moments: list[int], command: list[str]
) -> None:
    """Kill a sweep with all its processes, each time after more jobs.

    It halts three jobs later, and so do its workers, so that it never ends before the kill.
    """
    chance = random.Random(len(moments))
    for number in moments:
        halt = HALT.format(number=number + 3)
        started = starter.start(folder, "train", *command, before=halt)
        wait_for_jobs(started, folder, pattern, number)
        time.sleep(chance.uniform(0, 0.2))
        started.send(signal.SIGKILL)
        assert started.wait().returncode == -signal.SIGKILL


def check_store(folder: Path, jobs: int) -> None:
    """Check that each job is recorded once, under one parent, in a sound database."""
    store = read_store(folder)
    (parent,), (winner,) = store.parents, store.winners
    assert parent.info.status == "FINISHED"
    assert len(store.trials) == jobs
    assert set(store.count_trials().values()) == {1}
    assert {run.info.status for run in store.trials} == {"FINISHED"}
    for run in [*store.trials, winner]:
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    with sqlite3.connect(folder / "outputs" / "mlflow.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()


def make_result(
    number: int = 0, error: str = "", metrics: dict[str, float] | None = None
) -> JobResult:
    """Return the result of a job of one second."""
    return JobResult(number, [f"model.C={number}"], 10.0, 11.0, metrics=metrics or {}, error=error)


def flip(content: bytes, place: int) -> bytes:
    """Return `content` with one bit of one byte changed."""
    changed = bytearray(content)
    changed[place] ^= 1 << place % 8
    return bytes(changed)
