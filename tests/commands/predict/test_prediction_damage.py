"""Damaged files of many kinds: each ends in one message or in every row accounted for."""

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from sentiment.commands.predict.job import predict
from sentiment.commands.train.job import TrainingResult
from sentiment.config import compose
from sentiment.errors import SentimentError

GOOD = b"id,text\n1,good film\n2,bad film\n"
LINES = b'{"text": "good"}\n{"text": "bad"}\n'


def parquet(**columns: object) -> bytes:
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(pa.table(columns), sink)
    return bytes(sink.getvalue())


def not_utf8(*values: str | bytes) -> pa.StringArray:
    """Return strings as a program writes them that does not look at what they are."""
    data = pa.array([v if isinstance(v, bytes) else v.encode() for v in values], pa.binary())
    return pa.StringArray.from_buffers(len(data), data.buffers()[1], data.buffers()[2])


def damage_group(number: int) -> bytes:
    """Return a file of three groups of three rows; the texts of one cannot be read."""
    sink = pa.BufferOutputStream()
    table = pa.table({"id": range(9), "text": [f"film {n}" for n in range(9)]})
    pa.parquet.write_table(table, sink, row_group_size=3)
    data = bytearray(sink.getvalue())
    column = pa.parquet.ParquetFile(pa.py_buffer(bytes(data))).metadata.row_group(number).column(1)
    data[column.dictionary_page_offset : column.dictionary_page_offset + 20] = bytes(20)
    return bytes(data)


TABLE = parquet(id=[1, 2], text=["good", "bad"])

