"""Studies on which several processes work, any of which may die."""

import json
import os
import socket
import subprocess
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import create_trial
from sweeping import WAIT

from sentiment.commands.search.ranking import find_objectives
from sentiment.commands.search.results import JobResult
from sentiment.commands.search.studies import study as study_module
from sentiment.commands.search.studies.spaces import Space
from sentiment.commands.search.studies.storage import open_storage
from sentiment.commands.search.studies.study import Study, suggest
from sentiment.tracking import processes

SPACE = Space({"model.alpha": FloatDistribution(0, 1)}, {}, {})


def open_study(folder: Path) -> Study:
    storage = open_storage(None, folder / "studies.journal")
    return Study("any", storage, find_objectives(["accuracy"]), SPACE)


def ask(study: Study, total: int = 100) -> int:
    job = study.ask(total)
    assert job is not None
    return job.number


def read_states(study: Study) -> list[str]:
    return [trial.state.name for trial in study.optuna.get_trials()]


@pytest.fixture
def dead() -> str:
    """The name of a process that has ended."""
    process = subprocess.Popen(["sleep", "60"])
    name = f"{socket.gethostname()}:{process.pid}:{processes.read_start(process.pid)}"
    assert processes.is_alive(name, 0)
    process.kill()
    process.wait()
    return name


def test_a_trial_whose_process_died_is_run_again(tmp_path: Path, dead: str) -> None:
    study = open_study(tmp_path)
    study._owner = dead
    lost = study.ask(3)
    assert lost is not None
    later = open_study(tmp_path)
    assert later.recover({}) == [0]
    assert read_states(later) == ["FAIL", "WAITING"]
    assert later.count_done() == 0
    again = later.ask(3)
    assert again is not None
    assert again.number == 1
    assert again.overrides == lost.overrides
    assert later.recover({}) == []
    # It is one of the three that were wanted.
    assert [ask(later, 3), ask(later, 3)] == [2, 3]
    assert later.ask(3) is None


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
    study.send_heartbeat()
    later = open_study(tmp_path)
    assert later.recover({}) == []
    study.optuna.set_user_attr("beat elsewhere:1:2", time.time() - 2 * processes.HEARTBEAT_TIMEOUT)
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


def test_a_winner_is_trained_by_one_process(tmp_path: Path, dead: str) -> None:
    study, other = open_study(tmp_path), open_study(tmp_path)
    other._owner = dead
    assert other.claim_winner(3)
    # It died while it trained.
    assert study.claim_winner(3)
    study.keep_winner(3)
    assert not other.claim_winner(3)
    assert other.claim_winner(4)


def test_one_of_two_processes_starts_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class WaitingError(Exception):
        """A process has to wait for another one."""

    def wait(seconds: float) -> None:
        raise WaitingError

    first, second = open_study(tmp_path), open_study(tmp_path)
    second._owner = "elsewhere:1:1"
    monkeypatch.setattr(study_module.time, "sleep", wait)
    # It can be seen, but not yet when it came.
    second.optuna.set_user_attr(f"{study_module.HEARTBEAT}{second._owner}", time.time())
    first.send_heartbeat()
    with pytest.raises(WaitingError):
        first.await_run()
    with monkeypatch.context() as slow:
        now = time.time()
        slow.setattr(study_module.time, "time", lambda: now - 5)
        second.send_heartbeat()
    assert first.await_run() is None
    with pytest.raises(WaitingError):
        second.await_run()
    first.run_id = "the run"
    assert second.await_run() == "the run"


def test_a_process_is_reported_from_a_later_one_of_the_same_number() -> None:
    name = processes.name_owner()
    assert processes.is_alive(name, 0)
    host, pid, start = name.rsplit(":", 2)
    assert int(pid) == os.getpid()
    assert not processes.is_alive(f"{host}:{pid}:{int(start) - 1}", 0)
    assert not processes.is_alive(None, time.time())


def test_a_zombie_is_dead() -> None:
    process: Any = subprocess.Popen(["true"])
    end = time.monotonic() + WAIT
    while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < end
        time.sleep(0.01)
    assert processes.read_start(process.pid) == ""
    process.wait()


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


@pytest.mark.parametrize(
    "distribution",
    [
        CategoricalDistribution(["a", "b", None]),
        IntDistribution(1, 9, step=2),
        IntDistribution(1, 1000, log=True),
        FloatDistribution(0, 1),
        FloatDistribution(0.5, 2, step=0.5),
        FloatDistribution(1e-5, 10, log=True),
    ],
)
def test_a_trial_draws_as_it_does_when_it_is_asked_for(distribution: Any) -> None:
    def draw(fixed: dict[str, Any]) -> Any:
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
        trial = study.ask(fixed)
        if not fixed:
            suggest(trial, "x", distribution)
        return trial

    ours, theirs = draw({}), draw({"x": distribution})
    assert ours.params == theirs.params
    assert ours.distributions == theirs.distributions
