"""Candidate texts, and texts that are labelled already."""

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
# Columns of a batch that describe a text.
_DESCRIBED = ("guess", "probability", "reason")
_FILE = "file"
# What predict rejects by default, and texts of nothing but white space.
_LIMITS = Limits(reject_empty=True, added=())


@dataclass
class Candidates:
    """Texts of an input that can be suggested.

    Attributes
    ----------
    rows : DataFrame
        A column ``text``, and the columns that the model reads beside it.
    columns : list of str
        Columns of the input that hold its texts, where training would read another one.
    read : int
        Rows of the input.
    left_out : dict of str to int
        Other rows, by reason.
    """

    rows: pd.DataFrame
    columns: list[str]
    read: int
    left_out: dict[str, int] = field(default_factory=dict)


def read_candidates(
    cfg: DictConfig, learned: str, extra_columns: Sequence[str], known: pd.Series,
    observer: StageObserver,
) -> Candidates:  # fmt: skip
    """Return the distinct texts of the input without a label; of very many, a random sample.

    Parameters
    ----------
    cfg : DictConfig
        Settings of the command.
    learned : str
        The column that the model learned from; "" where there is none.
    extra_columns : sequence of str
        What the model reads beside the text.
    known : Series of str
        Texts to leave out.
    observer : StageObserver
        Receives progress.
    """
    sampler, read, rejected, columns = Sampler(cfg.candidates, cfg.seed), 0, 0, list[str]()
    for source in open_all(cfg.input, ReadOptions.of(cfg)):
        path = Path(source.origin.name)
        column = choose_text_column(path, source.columns, cfg.text_column, learned).name
        check_extra_columns(path, source.columns, extra_columns)
        if [column] != _list_text_columns(source.columns, TEXT_COLUMN)[:1]:
            columns.append(column)
        for batch in prefetch(source.read(column, _LIMITS, Position())):
            read, rejected = read + batch.read, rejected + len(batch.rejects)
            more = {name: strip_values(batch.read_column(name)) for name in extra_columns}
            sampler.add(pa.table({TEXT_COLUMN: batch.texts} | more))
            observer.on_progress(read, None, "rows read")
    table = sampler.finish()
    rows = table.to_pandas() if table is not None else pd.DataFrame({TEXT_COLUMN: []}, dtype="str")
    both = pd.concat([known.to_frame(TEXT_COLUMN), rows[[TEXT_COLUMN]]], ignore_index=True)
    keyed = add_keys(both)
    own, keys = keyed[len(known) :].set_index(rows.index), keyed["key"][: len(known)]
    labelled, empty = own["key"].isin(keys), own["length"] == 0
    copies = own["key"].duplicated()
    reasons = {
        "rejected": rejected,
        "not drawn": read - rejected - len(rows),
        "empty": int(empty.sum()),
        "labelled or chosen before": int((labelled & ~empty).sum()),
        "duplicates": int((copies & ~labelled & ~empty).sum()),
    }
    kept = rows[~(labelled | empty | copies)].reset_index(drop=True)
    return Candidates(kept, columns, read, {why: n for why, n in reasons.items() if n})


def read_labelled(named: str, setting: str, column: str | None) -> pd.DataFrame:
    """Return the texts of a file, folder or database, with their labels.

    Parameters
    ----------
    named : str
        As the input of predict is named.
    setting : str
        The setting that named it, for messages.
    column : str, optional
        The column of texts where there is such a one; default: by its name.

    Returns
    -------
    DataFrame
        Columns ``text``, ``label``, ``labeler``, and those that a batch has beside them, missing
        where a row has none; and ``file``, the one that has the row.
    """
    parts = []
    for source in open_all(named, ReadOptions(), setting):
        found = _list_text_columns(source.columns, column)
        if not found:
            raise NoTextColumnError(Path(source.origin.name), source.columns)
        for batch in source.read(found[0], _LIMITS, Position()):
            nothing = pa.nulls(len(batch.texts), pa.large_string())
            more = {
                name: strip_labels(batch.read_column(name)) if name in source.columns else nothing
                for name in (LABEL_COLUMN, LABELER_COLUMN, *_DESCRIBED)
            }
            more[_FILE] = pa.array([source.origin.name] * len(batch.texts), pa.large_string())
            parts.append(pa.table({TEXT_COLUMN: batch.texts} | more))
    if not parts:
        return _make_empty()
    frame: pd.DataFrame = pa.concat_tables(parts).to_pandas()
    return frame.astype("str")


