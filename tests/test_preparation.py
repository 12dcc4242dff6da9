from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from sentiment.data.cleaning import clean_text
from sentiment.data.datasets import Dataset, EmbeddedReviews, TableFile
from sentiment.data.preparation import fingerprint, prepare_data
from sentiment.errors import BadRowsError, EmptyDataError, TooFewClassesError, TooFewRowsError


@dataclass(frozen=True, kw_only=True)
class Given(Dataset):
    """A data set for tests, from a list of rows."""

    rows: list[tuple[str | None, ...]]

    def read(self) -> pd.DataFrame:
        columns = ["text", "label", "half"][: len(self.rows[0])]
        return pd.DataFrame(self.rows, columns=columns, dtype="str")


def make_rows(count: int, labels: str = "ab") -> list[tuple[str | None, ...]]:
    return [(f"text number {n}", labels[n % len(labels)]) for n in range(count)]


BAD_ROWS: list[tuple[str | None, ...]] = [
    (None, "a"),
    ("<br />  ", "a"),
    ("a text", None),
    ("Text Number 4", "a"),  # a copy of an earlier row
    ("text<br />number&#32;6", "a"),  # another
    ("text number 8", "b"),  # the other label
]


def test_the_report_counts_what_is_wrong() -> None:
    data = prepare_data(Given(name="x", rows=make_rows(100) + BAD_ROWS), 1)
    report = data.report
    assert (report.rows, report.missing_text, report.empty_text, report.missing_label) == (
        106,
        1,
        1,
        1,
    )
    assert (report.duplicates, report.conflicting_labels) == (2, 2)
    assert report.labels == {"a": 52, "b": 51}
    assert report.length_quantiles["0%"] == len("text number 1")
    assert report.length_quantiles["100%"] == len("text number 10")
    assert report.dropped == {
        "missing_text": 1, "empty_text": 1, "missing_label": 1, "duplicates": 2,
        "conflicting_labels": 2,
    }  # fmt: skip
    assert sum(split["before_duplicates"] for split in report.splits.values()) == 103
    assert {n: s["rows"] for n, s in report.splits.items()} == {
        "train": len(data.train), "validation": len(data.validation), "test": len(data.test)
    }  # fmt: skip
    assert sum(report.dropped.values()) + sum(s["rows"] for s in report.splits.values()) == 106


def test_bad_rows_stop_the_run_if_asked_to(tmp_path: Path) -> None:
    with pytest.raises(BadRowsError) as caught:
        prepare_data(Given(name="x", rows=make_rows(100) + BAD_ROWS, on_bad_rows="error"), 1)
    assert (
        "5 of 106 rows cannot be used (missing text: 1, empty text: 1, missing label: 1, "
        in str(caught.value)
    )
    (tmp_path / "x.csv").write_text("text,label\n" + "a film,good\nanother,bad\n" * 9 + "a,b,c\n")
    with pytest.raises(BadRowsError) as caught:
        table = TableFile(name="x", path=str(tmp_path / "x.csv"), on_bad_rows="error")
        prepare_data(table, 1)
    assert "1 of 19 rows cannot be used (unreadable: 1)" in str(caught.value)
    assert f"is in '{tmp_path}/x.csv', line 20: wrong number of fields" in str(caught.value)
    (tmp_path / "x.csv").write_bytes(b"text,label\ncaf\xe9,good\n")
    with pytest.raises(
        EmptyDataError, match=r"none of its 1 rows .* line 2: bytes that are not in"
    ):
        prepare_data(TableFile(name="x", path=str(tmp_path / "x.csv")), 1)
    clean = make_rows(100) + BAD_ROWS[3:5]  # copies are no fault of the rows
    assert prepare_data(Given(name="x", rows=clean, on_bad_rows="error"), 1).report.duplicates == 2


def test_the_official_test_half_stays_whole() -> None:
    train = [(f"train {n}", "ab"[n % 2], "train") for n in range(60)]
    test = [(f"test {n}", "ab"[n % 2], "test") for n in range(40)]
    shared = [(f"TEST <br /> {n}", "ab"[n % 2], "train") for n in range(10)]
    conflict = [("test 11", "a", "train"), ("test 0", "a", "test")]  # and a copy inside of test
    data = prepare_data(Given(name="x", rows=[*train, *test, *shared, *conflict]), 1)
    assert sorted(data.test["text"]) == sorted(
        text for text, _, half in test + conflict if half == "test"
    )
    seen = set(data.train["text"]) | set(data.validation["text"])
    assert seen == {text for text, _, _ in train}
    assert len(data.validation) == round(0.1 * (60 + 10 + 1))


def test_real_reviews_do_not_leak() -> None:
    data = prepare_data(EmbeddedReviews(name="imdb", source="imdb"), 42)
    assert {n: s["before_duplicates"] for n, s in data.report.splits.items()} == {
        "train": 17_500, "validation": 2_500, "test": 5_000
    }  # fmt: skip
    sides = [
        {clean_text(text).strip().lower() for text in part["text"]}
        for part in (data.train, data.validation, data.test)
    ]
    assert sum(map(len, sides)) == len(set().union(*sides))
    assert data.report.dropped == {"duplicates": 98}
    assert len(data.train) + len(data.validation) + len(data.test) == 24_902


def test_a_limit_takes_a_stratified_sample() -> None:
    rows = [(f"text {n}", "a" if n % 4 else "b") for n in range(400)]
    data = prepare_data(Given(name="x", rows=rows, limit=100), 3)
    everything = pd.concat([data.train, data.validation, data.test])
    assert len(everything) == 100
    assert (everything["label"] == "b").sum() == 25
    assert data.report.rows == 400


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        ([("x", "a")] * 30, TooFewClassesError, r"the data has 1 class \('a'\)"),
        ([(None, "a"), ("", "b")], EmptyDataError, "data=x holds no data: none of its 2 rows is"),
        (make_rows(5), TooFewRowsError, "class 'b' has 2 rows"),
        (
            [("same", "a"), ("same too", "b")] * 20,
            TooFewClassesError,
            "the train split, once copies are dropped, has 0 classes",
        ),
    ],
)
def test_data_that_cannot_be_trained_on(
    rows: list[tuple[str | None, ...]], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        prepare_data(Given(name="x", rows=rows), 1)


def test_fingerprints_tell_data_apart() -> None:
    frame = pd.DataFrame({"text": ["ab", "c"], "label": ["x", "y"], "split": ["train", "test"]})
    same = frame.astype(object)
    moved = frame.assign(text=["a", "bc"])
    relabelled = frame.assign(label=["y", "x"])
    turned = frame.iloc[::-1]
    marks = [fingerprint(f) for f in (frame, same, moved, relabelled, turned, frame.iloc[1:])]
    assert marks[0] == marks[1]
    assert len(set(marks)) == 5
    assert marks[5] == fingerprint(frame.iloc[1:].reset_index(drop=True))
