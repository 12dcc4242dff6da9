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

# Errors of one file of many.
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
# Seconds between two checkpoints: the work that is lost if the process is killed.
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

    For a small file, most of the time goes into waiting for the disk that writes its output, so a
    few small files are predicted at a time. A large file has all cores to itself.
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
    if cfg.text_column is not None:  # a mistake in it need not wait for the model
        choose_text_column(name, source.columns, cfg.text_column)
    check_columns(source, _list_added(models.columns.list_fields(), source).names)
    partial, kind = _open_output(cfg, source, output or cfg.output, models.scorer.format)
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
    added = _list_added(model.predictor.schema, source)
    check_columns(source, added.names)  # those that are named after classes, too
    facts = _describe_job(source, models, model, column.name, kind)
    if keep_finished and not cfg.overwrite and (report := partial.read_report(facts)):
        return read_result(partial, report)
    partial.check_free()
    if state and not partial.check_same(state, facts):
        state = None
    progress = state["progress"] if state else {}
    tally = Tally(**progress.get("tally", {}))
    done_before = tally.read
    job = _Job(source, models.scorer, model.predictor, column.name, partial, facts)
    writer = make_output(source, kind, added)
    with partial.open(state, facts):
        try:
            _write_rows(job, writer, tally, progress, observer)
        except ChangedInputError:
            if not cfg.overwrite:
                raise  # the output of the rows as they were stays, to be resumed with them
            partial.discard()
            return predict(cfg, observer, source, output, models)
        except SentimentError as error:
            # After an outage, the same command resumes what was written, if anything was.
            if not (error.exit_code.is_transient and tally.read):
                partial.discard()
            raise
        seconds = time.perf_counter() - job.begun
        report = make_report(choice, column, facts, tally, seconds, done_before, source.assumed)
        partial.finish(report, writer.assemble)
    return read_result(partial, report)


@dataclass(frozen=True)
class _Job:
    """A prediction job whose settings, input, model and output were checked.

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
        The output while it is written.
    facts : dict
        All that two processes must have in common to work on the same output.
    begun : float
        When this process began, on the clock of `time.perf_counter`.
    """

    source: Input
    scorer: BatchScorer
    predictor: Predictor
    text_column: str
    partial: PartialOutput | StreamOutput
    facts: dict[str, Any]
    begun: float = field(default_factory=time.perf_counter)

    def score(self, start: Position) -> Generator[tuple[Batch, pa.RecordBatch]]:
        """Yield the batches behind `start` and their predictions, in order.

        The input is closed at the end, and when predicting fails.
        """
        is_table = self.facts["format"] != "jsonl"  # with the same columns in every row
        limits = Limits(
            max_chars=self.scorer.max_chars,
            reject_empty=self.scorer.empty == "reject",
            fields=frozenset(self.source.columns) if is_table else None,
            added=_list_added(self.predictor.schema, self.source).names,
        )
        # Threads that read and score ahead are worth it for a file of several batches.
        small = all(_is_small(one.origin.path) for one in _list_members(self.source))
        rows = self.source.read(self.text_column, limits, start)
        with closing(rows if small else prefetch(rows)) as batches:
            scored = self.scorer.score(self.predictor, batches)
            yield from scored if small else prefetch(scored)


def _write_rows(
    job: _Job, writer: Output, tally: Tally, progress: dict[str, Any], observer: StageObserver
) -> None:
    """Predict and write all rows behind the last checkpoint, and add them to `tally`.

    Raises
    ------
    EmptyDataError, AllRowsRejectedError
        There is no row, or none that can be predicted.
    """
    source, partial = job.source, job.partial
    done_before, fresh, saved = tally.read, not progress, time.monotonic()
    first: Reject | None = None
    for batch, predictions in job.score(Position(**progress.get("position", {}))):
        columns = Chain.add_file(batch, predictions) if batch.file else predictions
        rows = writer.write(batch, columns)
        if fresh:
            rows, fresh = writer.begin(batch) + rows, False
        partial.append(rows, batch.rejects)
        tally.add(batch, predictions)
        extra = read_columns(batch, job.predictor)
        if extra is not None:
            tally.add_columns(count_unused(job.predictor.encoder, extra.to_pandas()))
        if time.monotonic() - saved > _CHECKPOINT:
            partial.save(job.facts, {"tally": asdict(tally), "position": asdict(batch.end)})
            saved = time.monotonic()
        first = first or next(iter(batch.rejects), None)
        unit = tally.describe(time.perf_counter() - job.begun, source.share, done_before)
        observer.on_progress(tally.read, None, unit)
    if not tally.read:
        raise EmptyDataError(f"'{source.origin.name}'")
    if not tally.written:
        shown = f"row {first.row:,}: {first.raw[:_SHOWN]!r}" if first else ""
        raise AllRowsRejectedError(source.origin.name, tally.reasons, shown)


def _list_members(source: Input) -> list[Input]:
    """Return the inputs that a chain consists of, or the only one."""
    return list(source.members) if isinstance(source, Chain) else [source]


def _list_added(predictions: pa.Schema, source: Input) -> pa.Schema:
    """Return the columns that are added: those of predictions, after the file of a chain's row."""
    is_chain = isinstance(source, Chain)
    return predictions.insert(0, pa.field(FILE, pa.string())) if is_chain else predictions


def _open_output(
    cfg: DictConfig, source: Input, named: str | None, form: str | None
) -> tuple[PartialOutput | StreamOutput, str]:
    """Return the output, and its format."""
    target, kind = choose_output(source, named, form)
    many = isinstance(source, Chain)
    if target == Path(PIPE):
        partial: PartialOutput | StreamOutput = open_stdout(many=many)
    else:
        partial = PartialOutput(target, overwrite=cfg.overwrite, many=many)
    paths = [one.origin.path for one in _list_members(source)]
    check_apart([path for path in paths if path], partial.names)
    return partial, kind


def _describe_job(
    source: Input, models: Models, model: LoadedModel, text_column: str, kind: str
) -> dict[str, Any]:
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
