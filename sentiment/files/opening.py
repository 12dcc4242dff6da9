"""Opening of inputs, and choice of outputs and their formats."""

import contextlib
import glob
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from sentiment.errors import ConfigError, EmptyDataError, InputNotFoundError
from sentiment.files.chain import Chain
from sentiment.files.database import DatabaseRows
from sentiment.files.delimited import DelimitedFile
from sentiment.files.dialects import ReadOptions
from sentiment.files.inputs import Input
from sentiment.files.json_lines import JsonLinesFile
from sentiment.files.origins import COMPRESSIONS, read_group, strip_compression
from sentiment.files.outputs import (
    Output,
    RawDelimited,
    RawJsonLines,
    TableCsv,
    TableJsonLines,
    TableParquet,
)
from sentiment.files.parquet import ParquetFile
from sentiment.files.pipes import PIPE, open_fifo, open_stdin
from sentiment.files.streams import ByteSource
from sentiment.files.text_folder import ENDING as TEXT_ENDING
from sentiment.files.text_folder import TextFolder, holds_texts

FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
# Reports and settings have this ending, too, so it only counts for files that the user names.
_JSON = {".json": "jsonl"}
ENDINGS = {"csv": ".csv", "parquet": ".parquet", "jsonl": ".jsonl"}
_LIST = re.compile(r"\[.*,.*\]", re.DOTALL)
_NAMES = {"csv": "CSV", "parquet": "Parquet", "jsonl": "JSON lines"}


def _find_format(path: Path, setting: str) -> str:
    """Return ``"csv"``, ``"parquet"`` or ``"jsonl"`` by the ending of `path`.

    Raises
    ------
    ConfigError
        The ending is not known.
    """
    ending = strip_compression(path).suffix
    try:
        return (FORMATS | _JSON)[ending.lower()]
    except KeyError:
        endings = ", ".join(FORMATS | _JSON)
        raise ConfigError(
            [
                f"{setting} is '{path}', whose ending {ending!r} names no known format; expected "
                f"one of {endings}, maybe with {' or '.join(COMPRESSIONS)} behind it."
            ]
        ) from None


def list_inputs(name: str, options: ReadOptions | None = None) -> tuple[list[Path], Path | None]:
    """Return the files of an input, and their folder if there may be several.

    Parameters
    ----------
    name : str
        A file, a folder (meaning all of its files with a known format), or a pattern such as
        ``reviews/*.csv``. A folder of texts is a single input; see `_is_text_folder`.
    options : ReadOptions, optional
        Options for opening the files.

    Raises
    ------
    EmptyDataError
        The folder has no file of a known format, the pattern matches none, or it is a list.
    """
    path = Path(name).expanduser()
    if name == PIPE or is_database(name) or _is_text_folder(path, options):
        return [path], None
    if _LIST.fullmatch(name) and not path.exists():
        # As a pattern, it would match any file whose name is one of these characters.
        expected = "a file, a folder, or a pattern such as 'reviews/*.csv'"
        raise EmptyDataError(f"'{name}'", "it is a list, which names no file", expected)
    if path.is_dir():
        entries = [
            entry for entry in path.iterdir() if strip_compression(entry).suffix.lower() in FORMATS
        ]
        folder, reason = path, "no file in it has a known format"
    elif glob.has_magic(name) and not path.exists():
        entries = [Path(match) for match in glob.glob(str(path), recursive=True)]  # noqa: PTH207
        folder, reason = _find_plain_part(path), "no file has such a name"
    else:
        return [path], None
    files = sorted(entry for entry in entries if entry.is_file() and entry.name[0] != ".")
    if not files:
        raise EmptyDataError(f"'{name}'", reason)
    return files, folder


def _find_plain_part(pattern: Path) -> Path:
    """Return the deepest folder of `pattern` without wildcards."""
    return next(parent for parent in pattern.parents if not glob.has_magic(str(parent)))


def open_input(
    name: str | Path, options: ReadOptions | None = None, setting: str = "input"
) -> Input:
    """Open an input; see its class for further errors.

    Parameters
    ----------
    name : str or Path
        A file, a folder of texts, ``-`` for standard input, or the address of a database.
    options : ReadOptions, optional
        Encoding, separator and so on; default: detect them.
    setting : str
        The setting that names the input, for messages.

    Raises
    ------
    InputNotFoundError
        There is no such file.
    ConfigError
        Its ending is unknown, or one of the options is invalid.
    """
    group = read_group(setting)
    options = (options or ReadOptions()).parse(group)
    if is_database(str(name)):
        return DatabaseRows(str(name), options.table, options.query, setting)
    if options.table or options.query:
        raise ConfigError(
            [f"{group}table and {group}query are for databases, and {setting} is '{name}'."]
        )
    if str(name) == PIPE:
        source, kind = open_stdin(options.encoding)
    elif (path := Path(name).expanduser()).is_fifo():
        source, kind = open_fifo(path, options.encoding)
    elif _is_text_folder(path, options):
        return TextFolder(path, options.encoding)
    else:
        kind = _find_format(path, setting)
        if not path.is_file():
            raise InputNotFoundError(path, setting, f"a {_NAMES[kind]} file")
        if kind == "parquet":
            return ParquetFile(path)
        source = ByteSource(path, options.encoding, group)
    return DelimitedFile(source, options) if kind == "csv" else JsonLinesFile(source)


