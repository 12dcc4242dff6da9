"""Monitor: compare a file of predictions with the reference profile of its training."""

import importlib.util
import json
import logging
import os
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig

from sentiment.commands.monitor.comparison import Comparison, compare
from sentiment.commands.monitor.current import (
    ColumnRoles,
    CurrentRows,
    check_columns,
    find_columns,
    order_rows,
    read_current,
)
from sentiment.commands.monitor.tables import list_metrics, make_document
from sentiment.commands.monitor.textfile import write_textfile
from sentiment.commands.monitor.traffic import open_traffic
from sentiment.config import make
from sentiment.config.schemas import ThresholdSettings
from sentiment.data.label_sets import split_labels
from sentiment.errors import (
    LISTED,
    ConfigError,
    MissingPackageError,
    count_of,
    list_counts,
    quote_list,
)
from sentiment.files.columns import check_extra_columns
from sentiment.files.dialects import ReadOptions
from sentiment.files.inputs import Input
from sentiment.files.opening import open_input
from sentiment.files.traffic import TrafficRows, is_log, is_rule
from sentiment.modeling.decision_rules import UNSURE, read_rule
from sentiment.modeling.descriptors import TextReader, Tokenization, find_tokenization
from sentiment.modeling.model_files import load_model
from sentiment.modeling.pipeline import find_separator
from sentiment.modeling.reference import Reference
from sentiment.tracking import ModelChoice, RunFacts, RunFolder, Tracker
from sentiment.tracking.alerts import Webhook
from sentiment.tracking.recording import keep_and_record
from sentiment.tracking.references import find_reference
from sentiment.tracking.stages import Stage, StageObserver, Stages

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MonitoringResult:
    """Result of one monitoring job.

    Attributes
    ----------
    comparison : Comparison
        Checks, words and performance.
    model : ModelChoice
        The model that made the predictions.
    columns : ColumnRoles
        Roles of the columns of the file.
    read, compared, rejected : int
        Rows of the file, rows that were compared, and rows that could not be read.
    reference_rows : int
        Rows of the reference.
    folder : Path
        Folder of ``report.html``, ``report.json`` (Evidently's) and ``drift.json``: the output
        folder or, if that was not empty, a new one inside it.
    workspace : Path or None
        The Evidently workspace that the report was added to.
    stages : list of Stage
        Time and peak memory of each stage.
    """

    comparison: Comparison
    model: ModelChoice
    columns: ColumnRoles
    read: int
    compared: int
    rejected: int
    reference_rows: int
    folder: Path
    workspace: Path | None
    stages: list[Stage]


def monitor(
    cfg: DictConfig, command: str = "", observer: StageObserver | None = None
) -> MonitoringResult:
    """Compare one file of predictions with the reference of the run that made them.

    Parameters
    ----------
    cfg : DictConfig
        The checked config of ``conf/monitor.yaml``.
    command : str
        The command line, for the record.
    observer : StageObserver, optional
        Receives progress.

    Raises
    ------
    SentimentError
        The config, the file, the run or its reference cannot be used, or Evidently is missing. If
        only the tracking store cannot be used, the reports are kept.
    """
    stages = Stages(observer) if observer else Stages()
    _check_package()
    webhook = Webhook(cfg.alert.url, cfg.alert.format) if cfg.alert.url is not None else None
    tracker: Tracker = make(cfg, "tracking", "start", "find_model")
    path = Path(cfg.current).expanduser()
    source, report = _open_source(path, cfg, tracker)
    settings = {name: cfg[name] for name in ("text_column", "label_column", "time_column")}
    check_columns(path, source.columns, **settings)
    with stages("load model"):
        model = _load_model(path, source, cfg, report, tracker)
    choice, reference = model.choice, model.reference
    with stages("read rows"):
        current = _read_rows(path, source, model, cfg, stages.observer)
    with stages("compare"):
        comparison = compare(
            reference, current, TextReader(model.tokenization), ThresholdSettings.of(cfg),
            cfg.windows, stages.observer,
        )  # fmt: skip
    if webhook is not None and comparison.drifted:
        # Before anything is written: a full disk or an unreachable store must not stop the alert.
        webhook.send("drift", f"{path.name} ({choice.uri}): {', '.join(comparison.drifted)}")
        webhook.close()
    facts = _describe_job(path, choice, model.columns, current, reference, cfg)
    workspace = Path(cfg.workspace).expanduser() if cfg.workspace else None
    with RunFolder.claim(Path(cfg.output).expanduser()) as folder:
        with stages("report"):
            _write_reports(folder, workspace, cfg.project, reference, comparison, facts)
            if cfg.textfile is not None:
                write_textfile(Path(cfg.textfile).expanduser(), comparison, choice.uri)
        with stages("track"):
            tags = {
                "kind": "monitoring",
                "model": choice.uri,
                "monitored.run": choice.run_id,
                "command": command,
            }
            metrics = {"rows": float(current.read)} | list_metrics(comparison)
            run = RunFacts(f"monitor {path.name}", tags, metrics=metrics)
            keep_and_record(cfg.tracking, tracker, folder, run, "the report")
    return MonitoringResult(
        comparison=comparison,
        model=choice,
        columns=model.columns,
        read=current.read,
        compared=len(current.rows),
        rejected=current.rejected,
        reference_rows=len(reference.rows),
        folder=folder.path,
        workspace=workspace,
        stages=stages.done,
    )


