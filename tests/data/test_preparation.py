from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from given import Given

from sentiment.data.datasets import Dataset, EmbeddedReviews, TableFile
from sentiment.data.preparation import fingerprint, prepare_data
from sentiment.errors import (
    BadRowsError,
    ConfigError,
    EmptyDataError,
    EmptySplitError,
    TooFewClassesError,
    TooFewRowsError,
    UnlearnedClassesError,
)
from sentiment.ngrams.cleaning import clean_text


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
    split_sizes = {name: sum(rows.values()) for name, rows in report.splits.items()}
    assert split_sizes == {"train": 69, "validation": 10, "test": 20}
    assert split_sizes == {name: len(getattr(data, name)) for name in split_sizes}
    assert sum(report.dropped.values()) + sum(split_sizes.values()) == 106


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
    texts = set(data.train["text"]) | set(data.validation["text"])
    assert texts == {text for text, _, _ in train}
    assert len(data.validation) == round(0.1 * 60)


@pytest.mark.slow
def test_real_reviews_do_not_leak() -> None:
    data = prepare_data(EmbeddedReviews(name="imdb", source="imdb"), 42)
    assert {n: sum(rows.values()) for n, rows in data.report.splits.items()} == {
        "train": 17_432, "validation": 2_490, "test": 4_980
    }  # fmt: skip
    keys = [
        {clean_text(text).strip().lower() for text in part["text"]}
        for part in (data.train, data.validation, data.test)
    ]
    assert sum(map(len, keys)) == len(set().union(*keys))
    assert data.report.dropped == {"duplicates": 98}
    assert len(data.train) + len(data.validation) + len(data.test) == 24_902