def open_all(
    name: str, options: ReadOptions | None = None, setting: str = "input"
) -> Iterator[Input]:
    """Open all files of an input; see `list_inputs` and `open_input`."""
    for path in [name] if is_database(name) else list_inputs(name, options)[0]:
        yield open_input(path, options, setting)


def is_database(name: str) -> bool:
    """Return whether an input is the address of a database."""
    return "://" in name


def _is_text_folder(path: Path, options: ReadOptions | None) -> bool:
    """Return whether `path` is a folder of ``.txt`` files, each of which is one text."""
    if not path.is_dir():
        return False
    formats = {strip_compression(file).suffix.lower() for file in path.iterdir()} & FORMATS.keys()
    return formats == {TEXT_ENDING} and holds_texts(path, options or ReadOptions())


def make_output(source: Input, kind: str, added: pa.Schema) -> Output:
    """Return the writer of rows of `source` as `kind`, which copies rows of the same format.

    Parameters
    ----------
    source : Input
        Source of the rows.
    kind : {"csv", "parquet", "jsonl"}
        Format of the output.
    added : Schema
        Names and types of the added columns.
    """
    first = source.first if isinstance(source, Chain) and source.is_uniform else source
    # A dialect that other programs may not read is written as standard CSV.
    if isinstance(first, DelimitedFile) and kind == "csv" and first.dialect.is_standard:
        return RawDelimited(first, added)
    if isinstance(first, JsonLinesFile) and kind == "jsonl":
        return RawJsonLines()
    match kind:
        case "csv":
            return TableCsv(added)
        case "jsonl":
            return TableJsonLines(added)
        case _:
            return TableParquet(added)


def choose_output(
    source: Input, requested: str | None, requested_format: str | None
) -> tuple[Path, str]:
    """Return the path and the format of the output.

    Parameters
    ----------
    source : Input
        Source of the rows.
    requested, requested_format : str, optional
        Output and format that the user named.

    Raises
    ------
    ConfigError
        The output would be compressed, its ending is unknown, or its format cannot be piped.
    """
    origin = source.origin
    if requested is None and origin.stem == Path(PIPE):
        requested = PIPE
    if requested is None:
        ending = ENDINGS[requested_format] if requested_format else origin.ending
        return origin.stem.with_name(
            f"{origin.stem.name}.predictions{ending}"
        ), requested_format or source.kind
    if requested == PIPE:
        if (requested_format or source.kind) == "parquet":
            raise ConfigError(
                ["Parquet is not written to standard output; set deploy.format=csv or jsonl."]
            )
        return Path(PIPE), requested_format or source.kind
    output = Path(requested).expanduser()
    if strip_compression(output) != output:
        raise ConfigError(
            [f"output is '{output}', but outputs are not compressed; name it without "
             f"{output.suffix}."]
        )  # fmt: skip
    return output, requested_format or _find_format(output, "output")


def check_outputs(inputs: Sequence[Path], outputs: Sequence[Path]) -> None:
    """Check that each input has its own output, which is not an input.

    Raises
    ------
    ConfigError
        Two inputs have the same output, such as ``a.csv`` and ``a.csv.gz``.
    """
    owners: dict[Path, Path] = {}
    for path, output in zip(inputs, outputs, strict=True):
        owner = owners.setdefault(output, path)
        if owner is not path:
            raise ConfigError(
                [f"'{owner}' and '{path}' would both have the output '{output}'; rename one."]
            )
    check_apart(inputs, outputs)


def check_apart(inputs: Sequence[Path], output_paths: Sequence[Path]) -> None:
    """Check that no output is an input, even under another name.

    Raises
    ------
    ConfigError
        An output is an input.
    """
    input_ids = {_identify(path): path for path in inputs}
    for path in output_paths:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if _identify(path) in input_ids:
                raise ConfigError(
                    [f"output would write '{path}', which is the input; name another file."]
                )


def _identify(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
