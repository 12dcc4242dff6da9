"""The parts of sweeps, each by itself."""

import contextlib
import json
import signal
import time
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import RangeSweep
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from sentiment.commands.search.grid import _count_values, check_values, list_points
from sentiment.commands.search.launching import JobRunner, PlannedJob
from sentiment.commands.search.ranking import find_objectives
from sentiment.commands.search.results import JobResult, newest, read_results, write_result
from sentiment.commands.search.session import FailurePolicy, check_failures
from sentiment.commands.search.storage import check_apart, open_storage, storage_failures
from sentiment.commands.search.workers import NextJob
from sentiment.config import quote, write_override
from sentiment.errors import (
    ConfigError,
    ExitCode,
    JobsFailedError,
    StudyStorageError,
    SweepStoppedError,
)

# What a command line can hold.
TEXT = st.text(st.characters(exclude_characters="\0\n\r", exclude_categories=["Cs"]))


def make_result(
    number: int = 0, error: str = "", metrics: dict[str, float] | None = None
) -> JobResult:
    """Return the result of a job of one second."""
    return JobResult(number, [f"model.C={number}"], 10.0, 11.0, metrics=metrics or {}, error=error)


# Overrides: what is written is what Hydra reads.


def read_back(override: str) -> object:
    read = OverridesParser.create().parse_override(override)
    assert not read.is_sweep_override()
    return read.value()


@given(TEXT)
def test_hydra_reads_what_was_quoted(value: str) -> None:
    assert str(read_back(f"key={quote(value)}")) == value


@given(TEXT)
def test_a_written_string_is_no_sweep(value: str) -> None:
    override = write_override("key", value)
    assert not OverridesParser.create().parse_override(override).is_sweep_override()


@pytest.mark.parametrize("value", ["1,2", "choice(1, 2)", "a b'c", "\\", "\\'", "[1,2", "range(3)"])
def test_special_signs_stay_what_they_are(value: str) -> None:
    assert str(read_back(write_override("key", value))) == value


@pytest.mark.parametrize("value", [1, 0.5, 1e-07, True, None])
def test_numbers_stay_numbers(value: object) -> None:
    written = write_override("key", value).partition("=")[2]
    expected = None if value is None else value
    assert OmegaConf.create(f"key: {'null' if value is None else written}").key == expected


# Results: there as a whole, or not at all.


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    result = JobResult(3, ["a='ü'"], 1.5, 4.0, "x", {"t": "1"}, {"s": "2"}, {"m": 0.25}, "e", "t")
    write_result(tmp_path / "3", result)
    write_result(tmp_path / "12", make_result(12))
    assert read_results(tmp_path) == {3: result, 12: make_result(12)}
    assert result.seconds == 2.5


def test_a_result_that_was_being_written_is_none(tmp_path: Path) -> None:
    write_result(tmp_path / "1", make_result(1))
    whole = (tmp_path / "1" / "result.json").read_text()
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / ".result.json.99").write_text(whole[: len(whole) // 2])
    assert list(read_results(tmp_path)) == [1]


# Failures: when a sweep gives up.


def count_until_stop(policy: FailurePolicy, errors: Sequence[str]) -> int | None:
    """Return how many jobs ended before the policy stopped the sweep, or None if it did not."""
    for number, error in enumerate(errors):
        try:
            policy.add(make_result(number, error))
        except SweepStoppedError:
            return number + 1
    return None


@pytest.mark.parametrize(
    ("errors", "stops"),
    [
        (["E: C is -1", "E: C is -2.5e-3", "E: C is -7"], 3),
        (["E: C is -1", "F: C is -2", "E: C is -3", ""], None),
        (["", "E: 1", "E: 1", "E: 1"], None),
        (["E: 1", "E: 1", "", "E: 1", "E: 1", "E: 1"], None),
        (["", *["E: 1"] * 6], 7),
        (["", *["E: 1"] * 5, "", *["E: 1"] * 5], None),
    ],
)
def test_a_fresh_sweep_stops(errors: list[str], stops: int | None) -> None:
    assert count_until_stop(FailurePolicy(5, fresh=True), errors) == stops


def test_a_sweep_that_goes_on_has_no_first_jobs() -> None:
    assert count_until_stop(FailurePolicy(3, fresh=False), ["E"] * 3) is None
    assert count_until_stop(FailurePolicy(0, fresh=False), ["", "E"]) == 2


def test_failures_are_counted_and_shown() -> None:
    check_failures([], 3)
    failed = [make_result(n, f"E: {n}") for n in range(7)]
    with pytest.raises(JobsFailedError) as caught:
        check_failures(failed, 9)
    assert str(caught.value).splitlines() == [
        "7 of 9 jobs failed:",
        *(f"  #{n}  E: {n}" for n in range(5)),
        "  and 2 more",
    ]
    assert caught.value.exit_code == 1


# Objectives.


def test_an_unknown_objective_is_reported() -> None:
    with pytest.raises(ConfigError, match="no metric 'acuracy'.*Did you mean 'accuracy'"):
        find_objectives(["acuracy"])
    with pytest.raises(ConfigError, match=r"search\.objectives is empty"):
        find_objectives([])


# Storage.


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ([], (None, "svm")),
        (["svm"], ("svm", "svm~2")),
        (["svm", "svm~2", "svm~10", "svm~x", "all~99"], ("svm~10", "svm~11")),
    ],
)
def test_the_newest_study_of_a_name(known: list[str], expected: tuple[str | None, str]) -> None:
    assert newest("svm", known) == expected


