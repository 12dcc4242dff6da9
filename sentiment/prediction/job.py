"""Predict: put a tracked model to work on a file of any size, and lose nothing of it."""

import hashlib
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import Any

import pyarrow as pa
from omegaconf import DictConfig

from sentiment.config import make
from sentiment.errors import (
    AllRowsRejectedError,
    AmbiguousColumnError,
    ChangedInputError,
    EmptyDataError,
    FilesFailedError,
    InputNotFoundError,
    LostModelError,
    MissingColumnError,
    OccupiedNameError,
    OutputBusyError,
    OutputExistsError,
    SentimentError,
    UnfinishedOutputError,
    UnreadableFileError,
)
from sentiment.files.ahead import work_ahead
from sentiment.files.batches import Batch, Limits, Position, Reject
from sentiment.files.chain import FILE, Chain
from sentiment.files.columns import choose_text_column
from sentiment.files.dialects import ReadOptions
from sentiment.files.inputs import Input
from sentiment.files.opening import (
    check_apart,
    check_outputs,
    choose_output,
    list_inputs,
    make_output,
    open_input,
)
from sentiment.files.origins import strip_compression
from sentiment.files.outputs import Output
from sentiment.files.partial import PartialOutput
from sentiment.files.pipes import PIPE, StreamOutput
from sentiment.files.tally import Tally
from sentiment.model_files import load_model
from sentiment.prediction.choices import (
    check_columns,
    choose_model,
    choose_rule,
)
from sentiment.prediction.results import PredictionResult, make_report, read_result
from sentiment.scoring import Answerer, BatchScorer, list_answers
from sentiment.stages import SilentObserver, StageObserver
from sentiment.tracking import ModelChoice, Tracker

# Errors of one file of many.
_FILE_ERRORS = (
    AllRowsRejectedError,
    AmbiguousColumnError,
    ChangedInputError,
    EmptyDataError,
    InputNotFoundError,
    MissingColumnError,
    OccupiedNameError,
    OutputBusyError,
    OutputExistsError,
    UnfinishedOutputError,
    UnreadableFileError,
)
# What a kill costs at most, in seconds of work.
_CHECKPOINT = 1.0
# Characters of a rejected row in a message.
_SHOWN = 60


def predict_files(cfg: DictConfig, observer: StageObserver | None = None) -> list[PredictionResult]:
    """Predict every file that ``cfg.input`` stands for.

    Of a folder or a pattern, each file has an output of the same name in the folder
    ``cfg.output``, default: ``<folder>.predictions``; files that are done already, with the same
    model and settings, are skipped, and so are those that cannot be read. With ``cfg.together``,
    all have one output. See `predict` for parameters and further errors.

    Raises
    ------
    FilesFailedError
        Some files cannot be predicted; it has the results of the others.
    """
    paths, folder = list_inputs(cfg.input)
    if folder is None:
        return [predict(cfg, observer)]
    if cfg.together:
        members = [open_input(path, ReadOptions.of(cfg)) for path in paths]
        return [predict(cfg, observer, Chain(members, folder))]
    home = Path(cfg.output or f"{folder.resolve()}.predictions").expanduser()
    outputs = [home / strip_compression(path.relative_to(folder)) for path in paths]
    check_outputs(paths, outputs)
    results, failures = list[PredictionResult](), dict[Path, SentimentError | OSError]()
    for path, output in zip(paths, outputs, strict=True):
        try:
            source = open_input(path, ReadOptions.of(cfg))
            results.append(predict(cfg, observer, source, str(output), keep_finished=True))
        except (SentimentError, OSError) as error:
            if not _concerns_one_file(error):
                raise
            failures[path] = error
    if failures:
        raise FilesFailedError(failures, results)
    return results


def _concerns_one_file(error: SentimentError | OSError) -> bool:
    """Return whether other files may still be predicted, unlike without a model or disk space."""
    if isinstance(error, SentimentError):
        return isinstance(error, _FILE_ERRORS)
    return error.errno not in (ENOSPC, EDQUOT)


