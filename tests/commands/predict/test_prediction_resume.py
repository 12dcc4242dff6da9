"""Predictions that are killed, and go on."""

import hashlib
import json
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import write_frame
from starting import Started, Starter

from sentiment.commands.predict.job import predict
from sentiment.commands.predict.results import PredictionResult
from sentiment.commands.train.job import TrainingResult, train
from sentiment.config import Job, compose
from sentiment.errors import (
    LostModelError,
    OutputBusyError,
    OutputExistsError,
    UnfinishedOutputError,
)
from sentiment.files.control import read_record, write_record
from sentiment.files.partial import PartialOutput

Train = Callable[..., TrainingResult]
# Smaller batches, more of them, and a checkpoint after each. After some blocks it waits, so that it
# is not at its end before it is killed, however late that is.
SLOWLY = """
import signal, time
from sentiment.commands.predict import job
from sentiment.files import streams
from sentiment.modeling.scoring import BatchScorer
job._CHECKPOINT = 0
read, score = streams.ByteSource.read, BatchScorer.score
def read_some(self, offset=0, size=4000):
    for number, block in enumerate(read(self, offset, size)):
        while number == {blocks}:
            signal.pause()
        yield block
streams.ByteSource.read = read_some
def slowly(self, *arguments):
    time.sleep(0.01)
    return score(self, *arguments)
BatchScorer.score = slowly
"""


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    overrides = ["tracking=off", "features=tfidf_unigram", "data.limit=300"]
    return train(compose("train", overrides), Job(tmp_path_factory.mktemp("model"))).model


@pytest.fixture
def checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after each batch, without waiting for the disk: no power failure is tested."""
    monkeypatch.setattr("sentiment.commands.predict.job._CHECKPOINT", 0)
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setattr("os.fdatasync", lambda descriptor: None)


def test_a_killed_prediction_resumes_and_ends_the_same(
    model: str, starter: Starter, tmp_path: Path
) -> None:
    rows = [f'{n},"a film, number {n}, that is {"good" if n % 3 else "bad"}"' for n in range(9000)]
    rows[::50] = [row.replace('"', "") for row in rows[::50]]  # a field too many
    (tmp_path / "x.csv").write_text("id,text\n" + "\n".join(rows) + "\n")
    overrides = ["input=x.csv", f"deploy.run='{model}'", "tracking=off"]

    def start(output: str, blocks: int | None = None) -> Started:
        code = SLOWLY.format(blocks=blocks)
        return starter.start(tmp_path, "predict", *overrides, f"output={output}.csv", before=code)

    uninterrupted = start("whole").wait()
    assert (uninterrupted.returncode, uninterrupted.stderr) == (0, "")
    assert "rows     9,000 read = 8,820 written + 180 rejected" in uninterrupted.stdout

    rng, state = random.Random(0), tmp_path / "out.csv.partial.json"

    def read_time() -> int:
        return state.stat().st_mtime_ns if state.exists() else 0

    for _ in range(4):
        before = read_time()
        process = start("out", blocks=20)
        process.wait_until(lambda before=before: read_time() != before)
        time.sleep(rng.uniform(0, 0.1))
        process.send(signal.SIGKILL)
        assert process.wait().returncode == -signal.SIGKILL
        assert not (tmp_path / "out.csv").exists()
        assert (tmp_path / "out.csv.partial").is_file()
    finished = start("out").wait()
    assert (finished.returncode, finished.stderr) == (0, "")
    assert " rows of earlier processes" in finished.stdout
    for name in ("{}.csv", "{}.csv.rejected.csv"):
        assert digest(tmp_path / name.format("out")) == digest(tmp_path / name.format("whole"))
    report = json.loads((tmp_path / "out.csv.json").read_text())
    assert report["rows"]["resumed"] > 0
    assert (
        report["tally"]["counts"]
        == json.loads((tmp_path / "whole.csv.json").read_text())["tally"]["counts"]
    )
    assert not list(tmp_path.glob("*partial*"))


@pytest.mark.slow
@pytest.mark.usefixtures("checkpoints")
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_every_format_can_be_gone_on_with(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Stopped by Ctrl-C in the middle, in this process."""
    (tmp_path / "x.jsonl").write_text(
        "".join(json.dumps({"n": n, "text": f"film {n}"}) + "\n" for n in range(300))
    )
    read = "sentiment.files.streams.ByteSource.read"
    from sentiment.files.streams import ByteSource

    whole_read = ByteSource.read
    monkeypatch.setattr(read, lambda self, offset=0, size=0: whole_read(self, offset, 1000))

    def run(output: str, observer: object = None) -> Path:
        overrides = [f"input='{tmp_path}/x.jsonl'", f"output='{tmp_path}/{output}.{form}'"]
        overrides += [f"deploy.run='{model}'", "tracking=off"]
        return predict(compose("predict", overrides), observer).output  # type: ignore[arg-type]

    with pytest.raises(KeyboardInterrupt):
        run("out", Interrupt(100))
    assert (tmp_path / f"out.{form}.partial.json").is_file()
    assert digest(run("out")) == digest(run("whole"))


class Interrupt:
    """An observer that stops a job once some rows are done, as Ctrl-C does."""

    def __init__(self, rows: int) -> None:
        self._rows = rows

    def on_progress(self, done: int, total: int | None, unit: str) -> None:
        if done > self._rows:
            raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.usefixtures("checkpoints")
