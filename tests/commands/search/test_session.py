"""An outage of the tracking store costs a sweep nothing, whenever it comes."""

from collections.abc import Iterator
from dataclasses import replace
from errno import ENOSPC
from pathlib import Path
from typing import Any

import mlflow
import pytest
from sweeping import QUICK, SEARCH, make_result, read_jobs, read_store, read_winner
from sweeping_in_process import Outage, failing_clients, run_sweep_in_process

from sentiment.commands.search import session
from sentiment.commands.search.failures import FailurePolicy
from sentiment.commands.search.observing import OBSERVER, SweepObserver
from sentiment.commands.search.ranking import find_objectives
from sentiment.commands.search.results import JobResult, write_result, write_state
from sentiment.commands.search.session import Session
from sentiment.errors import (
    ExitCode,
    SweepNotRecordedError,
    SweepUnfinishedError,
    TrackingStoreError,
)
from sentiment.tracking import MlflowTracker
from sentiment.tracking.processes import ProcessMark

GRID = (*QUICK, "model=naive_bayes", "model.alpha=0.1,0.5,1")
COMMAND = "python scripts/train.py -m ..."
RESULTS = [
    make_result(number, "one\ntwo" * (number == 1), {"validation/accuracy": 0.5})
    for number in range(2)
]


class Notes(SweepObserver):
    """Keeps the notes of a sweep."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.recorded: list[int] = []

    def on_note(self, text: str) -> None:
        self.notes.append(text)

    def on_recorded_winner(self, number: int, result: object) -> None:
        self.recorded.append(number)


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a sweep try the store again with every job."""
    monkeypatch.setattr(session, "_SHORTEST_PAUSE", 0.0)
    monkeypatch.setattr(session, "_PAUSE_FACTOR", 0.0)


@pytest.fixture
def notes() -> Iterator[Notes]:
    watch = Notes()
    token = OBSERVER.set(lambda: watch)
    yield watch
    OBSERVER.reset(token)


def run_jobs(folder: Path, observer: Notes, run_id: str | None) -> str:
    """Run a sweep of two jobs that are done at once, or do what is left of it; return its run."""
    tracker = MlflowTracker(f"sqlite:///{folder.parent}/mlflow.db", f"{folder.parent}/files", "e")
    sweep = Session(
        name=folder.name,
        folder=folder,
        objective=find_objectives(["accuracy"])[0],
        record=tracker.open_sweep(folder.name, {"kind": "sweep"}, run_id),
        observer=observer,
        policy=FailurePolicy(9, fresh=True),
        total=len(RESULTS),
        shared=[],
    )
    sweep.begin()
    left = [result for result in RESULTS if result.number not in sweep.results]
    for result in left:
        write_result(folder / str(result.number), result)
        sweep.take(result)
    with sweep.recording(COMMAND):
        pass
    return str(sweep.record.id)


def read_jobs_of(run_id: str) -> dict[str, str]:
    """Return number and status of each recorded job, which is there once."""
    runs = mlflow.search_runs(
        search_all_experiments=True,
        output_format="list",
        filter_string=f"tags.mlflow.parentRunId = '{run_id}'",
    )
    found = [(run.data.tags["sweep.job"], run.info.status) for run in runs]
    assert len(dict(found)) == len(found), "a job is recorded twice"
    return dict(found)


@pytest.mark.slow
def test_an_outage_at_any_call_loses_no_job(tmp_path: Path) -> None:
    """It comes with each call of a sweep in turn, and lasts for one call or to the end."""
    home = MlflowTracker(f"sqlite:///{tmp_path}/mlflow.db", f"{tmp_path}/files", "e")
    home.open()
    counting = Outage(10**6, method="search_runs")
    whole = home.open_sweep("whole", {"kind": "sweep"}, None).id
    with failing_clients(counting):
        run_jobs(tmp_path / "whole", Notes(), whole)
    assert counting.calls > 9, "several calls for each job"
    for first in range(1, counting.calls + 1):
        for length, is_answer_lost in ((1, True), (10**6, False)):
            case = f"{first}-{length}-{is_answer_lost}"
            run_id = home.open_sweep(case, {"kind": "sweep"}, None).id
            watch = Notes()
            error = None
            with failing_clients(Outage(first, length, is_answer_lost, method="search_runs")):
                try:
                    run_jobs(tmp_path / case, watch, run_id)
                except SweepNotRecordedError as caught:
                    error = caught
            assert len(list((tmp_path / case).glob("*/result.json"))) == 2
            assert (error is not None) == (length > 1 or first == counting.calls), case
            run_jobs(tmp_path / case, Notes(), run_id)
            assert read_jobs_of(str(run_id)) == {"0": "FINISHED", "1": "FAILED"}, case
            parent = mlflow.get_run(str(run_id))
            assert parent.info.status == "FINISHED"
            assert parent.data.metrics["jobs/done"] == 2
            if error is None and watch.notes:
                away, back = watch.notes
                assert away.startswith("the tracking store is away (")
                assert back.startswith("the tracking store is back: ")


