"""Errors of files, tables and databases that are read or written."""

import glob
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sentiment.errors.base import SentimentError, join_words, make_clause, quote_list, suggest
from sentiment.errors.exit_codes import ExitCode, find_os_exit_code
from sentiment.redaction.printable import make_printable

# Remedies for rejected rows, by a word in their reason.
_REMEDIES = {
    "encoding": "Name its encoding, such as encoding=latin-1.",
    "too long": "Raise deploy.max_chars.",
    "field": "Check how fields are separated and quoted, and set sep or quote.",
    "quote": "Check how fields are quoted, and set quote or escape.",
    "line": "Check where the column names are, and set header.",
}


class InputNotFoundError(SentimentError, FileNotFoundError):
    """A file or folder to read does not exist."""

    def __init__(self, path: Path, setting: str, expected: str) -> None:
        kind = "it is a folder" if path.is_dir() else "it is a file" if path.exists() else ""
        if kind:
            message = f"{setting} is '{path}', but {kind}; expected {expected}."
        else:
            # Stricter than usual, since names with the same ending are similar already.
            nearest = suggest(path.name, _list_names(path.parent), cutoff=0.8)
            # Predictions, for example, are in a folder beside their input.
            in_subfolder = next(path.parent.glob(f"*/{glob.escape(path.name)}"), None)
            nearest = f" Did you mean '{in_subfolder}'?" if in_subfolder is not None else nearest
            where = "" if path.is_absolute() else f" (looked in '{Path.cwd()}')"
            message = (
                f"{setting} is '{path}', but there is no such file or folder{where}; "
                f"expected {expected}.{nearest}"
            )
        super().__init__(message)


def _list_names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()] if folder.is_dir() else []


class UnreadableFileError(SentimentError, ValueError):
    """A file exists, but its content does not fit its name."""

    def __init__(self, path: Path, expected: str, reason: str, remedy: str = "") -> None:
        remedy = remedy or (
            "Check that the file is complete and that its ending names its format "
            "(.csv, .parquet, .jsonl)."
        )
        super().__init__(
            f"'{path}' cannot be read as {expected}: {make_printable(make_clause(reason))}. "
            f"{remedy}"
        )


class RepeatedColumnError(UnreadableFileError):
    """A table has two columns of one name."""

    def __init__(self, path: Path, expected: str, name: str) -> None:
        super().__init__(path, expected, f"it has two columns {name!r}", "Rename one of them.")


