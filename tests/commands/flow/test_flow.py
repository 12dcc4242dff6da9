"""The flow, with real Prefect on a server of its own."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from errno import EACCES, ENAMETOOLONG, ENOSPC
from importlib.util import find_spec
from pathlib import Path
from shutil import copyfile
from typing import Any

import httpx
import mlflow
import pandas as pd
import pytest
from conftest import ROOT, write_frame
from sqlalchemy.exc import OperationalError
from starting import Starter
from sweeping import WAIT
from sweeping_in_process import Outage, failing_clients

from sentiment.commands.flow.job import run_flow
from sentiment.commands.flow.steps import Steps
from sentiment.commands.flow.tasks import FlowResult, hiding_secrets
from sentiment.commands.promote.job import promote
from sentiment.commands.train import rehearsal
from sentiment.config import compose, quote_free_text
from sentiment.data.datasets import EmbeddedReviews
from sentiment.errors import (
    ConfigError,
    ExitCode,
    FlowServerError,
    NoChampionError,
    NoTextColumnError,
    RunNotRecordedError,
    StepFailedError,
    TrackingStoreError,
    UnusablePathError,
)

if find_spec("prefect") is None:
    pytest.skip("Prefect is not installed: pip install 'sentiment[flow]'", allow_module_level=True)
Flow = Callable[..., FlowResult]
QUICK = "data=csv data.path='{data}' features=tfidf_unigram features.max_features={features}"


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """1,600 reviews, half of each label, in no order."""
    frame = EmbeddedReviews(name="imdb", source="imdb").read()
    return frame.groupby("label").head(800).sample(frac=1, random_state=1)[["text", "label"]]


@pytest.mark.slow
def test_a_server_that_is_away_is_reported_before_any_work(tmp_path: Path) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    cfg = compose("flow", [f"outputs={tmp_path}"])
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}),
        pytest.raises(FlowServerError, match=r"127\.0\.0\.1:1/api' does not answer: .*refused"),
    ):
        run_flow(cfg)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def flow(
    prefect_server: str, frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Flow:
    # Runs are trained anew after a commit, and somebody may make one while tests run.
    monkeypatch.setattr("sentiment.tracking.provenance.read_commit", lambda: {"commit": "a"})
    write_frame(frame[:900], tmp_path / "data.csv")
    write_frame(frame[900:], tmp_path / "new.csv")

    def run(*overrides: str, features: int = 2000, data: str = "data.csv") -> FlowResult:
        defaults = [
            f"outputs={tmp_path}/outputs",
            f"train={QUICK.format(data=tmp_path / data, features=features)}",
            f"input={tmp_path}/new.csv", "promote=resamples=200", "flow.retry_delay=0",
        ]  # fmt: skip
        if "input=null" not in overrides:
            defaults.append("monitor=workspace=null")
        overridden = {override.partition("=")[0] for override in overrides}
        arguments = [default for default in defaults if default.partition("=")[0] not in overridden]
        cfg = compose("flow", quote_free_text([*arguments, *overrides]))
        return run_flow(cfg)

    return run


def read_aliases(tmp_path: Path, name: str = "sentiment") -> dict[str, str]:
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/outputs/mlflow.db")
    model = client.get_registered_model(name)
    return {
        alias: client.get_model_version(name, version).run_id
        for alias, version in model.aliases.items()
    }


def test_a_model_lives_and_is_followed_by_others(
    flow: Flow, frame: pd.DataFrame, prefect_server: str, tmp_path: Path
) -> None:
    """Train, promote, predict, monitor; better and worse challengers, other data, drift."""
    first = flow()
    assert first.promotion["outcome"] == "promoted"
    assert first.data["rows"] == 900
    [output] = first.predictions
    assert (output["read"], output["written"], output["rejected"]) == (700, 700, 0)
    predictions = pd.read_csv(output["output"])
    assert (predictions["prediction"] == predictions["label"]).mean() > 0.7
    assert not first.drifted
    assert Path(first.monitoring[0]["report"]).is_file()
    assert read_aliases(tmp_path) == {"champion": first.run}
    # Its tables are artifacts, the last that the server was given.
    newest = {"limit": 50, "sort": "CREATED_DESC"}
    artifacts = httpx.post(f"{prefect_server}/artifacts/filter", json=newest).json()
    tables = [artifact for artifact in artifacts if artifact["type"] == "table"]
    rows = [(table["key"], row) for table in tables for row in json.loads(table["data"])]
    assert {"data", "promotion", "predictions", "monitoring"} <= {key for key, _ in rows}
    fingerprints = {row["fingerprint"] for key, row in rows if key == "data"}
    assert first.data["fingerprint"] in fingerprints

    # Nothing is trained twice. Nothing needs to be predicted either, until texts change.
    repeated = flow("input=null")
    assert (repeated.run, repeated.promotion["outcome"]) == (first.run, "unchanged")

    # A challenger that knows five words.
    worse = flow("input=null", features=5)
    assert worse.run != first.run
    assert worse.promotion["outcome"] == "refused"
    assert "accuracy is worse by" in worse.promotion["sentence"]
    assert Path(worse.promotion["page"]).is_file()
    assert read_aliases(tmp_path)["champion"] == first.run

    # More data: the same settings take the place of the old champion without a fight.
    write_frame(frame[:1100], tmp_path / "more.csv")
    newer = flow("input=null", data="more.csv")
    assert newer.promotion["outcome"] == "promoted"
    assert (
        "which it was not compared; losses of later versions are measured from this one; "
        "the settings of the champion, trained on newer data"
    ) in newer.promotion["sentence"]
    assert read_aliases(tmp_path) == {"champion": newer.run, "previous": first.run}

    # Yet more data, and worse settings: those of the champion win on the same rows.
    write_frame(frame[:1300], tmp_path / "most.csv")
    defended = flow("input=null", data="most.csv", features=5)
    assert "are better: " in defended.promotion["sentence"]
    champion = read_aliases(tmp_path)["champion"]
    assert champion not in (defended.run, newer.run)
    run = mlflow.MlflowClient(f"sqlite:///{tmp_path}/outputs/mlflow.db").get_run(champion)
    assert run.data.params["features.max_features"] == "2000"
    assert run.data.tags["data.fingerprint"] == defended.data["fingerprint"]

    # Other texts.
    sentences = EmbeddedReviews(name="rotten_tomatoes", source="rotten_tomatoes").read()
    shifted = write_frame(sentences.sample(700, random_state=1)[["text"]], tmp_path / "short.csv")
    drifted = flow(f"input={shifted}", data="most.csv")
    assert drifted.drifted
    assert {"characters", "words"} <= set(drifted.monitoring[0]["drifted"])

    # Back.
    steps = Steps(compose("flow", quote_free_text([f"outputs={tmp_path}/outputs"])))
    aliases_before = read_aliases(tmp_path)
    assert steps.roll_back()["outcome"] == "rolled back"
    assert read_aliases(tmp_path)["champion"] == aliases_before["previous"]


def test_a_rollback_by_hand_outlasts_the_flow(
    flow: Flow, frame: pd.DataFrame, tmp_path: Path
) -> None:
    """Neither the cached run is promoted again nor one on newer data; a deleted one is replaced."""
    first = flow("input=null")
    write_frame(frame[:1100], tmp_path / "more.csv")
    newer = flow("input=null", data="more.csv")
    assert newer.promotion["outcome"] == "promoted"
    promote(compose("promote", [f"outputs={tmp_path}/outputs", "rollback=true"]), "by hand")
    repeated = flow("input=null", data="more.csv")
    assert (repeated.run, repeated.promotion["outcome"]) == (newer.run, "refused")
    assert "it was rolled back at " in repeated.promotion["sentence"]
    # The cache remembers a run that is gone.
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/outputs/mlflow.db")
    client.delete_run(newer.run)
    third = flow("input=null", data="more.csv")
    assert third.run != newer.run
    assert third.promotion["outcome"] == "refused"
    assert "version 2, which replaced that one, was rolled back" in third.promotion["sentence"]
    assert read_aliases(tmp_path)["champion"] == first.run
    client.delete_run(first.run)
    with pytest.raises(StepFailedError, match=r"Restore it.* by: python scripts/promote\.py name="):
        flow("input=null", data="more.csv")


@pytest.mark.parametrize("is_interrupted", [True, False])
def test_an_interrupt_stays_one_where_its_server_ends_with_it(
    flow: Flow, monkeypatch: pytest.MonkeyPatch, is_interrupted: bool
) -> None:
    """Ctrl-C reaches the server that Prefect has started, too, which then records nothing."""
    from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    def refuse(*_: object) -> None:
        raise httpx.ConnectError("refused")

    def stop(self: Steps) -> None:
        monkeypatch.setattr(httpx.HTTPTransport, "handle_request", refuse)
        raise KeyboardInterrupt if is_interrupted else RuntimeError

    monkeypatch.setattr(Steps, "check_data", stop)
    with (
        temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
        pytest.raises(KeyboardInterrupt if is_interrupted else Exception) as caught,
    ):
        flow()
    assert isinstance(caught.value, KeyboardInterrupt) == is_interrupted


@pytest.mark.slow
@pytest.mark.process
def test_a_terminated_flow_leaves_no_server(frame: pd.DataFrame, tmp_path: Path) -> None:
    write_frame(frame, tmp_path / "data.csv")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "scripts" / "flow.py"),
         f"train={QUICK.format(data='data.csv', features=500)}"],
        cwd=tmp_path, env=environment | {"PREFECT_HOME": str(tmp_path / "prefect")},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        while not (tmp_path / "outputs" / "mlflow.db").exists():  # made by a step of the flow
            assert process.poll() is None
            time.sleep(0.1)
        process.terminate()
        printed, _ = process.communicate()
        assert (process.returncode, printed) == (143, "")
        deadline = time.monotonic() + WAIT
        with pytest.raises(ProcessLookupError):
            while time.monotonic() < deadline:
                os.killpg(process.pid, 0)
                time.sleep(0.1)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_a_refused_run_is_named_where_no_champion_can_predict(
    flow: Flow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = QUICK.format(data=tmp_path / "data.csv", features=500) + " data.limit=300"
    typed = [f"outputs={tmp_path}/outputs"]
    monkeypatch.setattr("sentiment.config.commands._arguments", typed)
    with pytest.raises(NoChampionError, match="was not promoted: it was trained on a ") as caught:
        flow(f"train={sample}")
    assert flow(f"train={sample}", "input=null").promotion["outcome"] == "refused"
    overrides = shlex.split(str(caught.value).rpartition("scripts/promote.py ")[2])
    overrides[overrides.index("force=<reason>")] = "force=a_trial"
    assert promote(compose("promote", overrides)).outcome == "promoted"


def test_a_step_that_fails_leaves_the_champion(
    flow: Flow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = flow("input=null")
    assert read_aliases(tmp_path) == {"champion": first.run}

    def fail(self: Steps) -> None:
        raise RuntimeError("the disk is on fire")

    with monkeypatch.context() as patch:
        patch.setattr(Steps, "predict", fail)
        with pytest.raises(RuntimeError, match="the disk is on fire"):
            flow(features=2500, data="data.csv")
    assert read_aliases(tmp_path)["champion"] == first.run
    with monkeypatch.context() as patch:
        patch.setattr("sentiment.commands.flow.steps.train", lambda *_: fail)
        with pytest.raises(StepFailedError, match="'train' of the flow failed: Attribute"):
            flow(features=1500)
    assert read_aliases(tmp_path)["champion"] == first.run


@pytest.mark.parametrize(("number", "code"), [(ENAMETOOLONG, 2), (EACCES, 2)])
def test_a_step_whose_path_cannot_be_used_is_one_message(
    caplog: pytest.LogCaptureFixture, number: int, code: int
) -> None:
    with (
        pytest.raises(UnusablePathError, match=r"'in\.csv' cannot be used") as caught,
        hiding_secrets("check input"),
    ):
        raise OSError(number, os.strerror(number), "in.csv")
    assert caught.value.exit_code == code
    assert not caplog.records


def test_a_step_whose_disk_is_full_says_what_is_kept() -> None:
    with (
        pytest.raises(StepFailedError) as caught,
        hiding_secrets("flow"),
        hiding_secrets("predict"),
    ):
        raise OSError(ENOSPC, os.strerror(ENOSPC), "out.csv")
    assert caught.value.exit_code is ExitCode.IO_ERROR
    assert str(caught.value) == (
        "the step 'predict' of the flow failed: 'out.csv' cannot be used: No space left on device. "
        "Check the path, its permissions and the space on the disk. What the steps before it made "
        "is kept: run the same command again."
    )


@pytest.mark.slow
def test_the_settings_of_a_champion_are_not_searched_for_again(
    frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_frame(frame[:300], tmp_path / "data.csv")
    train = f"data=csv data.path={tmp_path}/data.csv"
    overrides = [f"outputs={tmp_path}/outputs", "flow.search=naive_bayes", f"train={train}"]
    steps = Steps(compose("flow", quote_free_text(overrides)))
    assert steps.list_overrides("train")[0] == "search=naive_bayes"
    monkeypatch.setattr(Steps, "_search", lambda *_: pytest.fail("it searched"))
    champion = {"settings": ["model=naive_bayes", "features=tfidf_unigram"]}
    run = steps.train(steps.list_champion_overrides(champion))
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/outputs/mlflow.db")
    assert client.get_run(run).data.params["model._target_"].endswith("ComplementNB")


@pytest.mark.slow
def test_a_search_that_is_complete_has_its_winner(
    frame: pd.DataFrame, starter: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next night on the same data, and after somebody has deleted the winner's run."""

    def run(command: list[str], *, env: dict[str, str | None], **_: Any) -> Any:
        _, flag, module, *arguments = command
        assert flag == "-m"
        code = f"import runpy; runpy.run_module({module!r}, run_name='__main__')"
        return starter.start_code(tmp_path, code, *arguments, env=env).wait()

    monkeypatch.setattr("sentiment.commands.flow.steps.subprocess.run", run)
    write_frame(frame[:200], tmp_path / "data.csv")
    train = f"data=csv data.path={tmp_path}/data.csv search.n_trials=1"
    overrides = [f"outputs={tmp_path}/outputs", "flow.search=naive_bayes", f"train={train}"]
    steps = Steps(compose("flow", quote_free_text(overrides)))
    first = steps.train(steps.list_overrides("train"))
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/outputs/mlflow.db")
    assert "test/accuracy" in client.get_run(first).data.metrics
    assert steps.train(steps.list_overrides("train")) == first
    client.delete_run(first)
    second = steps.train(steps.list_overrides("train"))
    assert client.get_run(second).info.lifecycle_stage == "active"


