"""Folders of many small files, and what a large one takes of memory."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentiment.commands.predict import models
from sentiment.commands.predict.job import predict, predict_files
from sentiment.commands.train.job import TrainingResult
from sentiment.config import compose
from sentiment.files.batches import Limits, Position
from sentiment.files.control import read_record
from sentiment.files.parquet import ParquetFile
from sentiment.modeling.model_files import save_model

FILES = 20


@pytest.fixture
def model(train_quickly: Callable[..., TrainingResult], tmp_path: Path) -> Path:
    path = tmp_path / "model.skops"
    save_model(train_quickly("tracking=off").pipeline, path)
    return path


@pytest.fixture
def folder(reviews: pd.DataFrame, tmp_path: Path) -> Path:
    """Files of one row each, every tenth of which has a row that is rejected as well."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number, text in enumerate(reviews["text"].head(FILES)):
        path = folder / f"{number:03}.csv"
        pd.DataFrame({"text": [text, *[""] * (number % 10 == 0)]}).to_csv(path, index=False)
    return folder


@pytest.mark.slow
def test_small_files_are_predicted_as_one_by_one(
    model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, waits = [], []
    load, sync, datasync = models.load_model, os.fsync, os.fdatasync
    monkeypatch.setattr(
        models, "load_model", lambda path, digest=None: loaded.append(path) or load(path, digest)
    )
    monkeypatch.setattr(os, "fsync", lambda file: waits.append(file) or sync(file))
    monkeypatch.setattr(os, "fdatasync", lambda file: waits.append(file) or datasync(file))
    overrides = ["tracking=off", f"deploy.run='{model}'", "deploy.empty=reject"]
    results = predict_files(compose("predict", [f"input='{folder}'", *overrides]))
    assert loaded == [model]
    # The output and its report, rejected rows where there are some, and checkpoints if it is slow.
    assert 2 * FILES <= len(waits) <= 3 * FILES
    paths = sorted(folder.iterdir())
    assert [result.output.name for result in results] == [path.name for path in paths]
    alone = tmp_path / "alone.csv"
    for path, result in zip(paths, results, strict=True):
        expected = predict(
            compose(
                "predict", [f"input='{path}'", f"output='{alone}'", "overwrite=true", *overrides]
            )
        )
        assert result.output.read_bytes() == alone.read_bytes()
        assert result.tally == expected.tally
        assert result.report
        assert expected.report
        ours, theirs = read_record(result.report), read_record(expected.report)
        assert ours
        assert theirs
        assert ours["job"] == theirs["job"]
    folder_names = {path.name for path in results[0].output.parent.iterdir()}
    names = {path.name for path in paths}
    rejected = {f"{path.name}.rejected.csv" for path in paths[::10]}
    assert folder_names == names | {f"{name}.json" for name in names} | rejected


@pytest.mark.slow
def test_small_files_that_are_done_are_not_done_again(model: Path, folder: Path) -> None:
    overrides = ["tracking=off", f"deploy.run='{model}'"]
    cfg = compose("predict", [f"input='{folder}'", *overrides])
    results = predict_files(cfg)
    inodes = {result.output: result.output.stat().st_ino for result in results}
    results[7].output.unlink()
    repeated = predict_files(cfg)
    assert [result.tally for result in repeated] == [result.tally for result in results]
    changed = [path for path, inode in inodes.items() if path.stat().st_ino != inode]
    assert set(changed) <= {results[7].output}


@pytest.mark.slow
def test_a_row_group_is_not_read_as_a_whole(tmp_path: Path) -> None:
    """Of 64 MB of text in one row group, a few MB are in memory at a time."""
    path = tmp_path / "x.parquet"
    letters = np.random.default_rng(0).integers(97, 123, 2**26, np.uint8).tobytes().decode()
    size = 2**12
    texts = pa.array([letters[at : at + size] for at in range(0, len(letters), size)])
    table = pa.table({"text": texts})
    pq.write_table(table, path, row_group_size=len(table), use_dictionary=False)
    del table
    source = ParquetFile(path)
    allocated_before = pa.total_allocated_bytes()
    most, rows = 0, 0
    for batch in source.read("text", Limits(max_chars=10_000, added=()), Position()):
        most, rows = (
            max(most, pa.total_allocated_bytes() - allocated_before),
            rows + len(batch.texts),
        )
    assert rows == len(texts)
    assert most < 2**25