def test_a_limit_takes_a_stratified_sample() -> None:
    rows = [(f"text {n}", "a" if n % 4 else "b") for n in range(400)] * 3
    data = prepare_data(Given(name="x", rows=rows, limit=100), 3)
    everything = pd.concat([data.train, data.validation, data.test])
    assert len(everything) == 100
    assert (everything["label"] == "b").sum() == 25
    assert (data.report.rows, data.report.dropped) == (1200, {"duplicates": 800})
    assert data.report.not_sampled == 300


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (
            [("x", "a")] * 30,
            TooFewClassesError,
            r"the data has 1 class \('a': 1\); expected two or more\. 29 of 30 rows are left out "
            r"\(29 duplicates\)\.",
        ),
        (
            [(f"text {n}", None if n % 2 else "a") for n in range(600)],
            TooFewClassesError,
            r"the data has 1 class \('a': 300\); .* 300 of 600 rows are left out "
            r"\(300 missing label\)\. Check that",
        ),
        (
            [(None, "a"), ("", "b")],
            EmptyDataError,
            r"data=x holds no data: none of its 2 rows is usable \(1 missing text, 1 empty "
            r"text\)\. Expected at least one row with a text and a label\.",
        ),
        ([], EmptyDataError, r"data=x holds no data: it has no rows\. Expected at least one row"),
        (
            [*make_rows(90), ("r 1", "r"), ("r 2", "r"), ("R  2", "r"), ("q", "q"), (None, "q")],
            TooFewRowsError,
            r"2 of 4 classes are too small \('r': 2, 'q': 1\), but a split into train, validation "
            r"and test needs at least 3 different texts of each class\. 2 of 95 rows are left out",
        ),
        (
            [("same", "a"), ("same", "b")] * 20,
            TooFewClassesError,
            r"has 0 classes; .* 40 of 40 rows are left out \(40 conflicting labels\)",
        ),
        (
            [(f"text {n}", f"id {n}") for n in range(200)],
            TooFewRowsError,
            r"200 of 200 classes are too small .* and 190 more\).* Is the label column the right",
        ),
        (
            [(f"{half} {n}", "ab"[n % 2], half) for n in range(20) for half in ("train", "test")]
            + [("x", "c", "test")],
            UnlearnedClassesError,
            r"1 of 3 classes is not in the training rows, but in other splits \('c': 1\), so no",
        ),
        (
            [(f"text {n}", "ab"[n % 2], half) for n in range(20) for half in ("train", "test")],
            EmptySplitError,
            r"splits train, test, but no train rows are left. 20 of 40 rows are left out \(20 dup",
        ),
        (
            [(f"text {n}", "ab"[n % 2], "test") for n in range(20)],
            EmptySplitError,
            r"splits test, but no train rows are left",
        ),
        (
            [(f"{half} {n}", "ab"[n % 2], half) for n in range(4) for half in ("train", "test")]
            + [("only", "a", "validation")],
            TooFewClassesError,
            r"the validation split has 1 class \('a': 1\)",
        ),
    ],
)
def test_data_that_cannot_be_trained_on(
    rows: list[tuple[str | None, ...]], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        prepare_data(Given(name="x", rows=rows), 1)


@pytest.mark.slow
@pytest.mark.parametrize("rare", [3, 4, 5])
def test_three_different_texts_make_a_class(rare: int) -> None:
    rows = [(f"text {n}", "a") for n in range(600)] + [(f"rare {n}", "b") for n in range(rare)]
    for seed in range(20):
        splits = prepare_data(Given(name="x", rows=rows), seed).report.splits
        assert [splits[name]["b"] for name in splits] == [rare - 2, 1, 1]


def test_a_sample_too_small_for_a_class_says_so() -> None:
    rows = [(f"text {n}", "a" if n % 100 else "b") for n in range(1000)]
    with pytest.raises(TooFewRowsError, match=r"\('b': 1\), .*, or raise data.limit\."):
        prepare_data(Given(name="x", rows=rows, limit=100), 1)


LONG_TAIL = [
    *((f"text {n} of a", "a") for n in range(60)),
    *((f"text {n} of b", "b") for n in range(40)),
    *((f"text {n} of c", "c") for n in range(4)),
    *((f"text {n} of d", "d") for n in range(2)),
    ("text of e", "e"),
]


@pytest.mark.parametrize(
    ("least", "rare"),
    [(None, {"d": 2, "e": 1}), (2, {"d": 2, "e": 1}), (5, {"c": 4, "d": 2, "e": 1})],
)
def test_rare_classes_are_dropped_or_merged(least: int | None, rare: dict[str, int]) -> None:
    settings = {"name": "x", "rows": LONG_TAIL, "min_per_class": least}
    dropped = prepare_data(Given(**settings, rare="drop"), 1)
    assert dropped.report.rare == rare
    assert dropped.report.dropped == {"rare_class": sum(rare.values())}
    assert dropped.classes == [label for label in "abc" if label not in rare]
    merged = prepare_data(Given(**settings, rare="merge", rare_label="rest"), 1)
    assert merged.report.rare == rare
    assert merged.report.dropped == {}
    assert (dropped.report.merged_into, merged.report.merged_into) == ("", "rest")
    assert merged.classes == [*dropped.classes, "rest"]
    parts = pd.concat([merged.train, merged.validation, merged.test])
    labels = dict(zip(parts["text"], parts["label"], strict=True))
    assert labels == {text: "rest" if label in rare else label for text, label in LONG_TAIL}


def test_all_rare_classes_are_named() -> None:
    with pytest.raises(
        TooFewRowsError, match=r"2 of 5 classes are .* \('d': 2, 'e': 1\), but a split"
    ):
        prepare_data(Given(name="x", rows=LONG_TAIL), 1)
    pattern = (
        r"3 of 5 .* \('c': 4, 'd': 2, 'e': 1\), but data.min_per_class needs at least 5 .*"
        r"data.rare=merge, with data.min_per_class=5\)"
    )
    with pytest.raises(TooFewRowsError, match=pattern):
        prepare_data(Given(name="x", rows=LONG_TAIL, min_per_class=5), 1)


def test_a_merged_class_that_is_too_small_itself_is_named() -> None:
    rows = [row for row in LONG_TAIL if row[1] in "abe"]
    pattern = r"1 of 3 classes is .* \('other': 1\).* 'e': 1 is merged into 'other'\."
    with pytest.raises(TooFewRowsError, match=pattern):
        prepare_data(Given(name="x", rows=rows, rare="merge"), 1)


def test_rows_of_an_official_test_half_make_no_class_less_rare() -> None:
    rows = [(text, label, "train") for text, label in LONG_TAIL if label != "e"]
    rows += [(f"{text}, again", label, "test") for text, label in LONG_TAIL]
    data = prepare_data(Given(name="x", rows=rows, rare="drop", min_per_class=4), 1)
    assert data.report.rare == {"d": 2 + 2, "e": 1}
    assert data.report.dropped == {"rare_class": 2 + 2 + 1}
    assert set(data.test["label"]) == set(data.train["label"]) == set("abc")


def test_a_class_of_test_rows_alone_is_merged_into_that_of_rare_training_rows() -> None:
    rows = [(text, label, "train") for text, label in LONG_TAIL if label != "e"]
    rows += [(f"{text}, again", label, "test") for text, label in LONG_TAIL]
    data = prepare_data(Given(name="x", rows=rows, rare="merge", min_per_class=4), 1)
    assert data.report.rare == {"d": 2 + 2, "e": 1}
    assert data.report.splits["test"]["other"] == 2 + 1
    assert "other" in data.classes
    # Without rare training rows, no model can learn what it is.
    pattern = r"1 of 5 classes is not in the training .* \('other': 1\).* 'e': 1 is merged into"
    with pytest.raises(UnlearnedClassesError, match=pattern):
        prepare_data(Given(name="x", rows=rows, rare="merge"), 1)


def test_classes_are_listed_in_the_order_of_their_scale() -> None:
    rows = [(f"text {n}", ("good", "bad", "fair")[n % 3]) for n in range(60)]
    data = prepare_data(Given(name="x", rows=rows, ordered=["bad", "fair", "good"]), 1)
    assert list(data.class_rows.items()) == [("bad", 20), ("fair", 20), ("good", 20)]


def warn(rows: list[tuple[str | None, ...]]) -> dict[str, str]:
    return prepare_data(Given(name="x", rows=rows), 1).report.warnings


def test_labels_that_are_perhaps_one_are_named() -> None:
    assert warn(make_rows(40)) == {}
    names = ["Pos", "pos", "neg", "very  bad", "Very bad", "1", "1.0", "caf\u00e9", "cafe\u0301"]
    [(kind, message)] = warn([(f"text {n}", names[n % 9]) for n in range(90)]).items()
    assert kind == "similar_labels"
    for part in (
        "'1' (10 rows) and '1.0' (10 rows)",
        "'Pos' (10 rows) and 'pos' (10 rows)",
        "'Very bad' (10 rows) and 'very  bad' (10 rows)",
        r"'cafe\u0301' (10 rows) and 'café' (10 rows)",  # these look the same
    ):
        assert part in message
    assert "neg" not in message


def test_labels_that_mark_a_missing_value_are_named() -> None:
    names = ["good", "bad", "NaN", "n/a"]
    [(kind, message)] = warn([(f"text {n}", names[n % 4]) for n in range(80)]).items()
    assert kind == "missing_labels"
    assert "'NaN' (20 rows), 'n/a' (20 rows). Leave the cells empty" in message


def test_labels_that_are_perhaps_several_are_named() -> None:
    names = ["billing", "login", "billing|login", "login | billing", "a|b", "either/or"]
    [(kind, message)] = warn([(f"text {n}", names[n % 6]) for n in range(120)]).items()
    assert kind == "joined_labels"
    assert "with '|' between them, but each is taken as one class: 'billing|login'" in message
    assert "'login | billing' (20 rows)." in message
    assert "a|b" not in message
    for names in (["a,b", "c"], ["a;b", "a", "c"], ["a", "b", "ab"]):
        assert warn([(f"text {n}", names[n % len(names)]) for n in range(120)]) == {}


@pytest.mark.parametrize("separator", [None, ";"])
def test_small_classes_that_are_perhaps_several_labels_name_the_setting(
    tmp_path: Path, separator: str | None
) -> None:
    labels = ["a", "b"] * 20 + ["a|b"]
    frame = pd.DataFrame({"text": [f"text {n}" for n in range(41)], "label": labels})
    frame.to_csv(tmp_path / "data.csv", index=False)
    path = str(tmp_path / "data.csv")
    with pytest.raises(TooFewRowsError) as caught:
        prepare_data(TableFile(name="x", path=path, label_separator=separator), 1)
    remedy = "or set 'data.label_separator=\"|\"' if 'a|b' is several labels."
    assert str(caught.value).endswith(remedy)
    prepare_data(TableFile(name="x", path=path, label_separator="|"), 1)


def test_fingerprints_distinguish_data() -> None:
    frame = pd.DataFrame({"text": ["ab", "c"], "label": ["x", "y"], "split": ["train", "test"]})
    equal = frame.astype(object)
    moved = frame.assign(text=["a", "bc"])
    relabelled = frame.assign(label=["y", "x"])
    reversed_rows = frame.iloc[::-1]
    marks = [
        fingerprint(f) for f in (frame, equal, moved, relabelled, reversed_rows, frame.iloc[1:])
    ]
    assert marks[0] == marks[1]
    assert len(set(marks)) == 5
    assert marks[5] == fingerprint(frame.iloc[1:].reset_index(drop=True))


@pytest.mark.parametrize(("limit", "expected"), [
    (None, None),
    (100, "some classes have no row in a split: the sample of data.limit has none of "
     "'r0' and 'r1'"),
])  # fmt: skip
def test_classes_that_a_sample_loses_are_named(limit: int | None, expected: str | None) -> None:
    labels = ["a"] * 2000 + ["b"] * 2000 + ["r0", "r1"] * 3
    rows = [(f"text {n}", label) for n, label in enumerate(labels)]
    report = prepare_data(Given(name="x", rows=rows, limit=limit), 1).report
    assert report.warnings.get("absent_classes") == expected


def test_classes_that_an_official_split_lacks_are_named() -> None:
    rows = [(f"text {n}", "abc"[n % 3], "train") for n in range(30)]
    rows += [(f"other {n}", "ab"[n % 2], "test") for n in range(10)]
    report = prepare_data(Given(name="x", rows=rows), 1).report
    assert report.warnings["absent_classes"] == (
        "some classes have no row in a split: test has none of 'c'"
    )


def test_the_log_lists_the_rows_of_a_few_classes(caplog: pytest.LogCaptureFixture) -> None:
    rows = [(f"text {n}", f"class {n % 300:03}") for n in range(1200)]
    caplog.set_level("INFO", "sentiment")
    data = prepare_data(Given(name="given", rows=rows), seed=1)
    line = next(message for message in caplog.messages if message.startswith("data: "))
    assert len(line) < 3_000
    assert "'...': '280 more'" in line
    assert len(data.report.to_dict()["labels"]) == len(data.report.splits["train"]) == 300


def test_a_column_that_a_data_set_lacks_is_reported_with_the_nearest_name() -> None:
    rows = [(*row, "train") for row in make_rows(100)]
    with pytest.raises(ConfigError, match=r"it has 'split'\. Did you mean 'split'\?"):
        prepare_data(Given(name="x", rows=rows, extra_columns=["spilt"]), 1)


@dataclass(frozen=True, kw_only=True)
class Own(Dataset):
    """A data set that a user may write, whose frame has any columns."""

    columns: dict[str, Any]
    index: Any = None

    def read(self) -> pd.DataFrame:
        return pd.DataFrame(self.columns, index=self.index)


TEXTS = [text for text, _ in make_rows(60)]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([0, 1] * 30, ["0", "1"]),
        (np.tile([1.0, 2.5], 30), ["1", "2.5"]),
        ([True, False] * 30, ["False", "True"]),
        (pd.Categorical(["a", "b"] * 30), ["a", "b"]),
        (np.array(["a", "b"] * 30, dtype=object), ["a", "b"]),
    ],
    ids=["int", "float", "bool", "category", "object"],
)
def test_labels_of_own_data_sets_become_strings(labels: Any, classes: list[str]) -> None:
    data = prepare_data(Own(name="x", columns={"text": TEXTS, "label": labels}), 1)
    assert data.classes == classes
    assert data.rows == 60


