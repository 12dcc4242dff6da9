"""Predict a file of any size with a tracked model, without losing a row."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from omegaconf import DictConfig

from sentiment.commands.predict.models import LoadedModel, Models, check_columns
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
    NoTextColumnError,
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
from sentiment.files.pipes import PIPE, StreamOutput, open_stdout
from sentiment.files.prefetching import prefetch
from sentiment.files.tally import Tally
from sentiment.modeling.columns import count_unused
from sentiment.modeling.decision_rules import record_rule
from sentiment.modeling.scoring import BatchScorer, Predictor, read_columns
from sentiment.tracking.stages import SilentObserver, StageObserver

Result = TypeVar("Result")

# Errors that concern one file, so that the other files are still predicted.
_FILE_ERRORS = (
    AllRowsRejectedError,
    AmbiguousColumnError,
    ChangedInputError,
    EmptyDataError,
    InputNotFoundError,
    MissingColumnError,
    NoTextColumnError,
    MissingExtraColumnsError,
    OccupiedNameError,
    OutputBusyError,
    OutputExistsError,
    UnfinishedOutputError,
    UnreadableFileError,
)
# Seconds between two checkpoints: a killed process loses the work since the last one.
_CHECKPOINT = 1.0
# Number of files that are predicted at the same time, and the maximum size of such a file.
_MAX_CONCURRENT_FILES, _SMALL_FILE_BYTES = 4, 2**20
# Length of the excerpt of a rejected row in a message.
_EXCERPT_CHARS = 60


def predict_files(cfg: DictConfig, observer: StageObserver | None = None) -> list[PredictionResult]:
    """Predict every file that ``cfg.input`` stands for.

    For a folder or a pattern, each file gets an output of the same name in the folder
    ``cfg.output``, default: ``<folder>.predictions``. Files that cannot be read are skipped, and so
    are files that were predicted before with the same model and settings. With ``cfg.together``,
    all files share one output. See `predict` for parameters and further errors.

    Raises
    ------
    FilesFailedError
        Some files cannot be predicted; the error holds the results of the others.
    """
    paths, folder = list_inputs(cfg.input, ReadOptions.of(cfg))
    if folder is None:
        return [predict(cfg, observer)]
    if cfg.together:
        members = [open_input(path, ReadOptions.of(cfg)) for path in paths]
        return [predict(cfg, observer, Chain(members, folder))]
    output_folder = Path(cfg.output or f"{folder.resolve()}.predictions").expanduser()
    outputs = [output_folder / strip_compression(path.relative_to(folder)) for path in paths]
    check_outputs(paths, outputs)
    models, options = Models(cfg), ReadOptions.of(cfg)

    def predict_file(path: Path, output: Path) -> PredictionResult | SentimentError | OSError:
        try:
            source = open_input(path, options)
            return predict(cfg, observer, source, str(output), models, keep_finished=True)
        except (SentimentError, OSError) as error:
            if not _concerns_one_file(error):
                raise
            return error

    outcomes = _predict_concurrently(predict_file, list(zip(paths, outputs, strict=True)), models)
    results, failures = list[PredictionResult](), dict[Path, SentimentError | OSError]()
    for path, outcome in zip(paths, outcomes, strict=True):
        if isinstance(outcome, PredictionResult):
            results.append(outcome)
        else:
            failures[path] = outcome
    if failures:
        raise FilesFailedError(failures, results)
    return results


def _predict_concurrently(
    predict_file: Callable[[Path, Path], Result], files: list[tuple[Path, Path]], models: Models
) -> Iterator[Result]:
    """Yield the result of `predict_file` for each of `files`, in order.

    A small file mostly waits for the disk that writes its output, so a few small files are
    predicted at a time. A large file has all cores to itself.
    """
    has_own_processes = type(models.scorer) is not BatchScorer
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(_MAX_CONCURRENT_FILES) as pool:
        try:
            for path, output in files:
                is_small = _is_small(path) and not has_own_processes
                while pending and (len(pending) == _MAX_CONCURRENT_FILES or not is_small):
                    yield pending.popleft().result()
                if is_small:
                    pending.append(pool.submit(predict_file, path, output))
                else:
                    yield predict_file(path, output)
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _is_small(path: Path | None) -> bool:
    return path is not None and path.is_file() and path.stat().st_size <= _SMALL_FILE_BYTES


def _concerns_one_file(error: SentimentError | OSError) -> bool:
    """Return whether other files can still be predicted, unlike without a model or disk space."""
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
        The checked config of ``conf/predict.yaml``.
    observer : StageObserver, optional
        Receives progress.
    source : Input, optional
        Rows to predict; default: those of ``cfg.input``.
    output : str, optional
        Where to write; default: ``cfg.output``.
    models : Models, optional
        Models that are shared with other jobs of the command; default: models of this job alone.
    keep_finished : bool, default=False
        If the same job has finished before, return its result instead of raising
        `OutputExistsError`.

    Raises
    ------
    SentimentError
        The config, the input, the output or the model cannot be used.
    """
    observer = observer or SilentObserver()
    models = models or Models(cfg)
    source = source or open_input(cfg.input, ReadOptions.of(cfg))
    name = Path(source.origin.name)
    if cfg.text_column is not None:  # report a mistake before the model is loaded
        choose_text_column(name, source.columns, cfg.text_column)
    check_columns(source, _get_added_schema(models.columns.list_fields(), source).names)
    partial, output_format = _open_output(cfg, source, output or cfg.output, models.scorer.format)
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
    added = _get_added_schema(model.predictor.schema, source)
    check_columns(source, added.names)  # now with the columns that are named after classes
    facts = _describe_job(source, models, model, column.name, output_format)
    if keep_finished and not cfg.overwrite and (report := partial.read_report(facts)):
        return read_result(partial, report)
    partial.check_free()
    if state and not partial.check_same(state, facts):
        state = None
    progress = state["progress"] if state else {}
    tally = Tally(**progress.get("tally", {}))
    resumed_rows = tally.read
    job = _Job(source, models.scorer, model.predictor, column.name, partial, facts)
    writer = make_output(source, output_format, added)
    with partial.open(state, facts):
        try:
            _write_rows(job, writer, tally, progress, observer)
        except ChangedInputError:
            if not cfg.overwrite:
                raise  # keep the partial output: it can be resumed if the old input comes back
            partial.discard()
            return predict(cfg, observer, source, output, models)
        except SentimentError as error:
            # After an outage, the same command resumes an output that has rows.
            if not (error.exit_code.is_transient and tally.read):
                partial.discard()
            raise
        seconds = time.perf_counter() - job.started_at
        report = make_report(choice, column, facts, tally, seconds, resumed_rows, source.assumed)
        partial.finish(report, writer.assemble)
    return read_result(partial, report)


