"""Candidate texts, and texts that already have labels."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa
from omegaconf import DictConfig

from sentiment.data.copies import add_keys
from sentiment.errors import NoTextColumnError, quote_list
from sentiment.files.batches import Limits, Position
from sentiment.files.columns import (
    check_extra_columns,
    choose_text_column,
    list_text_columns,
    strip_labels,
    strip_values,
)
from sentiment.files.dialects import ReadOptions
from sentiment.files.opening import is_database, list_inputs, open_all
from sentiment.files.prefetching import prefetch
from sentiment.files.sampling import Sampler
from sentiment.modeling.pipeline import TEXT_COLUMN
from sentiment.tracking.stages import StageObserver

LABEL_COLUMN, LABELER_COLUMN = "label", "labeler"
# Columns of a batch that explain the choice of a text.
_REASON_COLUMNS = ("guess", "probability", "reason")
_FILE_COLUMN = "file"
# The default limits of predict; texts of only white space are rejected, too.
_LIMITS = Limits(reject_empty=True, added=())


@dataclass
class Candidates:
    """Texts of an input that can be suggested.

    Attributes
    ----------
    rows : DataFrame
        A column ``text``, and the columns that the model reads beside it.
    columns : list of str
        Columns of texts in the input that training would not find by itself.
    read : int
        Number of rows of the input.
    left_out : dict of str to int
        Number of other rows, by reason.
    """

    rows: pd.DataFrame
    columns: list[str]
    read: int
    left_out: dict[str, int] = field(default_factory=dict)


def read_candidates(
    cfg: DictConfig, trained_column: str, extra_columns: Sequence[str], known_texts: pd.Series,
    observer: StageObserver,
) -> Candidates:  # fmt: skip
    """Return the distinct unlabelled texts of the input, or a random sample if there are too many.

    Parameters
    ----------
    cfg : DictConfig
        Settings of the command.
    trained_column : str
        The column of texts in the training data; "" without a model.
    extra_columns : sequence of str
        Columns that the model reads beside the text.
    known_texts : Series of str
        Texts to leave out.
    observer : StageObserver
        Receives progress.
    """
    sampler, read, rejected, columns = Sampler(cfg.candidates, cfg.seed), 0, 0, list[str]()
    for source in open_all(cfg.input, ReadOptions.of(cfg)):
        path = Path(source.origin.name)
        column = choose_text_column(path, source.columns, cfg.text_column, trained_column).name
        check_extra_columns(path, source.columns, extra_columns)
        if [column] != _list_text_columns(source.columns, TEXT_COLUMN)[:1]:
            columns.append(column)
        for batch in prefetch(source.read(column, _LIMITS, Position())):
            read, rejected = read + batch.read, rejected + len(batch.rejects)
            extra_values = {name: strip_values(batch.read_column(name)) for name in extra_columns}
            sampler.add(pa.table({TEXT_COLUMN: batch.texts} | extra_values))
            observer.on_progress(read, None, "rows read")
    table = sampler.finish()
    rows = table.to_pandas() if table is not None else pd.DataFrame({TEXT_COLUMN: []}, dtype="str")
    all_texts = pd.concat(
        [known_texts.to_frame(TEXT_COLUMN), rows[[TEXT_COLUMN]]], ignore_index=True
    )
    keyed = add_keys(all_texts)
    known_keys, keyed = (
        keyed["key"][: len(known_texts)],
        keyed[len(known_texts) :].set_index(rows.index),
    )
    is_known, is_empty = keyed["key"].isin(known_keys), keyed["length"] == 0
    is_copy = keyed["key"].duplicated()
    reasons = {
        "rejected": rejected,
        "not drawn": read - rejected - len(rows),
        "empty": int(is_empty.sum()),
        "labelled or chosen before": int((is_known & ~is_empty).sum()),
        "duplicates": int((is_copy & ~is_known & ~is_empty).sum()),
    }
    candidates = rows[~(is_known | is_empty | is_copy)].reset_index(drop=True)
    left_out = {reason: count for reason, count in reasons.items() if count}
    return Candidates(candidates, columns, read, left_out)


def read_labelled(address: str, setting: str, column: str | None) -> pd.DataFrame:
    """Return the texts of a file, folder or database, with their labels.

    Parameters
    ----------
    address : str
        The file, folder, pattern or database, as for the input of predict.
    setting : str
        Name of the setting with this address, for messages.
    column : str, optional
        The column of texts, if the source has it; default: a column with a usual name.

    Returns
    -------
    DataFrame
        Columns ``text``, ``label`` and ``labeler``, the other columns of a batch, and ``file``, the
        file of the row. Values that a row does not have are missing.
    """
    tables = []
    for source in open_all(address, ReadOptions(), setting):
        text_columns = _list_text_columns(source.columns, column)
        if not text_columns:
            raise NoTextColumnError(Path(source.origin.name), source.columns)
        for batch in source.read(text_columns[0], _LIMITS, Position()):
            nulls = pa.nulls(len(batch.texts), pa.large_string())
            columns = {
                name: strip_labels(batch.read_column(name)) if name in source.columns else nulls
                for name in (LABEL_COLUMN, LABELER_COLUMN, *_REASON_COLUMNS)
            }
            columns[_FILE_COLUMN] = pa.array(
                [source.origin.name] * len(batch.texts), pa.large_string()
            )
            tables.append(pa.table({TEXT_COLUMN: batch.texts} | columns))
    if not tables:
        return _make_empty()
    frame: pd.DataFrame = pa.concat_tables(tables).to_pandas()
    return frame.astype("str")


def read_folder(folder: Path) -> pd.DataFrame:
    """Return the texts and labels of all batches in `folder`; empty without a batch."""
    # Before the first label, the folder may hold the lock of a page, which is a hidden file.
    if not folder.is_dir() or all(path.name.startswith(".") for path in folder.iterdir()):
        return _make_empty()
    return read_labelled(str(folder), "folder", TEXT_COLUMN)


def _make_empty() -> pd.DataFrame:
    columns = [TEXT_COLUMN, LABEL_COLUMN, LABELER_COLUMN, *_REASON_COLUMNS, _FILE_COLUMN]
    return pd.DataFrame(columns=columns, dtype="str")


def list_pending(folder_rows: pd.DataFrame, address: str) -> pd.DataFrame:
    """Return the texts of batches that nobody has started to label.

    Parameters
    ----------
    folder_rows : DataFrame
        Result of `read_folder`.
    address : str
        The input that the batches were chosen from.

    Returns
    -------
    DataFrame
        The texts, in the order of the batch, with its columns ``guess``, ``probability`` and
        ``reason``. Texts that a person has labelled or skipped on the page are left out.
    """
    pattern = re.compile(rf"{re.escape(_name_stem(address))}-\d+\.csv")
    is_batch = folder_rows[_FILE_COLUMN].map(
        lambda path: pattern.fullmatch(Path(path).name) is not None
    )
    is_answered = folder_rows[LABEL_COLUMN].notna() | folder_rows[LABELER_COLUMN].notna()
    started_files = folder_rows.loc[is_answered, _FILE_COLUMN].unique()
    is_pending = is_batch.astype(bool) & ~folder_rows[_FILE_COLUMN].isin(started_files)
    keys = add_keys(folder_rows[[TEXT_COLUMN]])["key"]
    rows = folder_rows[is_pending & ~keys.isin(keys[~is_pending]) & ~keys.duplicated()]
    probability = pd.to_numeric(rows["probability"], errors="coerce")
    pending: pd.DataFrame = rows[[TEXT_COLUMN, *_REASON_COLUMNS]].fillna("")
    return pending.assign(probability=probability).reset_index(drop=True)


def explain_unreadable(cfg: DictConfig, columns: Iterable[str]) -> str:
    """Return why ``data.unlabelled=<input>`` does not read the same texts; "" if it does."""
    if cfg.input == "-":
        return "standard input can be read only once. Save it as a file"
    options = asdict(ReadOptions.of(cfg))
    if typed := [name for name, value in options.items() if value is not None]:
        return f"training has no {quote_list(typed)} for them. Save them as a plain CSV"
    if columns:
        names = quote_list(dict.fromkeys(columns), max_items=5)
        return f"training looks for them in a column 'text'. Rename {names} to it"
    return ""


def _list_text_columns(columns: Sequence[str], preferred: str | None) -> list[str]:
    """Return the column `preferred`, if it exists, or the columns with usual names of texts."""
    return (
        [preferred]
        if preferred is not None and preferred in columns
        else list_text_columns(columns)
    )


def name_batch(folder: Path, address: str) -> Path:
    """Return the path of the next batch in `folder`: ``texts-1.csv``, ``texts-2.csv``."""
    stem, number = _name_stem(address), 1
    while (path := folder / f"{stem}-{number}.csv").exists():
        number += 1
    return path


def _name_stem(address: str) -> str:
    if is_database(address):
        return "database"
    paths, folder = list_inputs(address)
    name = folder.resolve().name if folder is not None else paths[0].name
    return name.partition(".")[0].strip("-") or "texts"
