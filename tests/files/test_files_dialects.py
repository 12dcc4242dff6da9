"""Dialects of delimited files, detected and set."""

import csv
import io
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sentiment.files.batches import Batch, Limits, Position, Reject
from sentiment.files.dialects import Dialect, ReadOptions
from sentiment.files.opening import open_input
from sentiment.files.repairs import repair_line
from sentiment.files.streams import ByteSource

FIELDS = st.text("ab ,;|\\\"'\t:-\u00e9", max_size=8) | st.sampled_from(
    ["two\nlines", "two\r\nlines", "it's", '5"', "\\", '\\"', "a, b", "||", "|", " "]
)
ROWS = st.lists(st.tuples(FIELDS, FIELDS, FIELDS), min_size=1, max_size=8)
HEADER = ("id", "text", "more")
QUIET = [HealthCheck.function_scoped_fixture]


def read(path: Path, options: ReadOptions | None = None, size: int = 2**22) -> list[Batch]:
    original_read = ByteSource.read
    with patch.object(
        ByteSource, "read", lambda self, offset=0, _=0: original_read(self, offset, size)
    ):
        source = open_input(path, options)
        column = "text" if "text" in source.columns else source.columns[-1]
        return list(source.read(column, Limits(), Position()))


def rows_of(batches: list[Batch]) -> list[tuple[str, ...]]:
    tables = [batch.make_table().to_pylist() for batch in batches if len(batch.texts)]
    return [tuple(row.values()) for table in tables for row in table]


def rejects_of(batches: list[Batch]) -> list[Reject]:
    return [item for batch in batches for item in batch.rejects]


@pytest.mark.slow
@settings(suppress_health_check=QUIET, max_examples=300, deadline=None)
@given(
    rows=ROWS,
    separator=st.sampled_from([",", ";", "\t", "|", " ", ":"]),
    quote=st.sampled_from(['"', "'", "%", None]),
    escape=st.sampled_from([None, "\\", "^"]),
    doubled=st.booleans(),
    everything=st.booleans(),
    newline=st.sampled_from(["\n", "\r\n"]),
    size=st.integers(1, 40),
)
@example(
    rows=[("1", "C:\\films\\", '\\"')], separator=",", quote='"', escape="\\", doubled=False,
    everything=True, newline="\n", size=1,
)  # fmt: skip
def test_files_of_any_dialect_of_python_are_read(
    tmp_path: Path, rows: list[tuple[str, ...]], separator: str, quote: str | None,
    escape: str | None, doubled: bool, everything: bool, newline: str, size: int,
) -> None:  # fmt: skip
    """Whatever the size of the blocks."""
    if escape is None and (quote is None or not doubled):
        escape = "\\"
    if newline == "\n":  # Python does not quote the other half of the end of a line then
        rows = [tuple(field.replace("\r", "-") for field in row) for row in rows]
    text = io.StringIO()
    quoting = csv.QUOTE_NONE if quote is None else csv.QUOTE_ALL if everything else None
    writer = csv.writer(
        text, delimiter=separator, quotechar=quote or "\0", escapechar=escape, doublequote=doubled,
        lineterminator=newline, quoting=csv.QUOTE_MINIMAL if quoting is None else quoting,
    )  # fmt: skip
    writer.writerows([HEADER, *rows])
    path = tmp_path / "x.csv"
    path.write_bytes(text.getvalue().encode())
    options = ReadOptions(sep=separator, quote=quote or "none", escape=escape, header=True)
    batches = read(path, options, size)
    assert rows_of(batches) == rows
    assert rejects_of(batches) == []


@pytest.mark.slow
@settings(suppress_health_check=QUIET, max_examples=150, deadline=None)
@given(
    rows=ROWS,
    separator=st.sampled_from([", ", "::", "||", " | ", "\u00a6", "\t\t"]),
    size=st.integers(1, 40),
)
@example(rows=[("two\nlines", "two\nlines", "")], separator=", ", size=1)
def test_separators_of_several_characters(
    tmp_path: Path, rows: list[tuple[str, ...]], separator: str, size: int
) -> None:
    dialect = Dialect(separator)
    lines = [separator.join(map(dialect.write, row)) for row in [HEADER, *rows]]
    path = tmp_path / "x.csv"
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode())
    batches = read(path, ReadOptions(sep=separator, quote='"', header=True), size)
    assert rows_of(batches) == rows
    assert rejects_of(batches) == []


TABLE = [
    ("1", "It's good, really", "yes"),
    ("2", "Isn't it 'the' best; or not", "no"),
    ("3", "A | B, say", "yes"),
    ("4", "Plain and long enough", "no"),
]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", ", ", "; ", "::", "||", "\t\t"])
@pytest.mark.parametrize("quote", ['"', "'"])
def test_a_dialect_is_detected(tmp_path: Path, separator: str, quote: str) -> None:
    dialect, path = Dialect(separator, quote), tmp_path / "x.csv"
    for header in (("id", "text", "more"), ("Nr", "Bewertung", "gut")):
        path.write_text(
            "".join(
                separator.join(f"{quote}{item.replace(quote, quote * 2)}{quote}" for item in row)
                + "\n"
                for row in [header, *TABLE]
            )
        )
        source = open_input(path)
        assert (source.dialect, source.columns) == (dialect, list(header))  # type: ignore[attr-defined]
        assert rows_of(read(path)) == TABLE
        certain = dialect.is_standard
        assert bool(source.assumed) != certain