class DamagedLogError(SentimentError, ValueError):
    """A file in the log of a server is damaged."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"'{path}' cannot be read as a part of a log of serve: "
            f"{make_printable(make_clause(reason))}. Restore it from a copy, or move it to "
            "another folder; the rest of the log is then read without its rows."
        )


class FilesFailedError(SentimentError, ValueError):
    """Some of many files could not be predicted; the others are done.

    The exit code is the largest of the files' exit codes, since a retry helps if one is transient.

    Parameters
    ----------
    failures : dict of Path to SentimentError or OSError
        The error of each failed file.
    results : sequence
        Results of the other files.
    """

    def __init__(
        self, failures: Mapping[Path, SentimentError | OSError], results: Sequence[Any]
    ) -> None:
        self.results = list(results)
        lines, codes = [], []
        for path, error in failures.items():
            if isinstance(error, SentimentError):
                codes.append(error.exit_code)
                lines.append(f"  - {path}: {error}")
            else:
                codes.append(find_os_exit_code(error))
                lines.append(f"  - {path}: it cannot be read ({error.strerror or error}).")
        self.exit_code = max(codes)
        total = len(failures) + len(self.results)
        messages = "\n".join(lines)
        super().__init__(
            f"{len(failures):,} of {total:,} files could not be predicted:\n{messages}\n"
            "The others are done, and the same command skips them."
        )


class EmptyDataError(SentimentError, ValueError):
    """There are no rows to work on."""

    def __init__(
        self,
        where: str,
        reason: str = "it has no rows",
        expected: str = "at least one row with a text",
    ) -> None:
        super().__init__(f"{where} holds no data: {reason}. Expected {expected}.")


class NothingToLabelError(SentimentError, ValueError):
    """No text of an input is left to label.

    Parameters
    ----------
    name : str
        The input.
    rows : int
        Its rows.
    skipped : dict of str to int
        Number of skipped rows by reason.
    """

    def __init__(self, name: str, rows: int, skipped: Mapping[str, int]) -> None:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in skipped.items())
        super().__init__(
            f"no text of '{name}' is left to label: of its {rows:,} rows, "
            f"{reasons or 'none has a text'}. Name an input with other texts."
        )


class AllRowsRejectedError(SentimentError, ValueError):
    """No row of an input could be predicted.

    Parameters
    ----------
    name : str
        The input.
    reasons : dict of str to int
        Rejected rows by reason.
    example : str
        Place and content of the first rejected row.
    """

    def __init__(self, name: str, reasons: dict[str, int], example: str) -> None:
        reason, count = max(reasons.items(), key=lambda item: item[1])
        first_row = f" The first is {make_printable(example)}." if example else ""
        super().__init__(
            f"all {sum(reasons.values()):,} rows of '{name}' are rejected, {count:,} of them for "
            f"this reason: {reason}.{first_row} Nothing was written. "
            f"{_find_remedy(reason)}"
        )


def _find_remedy(reason: str) -> str:
    default = "Check that text_column names the column of texts."
    return next((remedy for word, remedy in _REMEDIES.items() if word in reason), default)


class MissingColumnError(SentimentError, KeyError):
    """A table lacks columns that settings name.

    Parameters
    ----------
    path : Path
        The table.
    missing : mapping of str to str
        The missing columns, and the setting that names each.
    columns : sequence of str
        The columns of the table.
    """

    def __init__(self, path: Path, missing: Mapping[str, str], columns: Sequence[str]) -> None:
        plural = "s" if len(missing) > 1 else ""
        nearest = "".join(dict.fromkeys(suggest(column, columns) for column in missing))
        super().__init__(
            f"'{path}' has no column{plural} {quote_list(missing)}; its columns are "
            f"{quote_list(columns)}.{nearest} {_name_columns(missing.values(), columns)}"
        )


class NoUnlabelledColumnError(SentimentError, KeyError):
    """A table of unlabelled texts has no column that is known to hold texts.

    Parameters
    ----------
    path : Path
        The table.
    column : str
        The column of the labelled texts.
    columns : sequence of str
        Its columns.
    """

    def __init__(self, path: Path, column: str, columns: Sequence[str]) -> None:
        header = _name_header(columns, "data.header")
        super().__init__(
            f"'{path}', which data.unlabelled names, has no column {column!r}, as the labelled "
            f"texts have, and none that is known to hold texts; its columns are "
            f"{quote_list(columns)}. Rename the one with the texts to {column!r}.{header}"
        )


class NoTextColumnError(SentimentError, KeyError):
    """A table has no column that is known to hold texts.

    Parameters
    ----------
    path : Path
        The table.
    columns : sequence of str
        Its columns.
    learned : str, optional
        The column that the model learned from.
    """

    def __init__(self, path: Path, columns: Sequence[str], learned: str = "") -> None:
        problem = "no column that is known to hold texts"
        if learned:
            problem = (
                f"no column {learned!r}, from which the model learned, and none that is known "
            )
            problem += "to hold texts"
        super().__init__(
            f"'{path}' has {problem}; its columns are "
            f"{quote_list(columns)}.{suggest(learned, columns)} "
            f"{_name_columns(['text_column'], columns)}"
        )


def _name_columns(settings: Iterable[str], columns: Sequence[str]) -> str:
    """Return advice to name columns by `settings`, and to declare a header."""
    names = list(
        dict.fromkeys(
            f"{setting}=[<name>]" if setting.endswith("extra_columns") else f"{setting}=<name>"
            for setting in settings
        )
    )
    plural = "s" if len(names) > 1 else ""
    group = "".join(names[0].rpartition(".")[:2])
    header = _name_header(columns, f"{group}header")
    return f"Name the column{plural} with {join_words(names)}.{header}"


def _name_header(columns: Sequence[str], setting: str) -> str:
    """Return advice to declare a header, if the columns of a file have no names."""
    # Prefix of the names that the reader of delimited files gives to unnamed columns.
    return f" If its first line holds the names, set {setting}=true." * ("column_1" in columns)


class MissingExtraColumnsError(SentimentError, KeyError):
    """A table lacks columns that a model reads beside the text.

    Parameters
    ----------
    path : Path
        The table.
    missing, columns : sequence of str
        The missing columns, and the columns of the table.
    """

    def __init__(self, path: Path, missing: Sequence[str], columns: Sequence[str]) -> None:
        plural = "s" if len(missing) > 1 else ""
        nearest = "".join(suggest(name, columns) for name in missing)
        it = "them" if plural else "it"
        super().__init__(
            f"'{path}' has no column{plural} {quote_list(missing)}, from which the model learned "
            f"beside the text; its columns are {quote_list(columns)}.{nearest} Add {it}: a cell "
            f"may be empty, but a column must be there."
        )


class AmbiguousColumnError(SentimentError, KeyError):
    """A table lacks the column that a model learned from, and has several candidates for it."""

    def __init__(self, path: Path, learned: str, candidates: Sequence[str], setting: str) -> None:
        super().__init__(
            f"'{path}' has no column {learned!r}, from which the model learned, and "
            f"{len(candidates)} that may hold texts: {quote_list(candidates)}. Name one with "
            f"{setting}=<name>."
        )


class ChangedInputError(SentimentError, ValueError):
    """The part of an input that was read before has changed, so the job cannot resume."""

    def __init__(self, name: str, rows: int) -> None:
        super().__init__(
            f"the first {rows:,} rows of '{name}' are not those that the unfinished output was "
            "begun with. Start again with overwrite=true; ORDER BY in a query keeps the order of "
            "its rows."
        )


class DatabaseError(SentimentError, ValueError):
    """A database rejects the table or query that it was asked for."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"the database '{url}' cannot be read: {make_clause(reason)}. "
            "Check its address, and the table or query."
        )


