"""Sweeps that are killed and gone on with."""

import json
import os
import random
import shlex
import signal
import socket
import sqlite3
import subprocess
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial
from starting import Starter
from sweeping import (
    ENDLESS,
    HALT,
    QUICK,
    SEARCH,
    STUDY,
    WAIT,
    WORKERS,
    list_helpers,
    list_points,
    read_jobs,
    read_store,
    read_study,
    wait_for_end,
    wait_for_jobs,
)

from sentiment.commands.search.ranking import find_objectives
from sentiment.commands.search.results import JobResult
from sentiment.commands.search.spaces import Space
from sentiment.commands.search.storage import open_storage
from sentiment.commands.search.studies import Study
from sentiment.tracking import owners

LAUNCHERS = {"serial": [], "joblib": WORKERS}
SPACE = Space({"model.alpha": FloatDistribution(0, 1)}, {}, {})


def kill_again_and_again(
    starter: Starter, folder: Path, pattern: str, moments: list[int], command: list[str]
) -> None:
    """Kill a sweep with all its processes, each time when it is further.

    One in a process of its own halts three jobs later; workers go on with an endless one.
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
    """Every job is there once, under one parent, in a database that is whole."""
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


@pytest.mark.parametrize("words", LAUNCHERS.values(), ids=LAUNCHERS)
def test_a_search_that_is_killed_is_gone_on_with(
    starter: Starter, tmp_path: Path, words: list[str]
) -> None:
    command = ["-m", *SEARCH, *words, ENDLESS]
    kill_again_and_again(starter, tmp_path, str(STUDY), [0, 5], command)
    total = len(read_jobs(tmp_path / STUDY)) + 4
    done = starter.run(tmp_path, "train", *command, f"search.n_trials={total}")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    study = read_study(tmp_path)
    complete = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    assert len(complete) == total
    assert {trial.state.name for trial in study.trials} <= {"COMPLETE", "FAIL"}
    jobs = read_jobs(tmp_path / STUDY)
    assert list(jobs) == [trial.number for trial in complete]
    assert len(set(list_points(jobs))) == total
    assert not [job for job in jobs.values() if job["error"]]
    check_store(tmp_path, total)
    for line in (tmp_path / "outputs/search/studies.journal").read_text().splitlines():
        assert isinstance(json.loads(line), dict)


def test_a_grid_that_is_killed_is_gone_on_with(starter: Starter, tmp_path: Path) -> None:
    alphas = [str(i / 10) for i in range(1, 25)]
    command = ["-m", *QUICK, "model=naive_bayes", f"model.alpha={','.join(alphas)}"]
    kill_again_and_again(starter, tmp_path, "outputs/sweep/*", [1, 5], command)
    done = starter.run(tmp_path, "train", *command)
    assert done.returncode == 0, done.stderr
    assert ": 24 jobs, " in done.stdout
    (sweep,) = (tmp_path / "outputs" / "sweep").iterdir()
    jobs = read_jobs(sweep)
    assert list(jobs) == list(range(24))
    assert list_points(jobs) == alphas
    check_store(tmp_path, 24)


@pytest.mark.parametrize("words", LAUNCHERS.values(), ids=LAUNCHERS)
def test_a_search_that_is_interrupted_says_how_to_go_on(
    starter: Starter, tmp_path: Path, words: list[str]
) -> None:
    command = ["-m", *SEARCH, "tracking=off", *words, ENDLESS]
    started = starter.start(tmp_path, "train", *command)
    wait_for_jobs(started, tmp_path, str(STUDY), 3)
    helpers = list_helpers(started)
    started.send(signal.SIGINT)
    done = started.wait()
    assert done.returncode == 130
    assert done.stderr == "\nstopped\n"
    wait_for_end(helpers)
    kept = len(read_jobs(tmp_path / STUDY))
    assert kept >= 3
    shown = next(line for line in done.stdout.splitlines() if line.startswith("stopped"))
    start, _, typed = shown.partition("Resume with: ")
    assert start == f"stopped: {kept} of 1000 jobs are kept. "
    words = shlex.split(typed)
    assert words[:3] == ["python", "scripts/train.py", "-m"]
    total = kept + 4
    again = starter.run(tmp_path, "train", *words[2:], f"search.n_trials={total}")
    assert again.returncode == 0, again.stderr
    assert f"{total} jobs, {kept} of them done before" in again.stdout
    jobs = read_jobs(tmp_path / STUDY)
    assert len(jobs) == len(set(list_points(jobs))) == total


def open_study(folder: Path) -> Study:
    storage = open_storage(None, folder / "studies.journal")
    return Study("any", storage, find_objectives(["accuracy"]))


def ask(study: Study, total: int = 100) -> int:
    draw = study.ask(SPACE, total)
    assert draw is not None
    return draw.number


def read_states(study: Study) -> list[str]:
    return [trial.state.name for trial in study.optuna.get_trials()]


@pytest.fixture
def dead() -> str:
    """The name of a process that has ended."""
    process = subprocess.Popen(["sleep", "60"])
    name = f"{socket.gethostname()}:{process.pid}:{owners._read_start(process.pid)}"
    assert owners.is_alive(name, 0)
    process.kill()
    process.wait()
    return name


def test_a_trial_whose_process_died_is_run_again(tmp_path: Path, dead: str) -> None:
    study = open_study(tmp_path)
    study._owner = dead
    lost = study.ask(SPACE, 3)
    assert lost is not None
    later = open_study(tmp_path)
    assert later.recover({}) == [0]
    assert read_states(later) == ["FAIL", "WAITING"]
    assert later.count_done() == 0
    again = later.ask(SPACE, 3)
    assert again is not None
    assert again.number == 1
    assert again.params == lost.params
    assert later.recover({}) == []
    # It is one of the three that were wanted.
    assert [ask(later, 3), ask(later, 3)] == [2, 3]
    assert later.ask(SPACE, 3) is None


def test_a_trial_that_left_a_result_is_not_run_again(tmp_path: Path, dead: str) -> None:
    study = open_study(tmp_path)
    study._owner = dead
    good, bad = ask(study), ask(study)
    results = {
        good: JobResult(good, [], 0, 1, metrics={"validation/accuracy": 0.7}),
        bad: JobResult(bad, [], 0, 1, error="ValueError: no"),
    }
    later = open_study(tmp_path)
    assert later.recover(results) == []
    assert read_states(later) == ["COMPLETE", "FAIL"]
    best = later.find_best()
    assert best is not None
    assert best.number == good
    assert later.count_done() == 2


def test_a_trial_whose_process_is_alive_is_left_alone(tmp_path: Path) -> None:
    study = open_study(tmp_path)
    ask(study)
    later = open_study(tmp_path)
    assert later.recover({}) == []
    assert read_states(later) == ["RUNNING"]


def test_a_process_elsewhere_is_alive_while_it_says_so(tmp_path: Path) -> None:
    study = open_study(tmp_path)
    study._owner = "elsewhere:1:2"
    ask(study)
    study.beat()
    later = open_study(tmp_path)
    assert later.recover({}) == []
    study.optuna.set_user_attr("beat elsewhere:1:2", time.time() - 2 * owners.SILENCE)
    assert open_study(tmp_path).recover({}) == [0]


def test_a_process_has_a_moment_to_put_its_name_to_a_trial(tmp_path: Path) -> None:
    """Between two steps of another process, a trial is there that seems to be nobody's."""
    study = open_study(tmp_path)
    study.optuna.ask(dict(SPACE.common))
    assert study.recover({}) == []
    old = create_trial(
        state=study.optuna.trials[0].state, params={}, distributions={}, user_attrs={}
    )
    old.datetime_start = datetime.now() - timedelta(minutes=5)
    study.optuna.add_trial(old)
    assert study.recover({}) == [1]