def test_a_journal_loses_only_the_line_that_was_being_written(tmp_path: Path) -> None:
    path = tmp_path / "studies.log"
    study = optuna.create_study(storage=open_storage(None, path), study_name="s")
    for value in (1.0, 2.0):
        trial = study.ask()
        study.tell(trial, value)
    written = path.read_bytes()
    # What a process that died while it wrote would have left.
    path.write_bytes(written + written.splitlines()[-1][:20])
    again = optuna.load_study(storage=open_storage(None, path), study_name="s")
    assert [trial.value for trial in again.trials] == [1.0, 2.0]
    assert path.read_bytes().startswith(written)
    again.tell(again.ask(), 3.0)
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_a_database_that_cannot_be_used_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StudyStorageError, match=r"search\.storage is 'sqlite:.*cannot be used"):
        open_storage(f"sqlite:///{tmp_path}/none/studies.db", tmp_path / "unused")
    with pytest.raises(ConfigError, match=r"search\.storage is 'nonsense'.*address of a database"):
        open_storage("nonsense", tmp_path / "unused")


def test_a_study_whose_database_breaks_ends_with_an_outage(tmp_path: Path) -> None:
    file = tmp_path / "studies.db"
    address = f"sqlite:///{file}"
    storage = open_storage(address, tmp_path / "unused")
    study = optuna.create_study(storage=storage, study_name="s")
    storage.engine.dispose()
    file.write_bytes(b"x" * 8192)
    with (
        pytest.raises(StudyStorageError, match="file is not a database") as caught,
        storage_failures(address),
    ):
        study.ask()
    storage.engine.dispose()
    assert caught.value.exit_code is ExitCode.UNAVAILABLE


# The runner.


