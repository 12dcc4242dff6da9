"""Predictions that are killed, and go on."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT

from sentiment.config import compose
from sentiment.errors import OutputBusyError, OutputExistsError, UnfinishedOutputError
from sentiment.files.partial import PartialOutput
from sentiment.prediction import predict
from sentiment.training import TrainingResult

Train = Callable[..., TrainingResult]
# The script as it is, but for smaller batches, more of them, and a checkpoint after each. After
# some blocks it waits, so that it is not at its end before it is killed, however late that is.
PROGRAM = """
import sys, time
sys.path[:0] = [{scripts!r}]
from sentiment.prediction import job
from sentiment.files import streams
from sentiment.scoring import BatchScorer
job._CHECKPOINT = 0
read, score = streams.ByteSource.read, BatchScorer.score
def read_some(self, offset=0, size=4000):
    for number, block in enumerate(read(self, offset, size)):
        if number == {blocks}:
            time.sleep(60)
        yield block
streams.ByteSource.read = read_some
def slowly(self, *arguments):
    time.sleep(0.01)
    return score(self, *arguments)
BatchScorer.score = slowly
import runpy
runpy.run_path({scripts!r} + "/predict.py", run_name="__main__")
"""


def start(folder: Path, *words: str, blocks: int | None = None) -> subprocess.Popen[str]:
    program = PROGRAM.format(scripts=str(ROOT / "scripts"), blocks=blocks)
    return subprocess.Popen(
        [sys.executable, "-c", program, *words],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def model(train_quickly: Train) -> str:
    return train_quickly("tracking=off").model


def test_what_is_killed_goes_on_and_ends_the_same(model: str, tmp_path: Path) -> None:
    rows = [f'{n},"a film, number {n}, that is {"good" if n % 3 else "bad"}"' for n in range(9000)]
    rows[::50] = [row.replace('"', "") for row in rows[::50]]  # a field too many
    (tmp_path / "x.csv").write_text("id,text\n" + "\n".join(rows) + "\n")
    words = ["input=x.csv", f"deploy.run='{model}'", "tracking=off"]
    whole = start(tmp_path, *words, "output=whole.csv")
    printed, told = whole.communicate(timeout=120)
    assert (whole.returncode, told) == (0, "")
    assert "rows     9,000 read = 8,820 written + 180 rejected" in printed

    rng, state = random.Random(0), tmp_path / "out.csv.partial.json"
    kills = 0
    while kills < 4:
        process = start(tmp_path, *words, "output=out.csv", blocks=20)
        before = state.stat().st_mtime_ns if state.exists() else 0
        while process.poll() is None and (not state.exists() or state.stat().st_mtime_ns == before):
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.1))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        kills += 1
        assert not (tmp_path / "out.csv").exists()
        assert (tmp_path / "out.csv.partial").is_file()
    last = start(tmp_path, *words, "output=out.csv")
    printed, told = last.communicate(timeout=120)
    assert (last.returncode, told) == (0, "")
    assert "rows done before" in printed
    for name in ("{}.csv", "{}.csv.rejected.csv"):
        assert digest(tmp_path / name.format("out")) == digest(tmp_path / name.format("whole"))
    report = json.loads((tmp_path / "out.csv.json").read_text())
    assert report["rows"]["resumed"] > 0
    assert (
        report["tally"]["counts"]
        == json.loads((tmp_path / "whole.csv.json").read_text())["tally"]["counts"]
    )
    assert not list(tmp_path.glob("*partial*"))


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_every_format_can_be_gone_on_with(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Stopped by Ctrl-C in the middle, in this process."""
    (tmp_path / "x.jsonl").write_text(
        "".join(json.dumps({"n": n, "text": f"film {n}"}) + "\n" for n in range(300))
    )
    monkeypatch.setattr("sentiment.prediction.job._CHECKPOINT", 0)
    read = "sentiment.files.streams.ByteSource.read"
    from sentiment.files.streams import ByteSource

    whole_read = ByteSource.read
    monkeypatch.setattr(read, lambda self, offset=0, size=0: whole_read(self, offset, 1000))

    class Interrupt:
        def on_progress(self, done: int, total: int | None, unit: str) -> None:
            if done > 100:
                raise KeyboardInterrupt

    def run(output: str, observer: object = None) -> Path:
        words = [f"input='{tmp_path}/x.jsonl'", f"output='{tmp_path}/{output}.{form}'"]
        words += [f"deploy.run='{model}'", "tracking=off"]
        return predict(compose("predict", words), observer).output  # type: ignore[arg-type]

    with pytest.raises(KeyboardInterrupt):
        run("out", Interrupt())
    assert (tmp_path / f"out.{form}.partial.json").is_file()
    assert digest(run("out")) == digest(run("whole"))


def test_what_another_job_left_is_not_touched(model: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("text\ngood\n")
    words = [f"input='{path}'", f"deploy.run='{model}'", "tracking=off"]
    partial = PartialOutput(tmp_path / "x.predictions.csv", overwrite=False)
    with partial.open(None):
        partial.append(b"precious", [])
        partial.save({"text_column": "body"}, {})
        with pytest.raises(OutputBusyError, match="another process is writing"):
            predict(compose("predict", [*words, "overwrite=true"]))
    with pytest.raises(UnfinishedOutputError, match="text_column was 'body' and is 'text'"):
        predict(compose("predict", words))
    assert partial.partial.read_bytes() == b"precious"
    assert predict(compose("predict", [*words, "overwrite=true"])).tally.written == 1
    assert not partial.partial.exists()


def test_a_kill_while_the_files_get_their_names_is_mended(model: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("text\ngood\n")
    words = [f"input='{path}'", f"deploy.run='{model}'", "tracking=off"]
    result = predict(compose("predict", words))
    partial = PartialOutput(result.output, overwrite=False)
    done = result.output.read_bytes()
    report = json.loads(result.report.read_text())
    partial._state.write_text(
        json.dumps({"complete": True, "report": report, "ready": partial.partial.name})
    )
    result.output.rename(partial.partial)
    again = predict(compose("predict", words))
    assert again.output.read_bytes() == done
    assert again.tally == result.tally
    with pytest.raises(OutputExistsError):
        predict(compose("predict", words))