@dataclass(frozen=True)
class _Model:
    """The model that made the predictions, and the facts to read and compare its rows.

    Attributes
    ----------
    choice : ModelChoice
        The model.
    columns : ColumnRoles
        Roles of the columns of the current rows.
    reference : Reference
        Reference profile of its training.
    tokenization : Tokenization
        Tokenization of the model.
    separator : str or None
        Between the labels of a set; None for a model of single labels.
    """

    choice: ModelChoice
    columns: ColumnRoles
    reference: Reference
    tokenization: Tokenization
    separator: str | None


def _open_source(path: Path, cfg: DictConfig, tracker: Tracker) -> tuple[Input, dict[str, Any]]:
    """Return the current rows, from a file or a server's log, and the report on them."""
    if is_log(path):
        return open_traffic(path, cfg.route, cfg.run, tracker)
    return open_input(path, ReadOptions.of(cfg), "current"), _read_report(path)


def _load_model(
    path: Path, source: Input, cfg: DictConfig, report: dict[str, Any], tracker: Tracker
) -> _Model:
    choice = _choose_model(path, cfg.run, report, tracker)
    pipeline = load_model(choice.path, choice.digest)
    separator = find_separator(pipeline)
    columns = _find_columns(path, source, cfg, report, choice)
    job = report["job"] if report else {}
    rule = read_rule(job if separator is None else {"thresholds": []} | job)
    reference = find_reference(choice, tracker).with_rule(rule)
    if isinstance(source, TrafficRows):
        lacking = [] if source.has_texts else ["texts (log.texts=true keeps them)"]
        lacking += [f"column {name!r}" for name in reference.columns]
        columns = replace(columns, time="time", lacking=lacking)
        reference = replace(reference, columns={})
    extra = [*reference.columns]
    check_extra_columns(path, source.columns, extra)
    columns = replace(columns, extra=extra)
    return _Model(choice, columns, reference, find_tokenization(pipeline), separator)


def _read_rows(
    path: Path, source: Input, model: _Model, cfg: DictConfig, observer: StageObserver
) -> CurrentRows:
    """Return the current rows, or a sample of them, in the order of their time."""
    columns = model.columns
    current = read_current(path, source, columns, cfg.sample, cfg.seed, observer, model.separator)
    current = _check_labels(path, current, model.reference, columns.label, cfg.label_column)
    if columns.time:
        order = order_rows(path, current.rows["time"], columns.time)
        current = replace(current, rows=current.rows.iloc[order].reset_index(drop=True))
    return current


def _check_package() -> None:
    if importlib.util.find_spec("evidently") is None:
        raise MissingPackageError("evidently", "monitoring", "monitor")


