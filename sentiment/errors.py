"""Errors a person can mend.

Each constructor takes facts and composes the message: what was found, what was expected and
what to do about it. Where a caller would naturally catch a builtin exception, the class is one.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any


def quote_list(names: Iterable[object]) -> str:
    """Return names as a readable list: ``'a', 'b' and 'c'``."""
    quoted = [repr(str(name)) for name in names]
    if len(quoted) <= 1:
        return "".join(quoted) or "nothing"
    return f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def suggest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return ``" Did you mean 'x'?"`` for the known name closest to `name`, or nothing.

    `cutoff` is the least similarity, as `difflib.SequenceMatcher.ratio` has it.
    """
    folded = {other.lower(): other for other in known}
    close = get_close_matches(name.lower(), folded, n=1, cutoff=cutoff)
    return f" Did you mean {folded[close[0]]!r}?" if close else ""


class SentimentError(Exception):
    """Base of every error that the person at the keyboard can mend.

    Attributes
    ----------
    exit_code : int
        What a script that stops at it ends with.
    """

    exit_code = 2

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple[Any, ...]:
        # The jobs of a sweep send their errors home; the message is composed already.
        return _restore, (type(self), self.args, self.__dict__)


def _restore(
    kind: type[SentimentError], args: tuple[Any, ...], state: dict[str, Any]
) -> SentimentError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigError(SentimentError, ValueError):
    """The configuration cannot be run; names every problem found, not only the first.

    Parameters
    ----------
    problems : sequence of str
        One sentence or two per problem.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        if len(self.problems) == 1:
            message = self.problems[0]
        else:
            listed = "\n".join(f"  - {problem}" for problem in self.problems)
            message = f"{len(self.problems)} problems in the configuration:\n{listed}"
        super().__init__(message)


class InputNotFoundError(SentimentError, FileNotFoundError):
    """A file or folder to read is not there."""

    def __init__(self, path: Path, setting: str, expected: str = "a file") -> None:
        found = "it is a folder" if path.is_dir() else "it is a file" if path.exists() else ""
        if found:
            message = f"{setting} is '{path}', but {found}; expected {expected}."
        else:
            # Names with the same ending are similar already.
            nearest = suggest(path.name, _names_in(path.parent), cutoff=0.8)
            where = "" if path.is_absolute() else f" (looked in '{Path.cwd()}')"
            message = (
                f"{setting} is '{path}', but there is no such file or folder{where}; "
                f"expected {expected}.{nearest}"
            )
        super().__init__(message)


def _names_in(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()] if folder.is_dir() else []


class UnreadableFileError(SentimentError, ValueError):
    """A file is there, but is not what its name promises."""

    def __init__(self, path: Path, expected: str, reason: str) -> None:
        super().__init__(
            f"'{path}' cannot be read as {expected}: {_printable(reason.strip().rstrip('.'))}. "
            "Check that the file is complete and that its ending names its format "
            "(.csv, .parquet, .jsonl)."
        )


def _printable(text: str, length: int = 200) -> str:
    """Return the beginning of `text`, which may quote a file, with control characters escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:length])


class EmptyDataError(SentimentError, ValueError):
    """There is not a single row to work on."""

    def __init__(self, where: str, reason: str = "it has no rows") -> None:
        super().__init__(f"{where} holds no data: {reason}. Expected at least one row with a text.")


class MissingColumnError(SentimentError, KeyError):
    """A table lacks a column that was asked for, or that had to be guessed."""

    def __init__(self, path: Path, wanted: str | None, found: Sequence[str], setting: str) -> None:
        if wanted is None:
            lacks = "has no column that is known to hold texts"
            nearest = ""
        else:
            lacks = f"has no column {wanted!r}"
            nearest = suggest(wanted, found)
        super().__init__(
            f"'{path}' {lacks}; its columns are {quote_list(found)}.{nearest} "
            f"Name the column with {setting}=<name>."
        )


class NoPredictionsError(SentimentError, KeyError):
    """A file to monitor is none that predict has written."""

    def __init__(self, path: Path, found: Sequence[str]) -> None:
        super().__init__(
            f"'{path}' has no columns 'prediction' and 'probability', which predict writes; its "
            f"columns are {quote_list(found)}. Predict it first: "
            f"python scripts/predict.py 'input={path}'."
        )


class ReferenceMissingError(SentimentError, LookupError):
    """A run keeps nothing that its predictions could be compared with."""

    def __init__(self, owner: str) -> None:
        super().__init__(
            f"{owner} keeps no reference to monitor against; those trained before there was "
            "monitoring have none. Train the model again, or name another run with run=<id>."
        )


class MissingPackageError(SentimentError, ImportError):
    """An optional package is not installed."""

    def __init__(self, package: str, purpose: str, extra: str) -> None:
        super().__init__(
            f"{purpose} needs {package}, which is not installed. Install it with "
            f"pip install -e '.[{extra}]'."
        )


class BadRowsError(SentimentError, ValueError):
    """Rows cannot be used and the configuration says not to drop them."""

    def __init__(self, counts: dict[str, int], rows: int) -> None:
        listed = ", ".join(f"{reason.replace('_', ' ')}: {n:,}" for reason, n in counts.items())
        super().__init__(
            f"{sum(counts.values()):,} of {rows:,} rows cannot be used ({listed}) and "
            "data.on_bad_rows=error. Mend them, or drop them with data.on_bad_rows=drop."
        )


