"""The best of grids, and the list of all sweeps."""

import re
from pathlib import Path

import pytest
from conftest import ROOT
from starting import Starter
from sweeping import QUICK, read_jobs

from sentiment.commands.best.job import find_best
from sentiment.commands.best.sweeps import StoredSweep, StoredTrial, list_sweeps, read_grid
from sentiment.commands.best.view import show_sweeps
from sentiment.commands.search.ranking import Objective, find_objectives, rank
from sentiment.commands.search.results import (
    GRID,
    JobResult,
    read_results,
    write_result,
    write_state,
)
from sentiment.config import compose
from sentiment.errors import NoBestJobError


def make_grid(folder: Path, scores: dict[str, float], rows: str = "same") -> Path:
    """Write a grid of several values of C, each with its score."""
    for number, (value, score) in enumerate(scores.items()):
        settings = {"model.C": value, "data.path": f"{number}.csv" if rows != "same" else "a.csv"}
        fingerprint = rows if rows == "same" else str(number)
        result = JobResult(
            number,
            ["model=svm", f"model.C={value}"],
            0,
            1,
            tags={"data.fingerprint": fingerprint},
            settings=settings,
            metrics={"validation/accuracy": score, "rows/validation": 100.0},
        )
        write_result(folder / str(number), result)
    write_state(folder / GRID, {"objective": "accuracy", "run_id": None, "jobs": len(scores)})
    return folder


def test_a_grid_is_read_as_a_study_is(tmp_path: Path) -> None:
    make_grid(tmp_path / "sweep" / "1c0ffee2", {"0.1": 0.7, "1": 0.9, "10": 0.8})
    found = find_best(compose("best", ["search.name=1c0ffee2", f"outputs={tmp_path}"]))
    assert (found.number, found.score, found.second) == (1, 0.9, (2, 0.8))
    assert found.params == {"model.C": "1"}
    assert [(one.value, one.score) for one in found.neighbors] == [("10", 0.8), ("0.1", 0.7)]
    assert (found.importances, found.front, found.study.kind) == ({}, [], "grid")


def test_a_grid_of_several_files_has_no_best(tmp_path: Path) -> None:
    make_grid(tmp_path / "a", {"0.1": 0.7, "1": 0.9}, rows="others")
    with pytest.raises(NoBestJobError, match="they differ in 'data.path'"):
        read_grid("a", tmp_path)
    assert read_grid("b", tmp_path) is None


def test_all_sweeps_are_listed(tmp_path: Path) -> None:
    cfg = compose("best", [f"outputs={tmp_path}"])
    assert list_sweeps(cfg) == []
    make_grid(tmp_path / "sweep" / "b", {"1": 0.5}, rows="same")
    make_grid(tmp_path / "sweep" / "a", {"1": 0.25, "2": 0.75})
    make_grid(tmp_path / "sweep" / "c", {"1": 0.25, "2": 0.75}, rows="others")
    (tmp_path / "sweep" / "not_a_sweep").mkdir()
    shown = [(one.name, one.kind, one.ended, one.trials[:1]) for one in list_sweeps(cfg)]
    assert shown == [
        ("a", "grid", 2, [StoredTrial(1, {"model.C": "2"}, [0.75])]),
        ("b", "grid", 1, [StoredTrial(0, {}, [0.5])]),
        ("c", "grid", 2, []),
    ]
    assert list(tmp_path.iterdir()) == [tmp_path / "sweep"], "reading makes nothing"


def test_the_list_of_sweeps_has_a_line_for_each_and_never_cuts_names(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    trial = StoredTrial(4, {"features.ngram_range": "[1,3]", "model.C": 19.2, "seed": 7}, [0.9])
    sweeps = [
        StoredSweep(name, "search", Path(name), find_objectives(["accuracy"]), [trial], 6, failed)
        for name, failed in (("logistic_regression~2", 0), ("svm", 2))
    ]
    show_sweeps(sweeps)
    _, titles, _, first, second, _, following = capsys.readouterr().out.splitlines()
    assert [cell.strip() for cell in titles.strip("┃").split("┃")] == [
        "name", "kind", "jobs", "best", "settings",
    ]  # fmt: skip
    assert "│ logistic_regression~2 │ search │ 6 " in first
    assert "│ svm                   │ search │ 6 (2 failed) │ accuracy 0.9000 │ " in second
    assert {len(titles), len(first), len(second)} == {80}
    assert first.endswith("… │")
    assert following.endswith("search=svm")


def test_lines_fit_the_terminal_and_the_best_are_a_table(starter: Starter, tmp_path: Path) -> None:
    pattern = "features.token_pattern='\\w+','(?u)\\w+(?:\\'\\w+)*|[!?.,;:()\"*/]'"
    words = ("-m", *QUICK, "features=tfidf", pattern, "features.max_features=100,200,300")
    done = starter.run(
        tmp_path, "train", *words, "features.min_df=1", "tracking=off", env={"COLUMNS": "72"}
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    jobs = [line for line in lines if re.match(r"#\d", line)]
    assert len(jobs) == 6
    for line in jobs:
        assert re.match(r"#\d   accuracy 0\.\d{4}  \d+\.\d s  ", line)
        assert len(line) <= 72
    (sweep,) = (tmp_path / "outputs" / "sweep").iterdir()
    ranking = rank(read_results(sweep), Objective("accuracy", "validation/accuracy", True))
    shown = [re.match(r"│ #(\d) +│ (0\.\d{4})", line) for line in lines]
    top = [(int(row[1]), row[2]) for row in shown if row]
    assert top == [(p.numbers[0], f"{p.score:.4f}") for p in ranking.places[:5]]
    assert f"best #{ranking.winner}: {ranking.places[0].score:.4f} (" in done.stdout
    assert re.search(r"^time     \d+\.\d s \(whole command \d+\.\d s\), ", done.stdout, re.M)

    listed = starter.run(tmp_path, "best")
    assert listed.returncode == 0, listed.stderr
    assert f"│ {sweep.name} │ grid │ 6 " in listed.stdout
    best = starter.run(tmp_path, "best", f"search={sweep.name}")
    assert best.returncode == 0, best.stderr
    assert f"grid     {sweep.name}: 6 trials\n" in best.stdout
    score = read_jobs(sweep)[int(ranking.winner or 0)]["metrics"]["validation/accuracy"]
    assert f"best     #{ranking.winner}: accuracy {score:.4f} (" in best.stdout
    rows = {line.split()[1]: line for line in done.stdout.splitlines() if "│ accuracy" in line}
    assert re.search(r"0\.\d+ \[0\.\d+, 0\.\d+\]", rows["accuracy"])
    assert rows["accuracy"] in best.stdout.splitlines()  # the scores as its training printed them
    assert f"command  python {ROOT}/scripts/train.py data=rotten_tomatoes" in best.stdout
