"""Predict: put a tracked model to work on a file of any size, and lose nothing of it."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from omegaconf import DictConfig

from sentiment.commands.predict.choices import LoadedModel, Models, check_columns
from sentiment.commands.predict.results import PredictionResult, make_report, read_result
from sentiment.errors import (
    AllRowsRejectedError,
    AmbiguousColumnError,
    ChangedInputError,
    EmptyDataError,
    FilesFailedError,
    InputNotFoundError,
    LostModelError,
    MissingColumnError,
    MissingExtraColumnsError,
    OccupiedNameError,
    OutputBusyError,
    OutputExistsError,
    SentimentError,
    UnfinishedOutputError,
    UnreadableFileError,
)
from sentiment.files.batches import Batch, Limits, Position, Reject
from sentiment.files.chain import FILE, Chain
from sentiment.files.columns import check_extra_columns, choose_text_column
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
from sentiment.files.prefetching import prefetch
from sentiment.files.tally import Tally
from sentiment.modeling.columns import count_unused
from sentiment.modeling.label_set_rules import record_rule
from sentiment.modeling.scoring import BatchScorer, Predictor, read_columns
from sentiment.tracking.stages import SilentObserver, StageObserver

Result = TypeVar("Result")

# Errors of one file of many.
_FILE_ERRORS = (
    AllRowsRejectedError,
    AmbiguousColumnError,
    ChangedInputError,
    EmptyDataError,
    InputNotFoundError,
    MissingColumnError,
    MissingExtraColumnsError,
    OccupiedNameError,
    OutputBusyError,
    OutputExistsError,
    UnfinishedOutputError,
    UnreadableFileError,
)
# What a kill costs at most, in seconds of work.
_CHECKPOINT = 1.0
# Files that are predicted side by side, and the most bytes of such a file.
_SIDE_BY_SIDE, _SMALL = 4, 2**20
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
    paths, folder = list_inputs(cfg.input, ReadOptions.of(cfg))
    if folder is None:
        return [predict(cfg, observer)]
    if cfg.together:
        members = [open_input(path, ReadOptions.of(cfg)) for path in paths]
        return [predict(cfg, observer, Chain(members, folder))]
    home = Path(cfg.output or f"{folder.resolve()}.predictions").expanduser()
    outputs = [home / strip_compression(path.relative_to(folder)) for path in paths]
    check_outputs(paths, outputs)
    models, options = Models(cfg), ReadOptions.of(cfg)

    def work(path: Path, output: Path) -> PredictionResult | SentimentError | OSError:
        try:
            source = open_input(path, options)
            return predict(cfg, observer, source, str(output), models, keep_finished=True)
        except (SentimentError, OSError) as error:
            if not _concerns_one_file(error):
                raise
            return error

    found = _work_side_by_side(work, list(zip(paths, outputs, strict=True)), models)
    results, failures = list[PredictionResult](), dict[Path, SentimentError | OSError]()
    for path, result in zip(paths, found, strict=True):
        if isinstance(result, PredictionResult):
            results.append(result)
        else:
            failures[path] = result
    if failures:
        raise FilesFailedError(failures, results)
    return results


def _work_side_by_side(
    work: Callable[[Path, Path], Result], files: list[tuple[Path, Path]], models: Models
) -> Iterator[Result]:
    """Yield what `work` returns for each of `files`, in order.

    A small file takes a moment to predict, and several until the disk has written its output; so a
    few of them are worked on at a time. A large file has all cores to itself.
    """
    alone = type(models.scorer) is not BatchScorer  # it has processes of its own
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        try:
            for path, output in files:
                small = _is_small(path) and not alone
                while waiting and (len(waiting) == _SIDE_BY_SIDE or not small):
                    yield waiting.popleft().result()
                if small:
                    waiting.append(pool.submit(work, path, output))
                else:
                    yield work(path, output)
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _is_small(path: Path | None) -> bool:
    return path is not None and path.is_file() and path.stat().st_size <= _SMALL


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
    models: Models | None = None,
    *,
    keep_finished: bool = False,
) -> PredictionResult:
    """Run one prediction job with one output, or resume one that was interrupted.

    Parameters
    ----------
    cfg : DictConfig
        As composed from ``conf/predict.yaml``, checked.
    observer : StageObserver, optional
        Receives progress.
    source : Input, optional
        What is predicted; default: what ``cfg.input`` names.
    output : str, optional
        Where to write; default: ``cfg.output``.
    models : Models, optional
        Models that other jobs of the command use too; default: those of this job.
    keep_finished : bool
        Whether the result of the same job is returned, if its output is there, in place of an
        error.

    Raises
    ------
    SentimentError
        The config, the input, the output or the model cannot be used.
    """
    observer = observer or SilentObserver()
    models = models or Models(cfg)
    scorer = models.scorer
    source = source or open_input(cfg.input, ReadOptions.of(cfg))
    name = Path(source.origin.name)
    if cfg.text_column is not None:  # a mistake in it need not wait for the model
        choose_text_column(name, source.columns, cfg.text_column)
    many = isinstance(source, Chain)
    check_columns(source, _list_added(models.columns.list_fields(), many=many).names)
    target, kind = choose_output(source, output or cfg.output, scorer.format)
    partial = _open_output(target, overwrite=cfg.overwrite, many=many)
    members = source.members if isinstance(source, Chain) else [source]
    check_apart([one.origin.path for one in members if one.origin.path], partial.names)
    report = partial.read_finished()
    if report and source.origin.identity.items() <= report["job"].items():
        return read_result(partial, report)
    state = partial.read_state()
    try:
        choice = models.choose(state, partial.partial)
    except LostModelError:
        if not cfg.overwrite:
            raise
        state = None
        choice = models.choose(state)
    column = choose_text_column(name, source.columns, cfg.text_column, choice.text_column)
    model = models.load(choice)
    check_extra_columns(name, source.columns, model.predictor.extra_columns)
    added = _list_added(model.predictor.schema, many=many)
    check_columns(source, added.names)  # those that are named after classes, too
    job = _describe_job(source, models, model, column.name, kind)
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
            # Threads of its own are worth it for a file of several batches.
            ahead = iter if all(_is_small(one.origin.path) for one in members) else prefetch
            batches = ahead(source.read(column.name, limits, start))
            scored = ahead(scorer.score(model.predictor, batches))
            first: Reject | None = None
            for batch in _write(
                scored, writer, partial, job, tally, model.predictor, fresh=not progress
            ):
                first = first or next(iter(batch.rejects), None)
                taken = time.perf_counter() - begun
                unit = tally.describe(taken, source.share, done_before)
                observer.on_progress(tally.read, None, unit)
            if not tally.read:
                raise EmptyDataError(f"'{source.origin.name}'")
            if not tally.written:
                shown = f"row {first.row:,}: {first.raw[:_SHOWN]!r}" if first else ""
                raise AllRowsRejectedError(source.origin.name, tally.reasons, shown)
        except ChangedInputError:
            if not cfg.overwrite:
                raise  # what was begun with other rows is not worth less for it
            partial.discard()
            return predict(cfg, observer, source, output, models)
        except SentimentError as error:
            # What an outage leaves is resumed by the same command, if there is anything.
            if not (error.exit_code.is_transient and tally.read):
                partial.discard()
            raise
        seconds = time.perf_counter() - begun
        report = make_report(choice, column, job, tally, seconds, done_before, source.assumed)
        partial.finish(report, writer.assemble)
    return read_result(partial, report)


def _list_added(predictions: pa.Schema, *, many: bool) -> pa.Schema:
    """Return the columns that are added: those of predictions, behind the file of many."""
    return predictions.insert(0, pa.field(FILE, pa.string())) if many else predictions


def _open_output(target: Path, *, overwrite: bool, many: bool) -> PartialOutput | StreamOutput:
    if target == Path(PIPE):
        return StreamOutput(sys.stdout.buffer, many=many)
    return PartialOutput(target, overwrite=overwrite, many=many)


def _write(
    scored: Iterable[tuple[Batch, pa.RecordBatch]], output: Output,
    partial: PartialOutput | StreamOutput, job: dict[str, Any],
    tally: Tally, predictor: Predictor, *, fresh: bool,
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
        columns_read = read_columns(batch, predictor)
        if columns_read is not None:
            tally.add_columns(count_unused(predictor.encoder, columns_read.to_pandas()))
        if time.monotonic() - saved > _CHECKPOINT:
            partial.save(job, {"tally": asdict(tally), "position": asdict(batch.end)})
            saved = time.monotonic()
        yield batch


def _describe_job(
    source: Input, models: Models, model: LoadedModel, text_column: str, kind: str
) -> dict[str, Any]:  # fmt: skip
    """Return all that two processes must have in common to work on the same output."""
    scorer = models.scorer
    return (
        source.origin.identity
        | {
            "run": scorer.run,
            "model": model.choice.uri,
            "sha256": model.digest,
            "text_column": text_column,
            "format": kind,
            "max_chars": scorer.max_chars,
            "empty": scorer.empty,
            "top_k": scorer.top_k,
            "probabilities": scorer.probabilities,
        }
        | models.settings
        | record_rule(model.predictor.rule)
    )
