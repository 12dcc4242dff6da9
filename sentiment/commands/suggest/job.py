"""Suggest: choose the texts to label next, with or without a model."""

import csv
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig, OmegaConf

from sentiment.commands.predict.models import choose_model
from sentiment.commands.suggest.texts import (
    LABEL_COLUMN,
    Candidates,
    explain_unreadable,
    list_pending,
    name_batch,
    read_candidates,
    read_folder,
    read_labelled,
)
from sentiment.config import check_config, compose, make, suggest_command, write_override
from sentiment.data.label_sets import join_labels, list_labels
from sentiment.errors import (
    ConfigError,
    ExperimentDeletedError,
    NothingToLabelError,
    RunNotFoundError,
    SentimentError,
    count_of,
    quote_list,
)
from sentiment.modeling.active_learning import (
    SHORTLIST,
    choose_diverse,
    choose_uncertain,
    find_text_topics,
    measure_margins,
)
from sentiment.modeling.model_files import load_model
from sentiment.modeling.pipeline import TEXT_COLUMN, find_separator
from sentiment.modeling.prediction_columns import PredictionColumns
from sentiment.modeling.predictions import PROBABILITY
from sentiment.modeling.scoring import BatchScorer, Predictor
from sentiment.tracking import ModelChoice, StoredRun, Tracker
from sentiment.tracking.stages import SilentObserver, StageObserver, Stages

# Maximum number of clustered texts, new and known; with more, the clusters hardly change.
_MAX_CLUSTERED, _MAX_KNOWN = 20_000, 5_000
_AUTO, _NONE = "auto", "none"


@dataclass(frozen=True)
class SuggestionResult:
    """Texts to label next.

    Attributes
    ----------
    path : Path
        The file of these texts, with an empty column ``label``.
    rows : DataFrame
        Content of that file, the most useful text first. With ``page=true``, the file is not
        written.
    candidates : Candidates
        The texts to choose from.
    model : ModelChoice or None
        The model whose uncertainty decides.
    why : str
        Why this model was chosen, or why no model was.
    labels : list of str
        Known names of labels.
    known : DataFrame
        Labels in the folder: columns ``text``, ``label`` and ``labeler``.
    extra_columns : list of str
        Columns that the model reads beside the text.
    separator : str, optional
        Between the labels of a text, if a text may have several.
    notes : list of str
        Messages about limitations of the choice.
    next_command : str
        The command to run after the texts are labelled.
    seconds : float
        Duration.
    """

    path: Path
    rows: pd.DataFrame
    candidates: Candidates
    model: ModelChoice | None
    why: str
    labels: list[str]
    known: pd.DataFrame
    extra_columns: list[str]
    separator: str | None
    notes: list[str]
    next_command: str
    seconds: float


@dataclass(frozen=True)
class _Guide:
    """The model that guides the choice of texts, or the reason why there is no model."""

    choice: ModelChoice | None
    predictor: Predictor | None
    separator: str | None
    is_from_folder: bool
    why: str


def suggest(cfg: DictConfig, observer: StageObserver | None = None) -> SuggestionResult:
    """Choose texts to label next, and write a file of them into the folder.

    Parameters
    ----------
    cfg : DictConfig
        The checked config of ``conf/suggest.yaml``.
    observer : StageObserver, optional
        Receives progress.

    Raises
    ------
    NothingToLabelError
        Every text has a label already, or cannot be used.
    SentimentError
        The config, the input or the model cannot be used.
    """
    started, notes = time.perf_counter(), list[str]()
    stages = Stages(observer) if observer else Stages()
    observer = observer or SilentObserver()
    folder = Path(cfg.folder).expanduser()
    with stages("read labels"):
        folder_rows = read_folder(folder)
        pending = list_pending(folder_rows, cfg.input).head(cfg.n if cfg.page else 0)
        if not pending.empty:
            pending_count = count_of(len(pending), "text")
            notes.append(f"{pending_count} of batches that have no label yet come first")
        known_parts = [folder_rows[TEXT_COLUMN]]
        if cfg.labelled is not None:
            labelled = read_labelled(cfg.labelled, "labelled", cfg.text_column)
            known_parts.append(labelled[TEXT_COLUMN])
    with stages("load model"):
        tracker: Tracker = make(cfg, "tracking", "find_model")
        used_labels = folder_rows[LABEL_COLUMN].dropna().unique().tolist()
        guide = _find_model(cfg, tracker, used_labels)
    trained_column = ""
    if guide.choice is not None and not guide.is_from_folder:
        trained_column = guide.choice.text_column
        with stages("read training texts"):
            known_parts.append(_read_training_texts(guide.choice, tracker, notes))
    extra_columns = guide.predictor.extra_columns if guide.predictor is not None else []
    with stages("read texts"):
        known_texts = pd.concat(known_parts, ignore_index=True)
        candidates = read_candidates(cfg, trained_column, extra_columns, known_texts, observer)
        if candidates.rows.empty and pending.empty:
            raise NothingToLabelError(cfg.input, candidates.read, candidates.left_out)
    with stages("choose texts"):
        frames, remaining = [pending], cfg.n - len(pending)
        if remaining and not candidates.rows.empty:
            frames.append(_choose(cfg, candidates.rows, remaining, guide, known_texts, notes))
        rows = frames[-1] if pending.empty else pd.concat(frames, ignore_index=True)
        rows["rank"] = np.arange(1, len(rows) + 1)
    if unreadable := explain_unreadable(cfg, candidates.columns):
        notes.append(f"the next command leaves out the texts without a label: {unreadable}")
    if cfg.page:
        path = folder / f"{cfg.labeler or 'labels'}.csv"
    else:
        folder.mkdir(parents=True, exist_ok=True)
        path = name_batch(folder, cfg.input)
        _write_batch(path, rows)
    label_names = _list_distinct_labels(used_labels, guide.separator)
    if guide.predictor is not None:
        label_names = guide.predictor.labels
    return SuggestionResult(
        path=path,
        rows=rows,
        candidates=candidates,
        model=guide.choice,
        why=guide.why,
        labels=list(cfg.labels or label_names),
        known=folder_rows,
        extra_columns=extra_columns,
        separator=guide.separator,
        notes=notes,
        next_command=_suggest_training(cfg, guide.separator, with_texts=not unreadable),
        seconds=time.perf_counter() - started,
    )


