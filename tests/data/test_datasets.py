import gzip
import json
import os
import sqlite3
from pathlib import Path
from threading import Thread

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sentiment.data.copies import add_keys
from sentiment.data.datasets import AclImdb, EmbeddedReviews, TableFile
from sentiment.data.preparation import prepare_data
from sentiment.data.quality import check_quality, find_unusable
from sentiment.errors import (
    ConfigError,
    EmptyDataError,
    InputNotFoundError,
    MissingColumnError,
    SentimentError,
    UnreadableFileError,
)
from sentiment.files.opening import list_inputs


@pytest.mark.parametrize(("source", "per_class"), [("imdb", 12_500), ("rotten_tomatoes", 4_265)])
def test_embedded_reviews_are_the_real_ones(source: str, per_class: int) -> None:
    frame = EmbeddedReviews(name=source, source=source).read()
    assert frame["label"].value_counts().to_dict() == {"negative": per_class, "positive": per_class}
    assert frame["text"].notna().all()
    if source == "imdb":
        assert frame["text"].str.contains("<br />", regex=False).sum() > 10_000


def test_embedded_reviews_know_their_sources() -> None:
    with pytest.raises(ConfigError, match=r"data.source is 'imbd'; expected one of imdb, rotten"):
        EmbeddedReviews(name="x", source="imbd").read()


def write_table(path: Path, frame: pd.DataFrame) -> Path:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        path.write_text("".join(json.dumps(r) + "\n" for r in frame.to_dict(orient="records")))
    return path


CELLS = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=12
) | st.sampled_from(["007", "NA", "null", "1e5", "", '"', "a,b", "two\nlines", " padded "])


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl"])
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=12))
def test_what_pandas_wrote_is_read(
    tmp_path: Path, ending: str, rows: list[tuple[str, str]]
) -> None:
    frame = pd.DataFrame(rows, columns=["label", "text"], dtype="str")
    path = write_table(tmp_path / f"x{ending}", frame)
    read = TableFile(name="x", path=str(path)).read().astype(object)
    assert "fault" not in read
    read_rows = read.where(read.notna(), None)[["label", "text"]].to_numpy().tolist()
    assert read_rows == [[label.strip() or None, text or None] for label, text in rows]


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl"])
@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["a", "b", "c"], ["a", "b", "c"]),
        ([0, 1, 10], ["0", "1", "10"]),
        ([" pad", "pad ", "x"], ["pad", "pad", "x"]),
    ],
)
def test_table_files_give_text_and_label(
    tmp_path: Path, ending: str, labels: list[object], expected: list[str]
) -> None:
    frame = pd.DataFrame({"stars": labels, "body": ["one", "NA", "three"], "other": [1, 2, 3]})
    path = write_table(tmp_path / f"x{ending}", frame)
    read = TableFile(name="x", path=str(path), text_column="body", label_column="stars").read()
    assert read.to_dict(orient="list") == {"text": ["one", "NA", "three"], "label": expected}
    assert (read.dtypes == "str").all()


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl"])
def test_empty_cells_are_missing_and_whole_numbers_stay_whole(tmp_path: Path, ending: str) -> None:
    frame = pd.DataFrame({"text": ["one", None, ""], "label": [1.0, 2.0, None]})
    if ending == ".jsonl":
        frame = frame.astype(object).where(frame.notna(), None)
    path = write_table(tmp_path / f"x{ending}", frame)
    if ending == ".csv":
        path.write_text("text,label\none,1\n,2\n,  \n")
    read = TableFile(name="x", path=str(path)).read()
    # A row without a text is of no use, whatever its label, and comes behind the others.
    assert sorted(read["text"].dropna()) == ["one"]
    assert read["text"].isna().sum() == 2
    assert read.loc[read["text"] == "one", "label"].tolist() == ["1"]
    assert set(read["label"].dropna()) <= {"1", "2"}
    assert find_unusable(add_keys(read)).tolist() == ["", "missing_text", "missing_text"]