@dataclass(frozen=True)
class _Job:
    """A prediction job with checked settings, input, model and output.

    Attributes
    ----------
    source : Input
        The rows to predict.
    scorer : BatchScorer
        Scores batches, in this process or elsewhere.
    predictor : Predictor
        The model.
    text_column : str
        The column of texts.
    partial : PartialOutput or StreamOutput
        The unfinished output.
    facts : dict
        Facts that must be equal for a process to resume the output of another one.
    started_at : float
        Start of this process, by `time.perf_counter`.
    """

    source: Input
    scorer: BatchScorer
    predictor: Predictor
    text_column: str
    partial: PartialOutput | StreamOutput
    facts: dict[str, Any]
    started_at: float = field(default_factory=time.perf_counter)

    def score(self, start: Position) -> Generator[tuple[Batch, pa.RecordBatch]]:
        """Yield the batches after `start` and their predictions, in order.

        The input is closed at the end, and if predicting fails.
        """
        has_fixed_columns = self.facts["format"] != "jsonl"
        limits = Limits(
            max_chars=self.scorer.max_chars,
            reject_empty=self.scorer.empty == "reject",
            fields=frozenset(self.source.columns) if has_fixed_columns else None,
            added=_get_added_schema(self.predictor.schema, self.source).names,
        )
        # Threads that read and score ahead pay off only for files of several batches.
        is_small = all(_is_small(member.origin.path) for member in _list_members(self.source))
        rows = self.source.read(self.text_column, limits, start)
        with closing(rows if is_small else prefetch(rows)) as batches:
            scored = self.scorer.score(self.predictor, batches)
            yield from scored if is_small else prefetch(scored)