# Name -> ending, content, settings; and rows read, written, or the message that is expected.
Damage = tuple[str, bytes, list[str], tuple[int, int] | str]
FILES: dict[str, Damage] = {
    # CSV: quotes
    "open quote at the end": (".csv", GOOD + b'3,"open', [], (3, 2)),
    "open quote in the middle": (".csv", GOOD + b'3,"open\n4,fine\n5,"x"\n', [], (5, 5)),
    "open quote and a comma": (".csv", GOOD + b'3,"open, and\n4,fine\n', [], (4, 3)),
    "open quote in each row": (".csv", b'id,text\n1,"a\n2,"b\n3,"c\n', [], (3, 3)),
    "stray quote": (".csv", GOOD + b'3,"say "hi" now"\n', [], (3, 3)),
    "stray quotes in lines of a text": (".csv", GOOD + b'3,"say "hi"\nand go"\n', [], (4, 2)),
    "quote in a plain field": (".csv", GOOD + b'3,a 5" disk\n', [], (3, 3)),
    "text behind a quote": (".csv", GOOD + b'3,"a"b\n', [], (3, 3)),
    "space before a quote": (".csv", GOOD + b'3, "a"\n', [], (3, 3)),
    "only quotes": (".csv", GOOD + b'"""""",""""\n', [], (3, 3)),
    "quoted newlines": (".csv", GOOD + b'3,"a\n\n\r\nb"\n', [], (3, 3)),
    "half a doubled quote": (".csv", GOOD + b'3,"a""\n', [], (3, 3)),
    "a separator missing before a quote": (".csv", b'n,a,text\n1,2"x, y"\n2,b,c\n', [], (2, 1)),
    # CSV: fields
    "a field too many": (".csv", GOOD + b"3,a,b\n", [], (3, 2)),
    "a field too few": (".csv", GOOD + b"3\n", [], (3, 2)),
    "all rows too long": (
        ".csv", b"id,text\n1,a,b\n2,c,d\n", ["sep=','"], "all 2 rows of .* set sep or quote",
    ),
    "separator at the end": (".csv", GOOD + b"3,a,\n", [], (3, 2)),
    "blank lines": (".csv", GOOD + b"\n\n3,a\n\n", [], (3, 3)),
    "blank lines first": (".csv", b"\n\r\n" + GOOD, [], (2, 2)),
    "blank lines of one column": (".csv", b"text\na\n\nb\n", [], (3, 3)),
    "no newline at the end": (".csv", GOOD[:-1], [], (2, 2)),
    "only commas": (".csv", GOOD + b",\n,,,\n", [], (4, 3)),
    "lone carriage returns": (".csv", GOOD.replace(b"\n", b"\r"), [], (2, 2)),
    "mixed line ends": (".csv", b"id,text\r\n1,a\n2,b\r3,c\r\n", [], (3, 3)),
    "carriage return twice": (".csv", b"id,text\r\r\n1,a\r\r\n", [], (1, 1)),
    "html": (".csv", b"<html>\n<body>text</body></html>\n", [], "no column that is known"),
    "a mail": (".csv", b"From: a\nTo: b\n\ntext\n", [], "no column that is known"),
    "a column twice": (".csv", b"text,text\na,b\n", [], "two columns 'text'. Rename one"),
    "a column without a name": (".csv", b",text\n1,a\n", [], (1, 1)),
    "no header": (".csv", b"1,good film\n2,bad film\n", [], "no column that is known"),
    "no header, seen": (
        ".csv", b"1,a film\n2,bad\n3,c\n4,d\n", [], "'column_1' and 'column_2'.*header=true",
    ),
    "no header, named": (
        ".csv", b"1,a film\n2,bad\n3,c\n4,d\n", ["text_column=column_2"], (4, 4),
    ),
    "only a header": (".csv", b"id,text\n", [], "it has no rows"),
    "a header and blank lines": (".csv", b"id,text\n\n\n", [], "it has no rows"),
    "an open header": (".csv", b'id,"text\n1,a\n', [], (1, 1)),
    "an open header, nothing below": (".csv", b'id,"text\n', [], "its first line has"),
    "empty": (".csv", b"", [], "the file is empty"),
    "only newlines": (".csv", b"\n\n\n", [], "the file is empty"),
    "only a mark": (".csv", b"\xef\xbb\xbf", [], "the file is empty"),
    "an output of predict": (".csv", b"text,prediction\na,b\n", [], "already has a column"),
    # CSV: bytes
    "latin-1": (".csv", GOOD + b"3,caf\xe9\n", [], (3, 2)),
    "latin-1, said": (".csv", GOOD + b"3,caf\xe9\n", ["encoding=latin-1"], (3, 3)),
    "bad bytes in another column": (".csv", GOOD + b"\xff,fine\n", [], (3, 2)),
    "half a character at the end": (".csv", GOOD + b"3,caf\xc3", [], (3, 2)),
    "surrogates in utf-8": (".csv", GOOD + b"3,\xed\xa0\x80\n", [], (3, 2)),
    "overlong slash": (".csv", GOOD + b"3,\xc0\xaf\n", [], (3, 2)),
    "utf-16 with a mark": (".csv", GOOD.decode().encode("utf-16"), [], (2, 2)),
    "utf-16 without": (".csv", GOOD.decode().encode("utf-16-le"), [], "encoding=utf-16"),
    "utf-16 cut in half": (
        ".csv", GOOD.decode().encode("utf-16")[:-1], [], (2, 1),
    ),
    "half a pair in utf-16": (
        ".csv", "id,text\n1,a\n2,\ud800b\n".encode("utf-16", "surrogatepass"), [], (2, 1),
    ),
    "utf-8 said to be utf-16": (".csv", GOOD, ["encoding=utf-16"], "line is not utf-16-le"),
    "ascii that is none": (".csv", GOOD + b"3,\xe9\n", ["encoding=ascii"], (3, 2)),
    "an unknown encoding": (".csv", GOOD, ["encoding=klingon"], "expected utf-8, utf-16"),
    "zero bytes in a text": (".csv", GOOD + b"3,a\0b\n", [], (3, 3)),
    "zero bytes first": (".csv", b"\0\0\0\0" + GOOD, [], "zero bytes"),
    "utf-16 without a mark, big end first": (
        ".csv", GOOD.decode().encode("utf-16-be"), [], "Set encoding=utf-16-be if",
    ),
    "utf-16 without a mark, little end first": (
        ".csv", GOOD.decode().encode("utf-16-le"), [], "Set encoding=utf-16-le if",
    ),
    "a picture": (".csv", b"\x89PNG\r\n\x1a\n\x00\xff\xfe,\n1,2,3\n", [], "cannot be read as CSV"),
    "control characters": (".csv", GOOD + b"3,\x01\x02\x1b[31m\n", [], (3, 3)),
    "a wrong separator": (".csv", GOOD, ["sep=';'"], "no column that is known"),
    "a separator of two": (".csv", GOOD.replace(b",", b";;"), ["sep=';;'"], (2, 2)),
    "a separator with a quote": (".csv", GOOD, ["sep='\"'"], "expected 1 to 8 characters"),
    "a separator line": (".csv", b"sep=;\r\n" + GOOD.replace(b",", b";"), [], (2, 2)),
    "a separator line alone": (".csv", b"sep=;\r\n", [], "holds no data"),
    "lines above the names": (".csv", b"A report\n\n" + GOOD, [], (3, 2)),
    "names again": (".csv", GOOD + b"id,text\n3,c\n", [], (4, 3)),
    "another table": (".csv", GOOD + b"\na,b,c\n1,2,3\n", [], (4, 2)),
    # CSV: sizes
    "a long text": (".csv", GOOD + b"3," + b"x" * 200 + b"\n", ["deploy.max_chars=100"], (3, 2)),
    "long in bytes only": (
        ".csv", GOOD + b"3," + "\u00e9".encode() * 80 + b"\n", ["deploy.max_chars=100"], (3, 3),
    ),
    "empty texts": (".csv", GOOD + b"3,\n4, \t\n", ["deploy.empty=reject"], (4, 2)),
    # compression
    "gz that is none": (".csv.gz", GOOD, [], "as a gzip file"),
    "gz cut off": (".csv.gz", gzip.compress(GOOD * 500)[:-9], [], "as a gzip file"),
    "gz with a wrong sum": (
        ".csv.gz", gzip.compress(GOOD)[:-8] + bytes(8), [], "as a gzip file",
    ),
    "zst that is none": (".csv.zst", GOOD, [], "as a zstd file"),
    "a zip file": (".zip", b"PK\3\4", [], "names no known format"),
    # JSON lines
    "a broken line": (".jsonl", LINES + b'{"text": \n', [], (3, 2)),
    "a line of another kind": (".jsonl", LINES + b"[1]\n7\nnull\n", [], (5, 2)),
    "deep nesting": (".jsonl", LINES + b"[" * 100_000 + b"\n", [], (3, 2)),
    "a huge number": (".jsonl", LINES + b'{"text": ' + b"9" * 5000 + b"}\n", [], (3, 2)),
    "no text": (".jsonl", LINES + b'{"text": null}\n{"a": 1}\n{}\n', [], (5, 2)),
    "bad bytes": (".jsonl", LINES + b'{"text": "\xff"}\n', [], (3, 2)),
    "two objects": (".jsonl", LINES + b'{"text": "a"} {"text": "b"}\n', [], (3, 2)),
    "an answered row": (".jsonl", b'{"text": "a", "prediction": 1}\n', [], "already has a"),
    "an answered row, late": (
        ".jsonl", LINES * 600 + b'{"text": "a", "prediction": 1}\n', [], (1201, 1200),
    ),
    "a whole array": (".jsonl", b'[{"text": "a"}]\n', [], "it is an array"),
    "half a surrogate pair": (
        ".jsonl", LINES + b'{"text": "\\ud83d"}\n{"text": "a", "n": {"\\ude00": 1}}\n', [], (4, 2),
    ),
    "half a surrogate pair, as CSV": (
        ".jsonl", LINES + b'{"text": "\\ud83d"}\n{"text": "\\ud83d\\ude00"}\n',
        ["deploy.format=csv"], (4, 3),
    ),
    "half a surrogate pair, as Parquet": (
        ".jsonl", LINES + b'{"text": "a", "n": ["\\ud83d"]}\n', ["deploy.format=parquet"], (3, 2),
    ),
    "half a surrogate pair in the first name": (
        ".jsonl", b'{"\\ud83d": 1, "text": "a"}\n' + LINES, ["deploy.format=csv"], (3, 2),
    ),
    "nested a little less than too deeply": (
        ".jsonl", LINES + b'{"text": "a", "n": ' + b"[" * 199 + b"]" * 199 + b"}\n",
        ["deploy.format=csv"], (3, 3),
    ),
    "nested too deeply": (
        ".jsonl", LINES + b'{"text": "a", "n": ' + b"[" * 200 + b"]" * 200 + b"}\n",
        ["deploy.format=csv"], (3, 2),
    ),
    "infinite numbers": (
        ".jsonl", LINES + b'{"text": 1e999}\n{"text": NaN}\n', ["deploy.format=parquet"], (4, 3),
    ),
    "bytes as UTF-16": (".jsonl", LINES + '{"text": "a"}'.encode("utf-16-le") + b"\n", [], (3, 2)),
    "a mark in the middle": (".jsonl", LINES + b"\xef\xbb\xbf" + LINES, [], (4, 3)),
    "nothing but spaces": (".jsonl", b"  \n \n", [], "the file is empty"),
    # Parquet
    "parquet cut off": (".parquet", TABLE[:-20], [], "cannot be read as Parquet"),
    "parquet that is none": (".parquet", GOOD, [], "cannot be read as Parquet"),
    "parquet, damaged inside": (
        ".parquet", TABLE[:4] + bytes(60) + TABLE[64:], [], "cannot be read as Parquet",
    ),
    "parquet without rows": (".parquet", parquet(text=pa.array([], pa.string())), [], "no rows"),
    "parquet of lists": (".parquet", parquet(text=[["a"], None]), [], "all 2 rows .*text_column"),
    "parquet of bytes": (".parquet", parquet(text=[b"good", b"\xff"]), [], (2, 1)),
    "parquet, one group of three damaged": (".parquet", damage_group(2), [], (9, 6)),
    "parquet, its first group damaged, as CSV": (
        ".parquet", damage_group(0), ["deploy.format=csv"], (9, 6),
    ),
    "parquet with texts that are not UTF-8": (
        ".parquet", parquet(text=not_utf8("good", b"\xff", "bad")), [], (3, 2),
    ),
    "parquet with others that are not UTF-8": (
        ".parquet", parquet(text=list("abc"), n=not_utf8("a", "b", b"\xff")),
        ["deploy.format=jsonl"], (3, 2),
    ),
    "parquet with lists that are not UTF-8": (
        ".parquet",
        parquet(text=["a", "b"], n=pa.ListArray.from_arrays([0, 1, 2], not_utf8("a", b"\xff"))),
        ["deploy.format=csv"], (2, 1),
    ),
    "parquet with categories that are not UTF-8": (
        ".parquet", parquet(text=["a", "b"], n=not_utf8("a", b"\xff").dictionary_encode()),
        ["deploy.format=jsonl"], (2, 1),
    ),
    "parquet with late dates, as JSON": (
        ".parquet", parquet(text=["a", "b"], n=pa.array([2**62, 0], pa.timestamp("us"))),
        ["deploy.format=jsonl"], (2, 2),
    ),
    "parquet with late dates in lists, as CSV": (
        ".parquet", parquet(text=["a", "b"], n=pa.array([[2**30], [0]], pa.list_(pa.date32()))),
        ["deploy.format=csv"], (2, 2),
    ),
    "parquet with a late date in a rejected row": (
        ".parquet", parquet(text=["a", None], n=pa.array([0, 2**62], pa.timestamp("us"))),
        [], (2, 1),
    ),
    "parquet with an unknown time zone": (
        ".parquet", parquet(text=["a"], n=pa.array([0], pa.timestamp("us", "Mars/Olympus"))),
        ["deploy.format=csv"], (1, 1),
    ),
    "parquet with bytes, as CSV": (
        ".parquet", parquet(text=["a", "b"], n=[b"\xff", b"b"]), ["deploy.format=csv"], (2, 2),
    ),
    "parquet of numbers": (".parquet", parquet(text=[1.5, None]), [], (2, 1)),
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    from sentiment.commands.train.job import train
    from sentiment.config import Job

    folder = tmp_path_factory.mktemp("model")
    quick = ["tracking=off", "features=tfidf_unigram", "data.limit=300"]
    trained: TrainingResult = train(compose("train", quick), Job(folder=folder))
    return trained.model


def test_there_are_enough() -> None:
    assert len(FILES) >= 60


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_accounted_for(model: str, tmp_path: Path, name: str) -> None:
    ending, content, settings, expected = FILES[name]
    path = tmp_path / f"x{ending}"
    path.write_bytes(content)
    run: Callable[[], object] = lambda: predict(  # noqa: E731
        compose("predict", [f"input='{path}'", f"deploy.run='{model}'", "tracking=off", *settings])
    )
    if isinstance(expected, str):
        with pytest.raises(SentimentError, match=expected):
            run()
        assert [p.name for p in tmp_path.iterdir()] == [path.name]
        return
    result = run()
    tally = result.tally  # type: ignore[attr-defined]
    assert (tally.read, tally.written) == expected
    assert tally.read == tally.written + tally.rejected
    output: Path = result.output  # type: ignore[attr-defined]
    assert count_rows(output) == tally.written
    rejected = output.with_name(f"{output.name}.rejected.csv")
    assert rejected.exists() == (tally.rejected > 0)
    if tally.rejected:
        table = pd.read_csv(rejected, keep_default_na=False)
        assert list(table) == ["row", "line", "reason", "raw"]
        assert len(table) == tally.rejected
        assert table["row"].is_monotonic_increasing
        assert table["row"].is_unique
        assert (table["reason"] != "").all()


def count_rows(path: Path) -> int:
    """Return the rows of an output by another reader than that of the project."""
    if path.suffix == ".parquet":
        return pa.parquet.ParquetFile(path).metadata.num_rows
    if path.suffix == ".jsonl":
        return sum("prediction" in json.loads(line) for line in path.read_text().splitlines())
    with path.open(newline="", encoding="utf-8") as lines:
        return sum(map(bool, csv.reader(lines))) - 1
