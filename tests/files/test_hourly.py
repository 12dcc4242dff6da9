"""Tables with hourly Parquet files: appended rows survive any end of the process."""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentiment.errors import DamagedLogError
from sentiment.files import hourly
from sentiment.files.hourly import HourlyTable, read_batches, recover, remove_old

SCHEMA = pa.schema({"n": pa.int64(), "text": pa.string()})
TEN = datetime(2026, 1, 31, 10, 59, 59, tzinfo=UTC)
ELEVEN = TEN + timedelta(seconds=2)


def make_rows(*numbers: int) -> pa.RecordBatch:
    return pa.record_batch([list(numbers), [f"text {n}" for n in numbers]], schema=SCHEMA)


def list_numbers(folder: Path) -> list[int]:
    return [n for batch in read_batches(folder, SCHEMA) for n in batch["n"].to_pylist()]


def test_rows_are_read_at_once_and_become_a_file_each_hour(tmp_path, monkeypatch):
    table = HourlyTable(tmp_path, SCHEMA)
    table.roll(TEN)
    assert list_numbers(tmp_path) == []
    table.append(make_rows(1, 2), TEN)
    table.append(make_rows(3), TEN)
    assert list_numbers(tmp_path) == [1, 2, 3]
    assert recover(tmp_path) == 0  # it belongs to a writer that lives
    table.append(make_rows(4), ELEVEN)
    [closed] = tmp_path.glob("2026-01-31T10Z-*.parquet")
    assert pd.read_parquet(closed)["n"].tolist() == [1, 2, 3]
    assert list_numbers(tmp_path) == [1, 2, 3, 4]
    assert pd.read_parquet(tmp_path)["n"].tolist() == [1, 2, 3]  # other readers skip the journal
    monkeypatch.setattr(hourly, "_LARGEST", 1)
    table.append(make_rows(5), ELEVEN)
    table.close()
    # The last hour has two files, whose names say nothing of their order.
    assert sorted(pd.read_parquet(tmp_path)["text"]) == [f"text {n}" for n in range(1, 6)]
    assert not list(tmp_path.glob("[_.]*"))
    assert remove_old(tmp_path, 1, ELEVEN + timedelta(days=1)) == 1
    assert sorted(list_numbers(tmp_path)) == [4, 5]


@pytest.mark.parametrize("torn", range(0, 200, 8))
def test_an_incomplete_batch_is_ignored(tmp_path, torn):
    table = HourlyTable(tmp_path, SCHEMA)
    table.append(make_rows(1, 2), TEN)
    [journal] = tmp_path.glob("_*")
    data, next_bytes = journal.read_bytes(), bytes(make_rows(3, 4).serialize())
    assert torn < len(next_bytes)
    os.close(table._file)  # as the system does at a kill, and takes the lock back
    journal.write_bytes(data + next_bytes[:torn])
    assert list_numbers(tmp_path) == [1, 2]
    assert recover(tmp_path) == 1
    assert pd.read_parquet(tmp_path)["n"].tolist() == [1, 2]
    assert recover(tmp_path) == 0


def test_a_kill_between_the_file_and_its_journal_repeats_no_row(tmp_path):
    table = HourlyTable(tmp_path, SCHEMA)
    table.append(make_rows(1), TEN)
    [journal] = tmp_path.glob("_*")
    data = journal.read_bytes()
    table.close()
    journal.write_bytes(data)
    assert list_numbers(tmp_path) == [1]
    assert recover(tmp_path) == 1
    assert [path.suffix for path in tmp_path.iterdir()] == [".parquet"]


def test_rows_behind_a_full_disk_can_be_read(tmp_path, monkeypatch):
    table = HourlyTable(tmp_path, SCHEMA)
    table.append(make_rows(1), TEN)
    write = os.write

    def write_half(file: int, data: memoryview) -> int:
        if len(data) < 100:
            raise OSError(28, "No space left on device")
        return write(file, data[:-50])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write_half)
        with pytest.raises(OSError, match="No space left"):
            table.append(make_rows(2), TEN)
    table.append(make_rows(3), TEN)
    assert list_numbers(tmp_path) == [1, 3]
    table.close()
    assert list_numbers(tmp_path) == [1, 3]


@pytest.mark.parametrize("moved", [False, True])
def test_rows_behind_a_folder_that_was_removed_or_moved_are_kept(tmp_path, moved):
    folder, index = tmp_path / "table", tmp_path / "elsewhere"
    table = HourlyTable(folder, SCHEMA)
    table.append(make_rows(1), TEN)
    folder.rename(index)
    if not moved:
        shutil.rmtree(index)
    table.append(make_rows(2), TEN)
    assert list_numbers(folder) == [2]
    if moved:
        assert recover(index) == 1  # its lock was given up
        assert list_numbers(index) == [1]
    shutil.rmtree(folder)
    table.close()
    table.append(make_rows(3), TEN)
    table.close()
    assert list_numbers(folder) == [3]


@pytest.mark.slow
def test_a_damaged_journal_is_read_and_recovered_up_to_its_damage(tmp_path):
    table = HourlyTable(tmp_path, SCHEMA)
    for n in (1, 2, 3):
        table.append(make_rows(n), TEN)
    [journal] = tmp_path.glob("_*")
    data = bytearray(journal.read_bytes())
    os.close(table._file)
    length = len(bytes(make_rows(2).serialize()))
    start = len(data) - 2 * length
    read_rows = set()
    for index in range(start, start + length):
        for value in (0, 255):
            damaged = data.copy()
            damaged[index] = value
            journal.write_bytes(damaged)
            read_rows.add(tuple(list_numbers(tmp_path)))
            assert recover(tmp_path) == 1
            [closed] = tmp_path.glob("*.parquet")
            assert tuple(list_numbers(tmp_path))[:1] == (1,)
            closed.unlink()
    assert (1,) in read_rows


@pytest.mark.parametrize("damage", ["torn", "empty", "columns", "types"])
def test_a_damaged_or_foreign_file_is_named(tmp_path, damage):
    table = HourlyTable(tmp_path, SCHEMA)
    table.append(make_rows(1), TEN)
    table.close()
    [closed] = tmp_path.iterdir()
    match damage:
        case "torn":
            closed.write_bytes(closed.read_bytes()[:-9])
        case "empty":
            closed.write_bytes(b"")
        case "columns":
            pq.write_table(pa.table({"n": [1]}), closed)
        case _:
            pq.write_table(pa.table({"n": ["1"], "text": ["a"]}), closed)
    with pytest.raises(DamagedLogError, match=f"{closed.name}.* move it to another folder"):
        list_numbers(tmp_path)