class DatabaseUnavailableError(SentimentError, ConnectionError):
    """A database cannot be reached, or the connection to it was lost."""

    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"the database '{url}' does not answer: {make_clause(reason)}. "
            "Check its address, that it runs, and which other processes use it, then give the same "
            "command again."
        )


class OutputExistsError(SentimentError, FileExistsError):
    """An output file exists already."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"'{path}' exists already. Name another file with output=<file>, or replace it with "
            "overwrite=true."
        )


class UnfinishedOutputError(SentimentError, FileExistsError):
    """The unfinished output of another job has the name of the output."""

    def __init__(self, path: Path, differences: Sequence[str]) -> None:
        super().__init__(
            f"'{path}' is the unfinished output of another job: {'; '.join(differences)}. Give "
            "that job's command again to finish it, name another file with output=<file>, or drop "
            "what is there with overwrite=true."
        )


class OutputBusyError(SentimentError, BlockingIOError):
    """Another process is writing the output."""

    exit_code = ExitCode.BUSY

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"another process is writing '{path}'. Wait for it, or name another file with "
            "output=<file>."
        )


class LabelsBusyError(SentimentError, BlockingIOError):
    """Another process is writing the labels of a person."""

    exit_code = ExitCode.BUSY

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"another process is writing labels to '{path}'. Stop it, or label under another "
            "name: labeler=<name>."
        )


class OccupiedNameError(SentimentError, FileExistsError):
    """Something else has the name of a file that a job needs beside its output."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"'{path}' is in the way and is not touched: {reason}. Rename or remove it, or name "
            "another output with output=<file>."
        )


class LostModelError(SentimentError, LookupError):
    """The model of an unfinished output can no longer be loaded."""

    def __init__(self, path: Path, model: str, reason: str) -> None:
        super().__init__(
            f"'{path}' was begun with the model {model}, which cannot be loaded any more: "
            f"{make_clause(reason)}. Restore that model, name another output with "
            "output=<file>, or start again with overwrite=true."
        )
