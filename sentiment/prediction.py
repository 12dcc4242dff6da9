"""Predict: put a tracked model to work on a file of any size, and lose nothing of it."""

import hashlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
from omegaconf import DictConfig, OmegaConf

from sentiment.config import make
from sentiment.data.tables import find_text_column
from sentiment.errors import (
    ConfigError,
    EmptyDataError,
    InputNotFoundError,
    MissingColumnError,
    SentimentError,
)
from sentiment.evaluation import METRICS
from sentiment.files.ahead import work_ahead
from sentiment.files.batches import ADDED_COLUMNS, Batch, Limits, Position
from sentiment.files.opening import (
    choose_output,
    list_inputs,
    make_output,
    open_input,
    strip_compression,
)
from sentiment.files.outputs import Output
from sentiment.files.partial import PartialOutput
from sentiment.files.tally import Tally
from sentiment.linear import make_fast
from sentiment.model_files import load_model
from sentiment.pipeline import TextClassifier
from sentiment.scoring import BatchScorer
from sentiment.stages import SilentObserver, StageObserver
from sentiment.tracking import ModelChoice, Tracker

# What a kill costs at most, in seconds of work.
_CHECKPOINT = 1.0
_Scored = tuple[Batch, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class PredictionResult:
    """What came out of one prediction job.

    Attributes
    ----------
    output : Path
        The file that was written.
    rejected : Path or None
        The file of rejected rows, if there are any.
    report : Path
        The file that holds what is known of the job.
    model : ModelChoice
        The model that was used.
    tally : Tally
        What became of the rows.
    seconds : float
        How long this process worked on them.
    resumed : int
        Rows that were done before it began.
    """

    output: Path
    rejected: Path | None
    report: Path
    model: ModelChoice
    tally: Tally
    seconds: float
    resumed: int


def predict_files(cfg: DictConfig, observer: StageObserver | None = None) -> list[PredictionResult]:
    """Predict every file that ``cfg.input`` stands for.

    Of a folder or a pattern, each file has an output of the same name in the folder
    ``cfg.output``, ``<folder>.predictions`` without it; files that are done already, with the
    same model and settings, are passed over. See `predict` for parameters and errors.
    """
    paths, folder = list_inputs(cfg.input)
    if folder is None:
        return [predict(cfg, observer)]
    home = Path(cfg.output or f"{folder.resolve()}.predictions").expanduser()
    results = []
    for path in paths:
        inner = strip_compression(path.relative_to(folder))
        one = OmegaConf.merge(cfg, {"input": str(path), "output": str(home / inner)})
        results.append(predict(cast("DictConfig", one), observer, keep_finished=True))
    return results


def predict(
    cfg: DictConfig, observer: StageObserver | None = None, *, keep_finished: bool = False
) -> PredictionResult:
    """Run one prediction job on one file, or go on with one that was interrupted.

    Parameters
    ----------
    cfg : DictConfig
        As composed from ``conf/predict.yaml``, checked.
    observer : StageObserver, optional
        Whoever watches.
    keep_finished : bool
        Whether the result of the same job is returned, if its output is there, in place of an
        error.

    Raises
    ------
    SentimentError
        The config, the input, the output or the model cannot be used.
    """
    observer = observer or SilentObserver()
    scorer: BatchScorer = make(cfg, "deploy", "score")
    tracker: Tracker = make(cfg, "tracking", "find_model")
    path = Path(cfg.input).expanduser()
    source = open_input(path, cfg.encoding, cfg.sep)
    text_column = _choose_text_column(path, source.columns, cfg.text_column)
    target, kind = choose_output(path, source, cfg.output, scorer.format)
    partial = PartialOutput(target, overwrite=cfg.overwrite)
    report = partial.read_finished()
    if report and report["job"]["input"] == str(path.resolve()):
        return _read_result(partial, report)
    state = partial.read_state()
    choice = _choose_model(scorer, tracker, state)
    job = _describe_job(path, choice, scorer, text_column, kind, cfg)
    if keep_finished and not cfg.overwrite and (report := partial.read_report(job)):
        return _read_result(partial, report)
    partial.check_free()
    if state and not partial.check_same(state, job):
        state = None
    classifier = make_fast(load_model(choice.path))
    labels = [str(label) for label in classifier.classes_]
    output = make_output(source, kind, labels)
    limits = Limits(
        max_chars=scorer.max_chars,
        reject_empty=scorer.empty == "reject",
        # A table has the same columns in every row.
        fields=None if kind == "jsonl" else frozenset(source.columns),
    )
    progress = state["progress"] if state else {}
    tally, start = Tally(**progress.get("tally", {})), Position(**progress.get("position", {}))
    begun = time.perf_counter()
    with partial.open(state):
        try:
            batches = work_ahead(source.read(text_column, limits, start))
            scored = work_ahead(_score(scorer, classifier, batches))
            for _ in _write(scored, output, partial, job, tally, labels, fresh=state is None):
                taken = time.perf_counter() - begun
                observer.on_progress(
                    tally.read, None, tally.describe(taken, source.share, start.row)
                )
            if not tally.read:
                raise EmptyDataError(f"'{path}'")
        except SentimentError:
            partial.discard()
            raise
        partial.flush()
        seconds = time.perf_counter() - begun
        report = _make_report(choice, job, tally, seconds, start.row)
        partial.finish(report, output.finish(partial.partial).name)
    return _read_result(partial, report)


def _score(
    scorer: BatchScorer, classifier: TextClassifier, batches: Iterable[Batch]
) -> Iterator[_Scored]:
    for batch in batches:
        yield (batch, *scorer.score(classifier, batch.texts.to_pandas()))


def _write(
    scored: Iterable[_Scored], output: Output, partial: PartialOutput, job: dict[str, Any],
    tally: Tally, labels: list[str], *, fresh: bool,
) -> Iterator[Batch]:  # fmt: skip
    """Write every batch and yield it; note now and then how far everything is."""
    saved = time.monotonic()
    for batch, codes, probabilities in scored:
        rows = output.write(batch, codes, probabilities)
        if fresh:
            rows, fresh = output.begin(batch) + rows, False
        partial.append(rows, batch.rejects)
        tally.add(batch, codes, probabilities, labels)
        if time.monotonic() - saved > _CHECKPOINT:
            partial.save(job, {"tally": asdict(tally), "position": asdict(batch.end)})
            saved = time.monotonic()
        yield batch


def _choose_model(
    scorer: BatchScorer, tracker: Tracker, state: dict[str, Any] | None
) -> ModelChoice:
    """Return the model; an unfinished output is finished with the one that it was begun with."""
    if scorer.run.endswith(".skops"):
        path = Path(scorer.run).expanduser()
        if not path.is_file():
            raise InputNotFoundError(path, "deploy.run", "a skops file")
        return ModelChoice(str(path), path, run_id="", run_name="", why="it was named")
    more = METRICS[scorer.metric]
    if state and scorer.run == state["job"]["run"] == "best":
        choice = tracker.find_model(state["job"]["model"], scorer.metric, greater_is_better=more)
        return replace(choice, why="the unfinished output was begun with it")
    return tracker.find_model(scorer.run, scorer.metric, greater_is_better=more)


def _choose_text_column(path: Path, columns: list[str], wanted: str | None) -> str:
    found = wanted if wanted in columns else None if wanted else find_text_column(columns)
    if found is None:
        raise MissingColumnError(path, wanted, columns, "text_column")
    taken = [column for column in ADDED_COLUMNS if column in columns]
    if taken:
        raise ConfigError(
            [
                f"'{path}' already has a column {taken[0]!r}, which predict adds. "
                "Is it an output of predict? Rename or remove that column."
            ]
        )
    return found


def _describe_job(
    path: Path, choice: ModelChoice, scorer: BatchScorer, text_column: str, kind: str,
    cfg: DictConfig,
) -> dict[str, Any]:  # fmt: skip
    """Return all that two processes must have in common to work on the same output."""
    there = path.stat()
    with choice.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "input": str(path.resolve()),
        "size": there.st_size,
        "modified": there.st_mtime_ns,
        "run": scorer.run,
        "model": choice.uri,
        "sha256": digest,
        "text_column": text_column,
        "format": kind,
        "max_chars": scorer.max_chars,
        "empty": scorer.empty,
        "encoding": cfg.encoding,
        "sep": cfg.sep,
    }


def _make_report(
    choice: ModelChoice, job: dict[str, Any], tally: Tally, seconds: float, before: int
) -> dict[str, Any]:
    if tally.read != tally.written + tally.rejected:
        raise AssertionError(f"{tally.read} rows in, {tally.written} + {tally.rejected} out")
    model = {key: str(value) for key, value in asdict(choice).items()}
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": model,
        "job": job,
        "rows": {
            "read": tally.read,
            "written": tally.written,
            "rejected": tally.rejected,
            "resumed": before,
        },
        "tally": asdict(tally),
        "mean_probability": tally.sum / tally.written if tally.written else None,
        "seconds": round(seconds, 3),
        "rows_per_second": round((tally.read - before) / max(seconds, 1e-9), 1),
    }


def _read_result(partial: PartialOutput, report: dict[str, Any]) -> PredictionResult:
    model = report["model"]
    return PredictionResult(
        output=partial.output,
        rejected=partial.rejected if report["rows"]["rejected"] else None,
        report=partial.report,
        model=ModelChoice(**model | {"path": Path(model["path"])}),
        tally=Tally(**report["tally"]),
        seconds=report["seconds"],
        resumed=report["rows"]["resumed"],
    )
