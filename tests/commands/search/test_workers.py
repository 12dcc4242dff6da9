"""Sweeps of several processes: workers, a queue, and machines that share a study."""

import os
import signal
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import optuna
import psutil
import pytest
from postgresql import PASSWORD
from starting import Started, Starter
from sweeping import (
    ENDLESS,
    QUICK,
    SEARCH,
    STOP,
    STOP_IN_JOB,
    STUDY,
    WORKERS,
    list_descendants,
    list_points,
    list_workers,
    read_jobs,
    read_lines,
    read_store,
    read_winner,
    wait_for_end,
    wait_for_jobs,
    wait_for_stop,
)

TRIALS = 8


def test_workers_start_together_on_a_fresh_store(starter: Starter, tmp_path: Path) -> None:
    done = starter.run(
        tmp_path,
        "train",
        "-m",
        *QUICK,
        "model=naive_bayes",
        "features.min_df=1,2,3,100000,4,5,6,7",
        "hydra/launcher=joblib",
        "hydra.launcher.n_jobs=4",
    )
    assert done.returncode == 1
    assert "1 of 8 jobs failed" in done.stderr
    assert sorted(dict(read_lines(done.stdout))) == list(range(8))
    store = read_store(tmp_path)
    assert set(store.count_trials().items()) == {(number, 1) for number in range(8)}
    assert Counter(run.info.status for run in store.trials) == {"FINISHED": 7, "FAILED": 1}
    assert len(store.winners) == 1


def start_workers(starter: Starter, folder: Path, total: str, before: str = "") -> Started:
    """Start a search by two workers, and return when it is under way."""
    words = [*SEARCH, total, "tracking=off", *WORKERS]
    started = starter.start(folder, "train", "-m", *words, before=before)
    wait_for_jobs(started, folder, str(STUDY), 2)
    return started


def test_a_worker_that_is_killed_does_not_end_the_sweep(starter: Starter, tmp_path: Path) -> None:
    total, lost = 12, 3
    before = STOP_IN_JOB.format(number=lost)
    started = start_workers(starter, tmp_path, f"search.n_trials={total}", before)
    helpers = list_descendants(started)
    workers = list_workers(started)
    assert len(workers) == 2
    # The other one goes on by itself.
    wait_for_jobs(started, tmp_path, str(STUDY), total - 1)
    (stopped,) = (one for one in workers if one.status() == psutil.STATUS_STOPPED)
    stopped.kill()
    done = started.wait()
    assert done.returncode == 1
    jobs = read_jobs(tmp_path / STUDY)
    assert len(jobs) == total
    (failed,) = (number for number, job in jobs.items() if job["error"])
    assert failed == lost
    assert "ended without a result (its process was killed)" in jobs[failed]["error"]
    assert f"1 of {total} jobs failed" in done.stderr
    assert "Traceback" not in done.stderr
    assert read_winner(tmp_path / STUDY)["number"] != failed
    wait_for_end(helpers)


def test_workers_do_not_outlive_the_sweep(starter: Starter, tmp_path: Path) -> None:
    started = start_workers(starter, tmp_path, ENDLESS)
    helpers = list_descendants(started)
    assert len(helpers) > len(list_workers(started)) == 2
    os.kill(started.pid, signal.SIGKILL)
    assert started.wait().returncode == -signal.SIGKILL
    wait_for_end(helpers)


@pytest.mark.skipif(
    find_spec("hydra_plugins.hydra_submitit_launcher") is None,
    reason="hydra-submitit-launcher is not installed: pip install 'sentiment[slurm]'",
)
def test_jobs_may_run_in_the_queue_of_a_cluster(starter: Starter, tmp_path: Path) -> None:
    """Jobs of a cluster, run by the same launcher on this machine."""
    done = starter.run(
        tmp_path,
        "train",
        "-m",
        *SEARCH,
        "search.n_trials=2",
        "search.batch=1",
        "hydra/launcher=submitit_local",
        "tracking=off",
    )
    assert done.returncode == 0, done.stderr
    assert sorted(dict(read_lines(done.stdout))) == [0, 1]
    jobs = read_jobs(tmp_path / STUDY)
    assert len(set(list_points(jobs))) == 2
    assert read_winner(tmp_path / STUDY)["number"] in jobs


def test_two_processes_share_a_study(starter: Starter, tmp_path: Path, address: str) -> None:
    command = ["-m", *SEARCH, f"search.n_trials={TRIALS}", f"search.storage={address}"]
    started = [starter.start(tmp_path, "train", *command, before=STOP) for _ in range(2)]
    # Each waits for the other after two jobs, so both do a part, however late one of them starts.
    for one in started:
        wait_for_stop(one)
    assert len(read_jobs(tmp_path / STUDY)) == 4
    for one in started:
        one.send(signal.SIGCONT)
    done = [one.wait() for one in started]
    for one in done:
        assert one.returncode == 0, one.stderr
        assert one.stderr == ""
    storage = optuna.storages.RDBStorage(address)
    study = optuna.load_study(study_name="naive_bayes", storage=storage)
    complete = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    storage.remove_session()
    storage.engine.dispose()
    assert len(complete) == TRIALS
    shown = [dict(read_lines(one.stdout)) for one in done]
    # Both did a part, and none the part of the other.
    assert all(shown)
    assert sorted([*shown[0], *shown[1]]) == [trial.number for trial in complete]
    jobs = read_jobs(tmp_path / STUDY)
    assert list(jobs) == [trial.number for trial in complete]
    assert len(set(list_points(jobs))) == TRIALS

    # Where they track, there is one sweep, with one winner, and that is the best of both.
    store = read_store(tmp_path)
    (parent,), (winner,) = store.parents, store.winners
    assert set(store.count_trials().values()) == {1}
    assert len(store.trials) == TRIALS
    assert {run.data.tags["mlflow.parentRunId"] for run in [*store.trials, winner]} == {
        parent.info.run_id
    }
    best = max(complete, key=lambda trial: (trial.value, -trial.number))
    assert read_winner(tmp_path / STUDY)["number"] == best.number
    assert winner.data.metrics["validation/accuracy"] == best.value
    assert parent.data.tags["best.job"] == str(best.number)
    assert parent.data.metrics["best/validation/accuracy"] == best.value
    assert parent.data.metrics["jobs/done"] == TRIALS
    assert parent.info.status == "FINISHED"

    outputs = tmp_path / "outputs"
    recorded = [path for path in (outputs / "artifacts").rglob("*") if path.is_file()]
    recorded.append(outputs / "mlflow.db")
    assert len(recorded) > 10
    for path in recorded:
        assert PASSWORD.encode() not in path.read_bytes(), path

    again = starter.run(tmp_path, "train", *command)
    assert again.returncode == 0, again.stderr
    assert list(read_lines(again.stdout)) == []
    assert "in full, and scoring" not in again.stdout
    before = f"#{best.number} was trained in full before: run {winner.info.run_id}"
    assert before in again.stdout
