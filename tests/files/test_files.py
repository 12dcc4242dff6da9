"""Files that are read in batches, compared with their known content."""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sentiment.errors import ConfigError, UnreadableFileError
from sentiment.files import streams
from sentiment.files.batches import Batch, Limits, Position, Reject
from sentiment.files.dialects import ReadOptions
from sentiment.files.opening import open_input
from sentiment.files.prefetching import prefetch
from sentiment.files.text_folder import TextFolder

FIELDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8) | (
    st.sampled_from(['"', '""', "a,b", "two\nlines", "two\r\nlines", "\r", " ", ""])
)
ROWS = st.lists(st.tuples(FIELDS, FIELDS, FIELDS), min_size=1, max_size=10)


def read_all(
    path: Path, size: int = streams.BLOCK, *, encoding: str | None = None, sep: str | None = None,
    limits: Limits | None = None, start: Position | None = None,
) -> list[Batch]:  # fmt: skip
    source = open_input(path, ReadOptions(encoding=encoding, sep=sep))
    if not hasattr(source, "source"):
        return list(source.read("text", limits or Limits(), start or Position()))
    complete = source.source.read
    source.source.read = lambda offset=0: complete(offset, size)
    return list(source.read("text", limits or Limits(), start or Position()))


def texts_of(batches: list[Batch]) -> list[str]:
    return [text for batch in batches for text in batch.texts.to_pylist()]


def write_csv(rows: list[tuple[str, ...]], separator: str, newline: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator=newline)
    writer.writerows([("id", "text", "more"), *rows])
    return text.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("separator", list(",;\t|"))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
@given(
    rows=ROWS,
    newline=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"]),
    size=st.integers(1, 40),
)
@example(rows=[("1", "a\r", "b")], newline="\r\n", encoding="utf-8", size=1)
def test_files_written_by_python_are_read(
    tmp_path: Path,
    separator: str,
    rows: list[tuple[str, ...]],
    newline: str,
    encoding: str,
    size: int,
) -> None:
    """Whatever the size of the blocks, and from the end of every batch on."""
    if newline == "\n":  # Python does not quote the other half of the end of a line then
        rows = [tuple(field.replace("\r", "-") for field in row) for row in rows]
    path = tmp_path / "x.csv"
    path.write_bytes(write_csv(rows, separator, newline).encode(encoding))
    encoding_setting = encoding if encoding == "utf-16-le" else None
    batches = read_all(path, size, encoding=encoding_setting, sep=separator)
    assert texts_of(batches) == [row[1] for row in rows]
    assert [batch.rejects for batch in batches] == [[]] * len(batches)
    table = pa.concat_tables([batch.make_table() for batch in batches])
    assert [tuple(row.values()) for row in table.to_pylist()] == rows
    for number, batch in enumerate(batches, start=1):
        rest = read_all(path, size, encoding=encoding_setting, sep=separator, start=batch.end)
        assert texts_of(rest) == texts_of(batches[number:])
        assert not rest or rest[-1].end == batches[-1].end


@pytest.mark.slow
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None
)
@given(content=st.text('ab",\n\r;', max_size=40).map(lambda text: f"id,text\n1,x\n{text}"))
def test_every_byte_of_a_damaged_file_is_in_a_row_or_a_rejected_one(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content.encode())
    complete = read_all(path, sep=",")
    raw_rows = []
    for batch in complete:
        assert batch.raw is not None
        raw_rows += [batch.raw.data[a:b].tobytes().decode() for a, b in batch.raw.bounds]
    raw_rows += [reject.raw for batch in complete for reject in batch.rejects]
    # Quotes out of place are doubled.
    plain = str.maketrans("", "", '\r\n"')
    body = content.removeprefix("id,text\n")
    assert sorted("".join(raw_rows).translate(plain)) == sorted(body.translate(plain))
    rows = sum(batch.read for batch in complete)
    assert complete[-1].end.row == rows
    assert all(1 <= r.row <= rows for batch in complete for r in batch.rejects)
    for size in (1, 3):
        assert texts_of(read_all(path, size, sep=",")) == texts_of(complete)