def test_own_data_sets_may_leave_labels_out_and_have_any_index() -> None:
    labels = [None, *[0, 1] * 29, 1]  # pandas makes floats of these
    dataset = Own(name="x", columns={"text": TEXTS, "label": labels}, index=[7] * 60)
    data = prepare_data(dataset, 1)
    assert data.class_rows == {"0": 29, "1": 30}
    assert data.report.missing_label == 1


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            {"text": range(60), "label": ["a", "b"] * 30},
            "data: Own.read returned a int in the column 'text'; expected strings.",
        ),
        (
            {"text": [text.encode() for text in TEXTS], "label": ["a", "b"] * 30},
            "data: Own.read returned a bytes in the column 'text'; expected strings.",
        ),
        (
            {"text": TEXTS, "label": [["a"], ["b"]] * 30},
            "data: Own.read returned a list in the column 'label'; expected strings or numbers.",
        ),
        (
            {"text": TEXTS, "label": pd.to_datetime(["2020-01-01", "2020-01-02"] * 30)},
            "data: Own.read returned a Timestamp in the column 'label'; expected strings or ",
        ),
    ],
)
def test_other_values_of_own_data_sets_are_refused(columns: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare_data(Own(name="x", columns=columns), 1)
    assert said in str(caught.value)


def test_columns_of_the_same_name_are_refused() -> None:
    class Twice(Own):
        def read(self) -> pd.DataFrame:
            return pd.concat([super().read()] * 2, axis=1)

    with pytest.raises(ConfigError, match=r"expected a DataFrame with text and label, each once\."):
        prepare_data(Twice(name="x", columns={"text": TEXTS, "label": ["a", "b"] * 30}), 1)