def test_labels_are_missing_where_there_is_only_white_space(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('text,label\none,1\ntwo,"  "\nthree,\n')
    assert TableFile(name="x", path=str(path)).read()["label"].isna().tolist() == [
        False,
        True,
        True,
    ]


def test_rows_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(
        b'label,text\n0,good\n1,too,many\n1,"a stray" quote, and\n0,caf\xe9\n\n1,bad\n0,"no end'
    )
    frame = add_keys(TableFile(name="x", path=str(path)).read())
    assert frame["text"].dropna().tolist() == ["good", "bad"]
    unusable = find_unusable(frame)
    assert sorted(unusable) == [""] * 2 + ["unreadable"] * 4
    report = check_quality(frame, unusable)
    assert (report.rows, report.unreadable, report.missing_text) == (6, 4, 0)
    assert report.warnings == {
        "unreadable": f"4 of 6 rows cannot be read; the first: {report.faults[0]}"
    }
    assert report.faults == [
        f"'{path}', line 3: wrong number of fields: 3, expected 2",
        f"'{path}', line 4: a quote in the middle of a quoted field",
        f"'{path}', line 5: bytes that are not in the encoding of the file",
        f"'{path}', line 8: a quote that is not closed",
    ]


def test_whatever_predict_reads_can_be_trained_on(tmp_path: Path) -> None:
    """A compressed file of another encoding and separator; a folder, a pattern, a database."""
    frame = pd.DataFrame({"text": ["très bon", "a; b", "pas mal"], "label": ["1", "0", "1"]})
    expected = frame.to_dict(orient="list")

    def read(path: object, **settings: str) -> dict[str, list[str]]:
        return TableFile(name="x", path=str(path), **settings).read().to_dict(orient="list")

    packed = tmp_path / "x.csv.gz"
    packed.write_bytes(gzip.compress(frame.to_csv(sep=";", index=False).encode("latin-1")))
    assert read(packed, encoding="latin-1") == read(packed, encoding="latin-1", sep=";") == expected
    folder = tmp_path / "many"
    folder.mkdir()
    write_table(folder / "1.csv", frame.head(1))
    write_table(folder / "2.jsonl", frame.tail(2))
    assert read(folder) == read(folder / "[12].*") == expected
    address = f"sqlite:///{tmp_path}/x.db"
    with sqlite3.connect(tmp_path / "x.db") as database:
        frame.to_sql("reviews", database, index=False)
        frame.head(1).to_sql("others", database, index=False)
    database.close()
    assert read(address, table="reviews") == expected
    assert read(address, query="SELECT text, label FROM reviews") == expected
    with pytest.raises(EmptyDataError, match="x.db' holds no data: it has no rows"):
        read(address, query="SELECT text, label FROM reviews WHERE label = '7'")


def test_json_lines_may_be_called_json(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["a", "b"], "label": ["x", "y"]})
    path = tmp_path / "x.json"
    frame.to_json(path, orient="records", lines=True)
    assert TableFile(name="x", path=str(path)).read().to_dict(orient="list") == frame.to_dict(
        "list"
    )
    assert list_inputs(str(tmp_path / "*.json"))[0] == [path]
    (tmp_path / "y.csv").write_text("text,label\na,x\n")
    assert list_inputs(str(tmp_path))[0] == [tmp_path / "y.csv"], "reports are called so, too"
    for indent in (None, 2):
        frame.to_json(path, orient="records", indent=indent)
        with pytest.raises(UnreadableFileError, match="it is an array; expected an object"):
            TableFile(name="x", path=str(path)).read()


@pytest.mark.parametrize("name", ["x", "x.csv", "x.whatever"])
@pytest.mark.parametrize("kind", ["csv", "csv.gz", "jsonl"])
def test_a_named_pipe_is_read(tmp_path: Path, name: str, kind: str) -> None:
    """The shell makes one for ``data.path=<(zcat x.csv.gz)``, without an ending."""
    frame = pd.DataFrame({"text": [f"text {n}" for n in range(5000)], "label": ["x", "y"] * 2500})
    if kind == "jsonl":
        data = frame.to_json(orient="records", lines=True).encode()
    else:
        data = frame.to_csv(index=False).encode()
        data = gzip.compress(data) if kind == "csv.gz" else data
    path = tmp_path / name
    os.mkfifo(path)
    writer = Thread(target=path.write_bytes, args=[data])
    writer.start()
    read = TableFile(name="x", path=str(path)).read()
    writer.join()
    assert read.to_dict(orient="list") == frame.to_dict(orient="list")


def test_settings_are_named_as_training_has_them(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"caf\xe9,label\na,b\n")
    for wrong, message in (
        ({}, r"name its encoding, such as data\.encoding=latin-1"),
        ({"encoding": "klingon"}, r"data\.encoding is 'klingon'; expected utf-8, "),
        ({"sep": 'a"'}, r"data\.sep is 'a\"'; expected 1 to 8 characters"),
        ({"table": "x"}, r"data\.table and data\.query are for databases, and data\.path is '/"),
    ):
        with pytest.raises(SentimentError, match=message):
            TableFile(name="x", path=str(path), **wrong).read()
    for address, message in (
        ("sqlite:///nope.db", r"data\.path is 'nope\.db', but there is no such file"),
        ("no://where", r"data\.path is not an address of a database"),
    ):
        with pytest.raises(SentimentError, match=message):
            TableFile(name="x", path=address).read()