def test_a_separator_is_found(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    for separator in ",;\t|":
        path.write_text(write_csv([("1", "a, b; c", "d")] * 9, separator, "\n"))
        assert texts_of(read_all(path)) == ["a, b; c"] * 9
    path.write_text("text\nplain\n")
    assert texts_of(read_all(path)) == ["plain"]


@pytest.mark.slow
def test_an_unclosed_quote_costs_at_most_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('id,text\n1,"a ""good"" one"\n2,"open\n3,"fine, too"\n4,"two\nlines"\n5,"end')
    batches = read_all(path)
    assert texts_of(batches) == ['a "good" one', '"open', "fine, too", "two\nlines"]
    assert sum(batch.repaired for batch in batches) == 1
    rejects = [rejected for batch in batches for rejected in batch.rejects]
    assert [(r.row, r.line, r.raw) for r in rejects] == [(5, 7, '5,"end')]


def test_a_very_long_quoted_field_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sentiment.files.lines.LONGEST", 200)
    path = tmp_path / "x.csv"
    path.write_text('id,text\n1,"open\n' + "2,fine\n" * 100)
    batches = read_all(path, 50)
    assert texts_of(batches) == ['"open', *["fine"] * 100]
    path.write_text('id,text\n1,"open, and more\n' + "2,fine\n" * 100)
    batches = read_all(path, 50)
    assert texts_of(batches) == ["fine"] * 100
    assert [r.reason for b in batches for r in b.rejects] == ["a quote that is not closed"]


@pytest.mark.parametrize("size", [50, 2**22])
def test_a_row_that_is_too_long_is_one_rejected_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr("sentiment.files.lines.LONGEST", 200)
    monkeypatch.setattr("sentiment.files.lines.EXCERPT", 7)
    path, reason = tmp_path / "x.csv", "row too long: 1,002 bytes, at most 200"
    path.write_bytes(b"id,text\r\n1,a\r\n2," + "\u00e9".encode() * 500 + b"\r\n3,b\r\n")
    batches = read_all(path, size)
    assert texts_of(batches) == ["a", "b"]
    assert [r for b in batches for r in b.rejects] == [Reject(2, 3, reason, "2,\u00e9\u00e9...")]
    path.write_bytes(b"id,text\n1," + b"x" * 1000)
    (only,) = read_all(path, size)
    assert only.rejects == [Reject(1, 2, reason, "1,xxxxx...")]
    path.write_bytes(b"id," + b"x" * 1000 + b"\n1,a\n")
    with pytest.raises(UnreadableFileError, match="its first line has more than 200 bytes"):
        read_all(path, size)
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"text": "' + b"x" * 990 + b'"}\n{"text": "a"}\n\n{"text": "b"}')
    batches = read_all(path, size)
    assert texts_of(batches) == ["a", "b"]
    assert [r for b in batches for r in b.rejects] == [Reject(1, 1, reason, '{"text"...')]
    assert batches[-1].end.row == 3
    path.write_bytes(b'{"text": "' + b"x" * 990 + b'"}')
    with pytest.raises(UnreadableFileError, match="a line has more than 200 bytes"):
        read_all(path, size)


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_compressed_files_are_read_from_anywhere(tmp_path: Path, ending: str) -> None:
    content = "id,text\n" + "".join(f"{n},number {n}\n" for n in range(500))
    path = tmp_path / f"x.csv{ending}"
    if ending == ".gz":  # of two members, as from cat
        path.write_bytes(
            gzip.compress(content[:999].encode()) + gzip.compress(content[999:].encode())
        )
    else:
        path.write_bytes(pa.compress(content.encode(), codec="zstd", asbytes=True))
    batches = read_all(path, 1000)
    assert texts_of(batches) == [f"number {n}" for n in range(500)]
    rest = read_all(path, 1000, start=batches[2].end)
    assert texts_of(rest) == texts_of(batches[3:])