@pytest.mark.parametrize("input_format", ["jsonl", "csv", "parquet"])
def test_parquet_is_the_same_wherever_it_was_interrupted(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, input_format: str
) -> None:
    """Texts of very different lengths, and groups and pages that end within a block."""
    rng = random.Random(1)
    texts = [rng.choice(["good ", "bad ", "a film "]) * rng.randrange(60) for _ in range(2000)]
    frame = pd.DataFrame({"text": texts, "n": range(2000)})
    path = write_frame(frame, tmp_path / f"x.{input_format}")
    monkeypatch.setattr("sentiment.files.outputs._ROW_GROUP", 700)
    monkeypatch.setattr("sentiment.files.parquet.BLOCK", 9_000)
    from sentiment.files.streams import ByteSource

    read = ByteSource.read

    def run(name: str, block: int, observer: object = None) -> Path:
        resized = lambda self, offset=0, size=0: read(self, offset, block)  # noqa: E731
        monkeypatch.setattr(ByteSource, "read", resized)
        overrides = [f"input='{path}'", f"output='{tmp_path}/{name}.parquet'"]
        overrides += [f"deploy.run='{model}'", "tracking=off"]
        return predict(compose("predict", overrides), observer).output  # type: ignore[arg-type]

    uninterrupted = run("whole", 9_000)
    assert pq.ParquetFile(uninterrupted).num_row_groups == 3
    for number in range(5):
        rows = sorted(rng.randrange(1500) for _ in range(2))
        for stop in rows:
            with pytest.raises(KeyboardInterrupt):
                run(f"out{number}", rng.randrange(3_000, 20_000), Interrupt(stop))
        assert digest(run(f"out{number}", 9_000)) == digest(uninterrupted)


@pytest.mark.slow
@pytest.mark.usefixtures("checkpoints")
@pytest.mark.parametrize("model_name", ["best", "alias"])
def test_a_job_is_finished_with_the_model_that_it_was_begun_with(
    train_quickly: Train,
    store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    model_name: str,
) -> None:
    """Whatever is the best, or has the alias, when it is resumed."""
    from mlflow import MlflowClient

    first = train_quickly("features.max_features=5")
    alias = f"models:/{tmp_path.name}@champion"
    client = MlflowClient()

    def promote(result: TrainingResult) -> None:
        client.create_registered_model(tmp_path.name) if result is first else None
        assert result.run_id is not None
        version = client.create_model_version(tmp_path.name, result.model, result.run_id)
        client.set_registered_model_alias(tmp_path.name, "champion", version.version)

    promote(first)
    (tmp_path / "x.csv").write_text("text\n" + "a good film\na bad one\n" * 400)
    from sentiment.files.streams import ByteSource

    read = ByteSource.read
    monkeypatch.setattr(ByteSource, "read", lambda self, offset=0, size=0: read(self, offset, 999))

    def run(name: str, *overrides: str, observer: object = None) -> PredictionResult:
        where = [f"outputs={store}", f"tracking.experiment={tmp_path.name}"]
        files = [f"input='{tmp_path}/x.csv'", f"output='{tmp_path}/{name}.csv'"]
        run = f"deploy.run={'best' if model_name == 'best' else alias}"
        overrides = (*where, *files, run, *overrides)
        return predict(compose("predict", list(overrides)), observer)  # type: ignore[arg-type]

    uninterrupted = run("whole")
    assert uninterrupted.model.run_id == first.run_id
    for name in ("out", "lost"):
        with pytest.raises(KeyboardInterrupt):
            run(name, observer=Interrupt(100))
    better = train_quickly()
    promote(better)
    assert run("now").model.run_id == better.run_id
    resumed = run("out")
    assert resumed.model.run_id == first.run_id
    assert resumed.model.why == "the unfinished output was started with it"
    assert resumed.resumed > 0
    assert digest(resumed.output) == digest(uninterrupted.output)

    client.delete_logged_model(first.model.removeprefix("models:/"))
    with pytest.raises(LostModelError, match="start again with overwrite=true"):
        run("lost")
    assert (tmp_path / "lost.csv.partial").stat().st_size > 0
    assert run("lost", "overwrite=true").model.run_id == better.run_id


@pytest.mark.slow
def test_what_another_job_left_is_not_touched(model: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("text\ngood\n")
    overrides = [f"input='{path}'", f"deploy.run='{model}'", "tracking=off"]
    partial = PartialOutput(tmp_path / "x.predictions.csv", overwrite=False)
    with partial.open(None, {"text_column": "body"}):
        partial.append(b"precious", [])
        partial.save({"text_column": "body"}, {})
        with pytest.raises(OutputBusyError, match="another process is writing"):
            predict(compose("predict", [*overrides, "overwrite=true"]))
    with pytest.raises(UnfinishedOutputError, match="text_column was 'body' and is 'text'"):
        predict(compose("predict", overrides))
    assert partial.partial.read_bytes() == b"precious"
    assert predict(compose("predict", [*overrides, "overwrite=true"])).tally.written == 1
    assert not partial.partial.exists()


@pytest.mark.slow
def test_a_kill_while_the_files_get_their_names_is_recovered(model: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("text\ngood\n")
    overrides = [f"input='{path}'", f"deploy.run='{model}'", "tracking=off"]
    result = predict(compose("predict", overrides))
    partial = PartialOutput(result.output, overwrite=False)
    done = result.output.read_bytes()
    assert result.report is not None
    report = read_record(result.report)
    state = {"complete": True, "report": report, "ready": partial.partial.name, "size": len(done)}
    write_record(partial._state, state)
    result.output.rename(partial.partial)
    resumed = predict(compose("predict", overrides))
    assert resumed.output.read_bytes() == done
    assert resumed.tally == result.tally
    with pytest.raises(OutputExistsError):
        predict(compose("predict", overrides))
