"""Current rows: a sample of the predictions in an output of `predict` or in a server's log."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from sentiment.config import suggest_command
from sentiment.data.label_sets import sort_label_sets
from sentiment.errors import (
    ConfigError,
    EmptyDataError,
    MissingColumnError,
    NoPredictionsError,
    UnreadableFileError,
    read_reason,
    show_share,
)
from sentiment.files.batches import Batch, Limits, Position
from sentiment.files.columns import choose_text_column, strip_labels, strip_values
from sentiment.files.inputs import Input
from sentiment.files.prefetching import prefetch
from sentiment.files.sampling import Sampler
from sentiment.modeling.reference import COLUMN
from sentiment.tracking import ModelChoice
from sentiment.tracking.stages import StageObserver

# Columns of every output of predict.
_PREDICTION_COLUMNS = ("prediction", "probability")
_CONVERSIONS: dict[str, Callable[[pa.LargeStringArray], pa.Array]] = {
    "prediction": strip_labels,
    "label": strip_labels,
    "probability": lambda texts: texts.cast(pa.float64()),
}


@dataclass(frozen=True)
class ColumnRoles:
    """Roles of the columns of a file.

    Attributes
    ----------
    text : str, optional
        The texts; None for a log without texts.
    label, time : str, optional
        The true labels, and the time of each prediction.
    why : str
        Why the column of texts was chosen.
    extra : sequence of str
        Columns that the model reads beside the text.
    lacking : sequence of str
        Data that a server's log does not have, so that it is not compared; in words.
    """

    text: str | None
    label: str | None = None
    time: str | None = None
    why: str = field(default="", compare=False)
    extra: Sequence[str] = ()
    lacking: Sequence[str] = ()

    def list_roles(self) -> dict[str, str]:
        """Return the columns to read beside the text, by role."""
        roles = {name: name for name in _PREDICTION_COLUMNS}
        roles |= {"label": self.label} if self.label else {}
        roles |= {"time": self.time} if self.time else {}
        return roles | {f"{COLUMN}{name}": name for name in self.extra}


@dataclass(frozen=True)
class CurrentRows:
    """Rows to compare with the reference.

    Attributes
    ----------
    rows : DataFrame
        Columns ``prediction``, ``probability`` and, if the file has them, ``text``, ``label``
        (missing for a row without a label) and ``time``. The columns that the model reads beside
        the text have names such as ``column:price``. Rows are in the order of the file.
    read, rejected : int
        Rows of the file, and rows that could not be read.
    unknown_labels : dict of str to int
        Number of rows for each true label that the model does not know. In `rows`, these labels
        are missing.
    """

    rows: pd.DataFrame
    read: int
    rejected: int
    unknown_labels: Mapping[str, int] = field(default_factory=dict)


def check_columns(path: Path, columns: Sequence[str], **settings: str | None) -> None:
    """Check that `predict` wrote the file `path`, and that it has the columns of `settings`.

    Raises
    ------
    NoPredictionsError, MissingColumnError
        `predict` did not write it, or it lacks a column.
    """
    if not set(_PREDICTION_COLUMNS) <= set(columns):
        raise NoPredictionsError(path, columns, suggest_command("predict", f"input={path}"))
    missing = {
        column: setting
        for setting, column in settings.items()
        if column is not None and column not in columns
    }
    if missing:
        raise MissingColumnError(path, missing, columns)


def find_columns(
    path: Path,
    columns: Sequence[str],
    text: str | None = None,
    label: str | None = None,
    time: str | None = None,
    model: ModelChoice | None = None,
    *,
    has_texts: bool = True,
) -> ColumnRoles:
    """Return the roles of the `columns` of the file `path`.

    Parameters
    ----------
    path : Path
        The file.
    columns : sequence of str
        Its columns.
    text, label, time : str, optional
        Columns that the user named.
    model : ModelChoice, optional
        The model; the names of its training columns take precedence over the usual names.
    has_texts : bool
        False for a server's log without texts.

    Raises
    ------
    NoPredictionsError
        `predict` did not write the file.
    MissingColumnError, NoTextColumnError, AmbiguousColumnError
        The file lacks a column that the user named, or its column of texts is not clear.
    """
    check_columns(path, columns, text_column=text, label_column=label, time_column=time)
    if label is None and model and model.label_column in columns:
        label = model.label_column
    by_lower_name = {column.strip().lower(): column for column in reversed(columns)}
    label = label or by_lower_name.get("label") or by_lower_name.get("sentiment")
    if not has_texts:
        return ColumnRoles(None, label, time)
    choice = choose_text_column(path, columns, text, model.text_column if model else "")
    return ColumnRoles(choice.name, label, time, choice.why)


def read_current(
    path: Path, source: Input, columns: ColumnRoles, size: int, seed: int, observer: StageObserver,
    separator: str | None = None,
) -> CurrentRows:  # fmt: skip
    """Return all rows of a file, or a random sample of them if there are more than `size`.

    With a `separator`, predictions and labels are label sets; an empty prediction is an empty set.

    Raises
    ------
    EmptyDataError
        The file has no row.
    UnreadableFileError
        A row has no prediction, or a probability that is not a number from 0 to 1.
    """
    sampler, read, rejected = Sampler(size, seed), 0, 0
    for batch in prefetch(source.read(columns.text or "", Limits(added=()), Position())):
        read, rejected = read + batch.read, rejected + len(batch.rejects)
        sampler.add(_select_columns(path, batch, columns))
        observer.on_progress(read, None, f"rows read, {show_share(source.share)} of the file")
    table = sampler.finish()
    if table is None:
        raise EmptyDataError(f"'{path}'")
    rows = table.to_pandas()
    if separator is not None:
        rows["prediction"] = rows["prediction"].fillna("")
        for name in {"prediction", "label"} & {*rows}:
            rows[name] = sort_label_sets(rows[name], separator)
    if rows["prediction"].hasnans or rows["probability"].hasnans:
        raise UnreadableFileError(path, "predictions", "a row has none")
    if not rows["probability"].between(0, 1).all():
        raise UnreadableFileError(path, "predictions", "a probability is not between 0 and 1")
    return CurrentRows(rows, read, rejected)


def _select_columns(path: Path, batch: Batch, columns: ColumnRoles) -> pa.Table:
    arrays: dict[str, pa.Array] = {"text": batch.texts} if columns.text else {}
    try:
        for role, column in columns.list_roles().items():
            values = batch.read_column(column)
            convert = strip_values if role.startswith(COLUMN) else _CONVERSIONS.get(role)
            arrays[role] = convert(values) if convert else values
    except pa.ArrowException as error:
        raise UnreadableFileError(path, "predictions", read_reason(error)) from error
    return pa.table(arrays)


def order_rows(path: Path, times: pd.Series, column: str) -> np.ndarray:
    """Return the numbers of the rows in the order of their times; ties keep their order.

    Parameters
    ----------
    path : Path
        The file, for messages.
    times : Series of str
        Dates and times in ISO 8601, or numbers such as seconds.
    column : str
        Name of the column of times.

    Raises
    ------
    ConfigError
        A value is neither a time nor a number.
    """
    numbers = pd.to_numeric(times, errors="coerce")
    if numbers.isna().any():
        parsed_times = pd.to_datetime(times, format="ISO8601", utc=True, errors="coerce")
        if parsed_times.isna().any():
            invalid = times[parsed_times.isna()].iloc[0]
            raise ConfigError(
                [
                    f"time_column is {column!r}, where '{path}' has {invalid!r}; expected "
                    "times such as 2026-11-24T10:30, or numbers, in every row."
                ]
            )
        numbers = parsed_times
    return np.argsort(numbers.to_numpy(), kind="stable")