class TooFewClassesError(SentimentError, ValueError):
    """Classification needs two classes at least."""

    def __init__(self, classes: Sequence[str], where: str) -> None:
        super().__init__(
            f"{where} has {len(classes)} class{'es' * (len(classes) != 1)} "
            f"({quote_list(classes)}); expected two or more. "
            "Check that the label column is the right one and that the file is not sorted and cut."
        )


class TooFewRowsError(SentimentError, ValueError):
    """A class, or the whole data set, is too small to be split."""

    def __init__(self, label: str, rows: int, needed: int, purpose: str) -> None:
        super().__init__(
            f"class {label!r} has {rows:,} row{'s' * (rows != 1)}, but {purpose} needs at least "
            f"{needed:,} of each class. Add rows, merge or remove rare classes, or raise "
            "data.limit."
        )


class FitError(SentimentError, ValueError):
    """scikit-learn refused the data or the settings while fitting."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"scikit-learn could not fit the pipeline: {reason.strip().rstrip('.')}. "
            "Change the features or model settings named there, or look at the data they meet."
        )


class OutputExistsError(SentimentError, FileExistsError):
    """An output file is there already."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"'{path}' is already there and is not overwritten. "
            "Name another file with output=<file>, or say overwrite=true."
        )


class UnfinishedOutputError(SentimentError, FileExistsError):
    """What another job left unfinished stands where an output is to be written."""

    def __init__(self, path: Path, differences: Sequence[str]) -> None:
        super().__init__(
            f"'{path}' is the unfinished output of another job: {'; '.join(differences)}. Give "
            "that job's command again to finish it, name another file with output=<file>, or drop "
            "what is there with overwrite=true."
        )


class OutputBusyError(SentimentError, BlockingIOError):
    """Another process is writing the output."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"another process is writing '{path}'. Wait for it, or name another file with "
            "output=<file>."
        )


class RunNotFoundError(SentimentError, LookupError):
    """No tracked run, or no model of one, answers to what was asked for."""

    def __init__(self, wanted: str, store: str, remedy: str) -> None:
        super().__init__(f"{wanted} was not found in the tracking store '{store}'. {remedy}")


class DatabaseError(SentimentError, ConnectionError):
    """A database cannot be reached, or refuses what it was asked."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"the database '{url}' cannot be read: {reason.strip().rstrip('.')}. "
            "Check the address in input, and table or query."
        )


class ClusterError(SentimentError, ConnectionError):
    """A cluster cannot be reached, or does not do its work."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"the Dask cluster {address} failed: {reason.strip().rstrip('.')}. Check "
            "deploy.address and the logs of its workers, or use this process: deploy=batch."
        )


class ChangedInputError(SentimentError, ValueError):
    """What was read of an input is not there any more, so that nobody can go on behind it."""

    def __init__(self, name: str, rows: int) -> None:
        super().__init__(
            f"the first {rows:,} rows of '{name}' are not those that the unfinished output was "
            "begun with. Begin anew with overwrite=true; ORDER BY in a query keeps the order of "
            "its rows."
        )


class IncomparableRunsError(SentimentError, ValueError):
    """Two runs were not scored on the same test rows, so that no test can be paired."""

    def __init__(self, first: str, second: str, differences: Sequence[str], remedy: str) -> None:
        super().__init__(
            f"run {second} cannot be compared with run {first}: {'; '.join(differences)}. {remedy}"
        )


class NothingToRollBackError(SentimentError, LookupError):
    """There is no champion, or none before it."""

    def __init__(self, name: str, missing: str, store: str) -> None:
        super().__init__(
            f"the model {name!r} has no {missing} in the tracking store '{store}', so there is "
            "nothing to go back to. Promote one: python scripts/promote.py run=<id>."
        )


class TrackingStoreError(SentimentError, ConnectionError):
    """The tracking store cannot be reached or opened."""

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(
            f"the tracking store '{uri}' cannot be used: {reason.strip().rstrip('.')}. "
            "Check tracking.uri, or train without tracking: tracking=off."
        )


class UnexplainableModelError(SentimentError, TypeError):
    """A model has no weights by which its answers could be explained."""

    def __init__(self, model: str) -> None:
        super().__init__(
            f"the answers of {model} cannot be explained by terms, which takes a linear model. "
            "Leave explain at false, or choose the run of such a model: deploy.run=<id>."
        )


class UnsavableModelError(SentimentError, TypeError):
    """A fitted model holds something that would not be loaded again."""

    def __init__(self, model: str, strangers: Sequence[str]) -> None:
        super().__init__(
            f"the fitted {model} holds {quote_list(strangers)}, which this project does not load "
            "from a file, so it was not saved. Choose another model or another setting of it."
        )


class UntrustedModelError(SentimentError, ValueError):
    """A model file holds something that this project does not load."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"the model '{path}' is not loaded: {_printable(reason)}. Only skops files made of "
            "scikit-learn parts that this project itself writes are trusted; train the model anew."
        )
