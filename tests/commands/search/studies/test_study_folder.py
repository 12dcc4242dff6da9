"""Sweeps whose own files were damaged: named, set aside, and the same command ends as it should."""

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starting import Starter
from sweep_bench import Bench, peak
from sweeping import DRAWN, SEARCH, flip, read_jobs, read_study

from sentiment.commands.search import session
from sentiment.commands.search.results import (
    JobResult,
    PlannedJob,
    read_result,
    read_results,
    write_result,
    write_state,
)
from sentiment.commands.search.studies.storage import open_storage, read_journal
from sentiment.errors import DamagedJournalError

TRIALS = 5
COMMAND = (*SEARCH, f"search.n_trials={TRIALS}")
Damage = Callable[[bytes, int], bytes]


def cut(content: bytes, place: int) -> bytes:
    return content[:place]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a search that is complete."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        bench = make_bench(folder, patch)
        bench.search(peak, *COMMAND)
        assert bench.winners
    return folder


def make_bench(folder: Path, patch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(folder / "outputs")

    def keep(sweep: session.Session, best: PlannedJob, *facts: object) -> None:
        bench.name_winner(sweep, best)
        write_state(sweep.folder / "winner" / "job.json", {"number": best.number})
        write_state(sweep.folder / "winner" / "metrics.json", {})

    patch.setattr(session.Session, "train_winner", keep)
    patch.chdir(folder)
    return bench


@pytest.fixture
def bench(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Runs the same search in a copy of its folder."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    return make_bench(tmp_path, monkeypatch)


def check_search(bench: Bench) -> None:
    """Run the search again: it is complete, and each trial has the score of its own point."""
    folder = bench.folder.parent
    bench.search(peak, *COMMAND)
    trials = [t for t in read_study(folder).trials if "stale" not in t.user_attrs]
    assert [t.state.name for t in trials] == ["COMPLETE"] * TRIALS
    for trial in trials:
        assert trial.value == pytest.approx(peak(trial.params)["validation/accuracy"])
    jobs = read_jobs(bench.folder / "search" / "naive_bayes")
    for trial in trials:
        job = jobs[trial.number]
        assert job["metrics"]["validation/accuracy"] == trial.value
        assert f"{DRAWN}={trial.params[DRAWN]}" in job["overrides"]
    _, launched = bench.search(peak, *COMMAND)
    assert launched == []


def list_places(content: bytes, number: int = 100) -> list[int]:
    """Return places all over `content`, its first and its last bytes among them."""
    return [
        0,
        1,
        len(content) - 2,
        len(content) - 1,
        *range(7, len(content), len(content) // number),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("damage", [flip, cut])
def test_a_damaged_journal_is_made_again_from_the_results(
    bench: Bench, damage: Damage, caplog: pytest.LogCaptureFixture
) -> None:
    path = bench.folder / "search" / "studies.journal"
    content = path.read_bytes()
    expected = list_scores(bench)
    seen: set[bool] = set()
    for place in list_places(content):
        damaged = damage(content, place)
        path.write_bytes(damaged)
        caplog.clear()
        open_storage(None, path)
        assert list_scores(bench) == expected, place
        renamed = list(path.parent.glob("studies.journal.damaged*"))
        seen.add(bool(renamed))
        for aside in renamed:
            # A torn last line is what a kill leaves, and is dropped.
            assert damaged.startswith(aside.read_bytes())
            assert f"'{path}' is damaged (line " in caplog.text
            assert f"it was renamed to '{aside.name}'" in caplog.text
            aside.unlink()
    assert seen == ({True, False} if damage is flip else {False})


def list_scores(bench: Bench) -> list[tuple[int, str, dict[str, Any], float]]:
    trials = read_study(bench.folder.parent).trials
    for trial in trials:
        assert trial.value == peak(trial.params)["validation/accuracy"]
    return [(t.number, t.state.name, t.params, t.value) for t in trials]


@pytest.mark.slow
@pytest.mark.parametrize("damage", [flip, cut])
def test_a_damaged_result_is_no_result(
    bench: Bench, damage: Damage, caplog: pytest.LogCaptureFixture
) -> None:
    folder = bench.folder / "search" / "naive_bayes"
    path, expected = folder / "2" / "result.json", read_results(folder)
    content = path.read_bytes()
    for place in list_places(content):
        damaged = damage(content, place)
        path.write_bytes(damaged)
        caplog.clear()
        found = read_results(folder)
        if found == expected:  # white space
            assert json.loads(damaged) == json.loads(content)
            continue
        assert found == {n: result for n, result in expected.items() if n != 2}
        assert f"'{path}' is damaged (" in caplog.text
        aside = path.with_name("result.json.damaged")
        assert aside.read_bytes() == damaged
        aside.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("damage", [flip, cut])
def test_the_same_command_ends_with_all_trials(bench: Bench, damage: Damage) -> None:
    home = bench.folder / "search"
    for place in (40, 900):
        result = min((home / "naive_bayes").glob("[0-9]*/result.json"))
        for path in (home / "studies.journal", result):
            content = path.read_bytes()
            path.write_bytes(damage(content, place % len(content)))
        check_search(bench)


@pytest.mark.slow
def test_all_studies_of_a_damaged_journal_are_recovered(bench: Bench) -> None:
    bench.search(peak, *COMMAND, "search.name=second")
    path = bench.folder / "search" / "studies.journal"
    before = {name: describe(read_study(bench.folder.parent, name)) for name in STUDIES}
    path.write_bytes(flip(path.read_bytes(), 30))
    _, launched = bench.search(peak, *COMMAND)
    assert launched == []
    assert {name: describe(read_study(bench.folder.parent, name)) for name in STUDIES} == before
    assert len(bench.winners) == 1, "the first one's was trained before, and none again"


STUDIES = ("naive_bayes", "second")


def describe(study: Any) -> list[Any]:
    trials = [(t.number, t.state, t.params, t.distributions, t.values) for t in study.trials]
    return [study.directions, study.user_attrs["definition"], trials]


def test_a_failed_and_a_lost_trial_keep_their_numbers(bench: Bench) -> None:
    home = bench.folder / "search"
    shutil.rmtree(home / "naive_bayes" / "1")
    failed = read_result(home / "naive_bayes" / "3")
    assert failed is not None
    broken = JobResult(3, failed.overrides, failed.started, failed.ended, error="E: no")
    write_result(home / "naive_bayes" / "3", broken)
    (home / "studies.journal").unlink()
    open_storage(None, home / "studies.journal")
    study = read_study(bench.folder.parent)
    states = [(t.state.name, "stale" in t.user_attrs) for t in study.trials]
    good, lost, bad = ("COMPLETE", False), ("FAIL", True), ("FAIL", False)
    assert states == [good, lost, good, bad, good]
    assert study.trials[3].user_attrs["error"] == "E: no"


def test_a_damaged_journal_in_use_is_left_alone(bench: Bench, starter: Starter) -> None:
    path = bench.folder / "search" / "studies.journal"
    code = (
        "import pathlib, signal\n"
        "from sentiment.commands.search.studies.storage import open_storage\n"
        f"open_storage(None, pathlib.Path({str(path)!r}))\nprint('open', flush=True)\n"
        "signal.pause()\n"
    )
    other = starter.start_code(bench.folder, code)
    other.wait_for_output("open\n")
    damaged = flip(path.read_bytes(), 30)
    path.write_bytes(damaged)
    with pytest.raises(DamagedJournalError) as refused:
        bench.search(peak, *COMMAND)
    assert str(refused.value) == (
        f"'{path}' is damaged (line 1). Wait for the other processes that use it, then repeat "
        "the command."
    )
    assert path.read_bytes() == damaged
    other.send(signal.SIGKILL)
    other.wait()
    check_search(bench)


def test_reading_a_damaged_journal_changes_nothing(bench: Bench) -> None:
    path = bench.folder / "search" / "studies.journal"
    for content in (flip(path.read_bytes(), 40), b'{"op_code":99,"worker_id":"x"}\n', b"[]\n"):
        path.write_bytes(content)
        with pytest.raises(DamagedJournalError, match=r"is damaged .* Repeat the command of the"):
            read_journal(path)
        assert path.read_bytes() == content