def _read_report(path: Path) -> dict[str, Any]:
    """Return the report that `predict` wrote beside the file; empty if there is none."""
    try:
        report = json.loads(path.with_name(f"{path.name}.json").read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return report if _is_report(report) else {}


def _is_report(document: Any) -> bool:
    """Return whether a JSON document has the parts of a report that monitoring uses."""
    if not isinstance(document, dict):
        return False
    model, job = document.get("model"), document.get("job")
    if not isinstance(model, dict) or not isinstance(job, dict):
        return False
    addresses = [model.get(name) for name in ("run_id", "path")]
    return all(isinstance(address, str | None) for address in addresses) and is_rule(job)


def _choose_model(
    path: Path, run: str | None, report: dict[str, Any], tracker: Tracker
) -> ModelChoice:
    """Return the model of `run` or, by default, the model that made the predictions."""
    reported = report["model"] if report else {}
    run = run or reported.get("run_id") or reported.get("path")
    if not run:
        raise ConfigError(
            [
                f"'{path}' has no report of predict beside it, or a damaged one "
                f"('{path.name}.json'), so its model is unknown. Name its run with run=<id>, or "
                "run=best."
            ]
        )
    if run.endswith(".skops"):
        return ModelChoice.of_file(run, "run")
    return tracker.find_model(run, "accuracy")


def _check_labels(
    path: Path, current: CurrentRows, reference: Reference, column: str | None, setting: str | None
) -> CurrentRows:
    """Remove the true labels that the model does not know.

    Without any known label, the column does not hold labels, and is dropped.

    Raises
    ------
    ConfigError
        The model does not know a prediction, or it knows no label of the column that the user
        named in `setting`.
    """
    rows, separator = current.rows, reference.separator
    labels = [name for name in reference.classes if name != UNSURE]
    expected = f"expected {quote_list(labels, LISTED)}"
    unknown = _find_unknown(rows["prediction"], reference.classes, separator)
    if len(unknown):
        raise ConfigError(
            [
                f"'{path}' predicts {quote_list(unknown.unique(), LISTED)}, which the model does "
                f"not know; {expected}. Name the run that made these predictions with run=<id>."
            ]
        )
    if "label" not in rows:
        return current
    unknown_labels = _find_unknown(rows["label"], labels, separator)
    if unknown_labels.empty:
        return current
    known_labels = rows["label"].mask(rows.index.isin(unknown_labels.index))
    quoted = quote_list(unknown_labels.unique(), LISTED)
    if known_labels.notna().any():
        counts = {str(label): int(count) for label, count in unknown_labels.value_counts().items()}
        log.warning(
            "column %r: the model does not know the labels of %s (%s), so the accuracy is measured "
            "without them, on %s",
            column, count_of(unknown_labels.index.nunique(), "row"), list_counts(counts),
            count_of(int(known_labels.count()), "row"),
        )  # fmt: skip
        return replace(current, rows=rows.assign(label=known_labels), unknown_labels=counts)
    if setting is None:
        log.warning(
            "column %r holds %s, none of which the model knows, so the accuracy is not measured",
            column, quoted,
        )  # fmt: skip
        return replace(current, rows=rows.drop(columns="label"))
    raise ConfigError(
        [
            f"label_column is {column!r}, where '{path}' has {quoted}, none of which the model "
            f"knows; {expected}."
        ]
    )


def _find_unknown(labels: pd.Series, classes: Sequence[str], separator: str | None) -> pd.Series:
    """Return the labels that are not in `classes`, each with the index of its row."""
    labels = labels.dropna()
    if separator is not None:
        labels = labels.map(lambda joined: split_labels(joined, separator)).explode().dropna()
    return labels[~labels.isin(classes)]


def _find_columns(
    path: Path, source: Input, cfg: DictConfig, report: dict[str, Any], choice: ModelChoice
) -> ColumnRoles:
    """Return the columns: as the user named them, as predict read them, or as in training."""
    text, why = cfg.text_column, ""
    if text is None and report and report["job"].get("text_column") in source.columns:
        text, why = report["job"]["text_column"], "predict read it"
    has_texts = not isinstance(source, TrafficRows) or source.has_texts
    columns = find_columns(
        path, source.columns, text, cfg.label_column, cfg.time_column, choice, has_texts=has_texts
    )
    return replace(columns, why=why) if why else columns


def _describe_job(
    path: Path, choice: ModelChoice, columns: ColumnRoles, current: CurrentRows,
    reference: Reference, cfg: DictConfig,
) -> dict[str, Any]:  # fmt: skip
    """Return the facts of the job, without its results."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "current": str(path.resolve()),
        "model": {key: str(value) for key, value in asdict(choice).items()},
        "columns": asdict(columns),
        "rows": {
            "read": current.read,
            "rejected": current.rejected,
            "compared": len(current.rows),
            "reference": len(reference.rows),
        },
        "unknown_labels": dict(current.unknown_labels),
        "thresholds": dict(cfg.thresholds),
        "seed": cfg.seed,
    }


def _write_reports(
    folder: RunFolder, workspace: Path | None, project: str, reference: Reference,
    comparison: Comparison, facts: dict[str, Any],
) -> None:  # fmt: skip
    # Evidently sends usage statistics unless this variable is set.
    os.environ.setdefault("DO_NOT_TRACK", "1")
    # Evidently 0.7 calls deprecated functions of Python 3.12, numpy and litestar.
    with warnings.catch_warnings(action="ignore"):
        from sentiment.commands.monitor.reports import add_to_workspace, make_report, save_page

    document = json.dumps(make_document(comparison, facts), indent=2)
    folder.add("drift.json").write_text(f"{document}\n")
    name = Path(facts["current"]).name
    evidently_report = make_report(reference, comparison, name, tags=[facts["model"]["run_id"]])
    save_page(evidently_report, folder.add("report.html"))
    evidently_report.save_json(str(folder.add("report.json")))
    if workspace is not None:
        add_to_workspace(workspace, project, evidently_report)
