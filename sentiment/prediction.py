"""Predict: put a tracked model to work on a file, chunk by chunk."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig

from sentiment.config import make
from sentiment.data import tables
from sentiment.errors import (
    ConfigError,
    InputNotFoundError,
    MissingColumnError,
    OutputExistsError,
)
from sentiment.evaluation import METRICS
from sentiment.linear import make_fast
from sentiment.model_files import load_model
from sentiment.scoring import BatchScorer
from sentiment.stages import SilentObserver, StageObserver
from sentiment.tracking import ModelChoice, Tracker

ADDED_COLUMNS = ("prediction", "probability")


@dataclass(frozen=True)
class PredictionResult:
    """What came out of one prediction job.

    Attributes
    ----------
    output : Path
        The file that was written.
    model : ModelChoice
        The model that was used.
    rows : int
        Rows written, as many as were read.
    without_text : int
        Rows among them that have no text and so no prediction.
    counts : dict of str to int
        Rows per predicted label.
    """

    output: Path
    model: ModelChoice
    rows: int
    without_text: int
    counts: dict[str, int]


def predict(cfg: DictConfig, observer: StageObserver | None = None) -> PredictionResult:
    """Run one prediction job.

    Parameters
    ----------
    cfg : DictConfig
        As composed from ``conf/predict.yaml``, checked.
    observer : StageObserver, optional
        Whoever watches.

    Raises
    ------
    SentimentError
        The config, the input, the output or the model cannot be used.
    """
    observer = observer or SilentObserver()
    scorer: BatchScorer = make(cfg, "deploy", "score")
    tracker: Tracker = make(cfg, "tracking", "find_model")
    source = Path(cfg.input).expanduser()
    columns = tables.read_columns(source, "input")
    text_column = _choose_text_column(source, columns, cfg.text_column)
    output, kind = _choose_output(source, cfg.output, scorer.format)
    if output.exists() and not cfg.overwrite:
        raise OutputExistsError(output)

    choice = _choose_model(scorer, tracker)
    classifier = make_fast(load_model(choice.path))
    counts: dict[str, int] = {}
    rows = without_text = 0
    with tables.TableWriter(output, kind) as writer:
        for chunk in tables.read_chunks(source, scorer.chunk_size, "input"):
            texts = chunk.reindex(columns=[text_column]).set_axis(["text"], axis=1)
            scored = scorer.score(classifier, texts)
            writer.write(pd.concat([chunk, scored], axis=1))
            rows += len(chunk)
            without_text += int(scored["prediction"].isna().sum())
            for label, count in scored["prediction"].value_counts().items():
                counts[str(label)] = counts.get(str(label), 0) + int(count)
            observer.on_progress(rows, None, "rows")
    return PredictionResult(output, choice, rows, without_text, counts)


def _choose_model(scorer: BatchScorer, tracker: Tracker) -> ModelChoice:
    if not scorer.run.endswith(".skops"):
        more = METRICS[scorer.metric]
        return tracker.find_model(scorer.run, scorer.metric, greater_is_better=more)
    path = Path(scorer.run).expanduser()
    if not path.is_file():
        raise InputNotFoundError(path, "deploy.run", "a skops file")
    return ModelChoice(str(path), path, run_id="", run_name="", why="it was named")


def _choose_text_column(source: Path, columns: list[Any], wanted: str | None) -> str:
    found = wanted if wanted in columns else None if wanted else tables.find_text_column(columns)
    if found is None:
        raise MissingColumnError(source, wanted, columns, "text_column")
    taken = [column for column in ADDED_COLUMNS if column in columns]
    if taken:
        raise ConfigError(
            [
                f"'{source}' already has a column {taken[0]!r}, which predict adds. "
                "Is it an output of predict? Rename or remove that column."
            ]
        )
    return found


def _choose_output(source: Path, wanted: str | None, form: str | None) -> tuple[Path, str]:
    """Return where to write and in what format."""
    if wanted is not None:
        output = Path(wanted).expanduser()
        if output.resolve() == source.resolve():
            raise ConfigError([f"output is '{output}', which is the input; name another file."])
        return output, form or tables.format_of(output, "output")
    kind = form or tables.format_of(source, "input")
    ending = tables.SUFFIXES[form] if form else source.suffix
    return source.with_name(f"{source.stem}.predictions{ending}"), kind
