"""Losses, repetitions and damage of a search that is killed again and again."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from processes import ROOT
from reviews import SEED
from timing import Figure, Plan

from sentiment.commands.best.sweeps import StoredSweep, read_study
from sentiment.commands.search.results import read_result

_TRIALS, _KILLS = 30, 20
_WORDS = [
    "scripts/train.py",
    "-m",
    "search=naive_bayes",
    f"search.n_trials={_TRIALS}",
    "data=rotten_tomatoes",
    "data.limit=6000",
]
# Every fourth kill comes at a random moment of the start, not while trials run.
_EARLY = 4
_START_SECONDS = 4.0
# Other kills come up to `_LATER` seconds after one of these numbers of new results.
_NEW_RESULTS = (0, 1)
_LATER = 0.3


def count_results(folder: Path) -> int:
    """Return the number of trials with a result."""
    return len(list(folder.glob("search/naive_bayes/[0-9]*/result.json")))


def is_searching(folder: Path, since: float) -> bool:
    """Return whether the folder of a trial was created since a moment."""
    folders = folder.glob("search/naive_bayes/[0-9]*")
    return any(path.stat().st_mtime >= since for path in folders)


def kill_once(folder: Path, number: int, rng: np.random.Generator) -> bool:
    """Resume the search and kill it; return False if it ended before."""
    n_results, started = count_results(folder), time.time()
    process = subprocess.Popen(
        [sys.executable, *_WORDS, f"outputs={folder}"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    if number % _EARLY == 0:
        time.sleep(rng.uniform(0, _START_SECONDS))
    else:
        min_results = n_results + rng.choice(_NEW_RESULTS)
        while process.poll() is None and not (
            is_searching(folder, started) and count_results(folder) >= min_results
        ):
            time.sleep(0.01)
        time.sleep(rng.uniform(0, _LATER))
    has_ended = process.poll() is not None
    if not has_ended:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return not has_ended


def find_damage(folder: Path, study: StoredSweep) -> list[str]:
    """Return messages on broken, missing and duplicate items in the folders and databases."""
    damage = []
    home = folder / "search" / study.name
    for trial in study.trials:
        if read_result(home / str(trial.number), keep=True) is None:
            damage.append(f"trial {trial.number} has no sound result")
    with (folder / "search" / "studies.journal").open() as journal:
        for number, line in enumerate(journal):
            try:
                json.loads(line)
            except ValueError:
                damage.append(f"line {number} of the journal")
    database = sqlite3.connect(folder / "mlflow.db")
    try:
        damage += [
            f"database: {row[0]}"
            for row in database.execute("PRAGMA integrity_check")
            if row[0] != "ok"
        ]
        rows = database.execute(
            "SELECT t.value, r.status FROM runs r JOIN tags t USING (run_uuid) "
            "WHERE t.key = 'sweep.job' AND r.lifecycle_stage = 'active'"
        ).fetchall()
    finally:
        database.close()
    numbers = sorted(int(value) for value, _ in rows)
    damage += [f"run {value} is {status}" for value, status in rows if status != "FINISHED"]
    if numbers != sorted(trial.number for trial in study.trials):
        damage.append(f"the tracked trials are {numbers}")
    return damage


def bench_killing(plan: Plan) -> dict[str, Figure]:
    """Kill a search at random moments, resume it each time, and check the result."""
    rng = np.random.default_rng(SEED)
    start = time.perf_counter()
    kills = sum(kill_once(plan.folder, number, rng) for number in range(_KILLS))
    n_results = count_results(plan.folder)
    completed_process = subprocess.run(
        [sys.executable, *_WORDS, f"outputs={plan.folder}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if completed_process.returncode:
        raise RuntimeError(
            f"the search ended with {completed_process.returncode}: {completed_process.stderr}"
        )
    study = read_study("naive_bayes", None, plan.folder / "search")
    points = [str(sorted(trial.params.items())) for trial in study.trials]
    completed, repeated = len(points) + study.repeated, len(points) - len(set(points))
    damage = find_damage(plan.folder, study)
    if damage:
        print("\n".join(damage))
    faults = float(abs(_TRIALS - completed) + repeated + len(damage))
    figure = Figure(
        what=f"{_TRIALS}-trial search killed at random moments: lost, repeated or damaged",
        unit="faults",
        value=faults,
        low=faults,
        high=faults,
        target=0,
        aim=0,
        more={
            "kills": kills,
            "trials done before the last start": n_results,
            "trials completed": completed,
            "points repeated": repeated,
            "damaged": len(damage),
            "s": time.perf_counter() - start,
        },
    )
    return {"killing": figure}