def _find_model(cfg: DictConfig, tracker: Tracker, used_labels: Sequence[str]) -> _Guide:
    """Return the model of ``run``; for ``run=auto``, the latest of the folder, or the best."""

    def go_without(why: str) -> _Guide:
        return _Guide(None, None, cfg.label_separator, False, why)

    if cfg.run == _NONE:
        return go_without("run=none")
    scorer, is_from_folder = BatchScorer(run=cfg.run, metric=cfg.metric), False
    if cfg.run == _AUTO:
        finished_runs = _list_finished(tracker)
        if not finished_runs:
            return go_without("no model was trained yet")
        latest = _find_latest(finished_runs, cfg.folder)
        is_from_folder = latest is not None
        scorer = BatchScorer(run=latest or "best", metric=cfg.metric)
    choice = choose_model(scorer, tracker, state=None)
    pipeline = load_model(choice.path, choice.digest)
    columns = PredictionColumns(probabilities="all")
    predictor = Predictor(pipeline, columns=columns, path=choice.path, digest=choice.digest)
    separator = find_separator(pipeline)
    if cfg.label_separator not in (None, separator):
        labels = f"{separator!r} between labels" if separator else "one label in each row"
        why = f"the model that was found ({choice.uri}) has {labels}, unlike label_separator"
        if cfg.run == _AUTO and not is_from_folder:
            return go_without(why)
        raise ConfigError([f"{why}. Leave label_separator out, or name another run=."])
    unknown = [
        name
        for name in cfg.labels or _list_distinct_labels(used_labels, separator)
        if name not in predictor.labels
    ]
    if unknown and cfg.run == _AUTO and not is_from_folder:
        return go_without(
            f"the best model ({choice.uri}) predicts {quote_list(predictor.labels[:5])}, not "
            f"{quote_list(unknown[:5])}"
        )
    why = f"the latest that learned from {cfg.folder}" if is_from_folder else choice.why
    return _Guide(choice, predictor, separator, is_from_folder, why)


def _list_finished(tracker: Tracker) -> list[StoredRun]:
    """Return the finished runs, the newest first; empty if there is no store yet."""
    try:
        return [run for run in tracker.list_runs() if run.status == "FINISHED"]
    except ExperimentDeletedError:
        raise
    except RunNotFoundError:
        return []


def _find_latest(runs: Sequence[StoredRun], folder: str) -> str | None:
    """Return the id of the latest of `runs` that learned from `folder`."""
    folder_path = Path(folder).expanduser().resolve()
    for run in runs:
        data_path = run.params.get("data.path")
        if data_path and Path(data_path).expanduser().resolve() == folder_path:
            return run.id
    return None


def _read_training_texts(choice: ModelChoice, tracker: Tracker, notes: list[str]) -> pd.Series:
    """Return the texts that a model learned from; empty if they are unknown."""
    no_texts = pd.Series(dtype="str")
    if not choice.run_id:
        notes.append("the run of the model is unknown: its training texts may be among these")
        return no_texts
    try:
        recorded = tracker.fetch_file(choice.run_id, "config.yaml").read_text(encoding="utf-8")
        train_cfg = compose("train")
        train_cfg.data = OmegaConf.create(recorded).data
        check_config(train_cfg)
        texts: pd.Series = make(train_cfg, "data", "read").read()[TEXT_COLUMN]
    except SentimentError as error:
        notes.append(f"training texts of the model may be among these: {error}")
        return no_texts
    return texts.dropna().reset_index(drop=True)


def _choose(
    cfg: DictConfig, rows: pd.DataFrame, count: int, guide: _Guide, known_texts: pd.Series,
    notes: list[str],
) -> pd.DataFrame:  # fmt: skip
    """Return the `count` most useful candidates of `rows`."""
    if guide.predictor is None:
        return _choose_without_model(rows, count, cfg.seed, known_texts, notes)
    return _choose_with_model(
        rows, count, cfg.seed, guide.predictor, multilabel=guide.separator is not None
    )


