"""The verb as a whole: files, tracked numbers, the workspace, and pages that draw themselves."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from alert_receiver import Receiver, receive_alerts
from chromium import BROWSER, needs_browser
from conftest import write_frame
from ports import find_port
from prometheus_client.parser import text_string_to_metric_families
from shortcuts import blank_reports, real_reports
from starting import Starter
from sweeping_in_process import Outage, failing_clients

from sentiment.commands.monitor.job import MonitoringResult, monitor
from sentiment.commands.predict.job import predict
from sentiment.commands.train.job import TrainingResult, train
from sentiment.config import Job, compose
from sentiment.data.datasets import EmbeddedReviews
from sentiment.errors import (
    ConfigError,
    InputNotFoundError,
    MissingColumnError,
    MissingPackageError,
    ReferenceMissingError,
    RunNotFoundError,
    RunNotRecordedError,
)
from sentiment.tracking.recording import record

pytestmark = pytest.mark.slow
CHECKS = ["characters", "words", "non_letters", "markup", "unknown", "probability", "prediction",
          "terms", "empty", "repeated", "accuracy", "recall"]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def real() -> Iterator[None]:
    with real_reports():
        yield


@pytest.fixture
def unread() -> Iterator[None]:
    """Blank reports, for a test that reads none."""
    with blank_reports():
        yield


@dataclass
class Place:
    """A folder with a trained model and predictions of sentences, which it was not trained for."""

    folder: Path
    trained: TrainingResult
    alerts: Receiver | None = None

    @property
    def settings(self) -> list[str]:
        return [f"outputs={self.folder / 'outputs'}"]

    def predict(self, frame: pd.DataFrame, name: str, *overrides: str) -> Path:
        path = write_frame(frame, self.folder / name)
        return predict(compose("predict", [f"input='{path}'", *self.settings, *overrides])).output

    def monitor(self, path: Path, *overrides: str) -> MonitoringResult:
        arguments = [f"current='{path}'", *self.settings, *overrides]
        return monitor(compose("monitor", arguments), f"the command of {path.name}")


@pytest.fixture(scope="module")
def sentences() -> pd.DataFrame:
    frame = EmbeddedReviews(name="rt", source="rotten_tomatoes").read()
    frame = frame.sample(1200, random_state=1).rename(columns={"label": "sentiment"})
    return frame.assign(at=pd.date_range("2026-01-01", periods=1200, freq="h").astype(str))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("place")
    quick = ["features=tfidf_unigram", "data.limit=3000", f"outputs={folder / 'outputs'}"]
    job = Job(folder / "job")
    job.folder.mkdir()
    return Place(folder, train(compose("train", quick), job))


@pytest.fixture(scope="module")
def drifted(place: Place, sentences: pd.DataFrame) -> MonitoringResult:
    path = place.predict(sentences, "rt.csv")
    overrides = [f"output={place.folder}/drifted", f"textfile={place.folder}/node/rt.prom"]
    with receive_alerts() as place.alerts:
        overrides.append(f"alert.url={place.alerts.url}")
        return place.monitor(path, "time_column=at", *overrides)


def test_drift_is_reported_in_every_way(place: Place, drifted: MonitoringResult) -> None:
    assert {"characters", "terms", "accuracy"} <= set(drifted.comparison.drifted)
    assert drifted.model.run_id == place.trained.run_id
    assert (drifted.read, drifted.compared, drifted.rejected) == (1200, 1200, 0)
    assert drifted.reference_rows == len(place.trained.data.validation)
    names = ["drift.json", "report.html", "report.json", "run.json"]
    assert sorted(path.name for path in drifted.folder.iterdir()) == names

    document = json.loads((drifted.folder / "drift.json").read_text())
    assert document["drifted"] == drifted.comparison.drifted
    assert [check["name"] for check in document["checks"]] == CHECKS
    assert document["windows"][2]["since"] == "2026-01-01 00:00:00"
    assert document["model"]["run_id"] == place.trained.run_id
    assert document["rows"]["compared"] == 1200

    report = json.loads((drifted.folder / "report.json").read_text())
    values = {metric["metric_name"]: metric["value"] for metric in report["metrics"]}
    assert values["Alarms()"] == len(drifted.comparison.drifted)
    for check in drifted.comparison.checks:
        assert values[f"Effect(check={check.name})"] == pytest.approx(check.effect)
    drift = {metric["config"]["column"]: metric["value"] for metric in report["metrics"]
             if metric["metric_name"].startswith("ValueDrift")}  # fmt: skip
    for check in drifted.comparison.checks[:7]:
        assert drift[check.name] == pytest.approx(check.effect), "Evidently says the same"

    page = (drifted.folder / "report.html").read_text()
    assert re.search(r"Drift is detected for \d+ % of columns", page)
    # Beside the plot, not on an interval in it.
    assert re.search(r'"text": "at training", "x": 1, "xanchor": "left"', page)

    text = (place.folder / "node" / "rt.prom").read_text()
    gauges = {
        (sample.name, sample.labels.get("check", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    for check in drifted.comparison.checks:
        assert gauges["sentiment_drift", check.name] == check.drifted
        assert gauges["sentiment_drift_effect", check.name] == check.effect
    assert gauges["sentiment_drift_texts", ""] == 1200
    assert gauges["sentiment_monitor_accuracy", ""] == drifted.comparison.performance.current.value
    assert [*(place.folder / "node").iterdir()] == [place.folder / "node" / "rt.prom"]
    assert place.alerts is not None
    [(_, alert)] = place.alerts.received
    assert alert["event"] == "drift"
    # The path of a webhook is a secret.
    files = [*drifted.folder.iterdir(), *(place.folder / "outputs").glob("mlflow.db*")]
    assert not [path for path in files if b"aSecretOfTheTests" in path.read_bytes()]
    assert alert["message"].endswith(", ".join(drifted.comparison.drifted))


def test_the_tracker_keeps_numbers_and_reports(place: Place, drifted: MonitoringResult) -> None:
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{place.folder}/outputs/mlflow.db")
    runs = mlflow.search_runs(
        search_all_experiments=True, output_format="list", filter_string="tags.kind = 'monitoring'"
    )
    run = next(r for r in runs if r.info.run_name == "monitor rt.predictions.csv")
    assert run.data.tags["monitored.run"] == place.trained.run_id
    assert run.data.tags["command"] == "the command of rt.predictions.csv"
    assert run.data.metrics["alarms"] == len(drifted.comparison.drifted)
    assert run.data.metrics["rows"] == 1200
    assert run.data.metrics["effect/words"] == drifted.comparison.checks[1].effect
    assert run.data.metrics["accuracy"] == drifted.comparison.performance.current.value
    files = {file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id)}
    assert files == {"drift.json", "report.html", "report.json"}


@pytest.mark.usefixtures("unread")
def test_an_outage_costs_no_report(place: Place, sentences: pd.DataFrame) -> None:
    import mlflow

    path = place.predict(sentences.head(30), "away.csv")
    with (
        failing_clients(Outage(1, method="create_run")),
        pytest.raises(RunNotRecordedError) as caught,
    ):
        place.monitor(path, f"output={place.folder / 'away'}")
    assert f". Nothing is lost: the report is in '{place.folder / 'away'}'" in str(caught.value)
    overrides = [f"folder='{caught.value.folder}'", *place.settings]
    first, second = (record(compose("record", overrides)) for _ in range(2))
    assert first == second
    run = mlflow.get_run(str(first.run_id))
    assert (run.info.run_name, run.info.status) == ("monitor away.predictions.csv", "FINISHED")
    assert run.data.metrics["rows"] == 30
    files = {file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id)}
    assert files == {"drift.json", "report.html", "report.json"}


def test_the_workspace_has_every_run_and_panels_for_what_they_measured(
    place: Place, drifted: MonitoringResult
) -> None:
    from evidently.ui.workspace import Workspace

    workspace = Workspace(str(drifted.workspace))
    (project,) = workspace.list_projects()
    assert project.name == "sentiment"
    earlier_runs = workspace.list_runs(project.id)
    place.monitor(place.folder / "rt.predictions.csv", f"output={place.folder / 'again'}")
    assert len(workspace.list_projects()) == 1
    runs = workspace.list_runs(project.id)
    (added,) = set(runs) - set(earlier_runs)
    results = workspace.get_run(project.id, added).metric_results.values()
    measured = [result.metric_value_location.metric.params for result in results]
    for panel in project.dashboard.model().panels:
        for value in panel.values:
            query = {"type": value.metric, **value.metric_labels}
            assert any(query.items() <= params.items() for params in measured), query


def test_rows_like_those_of_training_are_no_drift(place: Place) -> None:
    later = EmbeddedReviews(name="imdb", source="imdb").read().sample(3000, random_state=9)
    training_texts = pd.concat(
        [place.trained.data.train["text"], place.trained.data.validation["text"]]
    )
    later = later[~later["text"].isin(training_texts)].drop(columns="label")
    path = place.predict(later, "reviews.parquet", "deploy.format=jsonl")
    default_report = place.folder / "same" / "drift.json"
    default_report.parent.mkdir()
    default_report.write_text("a person's own")
    result = place.monitor(path, "sample=2000", "workspace=null", f"output={default_report.parent}")
    assert result.folder.parent == default_report.parent
    assert default_report.read_text() == "a person's own"
    assert result.comparison.drifted == []
    assert result.comparison.performance is None
    assert (result.read, result.compared) == (len(later), 2000)
    assert result.workspace is None
    assert "RightAnswers" not in (result.folder / "report.json").read_text()


def test_a_model_without_tracking_has_its_reference_beside_it(
    place: Place, sentences: pd.DataFrame
) -> None:
    job = Job(place.folder / "untracked")
    job.folder.mkdir()
    quick = ["features=char", "features.max_features=500", "data.limit=600", "tracking=off"]
    model = train(compose("train", [*quick, *place.settings]), job).model
    path = place.predict(sentences.head(300), "x.csv", f"deploy.run='{model}'", "tracking=off")
    result = place.monitor(path, "tracking=off", f"output={place.folder / 'untracked' / 'drift'}")
    checks = [check.name for check in result.comparison.checks]
    assert checks == [name for name in CHECKS if name != "unknown"], "it knows no words"
    (job.folder / "reference" / "rows.parquet").unlink()
    with pytest.raises(ReferenceMissingError, match=r"the folder of '.*model.skops' keeps no ref"):
        place.monitor(path, "tracking=off")


def test_answers_by_another_rule_are_compared_with_a_reference_by_the_same(place: Place) -> None:
    later = EmbeddedReviews(name="imdb", source="imdb").read().sample(1500, random_state=8)
    training_texts = pd.concat(
        [place.trained.data.train["text"], place.trained.data.validation["text"]]
    )
    later = later[~later["text"].isin(training_texts)]
    rule = ["deploy.threshold=0.9", "deploy.abstain=0.3", "overwrite=true"]
    path = place.predict(later, "ruled.csv", *rule)
    assert "unsure" in set(pd.read_csv(path)["prediction"])
    result = place.monitor(path, "workspace=null", f"output={place.folder / 'ruled'}")
    assert result.comparison.drifted == []
    unsure = (result.comparison.rows["prediction"] == "unsure").sum()
    assert result.comparison.performance.current.rows == len(later) - unsure


@pytest.mark.parametrize("text", ["a good film", " ", "日本語 !!!"])
def test_a_single_row_has_a_report(place: Place, text: str) -> None:
    frame = pd.DataFrame({"text": [text], "label": ["positive"]})
    path = place.predict(frame, "one.csv", "overwrite=true")
    result = place.monitor(path, "workspace=null", f"output={place.folder / 'one'}")
    assert (result.read, result.compared) == (1, 1)
    assert "prediction" not in result.comparison.drifted
    assert (result.folder / "report.html").stat().st_size > 1e6


def train_on_topics(place: Place, topics: pd.Series, *overrides: str) -> tuple[pd.DataFrame, str]:
    """Return texts that name their topics, in the column t, and a model that has learned them."""
    texts = topics + " ticket about " + topics.index.astype(str)
    frame = pd.DataFrame({"text": texts, "t": topics})
    job = Job(place.folder / f"topics{topics.nunique()}")
    job.folder.mkdir()
    path = write_frame(frame, job.folder / "topics.jsonl")
    table = ["data=csv", f"data.path='{path}'", "data.label_column=t", "tracking=off"]
    return frame, train(compose("train", [*table, *overrides, *place.settings]), job).model


def test_several_classes_and_labels_that_are_none(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    topics = pd.Series(["billing", "log in", 'odd "x"/y'] * 80)
    frame, model = train_on_topics(place, topics)
    answered = place.predict(frame.assign(label=["5", "6"] * 120), "t.csv", f"deploy.run='{model}'",
                             "tracking=off")  # fmt: skip
    result = place.monitor(answered, "tracking=off", "label_column=t", "workspace=null")
    assert result.comparison.performance.current.value == 1
    assert "Confusion Matrix" in (result.folder / "report.html").read_text()
    with blank_reports():
        assert place.monitor(answered, "tracking=off").comparison.performance is None
    assert "column 'label' holds '5' and '6', none of which the model knows" in caplog.text
    with pytest.raises(ConfigError, match="has '5' and '6', none of which the model knows; expec"):
        place.monitor(answered, "tracking=off", "label_column=label")

    # New classes in some rows: the accuracy is that of the other rows.
    labels = topics.where(topics.index % 4 > 0, "refund").mask(topics.index % 40 == 0, "a, b")
    path = place.predict(frame.assign(label=labels), "new.csv", f"deploy.run='{model}'",
                         "tracking=off")  # fmt: skip
    for overrides, reports in ([], nullcontext()), (["label_column=label"], blank_reports()):
        caplog.clear()
        with reports:
            result = place.monitor(path, "tracking=off", "workspace=null", *overrides)
        measured = result.comparison.performance.current
        assert (measured.rows, measured.right) == (180, 180)
        assert "labels of 60 rows ('refund': 54, 'a, b': 6), so" in caplog.text
        assert "on 180 rows" in caplog.text
        document = json.loads((result.folder / "drift.json").read_text())
        assert document["unknown_labels"] == {"refund": 54, "a, b": 6}


@pytest.mark.slow
def test_a_report_on_many_classes_has_no_confusion_matrix(place: Place) -> None:
    """Evidently would take minutes for thousands of classes."""
    topics = pd.Series([f"topic{k}" for k in range(60)] * 10)
    frame, model = train_on_topics(place, topics, "model=nbsvm")
    answered = place.predict(frame, "many.csv", f"deploy.run='{model}'", "tracking=off")
    result = place.monitor(answered, "tracking=off", "label_column=t", "workspace=null")
    assert result.comparison.performance.current.value == 1
    assert "Confusion Matrix" not in (result.folder / "report.html").read_text()


def test_what_does_not_fit_is_reported(
    place: Place, drifted: MonitoringResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, never = place.folder / "rt.predictions.csv", f"output={place.folder / 'never'}"
    frame = pd.read_csv(path)
    alone = write_frame(frame, place.folder / "alone.csv")
    with pytest.raises(ConfigError, match="has no report of predict beside it, .* or run=best"):
        place.monitor(alone, never)
    report = json.loads(path.with_name(f"{path.name}.json").read_text())
    for section, facts in (
        ("model", {"run_id": 5}),
        ("model", {"run_id": None, "path": ["a"]}),
        ("job", {"threshold": "0.5"}),
        ("job", {"least_confidence": 2}),
        ("job", {"factors": "1"}),
        ("job", {"factors": [None]}),
        ("job", None),
    ):
        alone.with_name(f"{alone.name}.json").write_text(json.dumps(report | {section: facts}))
        with pytest.raises(ConfigError, match="or a damaged one"):
            place.monitor(alone, never)
    alone.with_name(f"{alone.name}.json").unlink()
    with pytest.raises(RunNotFoundError, match="run 'nope' was not found"):
        place.monitor(alone, never, "run=nope")
    with pytest.raises(InputNotFoundError, match="run is 'nope.skops'"):
        place.monitor(alone, never, "run=nope.skops")
    with pytest.raises(MissingColumnError, match="label_column=<name>"):
        place.monitor(path, never, "label_column=nope")
    write_frame(frame.assign(prediction="4 stars"), alone)
    with pytest.raises(ConfigError, match="predicts '4 stars', which the model does not know"):
        place.monitor(alone, never, "run=best")
    write_frame(frame.assign(sentiment="4 stars"), alone)
    with pytest.raises(ConfigError, match="has '4 stars', none of which the model knows; expected"):
        place.monitor(alone, never, "run=best", "label_column=sentiment")
    assert not (place.folder / "never").exists()

    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{place.folder}/outputs/mlflow.db")
    artifacts = Path(client.get_run(place.trained.run_id).info.artifact_uri.removeprefix("file://"))
    (artifacts / "reference").rename(artifacts / "elsewhere")
    try:
        with pytest.raises(ReferenceMissingError, match=f"run '{place.trained.run_id}' keeps no"):
            place.monitor(path)
    finally:
        (artifacts / "elsewhere").rename(artifacts / "reference")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"pip install 'sentiment\[monitor\]'"):
        place.monitor(path)


def test_the_exit_code_is_for_schedulers(
    place: Place, drifted: MonitoringResult, starter: Starter
) -> None:
    overrides = ["current=rt.predictions.csv", "workspace=null"]
    real = "import shortcuts; shortcuts.use_real_reports()"
    done = starter.run(place.folder, "monitor", *overrides, before=real)
    assert (done.returncode, done.stderr) == (3, "")
    for line in (
        f"(run {place.trained.run_id})",
        f"1,200 compared with {len(place.trained.data.validation)} validation rows",
        "fell     ",
        "right    ",
        "report   outputs/monitor/",
        "verdict  drift in characters, words, ",
    ):
        assert line in done.stdout
    assert max(map(len, done.stdout.splitlines()[2:14])) <= 80


def browse(page: str, folder: Path, *flags: str, seconds: int = 20) -> str:
    """Let Chromium open a page on this machine; there is no other for it.

    A page is looked at after a number of seconds of Chromium's own time.
    """
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--window-size=1300,3600", f"--virtual-time-budget={seconds}000",
        f"--user-data-dir={folder}",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", *flags, page,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    return done.stdout


def read_page(page: str, folder: Path, expected: Sequence[str]) -> str:
    """Return a page as it is drawn: on a busy machine, that may take more of Chromium's time."""
    for seconds in (20, 80, 320):
        document = browse(page, folder / str(seconds), "--dump-dom", seconds=seconds)
        if all(text in document for text in expected):
            break
    for text in expected:
        assert text in document
    return document


