import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import write_frame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sentiment.data import tables
from sentiment.errors import ConfigError, EmptyDataError, InputNotFoundError, UnreadableFileError

CELLS = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=12
) | st.sampled_from(["007", "NA", "null", "1e5", "", '"', "a,b", "two\nlines", " padded "])
FRAMES = st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=12)


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(rows=FRAMES, size=st.integers(1, 5))
def test_what_pandas_wrote_is_read(
    tmp_path: Path, kind: str, rows: list[tuple[str, str]], size: int
) -> None:
    frame = pd.DataFrame(rows, columns=["id", "text"], dtype="str")
    path = tmp_path / f"table.{kind}"
    write_frame(frame, path)
    chunks = list(tables.read_chunks(path, size, "input"))
    assert [len(chunk) for chunk in chunks[:-1]] == [size] * (len(chunks) - 1)
    read = pd.concat(chunks, ignore_index=True)
    assert read.astype(object).to_numpy().tolist() == frame.to_numpy().tolist()
    path.unlink()


def test_cells_of_a_csv_stay_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('id,n,text\n007,1.50,NA\n,1e3,"two\nlines"\n', encoding="utf-8-sig")
    assert tables.read_table(path, "input").to_dict(orient="list") == {
        "id": ["007", ""],
        "n": ["1.50", "1e3"],
        "text": ["NA", "two\nlines"],
    }


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    source = pa.table(
        {"id": [1, None], "when": pa.array([0, 1], pa.timestamp("ms")), "t": ["a", None]}
    )
    pq.write_table(source, tmp_path / "x.parquet")
    read = pa.Table.from_pandas(tables.read_table(tmp_path / "x.parquet", "input"))
    assert read.cast(source.schema).equals(source)


def test_json_lines_keep_their_types(tmp_path: Path) -> None:
    records = [{"id": 2**60 + 1, "text": "é", "tags": ["a"], "x": None}, {"id": 0.5, "text": "b"}]
    path = tmp_path / "x.jsonl"
    path.write_text("\n\n".join(json.dumps(r) for r in records) + "\n", encoding="utf-8")
    read = tables.read_table(path, "input")
    assert read.iloc[0].to_dict() == records[0]
    assert read.iloc[1][["id", "text"]].to_dict() == records[1]


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("x.csv", b"", EmptyDataError, "the file is empty"),
        ("x.csv", b"text,label\n", EmptyDataError, "it has no rows"),
        ("x.csv", b"a,b\n1,2\n1,2,3\n", UnreadableFileError, "Expected 2 columns, got 3"),
        ("x.csv", b"\x89PNG\r\n\x1a\n\x00\xff\xfe,\n1,2,3\n", UnreadableFileError, "as CSV"),
        ("x.csv", b"text\ncaf\xe9\n", UnreadableFileError, "invalid UTF8"),
        ("x.parquet", b"text,label\na,b\n", UnreadableFileError, "as Parquet"),
        ("x.jsonl", b'{"text": "a"}\n{"text": ', UnreadableFileError, "as JSON lines"),
        ("x.jsonl", b"[1, 2]\n", UnreadableFileError, "line 1 is not an object but '[1, 2]'"),
        ("x.jsonl", b'{"a": 1}\n' + b"[" * 100_000, UnreadableFileError, "line 2 is not JSON"),
        ("x.jsonl", b'{"a": ' + b"9" * 5000 + b"}", UnreadableFileError, "line 1 is not JSON"),
        ("x.csv", b"text,text\na,b\n", UnreadableFileError, "it has two columns 'text'"),
        ("x.jsonl", b"\xff\xfe{}", UnreadableFileError, "as JSON lines"),
        ("x.txt", b"text\n", ConfigError, "whose ending '.txt' names no known format"),
    ],
)
def test_files_that_are_not_what_they_seem(
    tmp_path: Path, name: str, content: bytes, error: type[Exception], message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(error, match=message.replace("[", r"\[").replace(".", r"\.")):
        tables.read_table(path, "input")


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(InputNotFoundError, match="but it is a folder; expected a CSV file"):
        tables.read_table(tmp_path / "x.csv", "input")


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["id", "review"], "review"),
        (["Review", "TEXT "], "TEXT "),
        (["comment", "label"], "comment"),
        (["id", "label"], None),
    ],
)
def test_the_text_column_is_found_by_its_name(columns: list[str], expected: str | None) -> None:
    assert tables.find_text_column(columns) == expected