class Launcher:
    """Runs jobs as Hydra's launchers do: a folder for each, and the end at the first problem."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.launched: list[list[int]] = []
        self.unready: set[int] = set()
        self.dying: set[int] = set()

    def read_number(self, overrides: Sequence[str]) -> int:
        return int(str(read_back(overrides[-1])))

    def compose(self, overrides: Sequence[str]) -> None:
        if self.read_number(overrides) in self.unready:
            raise ValueError("there is no such config")

    def launch(self, next_job: NextJob) -> None:
        jobs = list(iter(next_job, None))
        self.launched.append([number for number, _ in jobs])
        for number, job in jobs:
            assert number == self.read_number(job)
            self.compose(job)
            assert read_back(job[-2]) == str(self.folder)
            (self.folder / str(number)).mkdir(parents=True, exist_ok=True)
            if number in self.dying:
                raise RuntimeError("a worker was killed")
            now = time.time()
            write_result(self.folder / str(number), JobResult(number, list(job[:-2]), now, now))


@pytest.fixture
def launcher(tmp_path: Path) -> Launcher:
    return Launcher(tmp_path / "a sweep, with 'signs'")


def plan(runner: JobRunner, numbers: Sequence[int]) -> None:
    """Run jobs of these numbers."""
    jobs = (PlannedJob(number, [f"model.C={number}"]) for number in numbers)
    runner.run(lambda: next(jobs, None))


def run_jobs(launcher: Launcher, numbers: Sequence[int]) -> dict[int, str]:
    """Run jobs; return the error of each that handed a result on, in that order."""
    shown: list[JobResult] = []
    runner = JobRunner(
        launcher.folder, launcher.launch, launcher.compose, shown.append, lambda: None
    )
    plan(runner, numbers)
    assert {result.number: result for result in shown} == read_results(launcher.folder)
    assert len(shown) == len(numbers)
    assert all(result.overrides == [f"model.C={result.number}"] for result in shown)
    return {result.number: result.error for result in shown}


def test_every_job_hands_its_result_on(launcher: Launcher) -> None:
    assert run_jobs(launcher, [3, 4, 7]) == {3: "", 4: "", 7: ""}
    assert launcher.launched == [[3, 4, 7]]


def test_a_job_without_a_config_does_not_lose_the_others(launcher: Launcher) -> None:
    launcher.unready = {1}
    found = run_jobs(launcher, [0, 1, 2])
    assert found == {0: "", 1: "ValueError: there is no such config", 2: ""}
    assert launcher.launched == [[0, 1, 2], [2]]


def test_a_job_that_dies_has_failed_and_the_others_run(launcher: Launcher) -> None:
    launcher.dying = {0}
    found = run_jobs(launcher, [0, 1])
    assert "ended without a result (a worker was killed)" in found[0]
    assert found[1] == ""


def test_a_worker_may_die_before_its_job_has_begun(launcher: Launcher) -> None:
    pools = iter([True, False])

    def launch(next_job: NextJob) -> None:
        if next(pools):
            next_job()
            raise BrokenExecutor("a worker was killed")
        launcher.launch(next_job)

    shown: list[JobResult] = []
    runner = JobRunner(launcher.folder, launch, launcher.compose, shown.append, lambda: None)
    plan(runner, [0, 1])
    assert [(result.number, bool(result.error)) for result in shown] == [(0, True), (1, False)]


def test_what_a_job_left_before_is_not_taken_for_its_result(launcher: Launcher) -> None:
    write_result(launcher.folder / "0", make_result(0, "E: of an earlier run"))
    assert run_jobs(launcher, [0]) == {0: ""}


def test_a_launcher_that_does_not_work_is_reported(launcher: Launcher) -> None:
    def launch(next_job: NextJob) -> None:
        raise OSError("the queue does not answer")

    runner = JobRunner(launcher.folder, launch, launcher.compose, lambda result: None, lambda: None)
    with pytest.raises(OSError, match="the queue does not answer"):
        plan(runner, [0])


def test_a_problem_with_a_result_ends_the_sweep(launcher: Launcher) -> None:
    def refuse(result: JobResult) -> None:
        raise SweepStoppedError("enough", "E")

    runner = JobRunner(
        launcher.folder, launcher.launch, launcher.compose, refuse, on_wait=lambda: None
    )
    with pytest.raises(SweepStoppedError, match="the sweep stopped: enough"):
        plan(runner, [0])


def test_an_interrupt_that_a_job_loses_is_kept(launcher: Launcher) -> None:
    def launch(next_job: NextJob) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        launcher.launch(next_job)

    runner = JobRunner(launcher.folder, launch, launcher.compose, lambda r: None, lambda: None)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        plan(runner, [0])
    assert signal.getsignal(signal.SIGINT) is handler
    assert list(read_results(launcher.folder)) == [0]


@pytest.mark.parametrize("tables", [("alembic_version",), ("experiments", "latest_metrics")])
def test_a_study_is_not_kept_among_the_tables_of_another_program(
    tables: tuple[str, ...], address: str, tmp_path: Path
) -> None:
    engine = sqlalchemy.create_engine(address)
    with engine.begin() as connection:
        for table in tables:
            connection.execute(sqlalchemy.text(f"CREATE TABLE {table} (version_num VARCHAR(32))"))
    with pytest.raises(ConfigError, match="search.storage is '.*', which is a database of another"):
        open_storage(address, tmp_path / "studies.journal")
    assert set(sqlalchemy.inspect(engine).get_table_names()) == set(tables)
    engine.dispose()


def test_a_study_and_runs_are_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for address, uri in (
        ("sqlite:///outputs/mlflow.db", f"sqlite:///{tmp_path}/outputs/mlflow.db"),
        ("sqlite:///my%20runs/x.db", "sqlite:///my runs/x.db"),
        ("postgresql://ann:a@db/runs", "postgresql+psycopg2://bob:b@db/runs"),
    ):
        with pytest.raises(ConfigError, match="which is a database of another program"):
            check_apart(address, uri)
    check_apart("postgresql://ann:a@db/studies", "postgresql://ann:a@db/runs")
    check_apart("sqlite:///studies.db", "http://127.0.0.1:5000")
    check_apart(None, "sqlite:///outputs/mlflow.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "jobs"),
    [
        (["a=range(1,1e12)"], "999,999,999,999"),
        (["a=range(0.1,1e9,0.1)"], "9,999,999,999"),
        (["a=range(400,1,-1)", "b=range(0,300)"], "119,700"),
        (["a=shuffle(range(100002))"], "100,002"),
        ([f"s{n}=1,2,3,4" for n in range(9)], "262,144"),
    ],
)
def test_a_grid_has_a_bound_that_is_counted_and_not_listed(words: list[str], jobs: str) -> None:
    overrides = OverridesParser.create().parse_overrides(words)
    with pytest.raises(ConfigError, match=f"this grid has {jobs} jobs; expected at most 100,000"):
        check_values(overrides)


@pytest.mark.parametrize(
    "word", ["a=range(0,3)", "a=range(0.1,1,0.3)", "a=range(9,1,-2)", "a=range(1,2.5,0.5)",
             "a=range(3,1)", "a=range(1,3,-1)"],
)  # fmt: skip
def test_values_are_counted_as_hydra_lists_them(word: str) -> None:
    swept = OverridesParser.create().parse_override(word).value()
    assert isinstance(swept, RangeSweep)
    assert _count_values(swept) == len(list(swept))


def test_a_grid_lists_what_hydra_lists_and_takes_settings_away() -> None:
    words = ["a=1,2", "b=x", "c='p,q'", "+d=range(0,2)", "a=3,4"]
    overrides = OverridesParser.create().parse_overrides(words)
    assert list_points(overrides) == BasicSweeper.split_arguments(overrides, None)[0]
    overrides = OverridesParser.create().parse_overrides(["~e", "~f=1", "a=1,2"])
    assert list_points(overrides) == [["~e", "~f=1", "a=1"], ["~e", "~f=1", "a=2"]]