@pytest.mark.process
def test_rows_of_label_sets_are_counted_once(tmp_path: Path) -> None:
    rows = [(f"text {n}", ("a;b", "a", "b", ";")[n % 4]) for n in range(80)]
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(tmp_path / "sets.csv", index=False)
    train = f"data=csv data.path={tmp_path}/sets.csv data.label_separator=';'"
    overrides = [f"outputs={tmp_path}/outputs", f"train={train}"]
    facts = Steps(compose("flow", quote_free_text(overrides))).check_data()
    assert facts["splits"] == {"train": 56, "validation": 8, "test": 16}


@pytest.mark.process
def test_a_search_that_fails_says_why(tmp_path: Path) -> None:
    train = "data=csv data.path=typo.csv"
    overrides = [f"outputs={tmp_path}/outputs", "flow.search=naive_bayes", f"train={train}"]
    steps = Steps(compose("flow", quote_free_text(overrides)))
    with pytest.raises(StepFailedError, match="'search' of the flow failed: .*typo.csv") as caught:
        steps.train(steps.list_overrides("train"))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (RuntimeError("it rains"), 3),
        (TrackingStoreError("x", "nobody answers"), 3),
        (ConfigError(["no."]), 1),
    ],
)
def test_what_may_pass_is_tried_again(
    flow: Flow, monkeypatch: pytest.MonkeyPatch, error: Exception, tries: int
) -> None:
    calls = []

    def fail(self: Steps) -> None:
        calls.append(self)
        raise error

    monkeypatch.setattr(Steps, "check_data", fail)
    with pytest.raises(type(error)):
        flow()
    assert len(calls) == tries


