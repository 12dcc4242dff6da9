"""The parts of sweeps, each by itself."""

import contextlib
import signal
import time
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path

import pytest
from hypothesis import strategies as st
from sweeping import make_result

from sentiment.commands.search.launching import JobRunner
from sentiment.commands.search.results import JobResult, PlannedJob, read_results, write_result
from sentiment.commands.search.workers import NextJob
from sentiment.config.overrides import parse_override
from sentiment.errors import SweepStoppedError

# What a command line can hold.
TEXT = st.text(st.characters(exclude_characters="\0\n\r", exclude_categories=["Cs"]))


class Launcher:
    """Runs jobs as Hydra's launchers do: a folder for each, and the end at the first problem."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.launched: list[list[int]] = []
        self.unready: set[int] = set()
        self.dying: set[int] = set()

    def read_number(self, overrides: Sequence[str]) -> int:
        return int(str(parse_override(overrides[-1]).value()))

    def compose(self, overrides: Sequence[str]) -> None:
        if self.read_number(overrides) in self.unready:
            raise ValueError("there is no such config")

    def launch(self, next_job: NextJob) -> None:
        jobs = list(iter(next_job, None))
        self.launched.append([number for number, _ in jobs])
        for number, job in jobs:
            assert number == self.read_number(job)
            self.compose(job)
            assert parse_override(job[-2]).value() == str(self.folder)
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


def test_every_job_reports_its_result(launcher: Launcher) -> None:
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


def test_an_old_result_of_a_job_is_not_reported(launcher: Launcher) -> None:
    write_result(launcher.folder / "0", make_result(0, "E: of an earlier run"))
    assert run_jobs(launcher, [0]) == {0: ""}


def test_an_error_of_the_launcher_is_raised(launcher: Launcher) -> None:
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


def test_an_interrupt_that_a_job_swallows_is_raised_later(launcher: Launcher) -> None:
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