def _write_rows(
    job: _Job, writer: Output, tally: Tally, progress: dict[str, Any], observer: StageObserver
) -> None:
    """Predict and write all rows after the last checkpoint, and add them to `tally`.

    Raises
    ------
    EmptyDataError, AllRowsRejectedError
        The input has no row, or no row that can be predicted.
    """
    source, partial = job.source, job.partial
    resumed_rows, needs_header, last_checkpoint = tally.read, not progress, time.monotonic()
    reject: Reject | None = None
    for batch, predictions in job.score(Position(**progress.get("position", {}))):
        columns = Chain.add_file(batch, predictions) if batch.file else predictions
        data = writer.write(batch, columns)
        if needs_header:
            data, needs_header = writer.begin(batch) + data, False
        partial.append(data, batch.rejects)
        tally.add(batch, predictions)
        extra_columns = read_columns(batch, job.predictor)
        if extra_columns is not None:
            tally.add_columns(count_unused(job.predictor.encoder, extra_columns.to_pandas()))
        if time.monotonic() - last_checkpoint > _CHECKPOINT:
            partial.save(job.facts, {"tally": asdict(tally), "position": asdict(batch.end)})
            last_checkpoint = time.monotonic()
        reject = reject or next(iter(batch.rejects), None)
        unit = tally.describe(time.perf_counter() - job.started_at, source.share, resumed_rows)
        observer.on_progress(tally.read, None, unit)
    if not tally.read:
        raise EmptyDataError(f"'{source.origin.name}'")
    if not tally.written:
        example = f"row {reject.row:,}: {reject.raw[:_EXCERPT_CHARS]!r}" if reject else ""
        raise AllRowsRejectedError(source.origin.name, tally.reasons, example)


def _list_members(source: Input) -> list[Input]:
    """Return the inputs that a chain consists of, or `source` alone."""
    return list(source.members) if isinstance(source, Chain) else [source]


def _get_added_schema(predictions: pa.Schema, source: Input) -> pa.Schema:
    """Return the schema of the added columns; in a chain, the first is the file of each row."""
    is_chain = isinstance(source, Chain)
    return predictions.insert(0, pa.field(FILE, pa.string())) if is_chain else predictions


def _open_output(
    cfg: DictConfig, source: Input, output: str | None, requested_format: str | None
) -> tuple[PartialOutput | StreamOutput, str]:
    """Return the output and its format."""
    target_path, output_format = choose_output(source, output, requested_format)
    is_chain = isinstance(source, Chain)
    if target_path == Path(PIPE):
        partial: PartialOutput | StreamOutput = open_stdout(with_file=is_chain)
    else:
        partial = PartialOutput(target_path, overwrite=cfg.overwrite, with_file=is_chain)
    input_paths = [member.origin.path for member in _list_members(source)]
    check_apart([path for path in input_paths if path], partial.names)
    return partial, output_format


def _describe_job(
    source: Input, models: Models, model: LoadedModel, text_column: str, output_format: str
) -> dict[str, Any]:
    """Return the facts that must be equal for a process to resume the output of another one."""
    scorer = models.scorer
    return (
        source.origin.identity
        | {
            "run": scorer.run,
            "model": model.choice.uri,
            "sha256": model.digest,
            "text_column": text_column,
            "format": output_format,
            "max_chars": scorer.max_chars,
            "empty": scorer.empty,
            "top_k": scorer.top_k,
            "probabilities": scorer.probabilities,
        }
        | models.settings
        | record_rule(model.predictor.rule)
    )