def check_complete(folder: Path, jobs: int) -> None:
    """Every job and the winner are recorded once, and nothing is left running."""
    store = read_store(folder)
    (parent,), (winner,) = store.parents, store.winners
    assert store.count_trials() == dict.fromkeys(range(jobs), 1)
    assert {run.info.status for run in [parent, winner, *store.trials]} == {"FINISHED"}
    parents = {run.data.tags["mlflow.parentRunId"] for run in [winner, *store.trials]}
    assert parents == {parent.info.run_id}
    assert parent.data.tags["winner.run"] == winner.info.run_id
    assert parent.data.metrics["jobs/done"] == jobs
    assert len(winner.outputs.model_outputs) == 1
    assert winner.data.metrics["test/accuracy"] == parent.data.metrics["test/accuracy"]


@pytest.mark.slow
@pytest.mark.parametrize("words", [GRID, (*SEARCH, "search.n_trials=3")], ids=["grid", "search"])
@pytest.mark.parametrize(
    ("method", "kept", "rest"),
    [
        ("log_batch", "the results of 3 of 3 jobs are", "records them and trains the best"),
        (
            "log_model_artifacts",
            "the results of 3 of 3 jobs and the trained model of the best are",
            "records them",
        ),
    ],
)
def test_the_same_command_completes_a_sweep(
    tmp_path: Path,
    notes: Notes,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    method: str,
    kept: str,
    rest: str,
) -> None:
    words = (*words, f"outputs={tmp_path}/outputs")
    first = 2 if method == "log_batch" else 1  # the sweep has begun
    with (
        failing_clients(Outage(first, method=method)),
        pytest.raises(SweepNotRecordedError) as caught,
    ):
        run_sweep_in_process(*words)
    error = caught.value
    assert error.exit_code is ExitCode.UNAVAILABLE
    assert f". Nothing is lost: {kept} in '{error.folder}'. When" in str(error)
    assert f"the same command {rest}: python scripts/train.py -m " in str(error)
    assert len(str(error).splitlines()) == 1
    before = read_jobs(error.folder)
    assert list(before) == [0, 1, 2]
    if "the trained model" in kept:
        monkeypatch.setattr(session, "train", lambda *_, **__: pytest.fail("trained again"))
    run_sweep_in_process(*words)
    assert bool(notes.recorded) == ("the trained model" in kept)
    assert read_jobs(error.folder) == before, "no job was run again"
    check_complete(tmp_path, 3)
    assert read_winner(error.folder)["run"] == read_store(tmp_path).winners[0].info.run_id