@pytest.mark.slow
def test_what_was_trained_during_an_outage_is_recorded_by_the_next_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = "data=rotten_tomatoes data.limit=300 features=tfidf_unigram model=naive_bayes"
    overrides = [f"outputs={tmp_path}/outputs", f"train={quick}"]
    steps = Steps(compose("flow", quote_free_text(overrides)))
    trained = []
    monkeypatch.setattr(
        rehearsal,
        "rehearse",
        lambda *facts: ("", trained.append(facts[0]) or {"model/size_mb": 1.0}),
    )
    for _ in range(2):  # the second try meets the outage, too
        with (
            failing_clients(Outage(1, method="create_logged_model")),
            pytest.raises(RunNotRecordedError, match="record the run with: python scripts/record"),
        ):
            steps.train(steps.list_overrides("train"))
    # A new process has written no files.
    monkeypatch.setattr("sentiment.modeling.model_files.saving._written_digests", set())
    run = steps.train(steps.list_overrides("train"))
    assert len(trained) == 1
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/outputs/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("sentiment").experiment_id])
    assert [(tracked_run.info.run_id, tracked_run.info.status) for tracked_run in runs] == [
        (run, "FINISHED")
    ]
    assert len(runs[0].outputs.model_outputs) == 1
    assert runs[0].data.tags["model.own"] == "true", "it may hold what only own code can load"
    # Other settings are trained, and so are the same in another flow.
    steps.train([*steps.list_overrides("train"), "seed=1"])
    Steps(steps.cfg).train(steps.list_overrides("train"))
    assert len(trained) == 3