def _choose_without_model(
    rows: pd.DataFrame, count: int, seed: int, known_texts: pd.Series, notes: list[str]
) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    sample = _sample_rows(np.arange(len(rows)), _MAX_CLUSTERED, random)
    if len(sample) < len(rows):
        notes.append(f"the clusters are of {len(sample):,} texts, drawn at random")
    known_sample = known_texts.iloc[_sample_rows(np.arange(len(known_texts)), _MAX_KNOWN, random)]
    topics = find_text_topics([*rows[TEXT_COLUMN].iloc[sample], *known_sample], seed)
    is_known = np.arange(len(topics)) >= len(sample)
    batch = choose_diverse(topics, count, is_known, seed)
    reasons = [_describe_cluster(size) for size in batch.sizes]
    batch_rows = rows.iloc[sample[batch.rows]].reset_index(drop=True)
    return _make_table(batch_rows, guess="", probability=np.nan, reason=reasons)


def _choose_with_model(
    rows: pd.DataFrame, count: int, seed: int, predictor: Predictor, *, multilabel: bool
) -> pd.DataFrame:
    predictions = predictor.predict(rows[TEXT_COLUMN], rows).to_pandas()
    names = [name for name in predictions if name.startswith(PROBABILITY)]
    probabilities = predictions[names].to_numpy()
    margins = measure_margins(probabilities, multilabel=multilabel)
    order = np.argsort(margins, kind="stable")
    shortlist, other_rows = np.split(order, [min(SHORTLIST * count, len(rows))])
    # The topics come from all texts, not only from the uncertain ones.
    random = np.random.default_rng(seed)
    sample = _sample_rows(other_rows, max(_MAX_CLUSTERED - len(shortlist), 0), random)
    topics = find_text_topics(rows[TEXT_COLUMN].iloc[np.concatenate([shortlist, sample])], seed)
    batch = choose_uncertain(topics[: len(shortlist)], margins[shortlist], count, seed)
    selected = shortlist[batch.rows]
    labels = [name.removeprefix(PROBABILITY) for name in names]
    reasons = [
        f"{_describe_doubt(labels, probabilities[row], multilabel)}; "
        f"{_describe_cluster(size)} among the {len(shortlist):,} least certain"
        for row, size in zip(selected, batch.sizes, strict=True)
    ]
    return _make_table(
        rows.iloc[selected].reset_index(drop=True),
        guess=predictions["prediction"].astype("str").to_numpy()[selected],
        probability=predictions["probability"].to_numpy()[selected].round(4),
        reason=reasons,
    )


def _describe_cluster(size: int) -> str:
    return f"one of {size:,} similar texts" if size > 1 else "no similar text"


def _describe_doubt(labels: Sequence[str], probabilities: np.ndarray, multilabel: bool) -> str:
    """Return the labels that the model is unsure about, in words."""
    if multilabel:
        k = int(np.abs(probabilities - 0.5).argmin())
        return f"unsure: {labels[k]} {probabilities[k]:.2f}"
    first, second = np.argsort(-probabilities, kind="stable")[:2]
    return (
        f"unsure: {labels[first]} {probabilities[first]:.2f}, "
        f"{labels[second]} {probabilities[second]:.2f}"
    )


def _sample_rows(rows: np.ndarray, max_rows: int, random: np.random.Generator) -> np.ndarray:
    """Return `rows`, or a random sample of size `max_rows` in the same order."""
    if len(rows) <= max_rows:
        return rows
    return np.sort(random.choice(rows, max_rows, replace=False))


def _make_table(rows: pd.DataFrame, **columns: Any) -> pd.DataFrame:
    """Return the rows of the file: text, an empty label, other columns and the reason."""
    table = rows.assign(rank=np.arange(1, len(rows) + 1), **columns)
    table.insert(1, LABEL_COLUMN, "")
    return table


def _write_batch(path: Path, rows: pd.DataFrame) -> None:
    # Spreadsheets read a CSV without a byte order mark in another encoding.
    with path.open("x", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(rows.columns)
        writer.writerows(rows.astype(object).where(rows.notna(), "").to_numpy().tolist())


def _list_distinct_labels(labels: Sequence[str], separator: str | None) -> list[str]:
    """Return the distinct labels, sorted; with a separator, an item may hold several labels."""
    return (
        sorted(set(labels))
        if separator is None
        else list_labels(
            (join_labels(label_set.split(separator), separator) for label_set in labels), separator
        )
    )


def _suggest_training(cfg: DictConfig, separator: str | None, *, with_texts: bool) -> str:
    """Return the command that trains on the folder and, `with_texts`, on the unlabelled texts."""
    overrides = ["experiment=few_labels", "data=csv", f"data.path={cfg.folder}"]
    if separator is not None:
        overrides.append(write_override("data.label_separator", separator))
    if with_texts:
        overrides.append(f"data.unlabelled={cfg.input}")
    return suggest_command("train", *overrides)