def read_folder(folder: Path) -> pd.DataFrame:
    """Return the texts and labels of all batches in `folder`; empty if there are none."""
    # The lock of a page on which nobody has labelled yet is a hidden file.
    if not folder.is_dir() or all(one.name.startswith(".") for one in folder.iterdir()):
        return _make_empty()
    return read_labelled(str(folder), "folder", TEXT_COLUMN)


def _make_empty() -> pd.DataFrame:
    columns = [TEXT_COLUMN, LABEL_COLUMN, LABELER_COLUMN, *_DESCRIBED, _FILE]
    return pd.DataFrame(columns=columns, dtype="str")


def list_pending(own: pd.DataFrame, named: str) -> pd.DataFrame:
    """Return the rows of batches of an input that nobody has begun to label.

    Parameters
    ----------
    own : DataFrame
        What `read_folder` returns.
    named : str
        The input that the batches are of.

    Returns
    -------
    DataFrame
        Texts that nobody has labelled or skipped on the page either, with the columns ``guess``,
        ``probability`` and ``reason`` of the batch, in its order.
    """
    pattern = re.compile(rf"{re.escape(_name_stem(named))}-\d+\.csv")
    is_batch = own[_FILE].map(lambda path: pattern.fullmatch(Path(path).name) is not None)
    is_answered = own[LABEL_COLUMN].notna() | own[LABELER_COLUMN].notna()
    begun = own.loc[is_answered, _FILE].unique()
    is_pending = is_batch.astype(bool) & ~own[_FILE].isin(begun)
    keys = add_keys(own[[TEXT_COLUMN]])["key"]
    rows = own[is_pending & ~keys.isin(keys[~is_pending]) & ~keys.duplicated()]
    probability = pd.to_numeric(rows["probability"], errors="coerce")
    pending: pd.DataFrame = rows[[TEXT_COLUMN, *_DESCRIBED]].fillna("")
    return pending.assign(probability=probability).reset_index(drop=True)


def explain_unreadable(cfg: DictConfig, columns: Iterable[str]) -> str:
    """Return why ``data.unlabelled=<input>`` does not read the same texts, "" if it does."""
    if cfg.input == "-":
        return "standard input can be read only once. Save it as a file"
    options = asdict(ReadOptions.of(cfg))
    if given := [name for name, value in options.items() if value is not None]:
        return f"training has no {quote_list(given)} for them. Save them as a plain CSV"
    if columns:
        named = quote_list(dict.fromkeys(columns), most=5)
        return f"training looks for them in a column 'text'. Rename {named} to it"
    return ""


def _list_text_columns(columns: Sequence[str], named: str | None) -> list[str]:
    """Return the column that is named, or those whose names usually mean texts."""
    return [named] if named is not None and named in columns else list_text_columns(columns)


def name_batch(folder: Path, named: str) -> Path:
    """Return the path of the next batch in `folder`: ``texts-1.csv``, ``texts-2.csv``."""
    stem, number = _name_stem(named), 1
    while (path := folder / f"{stem}-{number}.csv").exists():
        number += 1
    return path


def _name_stem(named: str) -> str:
    if is_database(named):
        return "database"
    paths, folder = list_inputs(named)
    name = folder.resolve().name if folder is not None else paths[0].name
    return name.partition(".")[0].strip("-") or "texts"
