"""Texts without a label: which are learned from, and which never are."""

from pathlib import Path

import pandas as pd
import pytest
from given import Given
from hypothesis import given
from hypothesis import strategies as st

from sentiment.config import compose
from sentiment.data.copies import fold_text
from sentiment.data.datasets import AclImdb, EmbeddedReviews, TableFile
from sentiment.data.preparation import PreparedData, prepare_data
from sentiment.data.splitting import SPLITS
from sentiment.errors import (
    ConfigError,
    EmptyDataError,
    InputNotFoundError,
    NoUnlabelledColumnError,
)


def make_rows(count: int) -> list[tuple[str | None, ...]]:
    return [(f"text number {n}", "ab"[n % 2]) for n in range(count)]


def list_keys(data: PreparedData) -> list[set[str]]:
    splits = [getattr(data, name)["text"] for name in SPLITS]
    return [set(map(fold_text, texts)) for texts in (*splits, data.unlabelled)]


def test_each_text_is_learned_from_once_and_none_of_a_labelled_row() -> None:
    more = ["new", "NEW <br />", None, "  ", "Text Number 4", "another", "text number 11"]
    data = prepare_data(Given(name="x", rows=make_rows(40), more=more), 1)
    assert data.unlabelled.tolist() == ["new", "another"]
    assert data.report.unlabelled == 2
    assert data.report.unlabelled_dropped == {"empty_text": 2, "labelled": 2, "duplicates": 1}
    assert data.report.rows == 40


@pytest.mark.slow
@given(
    st.lists(st.sampled_from([f"text number {n}" for n in range(60)]), max_size=40), st.integers()
)
def test_no_text_is_in_two_places(more: list[str | None], seed: int) -> None:
    rows = make_rows(40)
    data = prepare_data(Given(name="x", rows=rows, more=more), abs(seed) % 2**32)
    keys = list_keys(data)
    assert sum(map(len, keys)) == len(set().union(*keys))
    assert keys[-1] == set(filter(None, more)) - {text for text, _ in rows}


def test_they_change_neither_splits_nor_their_fingerprint() -> None:
    plain = prepare_data(Given(name="x", rows=make_rows(40)), 1)
    data = prepare_data(Given(name="x", rows=make_rows(40), more=["new", "newer"]), 1)
    other = prepare_data(Given(name="x", rows=make_rows(40), more=["new", "newest"]), 1)
    assert data.fingerprint == plain.fingerprint
    assert all(getattr(data, name).equals(getattr(plain, name)) for name in SPLITS)
    assert plain.unlabelled_fingerprint == ""
    assert len({prepared.unlabelled_fingerprint for prepared in (plain, data, other)}) == 3


def test_rows_that_are_not_used_are_labelled_all_the_same() -> None:
    rows = [*make_rows(40), ("two minds", "a"), ("two minds", "b")]
    more: list[str | None] = ["two minds", *(text for text, _ in make_rows(40))]
    data = prepare_data(Given(name="x", rows=rows, more=more, limit=20), 1)
    assert data.rows == 20
    assert data.unlabelled.empty


def test_rows_without_a_label_are_learned_from_where_that_is_asked_for() -> None:
    rows = [*make_rows(40), ("no label", None), ("text number 3", None), (None, None), ("", None)]
    dropped = prepare_data(Given(name="x", rows=rows), 1)
    assert dropped.unlabelled.empty
    assert dropped.report.dropped == {"missing_text": 1, "empty_text": 1, "missing_label": 2}
    strict = Given(name="x", rows=rows[:42], on_missing_label="unlabelled", on_bad_rows="error")
    for dataset in (Given(name="x", rows=rows, on_missing_label="unlabelled"), strict):
        data = prepare_data(dataset, 1)
        assert data.unlabelled.tolist() == ["no label"]
        assert data.fingerprint == dropped.fingerprint
        assert "missing_label" not in data.report.dropped
        report = data.report
        assert report.rows == len(dataset.read())
        assert report.without_label == 2
        assert data.rows + report.without_label + sum(report.dropped.values()) == report.rows


def test_rows_that_all_have_no_label_are_counted() -> None:
    rows: list[tuple[str | None, ...]] = [("no label", None), ("none", None), ("", None)]
    dataset = Given(name="x", rows=rows, on_missing_label="unlabelled")
    with pytest.raises(
        EmptyDataError, match=r"its 3 rows is usable \(2 unlabelled, 1 empty text\)"
    ):
        prepare_data(dataset, 1)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_rows_of_an_official_split_are_never_learned_from(split: str) -> None:
    rows: list[tuple[str | None, ...]] = [(*row, "train") for row in make_rows(40)]
    rows += [(f"kept {n}", "ab"[n % 2], split) for n in range(6)]
    rows += [("no label", None, split), ("no label, but train", None, "train")]
    more: list[str | None] = ["no label", "kept 1", "new"]
    data = prepare_data(Given(name="x", rows=rows, more=more, on_missing_label="unlabelled"), 1)
    assert data.unlabelled.tolist() == ["no label, but train", "new"]


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
@pytest.mark.parametrize("column", ["body", "text"])
def test_they_are_read_as_predict_reads(tmp_path: Path, ending: str, column: str) -> None:
    frame = pd.DataFrame({"id": [1, 2], column: ["one, two", "three"]})
    path = tmp_path / f"more.{ending}"
    match ending:
        case "csv":
            frame.to_csv(path, index=False)
        case "parquet":
            frame.to_parquet(path)
        case _:
            frame.to_json(path, orient="records", lines=True)
    dataset = TableFile(name="x", path="unread.csv", text_column="body", unlabelled=str(path))
    assert dataset.read_unlabelled().tolist() == ["one, two", "three"]
    if column == "text":
        reviews = EmbeddedReviews(name="x", source="rotten_tomatoes", unlabelled=str(path))
        assert reviews.read_unlabelled().tolist() == ["one, two", "three"]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "more.csv"
    dataset = TableFile(name="x", path="unread.csv", text_column="body", unlabelled=str(path))
    with pytest.raises(InputNotFoundError, match=r"data\.unlabelled"):
        dataset.read_unlabelled()
    path.write_text("id,number\n1,2\n")
    with pytest.raises(NoUnlabelledColumnError, match="'id' and 'number'. Rename .* to 'body'"):
        dataset.read_unlabelled()


def test_a_folder_of_reviews_has_a_text_in_each_file(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}_0.txt").write_text(f"review {number}\nwith two lines, or so")
    texts = AclImdb(name="x", path="unread", unlabelled=str(tmp_path)).read_unlabelled()
    assert texts.tolist() == [f"review {n}\nwith two lines, or so" for n in range(3)]


@pytest.mark.parametrize("asked", ["data.unlabelled=more.csv", "data.on_missing_label=unlabelled"])
def test_texts_alone_have_no_columns_to_learn_from(asked: str) -> None:
    with pytest.raises(ConfigError, match=r"learned from by the text alone"):
        compose("train", ["data=csv", "data.path=x.csv", asked, "data.extra_columns=[price]"])