def test_half_recorded_jobs_of_an_abandoned_sweep_are_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process is killed after it made the run of a job and before it ended it."""
    tracker = MlflowTracker(f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path / "artifacts"), "e")
    tracker.open()
    job = (0, "x", (1.0, 2.0), {}, {"a": "b"}, {"c": 1.0}, "")
    dead = replace(ProcessMark.of_this_process(), pid="99999999")
    with monkeypatch.context() as patch, failing_clients(Outage(1, method="log_batch")):
        patch.setattr(ProcessMark, "of_this_process", lambda: dead)
        record = tracker.open_sweep("left", {"kind": "sweep"}, None)
        with pytest.raises(TrackingStoreError):
            record.add_job(*job)
    run_id = str(record.id)
    assert read_jobs_of(run_id) == {"0": "RUNNING"}
    tracker.open()  # as every command that records something does
    assert read_jobs_of(run_id) == {"0": "KILLED"}
    assert mlflow.get_run(run_id).info.status == "KILLED"
    record = tracker.open_sweep("left", {"kind": "sweep"}, run_id)
    assert record.find_jobs() == {}
    record.add_job(*job)
    assert read_jobs_of(run_id) == {"0": "FINISHED"}


class Shared:
    """The run of a sweep that several processes update."""

    id = "run"

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}

    def find_jobs(self) -> dict[int, float]:
        return {}

    def add_job(self, *facts: object) -> None: ...

    def update(self, tags: dict[str, str], metrics: dict[str, float]) -> None:
        self.tags |= tags

    def end(self, *, complete: bool) -> None: ...


def make_session(folder: Path, record: Any, **others: Any) -> Session:
    return Session(
        name="any",
        folder=folder,
        objective=find_objectives(["accuracy"])[0],
        record=record,
        observer=SweepObserver(),
        policy=FailurePolicy(9, fresh=True),
        total=5,
        shared=[],
        **others,
    )


def test_the_best_of_all_processes_is_recorded_at_the_end(tmp_path: Path) -> None:
    record, best = Shared(), make_result(7, metrics={"validation/accuracy": 0.9})
    others: dict[int, JobResult] = {}
    session = make_session(tmp_path, record, find_others=lambda: others)
    session.begin()
    session.take(make_result(1, metrics={"validation/accuracy": 0.5}))
    # Another process ends its last job; this one has recorded its own meanwhile.
    others[7] = best
    assert record.tags["best.job"] == "1"
    with session.recording(COMMAND):
        pass
    assert record.tags["best.job"] == "7"


@pytest.mark.parametrize(
    ("seconds", "note"),
    [
        ([0.4, 0.1, 0.2], []),
        ([3.0, 0.5, 0.5], ["counts were made once and read by 2 jobs, which saved 5 s"]),
    ],
)
def test_the_count_cache_is_noted_if_it_saved_seconds(
    tmp_path: Path, seconds: list[float], note: list[str]
) -> None:
    session = make_session(tmp_path, Shared())
    session.observer = watch = Notes()
    for number, took in enumerate(seconds):
        metrics = {"validation/accuracy": 0.5, "stage/count_texts_seconds": took}
        session.take(make_result(number, metrics=metrics))
    with session.recording(COMMAND):
        pass
    assert watch.notes == note


def test_the_best_job_of_a_complete_search_is_reported_again(tmp_path: Path) -> None:
    session = make_session(tmp_path, Shared())
    session.observer = watch = Notes()
    session.report_earlier_winner(3)
    assert watch.notes == []  # another process trains it
    write_state(tmp_path / "winner" / "metrics.json", {})
    write_state(tmp_path / "winner" / "job.json", {"number": 3, "run": "0123abcd"})
    session.report_earlier_winner(2)
    session.report_earlier_winner(3)
    write_state(tmp_path / "winner" / "job.json", {"number": 3, "run": None})  # without tracking
    session.report_earlier_winner(3)
    before = "#3 was trained in full before: "
    assert watch.notes == [f"{before}run 0123abcd", f"{before}'{tmp_path / 'winner'}'"]


def test_an_interrupt_says_what_is_kept(tmp_path: Path) -> None:
    session = make_session(tmp_path, Shared())
    write_result(tmp_path / "1", make_result(1))
    with pytest.raises(KeyboardInterrupt) as interrupt, session.recording("again"):
        raise KeyboardInterrupt
    assert str(interrupt.value) == "stopped: 1 of 5 jobs are kept. Resume with: again"


def test_a_full_disk_says_what_is_kept(tmp_path: Path) -> None:
    session = make_session(tmp_path, Shared())
    write_result(tmp_path / "1", make_result(1))
    with pytest.raises(SweepUnfinishedError) as caught, session.recording("again"):
        raise OSError(ENOSPC, "No space left on device", "figures/x.html")
    assert caught.value.exit_code is ExitCode.IO_ERROR
    assert "The results of 1 of 5 jobs are in" in str(caught.value)
    assert str(caught.value).endswith("then the same command completes the sweep: again")
    with pytest.raises(PermissionError), session.recording("again"):
        raise PermissionError(13, "Permission denied", "figures")
