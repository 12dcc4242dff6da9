"""Rows do not depend on the blocks in which a file is read, nor on where reading resumes."""

import gzip
import random
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sentiment.files import delimited, lines
from sentiment.files.batches import Batch, Limits, Position
from sentiment.files.dialects import ReadOptions
from sentiment.files.opening import open_input
from sentiment.files.streams import ByteSource

WHOLE = 2**22
PIECES = st.sampled_from(
    [b"a", b"b" * 9, "\u00e9".encode(), "\U0001f600".encode(), b"\xff", b"\xed\xa0\x80", b"\0"]
    + [b'"', b'""', b",", b"\t", b" ", b"\n", b"\r", b"\r\n", b"\xef\xbb\xbf", b'\n1,"x', b'"\r\n']
)
OBJECTS = st.sampled_from(
    [b'{"text": "a"}', b'{"text": "\xc3\xa9", "n": [1]}', b'{"text": "\\ud83d"}', b'{"text"']
    + [b'{"text": "\\ud83d\\ude00"}', b'{"text": "\xff"}', b"[1]", b" ", b"\r", b"7", b"{}"]
    + [b'{"text": "a", "late": 1}', b'{"text": "%s"}' % (b"long " * 9), b"\xef\xbb\xbf{}"]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\r"])
COMPRESS = {
    "": lambda data: data,
    ".gz": lambda data: gzip.compress(data[:50]) + gzip.compress(data[50:]),
    ".zst": lambda data: pa.compress(data, codec="zstd", asbytes=True),
}


def read_rows(
    path: Path, size: int, start: Position | None = None, encoding: str | None = None
) -> list[Batch]:
    """Return the batches of a file that is opened and read in blocks of `size` bytes."""
    read = ByteSource.read

    def read_some(self: ByteSource, offset: int = 0, _: int = 0) -> Iterator[bytes]:
        return read(self, offset, size)

    with patch.object(ByteSource, "read", read_some):
        source = open_input(path, ReadOptions(encoding=encoding, sep=","))
        return list(source.read("text", Limits(max_chars=30), start or Position()))


def describe(batches: list[Batch]) -> tuple[object, ...]:
    """Return all that is known of the rows in `batches`."""
    assert all(batch.raw is not None or not len(batch.texts) for batch in batches)
    return (
        [text for batch in batches for text in batch.texts.to_pylist()],
        [
            batch.raw.data[a:b].tobytes()
            for batch in batches
            if batch.raw is not None
            for a, b in batch.raw.bounds
        ],
        [reject for batch in batches for reject in batch.rejects],
        [row for batch in batches if len(batch.texts) for row in batch.make_table().to_pylist()],
        sum(batch.blank_lines for batch in batches),
        batches[-1].end if batches else None,
    )


def check_blocks(path: Path, sizes: list[int], encoding: str | None = None) -> None:
    expected = describe(read_rows(path, WHOLE, encoding=encoding))
    for size in sizes:
        batches = read_rows(path, size, encoding=encoding)
        assert describe(batches) == expected
        if batches:
            number = random.Random(size).randrange(len(batches))
            rest = read_rows(path, WHOLE, batches[number].end, encoding)
            assert describe(rest)[:5] == describe(batches[number + 1 :])[:5]


SIZES = st.lists(st.integers(1, 60), min_size=1, max_size=2)
FUZZ = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("header", "ending"),
    [
        (b"id,text\n", ""),
        (b"text\r", ""),
        (b"\xef\xbb\xbfid,text\r\n", ".gz"),
        (b"\n,text\n", ".zst"),
    ],
)
@FUZZ
@given(pieces=st.lists(PIECES, min_size=1, max_size=25), sizes=SIZES, longest=st.integers(12, 60))
@example(pieces=[b'1,"a"b', b"\r\n", b"2,c\r\n"], sizes=[4, 16], longest=60)
@example(pieces=[b"2,", b"b" * 60, b"\r\n", b"3,c"], sizes=[1, 13], longest=12)
@example(pieces=[b'2,"', b"b" * 60, b'"\r\n', b"3,c"], sizes=[1, 13], longest=12)
@example(pieces=[b'2,"b\n', b"b" * 60, b'"\r\n', b"3,c"], sizes=[1, 13], longest=12)
@example(pieces=[b"2," + b"b" * 10 + b"\r\n3,c"], sizes=[1, 13], longest=12)
def test_separated_values(
    tmp_path: Path, ending: str, header: bytes, pieces: list[bytes], sizes: list[int], longest: int
) -> None:
    path = tmp_path / f"x.csv{ending}"
    path.write_bytes(COMPRESS[ending](header + b"1,x\n" + b"".join(pieces)))
    few = patch.object(delimited, "_MOST_ROWS", sizes[0] % 4 + 1)
    with patch.multiple(lines, LONGEST=longest, EXCERPT=9), few:
        check_blocks(path, sizes)


@pytest.mark.parametrize("ending", ["", ".gz"])
@FUZZ
@given(
    objects=st.lists(st.tuples(OBJECTS, ENDS), max_size=12),
    sizes=SIZES,
    longest=st.integers(30, 70),
)
def test_json_lines(
    tmp_path: Path, ending: str, objects: list[tuple[bytes, bytes]], sizes: list[int], longest: int
) -> None:
    path = tmp_path / f"x.jsonl{ending}"
    content = b'{"text": "first"}\n' + b"".join(line + end for line, end in objects)
    path.write_bytes(COMPRESS[ending](content))
    with patch.multiple(lines, LONGEST=longest, EXCERPT=9):
        check_blocks(path, sizes)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-be", "shift_jis", "gb18030"])
@FUZZ
@given(data=st.binary(max_size=40), sizes=SIZES)
def test_other_encodings(tmp_path: Path, encoding: str, data: bytes, sizes: list[int]) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes("id,text\n1,x\n".encode(encoding) + data)
    check_blocks(path, sizes, encoding)