def test_a_line_cut_off_is_recovered(tmp_path: Path) -> None:
    study = open_study(tmp_path)
    for _ in range(3):
        ask(study)
    path = tmp_path / "studies.journal"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code": 4, "worker_id": "abc')
    later = open_study(tmp_path)
    assert read_states(later) == ["RUNNING"] * 3
    assert path.read_bytes().startswith(whole)
    ask(later)
    for line in path.read_text().splitlines():
        json.loads(line)


def test_a_winner_is_trained_by_one_process(tmp_path: Path, dead: str) -> None:
    study, other = open_study(tmp_path), open_study(tmp_path)
    other._owner = dead
    assert other.claim_winner(3)
    # It died while it trained.
    assert study.claim_winner(3)
    study.keep_winner(3)
    assert not other.claim_winner(3)
    assert other.claim_winner(4)


def test_a_process_is_reported_from_a_later_one_of_the_same_number() -> None:
    name = owners.name_owner()
    assert owners.is_alive(name, 0)
    host, pid, start = name.rsplit(":", 2)
    assert int(pid) == os.getpid()
    assert not owners.is_alive(f"{host}:{pid}:{int(start) - 1}", 0)
    assert not owners.is_alive(None, time.time())


def test_a_zombie_is_dead() -> None:
    process: Any = subprocess.Popen(["true"])
    end = time.monotonic() + WAIT
    while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < end
        time.sleep(0.01)
    assert owners._read_start(process.pid) == ""
    process.wait()