def test_apostrophes_are_not_quotes(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    texts = ["'tis the season", "the '90s", "rock 'n' roll", "'quoted'", "dogs'"]
    path.write_text("text,n\n" + "".join(f"{text},{n}\n" for n, text in enumerate(texts)))
    assert [row[0] for row in rows_of(read(path))] == texts


LAYOUTS = {
    # Content -> columns, rows, rejected rows, what is assumed.
    "names": ("Nr,Text\n1,a\n2,b\n", ["Nr", "Text"], 2, 0, ""),
    "no names, numbers": (
        "1,fine film\n2,bad film\n3,so so\n4,good\n", ["column_1", "column_2"], 4, 0,
        "no line of column names, since column 1 is a number in the first line as in the others",
    ),
    "no names, labels": (
        "fine film,good\nbad film,bad\nso so,bad\nnice,good\ngreat,good\n",
        ["column_1", "column_2"], 5, 0, "no line of column names, since 'good' is in column 2",
    ),
    "no names, a long text": (
        "good,This is a text that is far too long for a name of a column of a table\nbad,b\n",
        ["column_1", "column_2"], 2, 0, "column 2 of the first line is a text",
    ),
    "names that are years": (
        "text,2019,2020\na,1,2\nb,3,4\nc,5,6\n", ["text", "2019", "2020"], 3, 0, "",
    ),
    "numbered columns": ("0,1\ngood,1\nbad,0\nfine,1\n", ["0", "1"], 3, 0, ""),
    "a line that names the separator": (
        "sep=;\r\nid;text\r\n1;a\r\n", ["id", "text"], 1, 0, "its first line names the separator",
    ),
    "lines above the names": (
        "Export of May\n\nNr,Bewertung\n1,a\n2,b\n3,c\n", ["Nr", "Bewertung"], 3, 1,
        "the column names are in line 3, below lines that are not rows",
    ),
    "sparse lines above the names": (
        "Export,,\n,,\nid,text,n\n1,a,2\n2,b,3\n", ["id", "text", "n"], 2, 2, "are in line 3",
    ),
    "names twice": ("id,text\nid,text\n1,a\n2,b\nid,text\n3,c\n", ["id", "text"], 3, 2, ""),
    "an empty name too many": (
        "id,,review\n1,a\n2,b\n3,c\n", ["id", "review"], 3, 0, "without empty ones",
    ),
    "names with another separator": (
        "id;review\n1,a\n2,b\n3,c\n", ["id", "review"], 3, 0, "with the separator ';'",
    ),
    "a stray quote in the names": (
        '"id,review\n1,a\n2,"b"\n3,c\n', ["id", "review"], 3, 0, "without a stray quote",
    ),
    "a name too few": (
        "idreview\n1,a b\n2,b a\n3,c c\n4,d\n", ["column_1", "column_2"], 4, 1,
        "line 1 above the rows does not have their 2 fields",
    ),
    "one column": ("text\na, b\nc\n", ["text"], 1, 1, ""),
    "one column without commas": ("Bewertung\na b\nc\n", ["Bewertung"], 2, 0, ""),
    "a comma in each text between semicolons": (
        "id;text;label\n" + '1;"one; two, three";a\n' * 40, ["id", "text", "label"], 40, 0, "",
    ),
    "decimal commas": ("name;price\n" + "a;1,5\nb;2,75\n" * 20, ["name", "price"], 40, 0, ""),
    "semicolons in a few texts without quotes": (
        "text;label\n" + "fine;b\n" * 30 + "so;so;c\n" * 9, ["text", "label"], 30, 9,
        "78 % of the first rows have 2 fields; a text that holds the separator needs quotes",
    ),
    "rows that do not fit": ("id,text\n1,a,b\n2,b,c\n", ["id", "text"], 0, 2, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_detected(tmp_path: Path, name: str) -> None:
    content, columns, rows, rejected, assumed = LAYOUTS[name]
    path = tmp_path / "x.csv"
    path.write_bytes(content.encode())
    source = open_input(path)
    batches = read(path)
    assert source.columns == columns
    assert (len(rows_of(batches)), len(rejects_of(batches))) == (rows, rejected)
    assert assumed in " ".join(source.assumed)
    assert bool(source.assumed) == bool(assumed)
    positions = [batch.end for batch in batches]
    assert positions[-1].row == rows + rejected
    assert positions[-1].offset == len(content)


def test_the_line_of_names_can_be_set(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\nx,y\n3,4\n")
    for header, columns, rows, rejected in (
        (True, ["a", "b"], 3, 0),
        (False, ["column_1", "column_2"], 4, 0),
        (3, ["x", "y"], 1, 2),
    ):
        options = ReadOptions(header=header)
        assert open_input(path, options).columns == columns
        batches = read(path, options)
        assert (len(rows_of(batches)), len(rejects_of(batches))) == (rows, rejected)
    assert [item.line for item in rejects_of(read(path, ReadOptions(header=3)))] == [1, 2]


@pytest.mark.parametrize(
    ("line", "columns", "fields"),
    [
        (b'1,"open,x', 3, [b"1", b'"open', b"x"]),
        (b'1,"say "hi", now",x', 3, [b"1", b'say "hi", now', b"x"]),
        (b'1,""quoted, too",x', 3, [b"1", b'"quoted, too', b"x"]),
        (b'1,"48"","a, b"', 3, [b"1", b'48"', b"a, b"]),
        (b'1,"open, and more', 3, None),  # the comma may belong to the text
        (b'1,"open,x,y', 3, None),
        (b'",","', 2, None),  # two ways
    ],
)
def test_misplaced_quotes(line: bytes, columns: int, fields: list[bytes] | None) -> None:
    assert repair_line(line, Dialect(), columns) == fields


def test_words_stand_for_separators() -> None:
    for word, separator in {"\\t": "\t", "tab": "\t", "space": " ", ", ": ", "}.items():
        assert ReadOptions(sep=word).parse().sep == separator
    assert ReadOptions(quote="none").parse().quote == ""
