"""Which format an input has, and which one its output."""

from collections.abc import Sequence
from pathlib import Path

from sentiment.errors import ConfigError, InputNotFoundError
from sentiment.files.delimited import DelimitedFile
from sentiment.files.json_lines import JsonLinesFile
from sentiment.files.outputs import (
    Output,
    RawDelimited,
    RawJsonLines,
    TableCsv,
    TableJsonLines,
    TableParquet,
)
from sentiment.files.parquet import ParquetFile
from sentiment.files.streams import COMPRESSIONS, ByteSource

FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
ENDINGS = {"csv": ".csv", "parquet": ".parquet", "jsonl": ".jsonl"}
_NAMES = {"csv": "CSV", "parquet": "Parquet", "jsonl": "JSON lines"}

Input = DelimitedFile | JsonLinesFile | ParquetFile


def find_format(path: Path, setting: str) -> str:
    """Return ``"csv"``, ``"parquet"`` or ``"jsonl"`` by the ending of `path`.

    Raises
    ------
    ConfigError
        The ending is not known.
    """
    ending = strip_compression(path).suffix
    try:
        return FORMATS[ending.lower()]
    except KeyError:
        raise ConfigError(
            [
                f"{setting} is '{path}', whose ending {ending!r} names no known format; expected "
                f"one of {', '.join(FORMATS)}, maybe with {' or '.join(COMPRESSIONS)} behind it."
            ]
        ) from None


def strip_compression(path: Path) -> Path:
    """Return `path` without an ending that says how it is compressed."""
    return path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path


def open_input(path: Path, encoding: str | None, separator: str | None) -> Input:
    """Return the input at `path`; see the class of its format for what may be wrong with it.

    Raises
    ------
    InputNotFoundError
        There is no such file.
    ConfigError
        Its ending, the encoding or the separator is not known.
    """
    kind = find_format(path, "input")
    if not path.is_file():
        raise InputNotFoundError(path, "input", f"a {_NAMES[kind]} file")
    if separator is not None and (len(separator.encode()) != 1 or separator in '"\r\n'):
        raise ConfigError(
            [f"sep is {separator!r}; expected one character such as sep=';', or sep=\"\\t\"."]
        )
    if kind == "parquet":
        return ParquetFile(path)
    source = ByteSource(path, encoding)
    return DelimitedFile(source, separator) if kind == "csv" else JsonLinesFile(source)


def make_output(source: Input, kind: str, labels: Sequence[str]) -> Output:
    """Return how rows of `source` are written as `kind`, copied where both are the same."""
    if isinstance(source, DelimitedFile) and kind == "csv":
        return RawDelimited(source, labels)
    if isinstance(source, JsonLinesFile) and kind == "jsonl":
        return RawJsonLines(labels)
    match kind:
        case "csv":
            return TableCsv(labels)
        case "jsonl":
            return TableJsonLines(labels)
        case _:
            return TableParquet(labels)
