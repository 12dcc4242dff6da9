"""Which format an input has, and which one its output."""

import glob
from collections.abc import Sequence
from pathlib import Path

from sentiment.errors import ConfigError, EmptyDataError, InputNotFoundError
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


def list_inputs(named: str) -> tuple[list[Path], Path | None]:
    """Return the files that `named` stands for, and the folder that holds them if it is of many.

    Parameters
    ----------
    named : str
        A file, a folder, of which all files of a known format are meant, or a pattern such as
        ``reviews/*.csv``.

    Raises
    ------
    EmptyDataError
        A folder or a pattern stands for no file.
    """
    path = Path(named).expanduser()
    if path.is_dir():
        found = [one for one in path.iterdir() if strip_compression(one).suffix.lower() in FORMATS]
        folder, reason = path, "no file in it has a known format"
    elif glob.has_magic(named) and not path.exists():
        found = [Path(one) for one in glob.glob(str(path), recursive=True)]  # noqa: PTH207
        folder, reason = _find_plain_part(path), "no file has such a name"
    else:
        return [path], None
    files = sorted(one for one in found if one.is_file() and not one.name.startswith("."))
    if not files:
        raise EmptyDataError(f"'{named}'", reason)
    return files, folder


def _find_plain_part(pattern: Path) -> Path:
    """Return the last folder of `pattern` that is named in full."""
    return next(parent for parent in pattern.parents if not glob.has_magic(str(parent)))


def strip_compression(path: Path) -> Path:
    """Return `path` without an ending that says how it is compressed."""
    return path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path


def open_input(
    path: Path, encoding: str | None, separator: str | None, setting: str = "input"
) -> Input:
    """Return the input at `path`, which `setting` named.

    See the class of its format for what may be wrong with it.

    Raises
    ------
    InputNotFoundError
        There is no such file.
    ConfigError
        Its ending, the encoding or the separator is not known.
    """
    kind = find_format(path, setting)
    if not path.is_file():
        raise InputNotFoundError(path, setting, f"a {_NAMES[kind]} file")
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


def choose_output(
    path: Path, source: Input, wanted: str | None, form: str | None
) -> tuple[Path, str]:
    """Return where to write and in what format.

    Parameters
    ----------
    path, source : Path, Input
        The input.
    wanted, form : str, optional
        The output and its format, as they were named.

    Raises
    ------
    ConfigError
        The output is the input, is compressed, or its ending is not known.
    """
    if wanted is not None:
        output = Path(wanted).expanduser()
        if output.resolve() == path.resolve():
            raise ConfigError([f"output is '{output}', which is the input; name another file."])
        if strip_compression(output) != output:
            raise ConfigError(
                [f"output is '{output}', but outputs are not compressed; name it without "
                 f"{output.suffix}."]
            )  # fmt: skip
        return output, form or find_format(output, "output")
    plain = strip_compression(path)
    ending = ENDINGS[form] if form else plain.suffix
    return plain.with_name(f"{plain.stem}.predictions{ending}"), form or source.kind
