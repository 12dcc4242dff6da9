"""Files beside an output never cost the user any data."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from disks import full_disk

from sentiment.commands.predict.job import predict, predict_files
from sentiment.commands.predict.results import PredictionResult
from sentiment.commands.train.job import TrainingResult
from sentiment.config import compose
from sentiment.errors import (
    ConfigError,
    OccupiedNameError,
    OutputBusyError,
    OutputExistsError,
    SentimentError,
)
from sentiment.files.batches import Reject
from sentiment.files.control import DamagedRecordError, read_record, write_record
from sentiment.files.partial import PartialOutput

Train = Callable[..., TrainingResult]
Predict = Callable[..., PredictionResult]
CONTROL = [
    "partial",
    "partial.json",
    "rejected.csv",
    "rejected.csv.partial",
    "json",
    "partial.whole",
]
ROWS = "text\n" + "".join(f"film {n}, that is good\n" if n % 9 else "a,b\n" for n in range(300))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    from sentiment.commands.train.job import train
    from sentiment.config import Job

    overrides = ["tracking=off", "features=tfidf_unigram", "data.limit=300"]
    return train(compose("train", overrides), Job(tmp_path_factory.mktemp("model"))).model


@pytest.fixture
def run(model: str, tmp_path: Path) -> Predict:
    (tmp_path / "x.csv").write_text(ROWS.replace(", that", " that"))

    def run(*overrides: str, observer: Any = None) -> PredictionResult:
        where = [f"input='{tmp_path}/x.csv'", f"output='{tmp_path}/o.csv'"]
        settings = [f"deploy.run='{model}'", "tracking=off"]
        return predict(compose("predict", [*where, *settings, *overrides]), observer)

    return run


class Interrupt:
    """An observer that stops a job once some rows are done, as Ctrl-C does."""

    def on_progress(self, done: int, total: int | None, unit: str) -> None:
        if done > 100:
            raise KeyboardInterrupt


@pytest.fixture
def interrupted(run: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The output that an interrupted job would have had."""
    from sentiment.files.streams import ByteSource

    expected = run(f"output='{tmp_path}/whole.csv'").output.read_bytes()
    read = ByteSource.read
    with monkeypatch.context() as patch:
        patch.setattr("sentiment.commands.predict.job._CHECKPOINT", 0)
        patch.setattr("os.fsync", lambda descriptor: None)
        patch.setattr("os.fdatasync", lambda descriptor: None)
        patch.setattr(ByteSource, "read", lambda self, offset=0, _=0: read(self, offset, 500))
        with pytest.raises(KeyboardInterrupt):
            run(observer=Interrupt())
    assert read_record(tmp_path / "o.csv.partial.json")["progress"]  # type: ignore[index]
    return expected