def test_prefect_is_reported_no_secret(
    flow: Flow,
    prefect_server: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither by the error of a database nor by the cause of one of this project's own."""
    address = "postgresql://ann:zqkvj@db/reviews"

    def fail(self: Steps) -> None:
        try:
            raise OperationalError(
                f"SELECT 1 -- {address}", {"password": "zqkvj"}, Exception(address)
            )
        except OperationalError as error:
            if is_known:
                raise TrackingStoreError(address, "nobody answers") from error
            raise

    monkeypatch.setattr(Steps, "check_data", fail)
    for kind in (StepFailedError, TrackingStoreError):
        is_known = kind is TrackingStoreError
        with pytest.raises(kind) as caught:
            flow("flow.retries=0", "name=secretive")
        printed = "".join(traceback.format_exception(caught.value))
        assert "postgresql://ann:***@db" in printed
        assert "zqkvj" not in printed
    assert "zqkvj" not in caplog.text
    deadline, own_flow = time.monotonic() + WAIT, {"flows": {"name": {"any_": ["secretive-flow"]}}}
    for kind in ("flow_runs", "task_runs"):
        failed: list[Any] = []
        # The server hears of the end of a task later than of that of its flow.
        while len(failed) < 2:
            assert time.monotonic() < deadline, failed
            time.sleep(0.1)
            answer = httpx.post(f"{prefect_server}/{kind}/filter", json=own_flow)
            runs = answer.json() if answer.is_success else []
            failed = [flow_run for flow_run in runs if flow_run["state_type"] == "FAILED"]
        assert "zqkvj" not in json.dumps(runs)
        for flow_run in failed:
            assert "postgresql://ann:***@db" in json.dumps(flow_run)


def test_mistakes_are_reported_before_the_work(flow: Flow, tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n")
    with pytest.raises(NoTextColumnError, match="its columns are 'a' and 'b'"):
        flow(f"input={tmp_path}/odd.csv")
    with pytest.raises(ConfigError, match="predict: there is no setting 'typo'"):
        flow("predict=typo=1", "flow.retry_delay=100")
    with pytest.raises(ConfigError, match=r"flow.cron is 'at night'; expected five fields"):
        flow("flow.cron=at night")
    with pytest.raises(ConfigError, match="there is no input to predict"):
        flow("input=null", "monitor=sample=10")
    assert not (tmp_path / "outputs").exists()


def test_it_runs_without_a_server(
    flow: Flow, starter: Starter, prefect_tables: Path, tmp_path: Path
) -> None:
    (tmp_path / "prefect").mkdir()
    copyfile(prefect_tables, tmp_path / "prefect" / "prefect.db")
    train = QUICK.format(data="data.csv", features=2000)
    overrides = [f"train={train}", "input=null", "promote=resamples=200"]
    env = {"PREFECT_HOME": str(tmp_path / "prefect"), "PREFECT_API_URL": None}
    done = starter.run(tmp_path, "flow", *overrides, env=env)
    assert done.returncode == 0, done.stderr
    assert "is the champion of sentiment as version 1, the first" in done.stdout
    assert done.stderr == ""


def test_a_schedule_runs_the_flow_when_it_is_time(
    flow: Flow, prefect_server: str, starter: Starter, tmp_path: Path
) -> None:
    train = QUICK.format(data="data.csv", features=2000)
    overrides = ['flow.cron="0 3 * * *"', "name=nightly", f"train={train}", "input=new.csv"]
    env = {"PREFECT_HOME": str(tmp_path / "prefect"), "PREFECT_API_URL": prefect_server}
    env |= {"PREFECT_RUNNER_POLL_FREQUENCY": "1"}  # seconds; by default 10
    process = starter.start(tmp_path, "flow", *overrides, env=env)

    def ask(method: str, path: str, **question: Any) -> Any:
        """Return what the server answers, None while its database is busy with something else."""
        answer = httpx.request(method, f"{prefect_server}/{path}", **question)
        assert answer.status_code < 400 or answer.status_code >= 500, answer.text
        return answer.json() if answer.is_success else None

    def wait_for(find: Callable[[], Any]) -> Any:
        deployments: list[Any] = []
        process.wait_until(lambda: deployments.append(find()) or deployments[-1], interval=0.5)
        return deployments[-1]

    try:
        query = {"deployments": {"name": {"any_": ["nightly"]}}}
        [deployment] = wait_for(lambda: ask("POST", "deployments/filter", json=query))
        assert [schedule["schedule"]["cron"] for schedule in deployment["schedules"]] == [
            "0 3 * * *"
        ]
        # What the server does at three; asked for again, it is the same run.
        request = {"state": {"type": "SCHEDULED"}, "idempotency_key": "at three"}
        address = f"deployments/{deployment['id']}/create_flow_run"
        run = wait_for(lambda: ask("POST", address, json=request))

        def find_end() -> Any:
            now = (ask("GET", f"flow_runs/{run['id']}") or {}).get("state", {})
            return now if now.get("type") in ("COMPLETED", "FAILED", "CRASHED") else None

        state = wait_for(find_end)
        assert state["type"] == "COMPLETED", state["message"]
        assert list(tmp_path.glob("outputs/predict/*/*/new.csv"))
        assert "champion" in read_aliases(tmp_path, "nightly")
    finally:
        process.send(signal.SIGINT)
        done = process.wait()
    assert done.returncode in (0, 130), done.stderr
    assert "Traceback" not in done.stdout + done.stderr
