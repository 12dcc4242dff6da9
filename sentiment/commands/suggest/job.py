"""Suggest: choose the texts whose labels would help a model, or the first model, most."""

import csv
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig, OmegaConf

from sentiment.commands.predict.choices import choose_model
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

# Texts that are clustered; with more of them, the clusters hardly change.
_MOST_TOPICS, _MOST_KNOWN = 20_000, 5_000
_AUTO, _NONE = "auto", "none"


@dataclass(frozen=True)
class SuggestionResult:
    """Texts to label next.

    Attributes
    ----------
    path : Path
        The file with them, with an empty column ``label``.
    rows : DataFrame
        Content of that file, the most useful text first. With ``page=true``, the file is not
        written.
    candidates : Candidates
        The texts that they were chosen from.
    model : ModelChoice or None
        The model whose uncertainty they were chosen by.
    why : str
        Why this model was chosen, or why there is none.
    labels : list of str
        Known names of labels.
    known : DataFrame
        Labels in the folder: columns ``text``, ``label`` and ``labeler``.
    extra_columns : list of str
        Columns that the model reads beside the text.
    separator : str, optional
        Between the labels of a text, where it may have several.
    notes : list of str
        Messages about limitations of the choice.
    next_command : str
        The command to run once the texts are labelled.
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
class _Found:
    """The model to choose by, or the reason why there is none."""

    choice: ModelChoice | None
    predictor: Predictor | None
    separator: str | None
    is_of_folder: bool
    why: str


def suggest(cfg: DictConfig, observer: StageObserver | None = None) -> SuggestionResult:
    """Choose texts to label next, and write a file of them into the folder.

    Parameters
    ----------
    cfg : DictConfig
        As composed from ``conf/suggest.yaml``, checked.
    observer : StageObserver, optional
        Receives progress.

    Raises
    ------
    NothingToLabelError
        All texts have a label, or cannot be used.
    SentimentError
        The config, the input or the model cannot be used.
    """
    begun, notes = time.perf_counter(), list[str]()
    stages = Stages(observer) if observer else Stages()
    observer = observer or SilentObserver()
    folder = Path(cfg.folder).expanduser()
    with stages("read labels"):
        own = read_folder(folder)
        pending = list_pending(own, cfg.input).head(cfg.n if cfg.page else 0)
        if not pending.empty:
            shown = count_of(len(pending), "text")
            notes.append(f"{shown} of batches that have no label yet come first")
        known = [own[TEXT_COLUMN]]
        if cfg.labelled is not None:
            known.append(read_labelled(cfg.labelled, "labelled", cfg.text_column)[TEXT_COLUMN])
    with stages("load model"):
        tracker: Tracker = make(cfg, "tracking", "find_model")
        used = own[LABEL_COLUMN].dropna().unique().tolist()
        found = _find_model(cfg, tracker, used)
    if found.choice is not None and not found.is_of_folder:
        with stages("read training texts"):
            known.append(_read_training_texts(found.choice, tracker, notes))
    learned = "" if found.choice is None or found.is_of_folder else found.choice.text_column
    extra = found.predictor.extra_columns if found.predictor is not None else []
    with stages("read texts"):
        known_texts = pd.concat(known, ignore_index=True)
        candidates = read_candidates(cfg, learned, extra, known_texts, observer)
        if candidates.rows.empty and pending.empty:
            raise NothingToLabelError(cfg.input, candidates.read, candidates.left_out)
    with stages("choose texts"):
        parts, count = [pending], cfg.n - len(pending)
        if count and not candidates.rows.empty:
            parts.append(_choose(cfg, candidates.rows, count, found, known_texts, notes))
        rows = parts[-1] if pending.empty else pd.concat(parts, ignore_index=True)
        rows["rank"] = np.arange(1, len(rows) + 1)
    if unreadable := explain_unreadable(cfg, candidates.columns):
        notes.append(f"the next command leaves out the texts without a label: {unreadable}")
    if cfg.page:
        path = folder / f"{cfg.labeler or 'labels'}.csv"
    else:
        folder.mkdir(parents=True, exist_ok=True)
        path = name_batch(folder, cfg.input)
        _write(path, rows)
    labels = _split_all(used, found.separator)
    if found.predictor is not None:
        labels = found.predictor.labels
    return SuggestionResult(
        path=path,
        rows=rows,
        candidates=candidates,
        model=found.choice,
        why=found.why,
        labels=list(cfg.labels or labels),
        known=own,
        extra_columns=extra,
        separator=found.separator,
        notes=notes,
        next_command=_name_next(cfg, found.separator, with_texts=not unreadable),
        seconds=time.perf_counter() - begun,
    )


def _find_model(cfg: DictConfig, tracker: Tracker, used: Sequence[str]) -> _Found:
    """Return the model of ``run``; for ``run=auto``, the latest of the folder, or the best one."""

    def leave_out(why: str) -> _Found:
        return _Found(None, None, cfg.label_separator, False, why)

    if cfg.run == _NONE:
        return leave_out("run=none")
    scorer, of_folder = BatchScorer(run=cfg.run, metric=cfg.metric), False
    if cfg.run == _AUTO:
        trained = _list_trained(tracker)
        if not trained:
            return leave_out("no model was trained yet")
        latest = _find_latest(trained, cfg.folder)
        of_folder = latest is not None
        scorer = BatchScorer(run=latest or "best", metric=cfg.metric)
    choice = choose_model(scorer, tracker, state=None)
    pipeline = load_model(choice.path, choice.digest)
    columns = PredictionColumns(probabilities="all")
    predictor = Predictor(pipeline, columns=columns, path=choice.path, digest=choice.digest)
    separator = find_separator(pipeline)
    if cfg.label_separator not in (None, separator):
        one = f"{separator!r} between labels" if separator else "one label in each row"
        why = f"the model that was found ({choice.uri}) has {one}, unlike label_separator"
        if cfg.run == _AUTO and not of_folder:
            return leave_out(why)
        raise ConfigError([f"{why}. Leave label_separator out, or name another run=."])
    unknown = [
        name for name in cfg.labels or _split_all(used, separator) if name not in predictor.labels
    ]
    if unknown and cfg.run == _AUTO and not of_folder:
        return leave_out(
            f"the best model ({choice.uri}) predicts {quote_list(predictor.labels[:5])}, not "
            f"{quote_list(unknown[:5])}"
        )
    why = f"the latest that learned from {cfg.folder}" if of_folder else choice.why
    return _Found(choice, predictor, separator, of_folder, why)


def _list_trained(tracker: Tracker) -> list[StoredRun]:
    """Return the finished runs, the newest first; none if there is no store yet."""
    try:
        return [run for run in tracker.list_runs() if run.status == "FINISHED"]
    except ExperimentDeletedError:
        raise
    except RunNotFoundError:
        return []


def _find_latest(trained: Sequence[StoredRun], folder: str) -> str | None:
    """Return the id of the latest of the runs `trained` that learned from `folder`."""
    place = Path(folder).expanduser().resolve()
    for run in trained:
        learned = run.params.get("data.path")
        if learned and Path(learned).expanduser().resolve() == place:
            return run.id
    return None


def _read_training_texts(choice: ModelChoice, tracker: Tracker, notes: list[str]) -> pd.Series:
    """Return the texts that a model learned from; empty if they are no longer known."""
    nothing = pd.Series(dtype="str")
    if not choice.run_id:
        notes.append("no run is known of the model: texts that it learned from may be among these")
        return nothing
    try:
        recorded = tracker.fetch_file(choice.run_id, "config.yaml").read_text(encoding="utf-8")
        recipe = compose("train")
        recipe.data = OmegaConf.create(recorded).data
        check_config(recipe)
        texts: pd.Series = make(recipe, "data", "read").read()[TEXT_COLUMN]
    except SentimentError as error:
        notes.append(f"texts that the model learned from may be among these: {error}")
        return nothing
    return texts.dropna().reset_index(drop=True)


def _choose(
    cfg: DictConfig, rows: pd.DataFrame, count: int, found: _Found, known: pd.Series,
    notes: list[str],
) -> pd.DataFrame:  # fmt: skip
    """Return the `count` most useful of the candidates `rows`."""
    if found.predictor is None:
        return _choose_without_model(rows, count, cfg.seed, known, notes)
    return _choose_with_model(
        rows, count, cfg.seed, found.predictor, multilabel=found.separator is not None
    )


def _choose_without_model(
    rows: pd.DataFrame, count: int, seed: int, known: pd.Series, notes: list[str]
) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    drawn = _draw(np.arange(len(rows)), _MOST_TOPICS, random)
    if len(drawn) < len(rows):
        notes.append(f"clusters are of {len(drawn):,} texts, drawn at random")
    old = known.iloc[_draw(np.arange(len(known)), _MOST_KNOWN, random)]
    topics = find_text_topics([*rows[TEXT_COLUMN].iloc[drawn], *old], seed)
    is_known = np.arange(len(topics)) >= len(drawn)
    batch = choose_diverse(topics, count, is_known, seed)
    reasons = [_describe_cluster(size) for size in batch.sizes]
    chosen = rows.iloc[drawn[batch.rows]].reset_index(drop=True)
    return _make_table(chosen, guess="", probability=np.nan, reason=reasons)


def _choose_with_model(
    rows: pd.DataFrame, count: int, seed: int, predictor: Predictor, *, multilabel: bool
) -> pd.DataFrame:
    made = predictor.predict(rows[TEXT_COLUMN], rows).to_pandas()
    names = [name for name in made if name.startswith(PROBABILITY)]
    probabilities = made[names].to_numpy()
    margins = measure_margins(probabilities, multilabel=multilabel)
    order = np.argsort(margins, kind="stable")
    listed, others = np.split(order, [min(SHORTLIST * count, len(rows))])
    # Topics are found in all texts, not in a few uncertain ones.
    random = np.random.default_rng(seed)
    drawn = _draw(others, max(_MOST_TOPICS - len(listed), 0), random)
    topics = find_text_topics(rows[TEXT_COLUMN].iloc[np.concatenate([listed, drawn])], seed)
    batch = choose_uncertain(topics[: len(listed)], margins[listed], count, seed)
    chosen = listed[batch.rows]
    labels = [name.removeprefix(PROBABILITY) for name in names]
    reasons = [
        f"{_describe_doubt(labels, probabilities[row], multilabel)}; "
        f"{_describe_cluster(size)} among the {len(listed):,} least certain"
        for row, size in zip(chosen, batch.sizes, strict=True)
    ]
    return _make_table(
        rows.iloc[chosen].reset_index(drop=True),
        guess=made["prediction"].astype("str").to_numpy()[chosen],
        probability=made["probability"].to_numpy()[chosen].round(4),
        reason=reasons,
    )


def _describe_cluster(size: int) -> str:
    return f"one of {size:,} similar texts" if size > 1 else "no similar text"


def _describe_doubt(labels: Sequence[str], probabilities: np.ndarray, multilabel: bool) -> str:
    """Return the labels between which the model is unsure, in words."""
    if multilabel:
        place = int(np.abs(probabilities - 0.5).argmin())
        return f"unsure: {labels[place]} {probabilities[place]:.2f}"
    first, second = np.argsort(-probabilities, kind="stable")[:2]
    return (
        f"unsure: {labels[first]} {probabilities[first]:.2f}, "
        f"{labels[second]} {probabilities[second]:.2f}"
    )


def _draw(rows: np.ndarray, most: int, random: np.random.Generator) -> np.ndarray:
    """Return `rows`, or a random sample of `most` of them in their order."""
    if len(rows) <= most:
        return rows
    return np.sort(random.choice(rows, most, replace=False))


def _make_table(chosen: pd.DataFrame, **more: Any) -> pd.DataFrame:
    """Return the rows of the file: text, label, other columns and the reason for the choice."""
    table = chosen.assign(rank=np.arange(1, len(chosen) + 1), **more)
    table.insert(1, LABEL_COLUMN, "")
    return table


def _write(path: Path, rows: pd.DataFrame) -> None:
    # Spreadsheets read a CSV without a byte order mark in another encoding.
    with path.open("x", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(rows.columns)
        writer.writerows(rows.astype(object).where(rows.notna(), "").to_numpy().tolist())


def _split_all(used: Sequence[str], separator: str | None) -> list[str]:
    """Return the distinct labels of rows, sorted; with a separator, rows may have several."""
    return (
        sorted(set(used))
        if separator is None
        else list_labels(
            (join_labels(label.split(separator), separator) for label in used), separator
        )
    )


def _name_next(cfg: DictConfig, separator: str | None, *, with_texts: bool) -> str:
    """Return the command that trains on the folder and, `with_texts`, on the unlabelled ones."""
    words = ["experiment=few_labels", "data=csv", f"data.path={cfg.folder}"]
    if separator is not None:
        words.append(write_override("data.label_separator", separator))
    if with_texts:
        words.append(f"data.unlabelled={cfg.input}")
    return suggest_command("train", *words)