@pytest.mark.parametrize("name", ["", *CONTROL])
@pytest.mark.parametrize("kind", ["symlink", "dangling", "hardlink", "folder", "pipe"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_links_with_names_of_outputs_are_not_followed(
    tmp_path: Path, name: str, kind: str, overwrite: bool
) -> None:
    victim, index = tmp_path / "victim", tmp_path / f"o.csv{name and '.'}{name}"
    victim.write_text("precious")
    match kind:
        case "symlink":
            index.symlink_to(victim)
        case "dangling":
            index.symlink_to(tmp_path / "nowhere.csv")
        case "hardlink":
            index.hardlink_to(victim)
        case "folder":
            index.mkdir()
        case "pipe":
            os.mkfifo(index)

    def write() -> None:
        partial = PartialOutput(tmp_path / "o.csv", overwrite=overwrite)
        assert partial.read_finished() is None
        assert partial.read_state() is None
        partial.check_free()
        with partial.open(None, {}):
            partial.append(b"rows", [Reject(1, 1, "reason", "raw")])
            report = {"job": {}, "model": {}, "rows": {"rejected": 1}}
            partial.finish(report, lambda appended, file: False)

    # A name of a file that has another one is given to the new file, or the file keeps both names.
    moved = kind == "hardlink" and (
        name == "partial.json"
        or (overwrite and name in ("", "rejected.csv.partial", "partial.whole"))
    )
    if moved:
        write()
        assert (tmp_path / "o.csv").read_text() == "rows"
    else:
        with pytest.raises((OccupiedNameError, OutputExistsError)) as caught:
            write()
        assert str(index) in str(caught.value)
        assert os.path.lexists(index)
    if name and moved:
        assert index.with_name(f"{index.name}.damaged").samefile(victim)
    assert victim.read_text() == "precious"
    assert not (tmp_path / "nowhere.csv").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTROL)
def test_a_file_of_the_user_is_neither_replaced_nor_removed(
    run: Predict, tmp_path: Path, name: str
) -> None:
    index = tmp_path / f"o.csv.{name}"
    index.write_text('{"mine": 1}\n')
    if name == "partial.json":
        run()
        assert (tmp_path / f"o.csv.{name}.damaged").read_text() == '{"mine": 1}\n'
        return
    with pytest.raises(OccupiedNameError) as caught:
        run()
    assert str(index) in str(caught.value)
    assert index.read_text() == '{"mine": 1}\n'
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == [index.name, "x.csv"]


@pytest.mark.slow
def test_a_file_that_appears_meanwhile_is_kept(run: Predict, tmp_path: Path) -> None:
    class Person:
        def on_progress(self, done: int, total: int | None, unit: str) -> None:
            (tmp_path / "o.csv").write_text("mine")

    with pytest.raises(OutputExistsError):
        run(observer=Person())
    assert (tmp_path / "o.csv").read_text() == "mine"
    (tmp_path / "o.csv").rename(tmp_path / "mine.csv")
    assert run().tally.read == 300  # what was done is not done again
    assert not list(tmp_path.glob("*partial*"))


@pytest.mark.slow
def test_an_unfinished_output_of_another_process_is_not_touched(
    interrupted: bytes, run: Predict, tmp_path: Path
) -> None:
    """Another process resumes and finishes it between the look at it and the lock."""
    partial = PartialOutput(tmp_path / "o.csv", overwrite=False)
    state = partial.read_state()
    assert run().output.read_bytes() == interrupted
    with pytest.raises(OutputBusyError), partial.open(state, state["job"]):  # type: ignore[index]
        pass
    assert (tmp_path / "o.csv").read_bytes() == interrupted


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "an empty object": lambda data: b"{}",
    "a list": lambda data: b"[]",
    "null": lambda data: b"null",
    "binary": lambda data: os.urandom(300),
    "deep": lambda data: b"[" * 100_000,
    "wrong types": lambda data: json.dumps(dict.fromkeys(json.loads(data), 3)).encode(),
    "another number": lambda data: data.replace(b'"size": ', b'"size": 1'),
    "complete": lambda data: b'{"complete": true, "report": {}, "ready": "x.csv", "size": 9}',
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_record_is_set_aside(
    interrupted: bytes, run: Predict, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    record, partial = tmp_path / "o.csv.partial.json", tmp_path / "o.csv.partial"
    damaged, done = DAMAGE[damage](record.read_bytes()), partial.read_bytes()
    record.write_bytes(damaged)
    assert run().output.read_bytes() == interrupted
    assert "o.csv.partial.json' is damaged" in caplog.text.replace("record '", "")
    assert (tmp_path / "o.csv.partial.damaged").read_bytes() == done
    if damaged:
        assert (tmp_path / "o.csv.partial.json.damaged").read_bytes() == damaged
    assert not record.exists()


@pytest.mark.slow
def test_no_flipped_or_missing_byte_of_a_record_is_believed(
    interrupted: bytes, tmp_path: Path
) -> None:
    record = tmp_path / "o.csv.partial.json"
    data, facts = record.read_bytes(), read_record(record)
    flipped = [
        data[:index] + bytes([data[index] ^ 1 << index % 8]) + data[index + 1 :]
        for index in range(len(data))
    ]
    for damaged in (*flipped, *(data[:index] for index in range(0, len(data), 9))):
        record.write_bytes(damaged)
        try:
            record_read = read_record(record)
        except DamagedRecordError:
            continue
        assert record_read == facts  # white space


@pytest.mark.slow
def test_damaged_records_never_change_an_output(
    interrupted: bytes, run: Predict, tmp_path: Path
) -> None:
    """The bytes that are flipped are spread over the file, as a run for each would take long."""
    here = {path: path.read_bytes() for path in tmp_path.glob("o.csv.*")}
    data = (tmp_path / "o.csv.partial.json").read_bytes()
    for index in range(0, len(data), len(data) // 12):
        for path, content in here.items():
            path.write_bytes(content)
        flipped = data[:index] + bytes([data[index] ^ 4]) + data[index + 1 :]
        (tmp_path / "o.csv.partial.json").write_bytes(flipped)
        assert run().output.read_bytes() == interrupted
        for path in tmp_path.glob("o.csv*"):
            path.unlink()


@pytest.mark.slow
def test_a_damaged_report_is_named_and_its_output_not_skipped(
    model: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("text\ngood\n")
    overrides = [f"input='{tmp_path}/in'", f"deploy.run='{model}'", "tracking=off"]
    [result] = predict_files(compose("predict", overrides))
    assert result.report is not None
    content, done = result.report.read_bytes(), result.output.read_bytes()
    for damage in DAMAGE.values():
        damaged = damage(content)
        if damaged == content:
            continue
        result.report.write_bytes(damaged)
        caplog.clear()
        with pytest.raises(SentimentError, match="exists already"):
            predict_files(compose("predict", overrides))
        assert "a.csv.json' is damaged" in caplog.text
        assert result.output.read_bytes() == done


@pytest.mark.slow
def test_outputs_are_not_inputs(model: str, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv.rejected.csv"):
        (tmp_path / name).write_text("text\ngood\n")
    (tmp_path / "link.csv").hardlink_to(tmp_path / "a.csv")
    (tmp_path / "symlink.csv").symlink_to(tmp_path / "a.csv")

    def run(*overrides: str) -> None:
        settings = [f"deploy.run='{model}'", "tracking=off", "overwrite=true"]
        predict_files(compose("predict", [*overrides, *settings]))

    for setting, output in (
        ("a.csv", "link.csv"), ("link.csv", "a.csv"), ("symlink.csv", "a.csv"),
        ("a.csv", "symlink.csv"), ("b.csv.rejected.csv", "b.csv"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match="which is the input; name another file"):
            run(f"input='{tmp_path}/{setting}'", f"output='{tmp_path}/{output}'")
    assert (tmp_path / "a.csv").read_text() == "text\ngood\n"
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(tmp_path / "a.csv", folder)
    with pytest.raises(ConfigError, match="which is the input"):
        run(f"input='{folder}'", f"output='{folder}'")
    import gzip

    (folder / "a.csv.gz").write_bytes(gzip.compress(b"text\nbad\n"))
    with pytest.raises(ConfigError, match=r"a.csv' and '.*a.csv.gz' would both have the output"):
        run(f"input='{folder}'")
    assert not (tmp_path / "in.predictions").exists()


def test_a_record_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_record(path, {"a": 0.1, "b": {"c": "\u00e9"}})
    assert read_record(path) == {"a": 0.1, "b": {"c": "\u00e9"}}
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / ".x.json.new").symlink_to(victim)
    write_record(path, {"a": 2})
    assert read_record(path) == {"a": 2}
    assert victim.read_text() == "precious"
    assert read_record(tmp_path / "none.json") is None


def test_incomplete_files_of_a_full_disk_are_removed(tmp_path: Path) -> None:
    output = PartialOutput(tmp_path / "out.csv", overwrite=False)
    with full_disk():
        with pytest.raises(OSError, match="File too large"):
            write_record(tmp_path / "x.json", {"a": "x" * 100})
        with pytest.raises(OSError, match="too large"), output.open(None, {"input": "x" * 100}):
            pass
    assert list(tmp_path.iterdir()) == []


def test_fields_are_copied_byte_for_byte(model: str, tmp_path: Path) -> None:
    """Nothing is escaped for spreadsheets, neither in the output nor in the rejected rows."""
    cells = ["=1+1", "+1", "-1", "@x", "\t=1", "=HYPERLINK('a')"]
    (tmp_path / "x.csv").write_text("id,text\n" + "".join(f"{c},{c}\n{c}\n" for c in cells))
    overrides = [f"input='{tmp_path}/x.csv'", f"deploy.run='{model}'", "tracking=off"]
    result = predict(compose("predict", overrides))
    lines = result.output.read_text().splitlines()[1:]
    assert [line.rsplit(",", 2)[0] for line in lines] == [f"{c},{c}" for c in cells]
    assert result.rejected is not None
    rejected = result.rejected.read_text().splitlines()[1:]
    assert [line.rpartition(",")[2] for line in rejected] == cells