@needs_browser
def test_the_page_opens_without_a_network_and_draws_its_plots(
    drifted: MonitoringResult, tmp_path: Path
) -> None:
    page = (drifted.folder / "report.html").as_uri()
    count = len(drifted.comparison.drifted)
    expected = (
        f"Drift in {count} of {len(CHECKS)} checks",
        *("Words that fell", "Accuracy over time", "Dataset Drift is detected", "Confusion Matrix"),
    )
    document = read_page(page, tmp_path, expected)
    # Words, accuracy, two small plots per column, confusion matrices.
    assert document.count('<svg class="main-svg"') >= 16

    picture = tmp_path / "report.png"
    browse(page, tmp_path / "two", f"--screenshot={picture}")
    pixels = matplotlib.image.imread(picture)[:, :, :3]
    assert pixels.shape == (3600, 1300, 3)
    red = (pixels[:, :, 0] > 0.85) & (pixels[:, :, 1:].max(axis=2) < 0.1)
    assert red.sum() > 5000, "bars of the current rows"
    assert red[400:1200].any(), "words and accuracy stand at the top"
    assert len(np.unique((pixels * 255).astype(int) @ [1, 256, 65536])) > 50


@needs_browser
def test_the_dashboard_draws_its_plots(drifted: MonitoringResult, tmp_path: Path) -> None:
    port = find_port()
    command = [Path(sys.executable).parent / "evidently", "ui", "--workspace", drifted.workspace,
               "--host", "127.0.0.1", "--port", str(port)]  # fmt: skip
    server = subprocess.Popen(
        list(map(str, command)), env=os.environ | {"DO_NOT_TRACK": "1"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(lambda: urllib.request.urlopen(address, timeout=60).status == 200)
        project = uuid.uuid5(uuid.NAMESPACE_OID, "sentiment")
        page = f"{address}/projects/{project}"
        titles = ("Rows", "Accuracy", "Recall", "Alarms", "Texts", "Probabilities", "Labels",
                  "Words", "Quality")  # fmt: skip
        read_page(page, tmp_path, [f">{text}<" for text in (*titles, *CHECKS)])
    finally:
        server.terminate()
        server.wait()


def wait_for(is_ready: Callable[[], bool], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if is_ready():
                return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError


@pytest.mark.usefixtures("unread")
def test_drift_is_posted_even_if_a_file_cannot_be_written(
    place: Place, sentences: pd.DataFrame
) -> None:
    path = place.predict(sentences.head(600), "few.csv")
    occupied = place.folder / "no_folder"
    occupied.touch()
    with receive_alerts() as alerts, pytest.raises(OSError, match="no_folder"):
        place.monitor(
            path, f"output={place.folder}/half",
            f"textfile={occupied}/rt.prom", f"alert.url={alerts.url}",
        )  # fmt: skip
    [(_, alert)] = alerts.received
    assert alert["event"] == "drift"