def predict(
    cfg: DictConfig,
    observer: StageObserver | None = None,
    source: Input | None = None,
    output: str | None = None,
    *,
    keep_finished: bool = False,
) -> PredictionResult:
    """Run one prediction job with one output, or go on with one that was interrupted.

    Parameters
    ----------
    cfg : DictConfig
        As composed from ``conf/predict.yaml``, checked.
    observer : StageObserver, optional
        Whoever watches.
    source : Input, optional
        What is predicted; default: what ``cfg.input`` names.
    output : str, optional
        Where to write; default: ``cfg.output``.
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
    source = source or open_input(cfg.input, ReadOptions.of(cfg))
    name = Path(source.origin.name)
    if cfg.text_column is not None:  # a mistake in it need not wait for the model
        choose_text_column(name, source.columns, cfg.text_column)
    many = isinstance(source, Chain)
    answers = list_answers(explain=cfg.explain)
    added = answers.insert(0, pa.field(FILE, pa.string())) if many else answers
    check_columns(source, added.names)
    target, kind = choose_output(source, output or cfg.output, scorer.format)
    partial = _open_output(target, overwrite=cfg.overwrite, many=many)
    members = source.members if isinstance(source, Chain) else [source]
    check_apart([one.origin.path for one in members if one.origin.path], partial.names)
    report = partial.read_finished()
    if report and source.origin.identity.items() <= report["job"].items():
        return read_result(partial, report)
    state = partial.read_state()
    try:
        choice = choose_model(scorer, tracker, state, partial.partial)
    except LostModelError:
        if not cfg.overwrite:
            raise
        state = None
        choice = choose_model(scorer, tracker, state)
    column = choose_text_column(name, source.columns, cfg.text_column, choice.text_column)
    pipeline = load_model(choice.path)
    rule = choose_rule(scorer, tracker, choice, pipeline.classes_)
    answerer = Answerer(pipeline, rule, explain=cfg.explain, path=choice.path)
    job = _describe_job(source, choice, scorer, column.name, kind, cfg) | asdict(rule)
    if keep_finished and not cfg.overwrite and (report := partial.read_report(job)):
        return read_result(partial, report)
    partial.check_free()
    if state and not partial.check_same(state, job):
        state = None
    writer = make_output(source, kind, added)
    limits = Limits(
        max_chars=scorer.max_chars,
        reject_empty=scorer.empty == "reject",
        # A table has the same columns in every row.
        fields=None if kind == "jsonl" else frozenset(source.columns),
        added=added.names,
    )
    progress = state["progress"] if state else {}
    tally, start = Tally(**progress.get("tally", {})), Position(**progress.get("position", {}))
    done_before = tally.read
    begun = time.perf_counter()
    with partial.open(state, job):
        try:
            batches = work_ahead(source.read(column.name, limits, start))
            scored = work_ahead(scorer.score(answerer, batches))
            first: Reject | None = None
            for batch in _write(scored, writer, partial, job, tally, fresh=not progress):
                first = first or next(iter(batch.rejects), None)
                taken = time.perf_counter() - begun
                told = tally.describe(taken, source.share, done_before)
                observer.on_progress(tally.read, None, told)
            if not tally.read:
                raise EmptyDataError(f"'{source.origin.name}'")
            if not tally.written:
                shown = f"row {first.row:,}: {first.raw[:_SHOWN]!r}" if first else ""
                raise AllRowsRejectedError(source.origin.name, tally.reasons, shown)
        except ChangedInputError:
            if not cfg.overwrite:
                raise  # what was begun with other rows is not worth less for it
            partial.discard()
            return predict(cfg, observer, source, output)
        except SentimentError as error:
            # What an outage leaves is resumed by the same command, if there is anything.
            if not (error.exit_code.is_transient and tally.read):
                partial.discard()
            raise
        seconds = time.perf_counter() - begun
        report = make_report(choice, column, job, tally, seconds, done_before, source.assumed)
        partial.finish(report, writer.assemble)
    return read_result(partial, report)


def _open_output(target: Path, *, overwrite: bool, many: bool) -> PartialOutput | StreamOutput:
    if target == Path(PIPE):
        return StreamOutput(sys.stdout.buffer, many=many)
    return PartialOutput(target, overwrite=overwrite, many=many)


def _write(
    scored: Iterable[tuple[Batch, pa.RecordBatch]], output: Output,
    partial: PartialOutput | StreamOutput, job: dict[str, Any],
    tally: Tally, *, fresh: bool,
) -> Iterator[Batch]:  # fmt: skip
    """Write every batch and yield it; note now and then how far everything is."""
    saved = time.monotonic()
    for batch, answers in scored:
        columns = Chain.add_file(batch, answers) if batch.file else answers
        rows = output.write(batch, columns)
        if fresh:
            rows, fresh = output.begin(batch) + rows, False
        partial.append(rows, batch.rejects)
        tally.add(batch, answers)
        if time.monotonic() - saved > _CHECKPOINT:
            partial.save(job, {"tally": asdict(tally), "position": asdict(batch.end)})
            saved = time.monotonic()
        yield batch


def _describe_job(
    source: Input, choice: ModelChoice, scorer: BatchScorer, text_column: str, kind: str,
    cfg: DictConfig,
) -> dict[str, Any]:  # fmt: skip
    """Return all that two processes must have in common to work on the same output."""
    with choice.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return source.origin.identity | {
        "run": scorer.run,
        "model": choice.uri,
        "sha256": digest,
        "text_column": text_column,
        "format": kind,
        "max_chars": scorer.max_chars,
        "empty": scorer.empty,
        "explain": cfg.explain,
        "encoding": cfg.encoding,
        "sep": cfg.sep,
        "quote": cfg.quote,
        "escape": cfg.escape,
        "header": cfg.header,
    }