def test_json_lines_are_read_from_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    rows = [{"text": f"é {n}\n", "n": n} for n in range(50)]
    path.write_text("\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    batches = read_all(path, 64)
    assert texts_of(batches) == [row["text"] for row in rows]
    assert sum(batch.blank_lines for batch in batches) == 49
    for number in (0, 3):
        rest = read_all(path, 64, start=batches[number].end)
        assert texts_of(rest) == texts_of(batches[number + 1 :])


def test_parquet_is_read_from_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    texts = [f"text {n}" if n % 7 else None for n in range(100)]
    dictionary = pa.array(texts).dictionary_encode()
    pq.write_table(pa.table({"text": dictionary, "n": range(100)}), path, row_group_size=30)
    batches = read_all(path)
    assert texts_of(batches) == [text for text in texts if text]
    assert [r.row for b in batches for r in b.rejects] == list(range(1, 100, 7))
    rest = read_all(path, start=batches[0].end)
    assert texts_of(rest) == texts_of(batches[1:])


def test_numbers_are_texts_and_lists_are_not(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    values = [7, 7.0, True, "\ud800", ["a"], {"b": 1}]
    path.write_text("".join(json.dumps({"text": value}) + "\n" for value in values))
    (batch,) = read_all(path)
    assert batch.texts.to_pylist() == ["7", "7", "True"]
    assert [r.reason for r in batch.rejects] == [
        "half a surrogate pair, which is not a character",
        *["the text is not a string"] * 2,
    ]


def test_invalid_settings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("text\na\n")
    with pytest.raises(ConfigError, match="encoding is 'latin-99', which is not known"):
        open_input(path, ReadOptions(encoding="latin-99"))
    for options, message in {
        ReadOptions(sep=""): "sep is ''; expected 1 to 8 characters",
        ReadOptions(sep='"'): "sep is '\"'; expected 1 to 8 characters",
        ReadOptions(quote="ab"): "quote is 'ab'; expected one ASCII character",
        ReadOptions(escape="n"): "escape is 'n'; expected one ASCII character",
        ReadOptions(sep="'", quote="'"): "sep, quote and escape must differ",
        ReadOptions(header=0): "header is 0; expected true, false or the number of the line",
    }.items():
        with pytest.raises(ConfigError, match=message):
            open_input(path, options)
    path.write_bytes("text,id\na,1\n".encode("utf-16-le"))
    with pytest.raises(UnreadableFileError, match="Set encoding=utf-16-le if it is UTF-16"):
        open_input(path)
    path.write_bytes("täxt,id\na,1\n".encode("latin-1"))
    with pytest.raises(UnreadableFileError, match="such as encoding=latin-1"):
        open_input(path)
    assert open_input(path, ReadOptions(encoding="latin-1")).columns == ["täxt", "id"]


def test_prefetching_keeps_order_and_raises_errors() -> None:
    assert list(prefetch(range(100))) == list(range(100))

    def fail():  # type: ignore[no-untyped-def]
        yield 1
        raise ZeroDivisionError

    ahead = prefetch(fail())
    assert next(ahead) == 1
    with pytest.raises(ZeroDivisionError):
        next(ahead)
    endless = prefetch(iter(int, 1))
    next(endless)
    endless.close()


def test_prefetched_generators_are_closed_with_the_reader() -> None:
    closed = []

    def count() -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            closed.append(True)

    ahead = prefetch(count())
    assert next(ahead) == 0
    ahead.close()
    assert closed == [True]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "csv.gz"])
def test_a_file_that_changes_while_it_is_read_is_warned_of_once(
    tmp_path: Path, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    path, link = tmp_path / f"x.{ending}", tmp_path / f"link.{ending}"
    row = b'{"text": "fine"}\n' if ending == "jsonl" else b"fine\n"
    pack = gzip.compress if ending.endswith("gz") else bytes
    path.write_bytes(pack(b"text\n" * (ending != "jsonl") + 100 * row))
    link.symlink_to(path)
    for changes in (False, True):
        batches = open_input(link).read("text", Limits(), Position())
        read = next(batches).read
        if changes:
            with path.open("ab") as file:
                file.write(pack(row))
        assert read + sum(batch.read for batch in batches) >= 100
        warnings_logged = [
            line for line in caplog.messages if "was changed while it was read" in line
        ]
        assert len(warnings_logged) == changes


def test_a_parquet_file_that_is_replaced_while_it_is_read_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, other = tmp_path / "x.parquet", tmp_path / "y.parquet"
    pq.write_table(pa.table({"text": ["fine"] * 100}), path, row_group_size=10)
    pq.write_table(pa.table({"text": ["good"] * 110}), other, row_group_size=10)
    for changes in (False, True):
        batches = open_input(path).read("text", Limits(), Position())
        read = next(batches).read
        if changes:
            other.replace(path)
        assert read + sum(batch.read for batch in batches) == 100
        warnings_logged = [
            line for line in caplog.messages if "was changed while it was read" in line
        ]
        assert len(warnings_logged) == changes


@pytest.mark.parametrize("change", ["more", "less", "longer"])
def test_a_folder_that_changes_while_it_is_read_is_warned_of(
    tmp_path: Path, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    for k in range(2_100):
        (tmp_path / f"{k:04}.txt").write_text("fine")
    batches = TextFolder(tmp_path).read("text", Limits(), Position())
    assert next(batches).read == 2_000
    match change:
        case "more":
            (tmp_path / "9999.txt").write_text("fine")
        case "less":
            (tmp_path / "0000.txt").unlink()
        case "longer":
            (tmp_path / "2050.txt").write_text("not fine")
    assert sum(batch.read for batch in batches) == 100
    assert "was changed while it was read" in caplog.text
    caplog.clear()
    assert sum(b.read for b in TextFolder(tmp_path).read("text", Limits(), Position())) > 2_000
    assert not caplog.messages
