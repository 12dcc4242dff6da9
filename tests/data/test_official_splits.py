"""Splits that the data bring: a test file of their own, or a column that names them."""

import json
import sqlite3
from pathlib import Path

import pandas as pd
import pytest

from sentiment.data.datasets import TableFile
from sentiment.data.preparation import prepare_data
from sentiment.data.splitting import SPLITS
from sentiment.errors import ConfigError, InputNotFoundError, MissingColumnError, UnknownSplitsError

ROWS = pd.DataFrame(
    [(f"text {n}", "ab"[n // 6 % 2]) for n in range(60)], columns=["text", "label"], dtype="str"
)
NAMES = ["Train", "TRAINING", " train ", "dev", "Valid", "test"]


def write(path: Path, frame: pd.DataFrame) -> str:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False, sep=";")
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dict("records")))
    elif path.suffix == ".db":
        with sqlite3.connect(path) as connection:
            frame.to_sql("reviews", connection, index=False)
        connection.close()
        return f"sqlite:///{path}"
    else:
        frame.to_parquet(path)
    return str(path)


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl", "db"])
def test_a_column_names_the_split_of_each_row(tmp_path: Path, ending: str) -> None:
    frame = ROWS.assign(part=NAMES * 10)
    dataset = TableFile(
        name="x", path=write(tmp_path / f"x.{ending}", frame), split_column="part",
        table="reviews" if ending == "db" else None,
    )  # fmt: skip
    data = prepare_data(dataset, 1)
    expected = {
        "train": frame[frame["part"].isin(NAMES[:3])],
        "validation": frame[frame["part"].isin(NAMES[3:5])],
        "test": frame[frame["part"] == "test"],
    }
    for name in SPLITS:
        rows = getattr(data, name)
        assert rows.to_numpy().tolist() == expected[name][["text", "label"]].to_numpy().tolist()
    assert data.official_test
    assert prepare_data(dataset, 2).fingerprint == data.fingerprint  # nothing is drawn


@pytest.mark.parametrize("lacking", ["validation", "test"])
def test_a_split_that_the_column_lacks_is_a_share_of_the_training_rows(
    tmp_path: Path, lacking: str
) -> None:
    value = {"validation": "test", "test": "dev"}[lacking]
    frame = ROWS.assign(part=["train", "train", value] * 20)
    path = write(tmp_path / "x.csv", frame)
    size = {f"{lacking}_size": 0.25}
    data = prepare_data(TableFile(name="x", path=path, split_column="part", **size), 1)
    split = {"dev": "validation"}.get(value, value)
    assert set(getattr(data, split)["text"]) == set(frame["text"][frame["part"] == value])
    assert data.report.splits[lacking] == {"a": 5, "b": 5}
    assert data.report.splits["train"] == {"a": 15, "b": 15}
    assert data.official_test == (value == "test")


@pytest.mark.parametrize("endings", [("csv", "csv"), ("csv", "parquet"), ("db", "jsonl")])
def test_a_test_file_is_the_test_split_and_its_texts_leave_the_others(
    tmp_path: Path, endings: tuple[str, str]
) -> None:
    test = pd.DataFrame(
        {"text": ["TEXT 3<br />", "new one", "new two"], "label": ["a", "a", "b"]}, dtype="str"
    )
    paths = [tmp_path / f"{name}.{end}" for name, end in zip("xy", endings, strict=True)]
    dataset = TableFile(
        name="x", path=write(paths[0], ROWS), test_path=write(paths[1], test),
        table="reviews" if endings[0] == "db" else None,
    )  # fmt: skip
    data = prepare_data(dataset, 1)
    assert data.test.to_numpy().tolist() == test.to_numpy().tolist()
    learned = pd.concat([data.train, data.validation])
    assert sorted(learned["text"]) == sorted(set(ROWS["text"]) - {"text 3"})
    assert len(data.validation) == round(0.1 * 59)
    assert data.report.dropped == {"duplicates": 1}
    assert data.choose_fitted("auto") == "train+validation"
    assert prepare_data(
        TableFile(name="x", path=write(tmp_path / "z.csv", ROWS)), 1
    ).fingerprint != (data.fingerprint)


def test_a_test_file_beside_a_column_with_validation_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", ROWS.assign(part=["train", "train", "val"] * 20))
    test = write(tmp_path / "y.csv", ROWS.assign(text=ROWS["text"] + " again"))
    data = prepare_data(TableFile(name="x", path=path, test_path=test, split_column="part"), 1)
    assert {name: len(getattr(data, name)) for name in SPLITS} == {
        "train": 40, "validation": 20, "test": 60
    }  # fmt: skip


def test_mistakes_in_test_files_and_split_columns(tmp_path: Path) -> None:
    parts = ["train", "train", "hold-out", "train", "", "test"] * 10
    path = write(tmp_path / "x.csv", ROWS.assign(part=parts))
    with pytest.raises(UnknownSplitsError, match=r"20 rows .* \('hold-out': 10, '': 10\)"):
        TableFile(name="x", path=path, split_column="part").read()
    with pytest.raises(
        MissingColumnError, match=r"'parts'.* Did you mean 'part'\? .*split_column="
    ):
        TableFile(name="x", path=path, split_column="parts").read()
    with pytest.raises(InputNotFoundError, match=r"data\.test_path is '.*y\.csv', but there is no"):
        TableFile(name="x", path=path, test_path=str(tmp_path / "y.csv")).read()
    with pytest.raises(ConfigError, match=r"x\.csv' is in data\.path and in data\.test_path"):
        TableFile(name="x", path=str(tmp_path), test_path=path).read()
    path = write(tmp_path / "x.csv", ROWS.assign(part=["train", "test"] * 30))
    test_path = write(tmp_path / "y.csv", ROWS)
    with pytest.raises(ConfigError, match=r"30 test rows \(data.split_column\).* data\.test_path"):
        TableFile(name="x", path=path, test_path=test_path, split_column="part").read()


def test_rows_that_cannot_be_used_need_no_split(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    rows = "".join(f"text {n},{'ab'[n % 2]},{('train', 'test')[n > 20]}\n" for n in range(40))
    path.write_text(f"text,label,part\n{rows},a,\nonly a text,,\ntoo,many,fields,here\n")
    report = prepare_data(TableFile(name="x", path=str(path), split_column="part"), 1).report
    assert report.dropped == {"missing_text": 1, "missing_label": 1, "unreadable": 1}