def test_half_a_surrogate_pair_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"text": "good", "label": 1}\n{"text": "bad \\ud800 thing", "label": 1}\n')
    read = TableFile(name="x", path=str(path)).read()
    assert read["text"].dropna().tolist() == ["good"]
    [fault] = read["fault"].dropna()
    assert fault.startswith(f"'{path}', line 2: half a surrogate pair")


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_a_label_that_is_a_list_says_so(tmp_path: Path, ending: str) -> None:
    frame = pd.DataFrame({"text": ["a", "b", "c"], "label": [["x", "y"], ["z"], None]})
    path = write_table(tmp_path / f"x{ending}", frame)
    read = add_keys(TableFile(name="x", path=str(path)).read())
    unusable = find_unusable(read)
    assert unusable.tolist() == ["unreadable", "unreadable", "missing_label"]
    quoted = {".jsonl": '["x", "y"]', ".parquet": "['x', 'y']"}[ending]
    fault = (
        f"'{path}': the label is {quoted}; expected a text or a number. Does a row have several "
        "labels? Set 'data.label_separator=\";\"'"
    )
    assert check_quality(read, unusable).faults[0] == fault
    with pytest.raises(EmptyDataError) as caught:
        prepare_data(TableFile(name="x", path=str(path)), 1)
    assert f"(2 unreadable, 1 missing label; the first: {fault})" in str(caught.value)


def test_a_missing_column_is_named_with_its_neighbors(tmp_path: Path) -> None:
    path = write_table(tmp_path / "x.csv", pd.DataFrame({"review": ["a"], "label": ["b"]}))
    with pytest.raises(MissingColumnError) as caught:
        TableFile(name="x", path=str(path), text_column="Reviews").read()
    assert str(caught.value) == (
        f"'{path}' has no column 'Reviews'; its columns are 'review' and 'label'. Did you mean "
        "'review'? Name the column with data.text_column=<name>."
    )
    with pytest.raises(MissingColumnError) as caught:
        TableFile(name="x", path=str(path), label_column="y", extra_columns=["price", "day"]).read()
    assert "no columns 'text', 'y', 'price' and 'day'" in str(caught.value)
    assert str(caught.value).endswith(
        "Name the columns with data.text_column=<name>, data.label_column=<name> and "
        "data.extra_columns=[<name>]."
    )


def write_tree(root: Path, halves: dict[str, dict[str, list[str]]]) -> Path:
    for half, folders in halves.items():
        for folder, texts in folders.items():
            (root / half / folder).mkdir(parents=True)
            for number, text in enumerate(texts):
                (root / half / folder / f"{number}_9.txt").write_text(text, encoding="utf-8")
    return root


def test_the_original_tree_keeps_its_halves(tmp_path: Path) -> None:
    root = write_tree(
        tmp_path / "aclImdb",
        {
            "train": {"pos": ["bon, très"], "neg": ["bad"], "unsup": ["whatever"]},
            "test": {"pos": ["good"], "neg": ["awful"]},
        },
    )
    assert AclImdb(name="aclimdb", path=str(root)).read().to_numpy().tolist() == [
        ["bad", "negative", "train"],
        ["bon, très", "positive", "train"],
        ["awful", "negative", "test"],
        ["good", "positive", "test"],
    ]


def test_a_folder_that_is_not_the_tree(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match="expected the folder aclImdb with train/"):
        AclImdb(name="x", path=str(tmp_path / "nope")).read()
    (tmp_path / "train").mkdir()
    with pytest.raises(InputNotFoundError, match=r"/test', but there is no such"):
        AclImdb(name="x", path=str(tmp_path)).read()
    (tmp_path / "test").mkdir()
    with pytest.raises(EmptyDataError, match="no files like train/pos/0_9.txt are in it"):
        AclImdb(name="x", path=str(tmp_path)).read()


def test_all_wrong_settings_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        TableFile(name="x", path="y", limit=0, on_bad_rows="keep", test_size=1.5)
    assert str(caught.value) == (
        "3 problems in the configuration:\n"
        "  - data.limit is 0; expected a whole number above 0, or null.\n"
        "  - data.on_bad_rows is 'keep'; expected one of drop, error.\n"
        "  - data.test_size is 1.5; expected a share between 0 and 1."
    )
    with pytest.raises(ConfigError, match="is 1.2; expected less than 1, so that rows are left"):
        TableFile(name="x", path="y", validation_size=0.6, test_size=0.6)
