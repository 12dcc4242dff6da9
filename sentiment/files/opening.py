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
# Reports and settings have this ending, too, so it only counts for files that are named.
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
        known = ", ".join(FORMATS | _JSON)
        raise ConfigError(
            [
                f"{setting} is '{path}', whose ending {ending!r} names no known format; expected "
                f"one of {known}, maybe with {' or '.join(COMPRESSIONS)} behind it."
            ]
        ) from None


def list_inputs(named: str, options: ReadOptions | None = None) -> tuple[list[Path], Path | None]:
    """Return the files of an input, and their folder if there may be several.

    Parameters
    ----------
    named : str
        A file, a folder, for all of its files of a known format, or a pattern such as
        ``reviews/*.csv``. A folder of texts is a single input; see `_is_text_folder`.
    options : ReadOptions, optional
        Options for opening the files.

    Raises
    ------
    EmptyDataError
        The folder has no file of a known format, the pattern matches none, or it is a list.
    """
    path = Path(named).expanduser()
    if named == PIPE or is_database(named) or _is_text_folder(path, options):
        return [path], None
    if _LIST.fullmatch(named) and not path.exists():
        # As a pattern, it would be any file whose name is one of these characters.
        expected = "a file, a folder, or a pattern such as 'reviews/*.csv'"
        raise EmptyDataError(f"'{named}'", "it is a list, which names no file", expected)
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
    """Return the deepest folder of `pattern` without wildcards."""
    return next(parent for parent in pattern.parents if not glob.has_magic(str(parent)))


def open_input(
    named: str | Path, options: ReadOptions | None = None, setting: str = "input"
) -> Input:
    """Open an input; see its class for further errors.

    Parameters
    ----------
    named : str or Path
        A file, a folder of texts, ``-`` for standard input, or the address of a database.
    options : ReadOptions, optional
        Encoding, separator and so on; default: detect them.
    setting : str
        The setting that named it, for messages.

    Raises
    ------
    InputNotFoundError
        There is no such file.
    ConfigError
        Its ending is not known, or one of the options is not possible.
    """
    group = read_group(setting)
    options = (options or ReadOptions()).parse(group)
    if is_database(str(named)):
        return DatabaseRows(str(named), options.table, options.query, setting)
    if options.table or options.query:
        raise ConfigError(
            [f"{group}table and {group}query are for databases, and {setting} is '{named}'."]
        )
    if str(named) == PIPE:
        source, kind = open_stdin(options.encoding)
    elif (path := Path(named).expanduser()).is_fifo():
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
    named: str, options: ReadOptions | None = None, setting: str = "input"
) -> Iterator[Input]:
    """Open all files of an input; see `list_inputs` and `open_input`."""
    for one in [named] if is_database(named) else list_inputs(named, options)[0]:
        yield open_input(one, options, setting)


def is_database(named: str) -> bool:
    """Return whether an input is the address of a database."""
    return "://" in named


def _is_text_folder(path: Path, options: ReadOptions | None) -> bool:
    """Return whether `path` is a folder of ``.txt`` files, each of which is one text."""
    if not path.is_dir():
        return False
    formats = {strip_compression(one).suffix.lower() for one in path.iterdir()} & FORMATS.keys()
    return formats == {TEXT_ENDING} and holds_texts(path, options or ReadOptions())


def make_output(source: Input, kind: str, added: pa.Schema) -> Output:
    """Return the writer of rows of `source` as `kind`, which copies rows of the same format.

    Parameters
    ----------
    source : Input
        Where the rows are from.
    kind : {"csv", "parquet", "jsonl"}
        Format of the output.
    added : Schema
        Names and types of the added columns.
    """
    first = source.first if isinstance(source, Chain) and source.alike else source
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


def choose_output(source: Input, wanted: str | None, form: str | None) -> tuple[Path, str]:
    """Return the path and the format of the output.

    Parameters
    ----------
    source : Input
        Where the rows are from.
    wanted, form : str, optional
        The named output and format.

    Raises
    ------
    ConfigError
        The output would be compressed, its ending is unknown, or its format cannot be piped.
    """
    origin = source.origin
    if wanted is None and origin.stem == Path(PIPE):
        wanted = PIPE
    if wanted is None:
        ending = ENDINGS[form] if form else origin.ending
        return origin.stem.with_name(f"{origin.stem.name}.predictions{ending}"), form or source.kind
    if wanted == PIPE:
        if (form or source.kind) == "parquet":
            raise ConfigError(
                ["Parquet is not written to standard output; set deploy.format=csv or jsonl."]
            )
        return Path(PIPE), form or source.kind
    output = Path(wanted).expanduser()
    if strip_compression(output) != output:
        raise ConfigError(
            [f"output is '{output}', but outputs are not compressed; name it without "
             f"{output.suffix}."]
        )  # fmt: skip
    return output, form or _find_format(output, "output")


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


def check_apart(inputs: Sequence[Path], written: Sequence[Path]) -> None:
    """Check that no written file is an input, also under another name.

    Raises
    ------
    ConfigError
        One of them is.
    """
    read = {_identify(path): path for path in inputs}
    for path in written:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if _identify(path) in read:
                raise ConfigError(
                    [f"output would write '{path}', which is the input; name another file."]
                )


def _identify(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
