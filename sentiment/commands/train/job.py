"""Train: prepare the data, fit a pipeline, evaluate it, keep a record of all of it."""

import json
import logging
import math
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig
from sklearn.pipeline import Pipeline

from sentiment.commands.train.card import summarize_card, write_card
from sentiment.commands.train.curves import MAX_PANELS, measure_curves
from sentiment.commands.train.drawing import Drawer, Drawing
from sentiment.commands.train.fitting import CV, CV_ROWS, Fitting, measure_stages
from sentiment.commands.train.rehearsal import rehearse
from sentiment.config import CHOICES, Job, flatten, make, record_yaml
from sentiment.config.metrics import CLASSES, list_shown
from sentiment.data.datasets import Dataset
from sentiment.data.preparation import PreparedData, prepare_data
from sentiment.data.quality import UNSPACED_TEXTS
from sentiment.data.splitting import count_classes
from sentiment.errors import RunNotRecordedError, TrackingStoreError
from sentiment.modeling.estimators.dense import name_inner
from sentiment.modeling.evaluation import EXCERPT, measure_each_class, scores_file
from sentiment.modeling.explanation import top_terms
from sentiment.modeling.intervals import Interval, measure_intervals, tabulate_scores
from sentiment.modeling.label_set_rules import tabulate_rule
from sentiment.modeling.model_files import save_model
from sentiment.modeling.pipeline import find_text_steps, list_vectorizers
from sentiment.modeling.predictions import Predictions
from sentiment.modeling.reference import FOLDER, make_reference
from sentiment.redaction import redact
from sentiment.tracking import CARD, KEY, MODEL, RULES, SCALE, Tracker, provenance
from sentiment.tracking.folder import RunFacts, RunFolder
from sentiment.tracking.recording import write_record_command
from sentiment.tracking.stages import Stage, StageObserver, Stages

EVALUATED = ("validation", "test")
EXAMPLE_ROWS = 3
LOG = "train.log"
INTERVALS = "scores/intervals.json"
DESCRIPTION = 4000  # characters of a card that a run shows

log = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class TrainingResult:
    """Result of one training job.

    Attributes
    ----------
    score : float
        The metric that the config names as ``optimize``, of validation rows, or of
        cross-validation where there is one.
    metrics : dict of str to float
        Every metric, as ``<split>/<name>``.
    intervals : dict of str to (float, float)
        The 95 % intervals of those that are shown and have one.
    predictions : dict of str to Predictions
        Of the evaluated pipeline, for the rows of each split.
    stages : sequence of Stage
        Time and peak memory of each stage.
    data : PreparedData
        The splits and the quality report.
    pipeline : Pipeline
        The fitted pipeline that was saved.
    fitted_on : str
        What it has learned from: ``"train"``, ``"train+validation"`` or ``"all"``. The metrics are
        those of the same settings fitted on training rows.
    optimize : str
        The metric that `score` is.
    run_id : str or None
        The run in the tracking store.
    model : str
        Address of the saved model.
    folder : Path
        Where all that the run wrote is: that of the job, or one inside of it.
    chosen_features : str
        What ``features=auto`` has chosen: ``"words"`` or ``"characters"``; "" for other features.
    folds : int
        Folds of cross-validation over training and validation rows, whose predictions are those
        of the split ``"cv"``; 0 for none.
    """

    score: float
    metrics: dict[str, float]
    intervals: dict[str, Interval]
    predictions: dict[str, Predictions]
    stages: Sequence[Stage]
    data: PreparedData
    pipeline: Pipeline
    fitted_on: str
    optimize: str
    run_id: str | None
    model: str
    folder: Path
    chosen_features: str = ""
    folds: int = 0

    def __repr__(self) -> str:
        shown = (f"{split}/accuracy" for split in EVALUATED)
        scores = ", ".join(
            f"{name} {self.metrics[name]:.4f}" for name in shown if name in self.metrics
        )
        run = f"run {self.run_id}" if self.run_id else "not recorded"
        return f"<TrainingResult {scores}; {run}; {self.folder}>"

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{split}</th>" for split in EVALUATED)
        names = list_shown(round(self.metrics[CLASSES]), **self.data.kind)
        cells = tabulate_scores(names, [*EVALUATED], self.metrics, self.intervals)
        rows = "".join(
            f"<tr><th>{name}</th>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>"
            for name, row in cells.items()
        )
        return f"<table><tr><th></th>{head}</tr>{rows}</table>{escape(repr(self))}"


def train(
    cfg: DictConfig,
    job: Job,
    observer: StageObserver | None = None,
    data: PreparedData | None = None,
) -> TrainingResult:
    """Run one training job.

    Parameters
    ----------
    cfg : DictConfig
        As composed from ``conf/train.yaml``, checked.
    job : Job
        Where it runs.
    observer : StageObserver, optional
        Receives progress.
    data : PreparedData, optional
        The data of `cfg` where they are at hand; they are read without it.

    Raises
    ------
    SentimentError
        The config, the data or the tracking store cannot be used. Nothing is left in the folder.
    """
    stages = Stages(observer) if observer else Stages()
    with (
        RunFolder.claim(job.folder) as folder,
        folder.logging_to(LOG),
        closing(Drawer(alone=job.sweep is not None or "matplotlib" in sys.modules)) as drawer,
    ):
        return _train(cfg, job, folder, stages, drawer, data)


def _train(
    cfg: DictConfig,
    job: Job,
    folder: RunFolder,
    stages: Stages,
    drawer: Drawer,
    given: PreparedData | None,
) -> TrainingResult:
    with stages("configure"):
        dataset = make(cfg, "data", "read")
        fitting = Fitting(cfg, stages)
        make(cfg, "deploy", "score")  # its mistakes are reported before any work
        tracker: Tracker = make(cfg, "tracking", "start")
    classes = {group: name_inner(fitting.pipeline[group]) for group in CHOICES}
    job = replace(job, choices=classes | job.choices)
    data = fitting.prepare(lambda: given or prepare_data(dataset, cfg.seed))
    pipeline = fitting.pipeline
    _warn(data, pipeline)
    facts = RunFacts(
        name=job.describe(),
        tags=_tags(dataset, data, job, fitting.fitted_on),
        params={group: job.choices[group] for group in CHOICES}
        | list_params(cfg)
        | fitting.list_choices(),
        data=(dataset.name, data.fingerprint),
        examples=data.list_examples(EXAMPLE_ROWS),
        columns={column.name: column.kind for column in data.columns},
    )
    with stages("open tracking"):
        tracker.open()
    with tracker.start(facts.name, facts.tags | {KEY: facts.key}) as run:
        # So that a run shows what it is about while it is under way, and if it fails.
        run.log_params(facts.params)
        run.log_data(dataset.name, data.fingerprint)
        fitting.fit()
        terms = top_terms(pipeline)
        drawer.draw(_list_terms_figures(folder, terms, data))
        fitting.evaluate(EVALUATED, lambda *made: drawer.draw(_list_figures(folder, *made)))
        fitting.refit()
        metrics, predictions = fitting.metrics, fitting.predictions
        with stages("measure intervals"):
            intervals = measure_all_intervals(predictions, cfg.optimize)
        # The model first: of what a disk that fills up has room for, it is worth most.
        with stages("save model"):
            path = folder.add(MODEL)
            save_model(fitting.final, path)
        with stages("save results"):
            _save_results(folder, terms, predictions, intervals, data)
        with stages("rehearse deployment"):
            facts.audit, measured = rehearse(path, data.validation, fitting.predict_validation())
            metrics |= measured
        reader, known = fitting.fit_reference() or (pipeline, predictions["validation"])
        rows = data.validation
        with stages("keep reference"):
            reference = make_reference(reader, rows["text"], known, data.report, cfg.seed, rows)
            folder.include(reference.save(folder.path / FOLDER))
        with stages("draw figures"):
            drawer.finish()
        metrics |= measure_stages(stages.done)
        save_settings(folder, cfg, job)
        folder.add("metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
        facts.metrics = metrics
        save_card(folder, facts, data, predictions["test"], intervals, fitting.fitted_on)
        folder.keep(facts)
        with stages("record run"):
            try:
                address = run.record(folder, facts)
            except TrackingStoreError as error:
                command = write_record_command(folder.path, cfg)
                raise RunNotRecordedError(error, folder.path, command) from error
    return TrainingResult(
        score=metrics[f"{CV if fitting.folds else 'validation'}/{cfg.optimize}"],
        metrics=metrics,
        intervals=intervals,
        predictions=predictions,
        stages=stages.done,
        data=data,
        pipeline=fitting.final,
        fitted_on=fitting.fitted_on,
        optimize=cfg.optimize,
        run_id=run.id,
        model=address,
        folder=folder.path,
        chosen_features=fitting.chosen,
        folds=fitting.folds,
    )


def classes_file(split: str) -> str:
    """Return the name, in the folder of a run, of the table of the classes of `split`."""
    return f"scores/{split}_classes.csv"


def list_params(cfg: DictConfig) -> dict[str, str]:
    """Return the settings that a run records, by dotted key."""
    return {k: str(v) for k, v in flatten(cfg).items() if not k.startswith("search.")}


def _warn(data: PreparedData, pipeline: Pipeline) -> None:
    """Log what may be a mistake in the data, as far as it matters to `pipeline`."""
    parts = list_vectorizers(find_text_steps(pipeline)["features"])
    of_words = all(getattr(part, "analyzer", "word") == "word" for part in parts)
    for kind, warning in data.report.warnings.items():
        if kind != UNSPACED_TEXTS or of_words:
            log.warning(warning)


def _tags(dataset: Dataset, data: PreparedData, job: Job, fitted_on: str) -> dict[str, str]:
    return {
        "kind": "training",
        **job.describe_origin(),
        "data": dataset.name,
        **data.digests,
        **({SCALE: json.dumps(data.scale)} if data.scale else {}),
        "sample": str(dataset.limit is not None).lower(),
        "fitted_on": fitted_on,
        **({"mlflow.parentRunId": job.parent} if job.parent else {}),
    }


def save_settings(folder: RunFolder, cfg: DictConfig, job: Job) -> None:
    """Write what the run was asked for, and with which versions it was made."""
    folder.add("config.yaml").write_text(record_yaml(cfg), encoding="utf-8")
    overrides = redact("\n".join(job.overrides))
    folder.add("overrides.txt").write_text(overrides, encoding="utf-8")
    versions = json.dumps(provenance.read_versions(), indent=2)
    folder.add("versions.json").write_text(versions, encoding="utf-8")


def save_card(
    folder: RunFolder,
    facts: RunFacts,
    data: PreparedData,
    test: Predictions,
    intervals: dict[str, Interval],
    fitted_on: str,
) -> None:
    """Write the card of the model, and keep the gist of it as the description of the run."""
    card = write_card(facts, data, test, intervals, fitted_on)
    folder.add(CARD).write_text(card, encoding="utf-8")
    facts.description = summarize_card(card, DESCRIPTION)


def measure_all_intervals(
    predictions: Mapping[str, Predictions], optimized: str
) -> dict[str, Interval]:
    """Return the 95 % intervals of the shown metrics that have one, as ``<split>/<name>``."""
    found: dict[str, Interval] = {}
    for split, made in predictions.items():
        names = list_shown(
            len(made.classes),
            optimized,
            ordered=made.scale is not None,
            multilabel=made.separator is not None,
        )
        for name, ends in measure_intervals(made, names).items():
            if not math.isnan(ends[0]):
                found[f"{split}/{name}"] = ends
    return found


def _list_figures(folder: RunFolder, split: str, predictions: Predictions) -> list[Drawing]:
    """Return the figures of the predictions of a split."""
    curves = measure_curves(predictions, split)
    names = ["roc", "precision_recall"]
    if predictions.separator is None:
        names = ["confusion", *names, "reliability"]
    return [(f"draw_{name}", curves, folder.add(f"figures/{split}_{name}.png")) for name in names]


def _list_terms_figures(
    folder: RunFolder, terms: pd.DataFrame | None, data: PreparedData
) -> list[Drawing]:
    """Return the figure of the top terms, if there are any."""
    if terms is None:
        return []
    weights = {
        label: dict(zip(top["term"], top["weight"], strict=True))
        for label, top in terms.groupby("label", sort=False)
    }
    if len(weights) > MAX_PANELS:  # the first are drawn
        counts = count_classes(data.train["label"], data.separator)
        weights = {label: weights[label] for label in counts}
    return [("draw_terms", weights, folder.add("figures/terms.png"))]


def _save_results(
    folder: RunFolder,
    terms: pd.DataFrame | None,
    predictions: dict[str, Predictions],
    intervals: dict[str, Interval],
    data: PreparedData,
) -> None:
    """Write the scores of all rows, those of all classes, the top terms and the quality report."""
    folder.add(INTERVALS).write_text(json.dumps(intervals, indent=2) + "\n")
    for split, made in predictions.items():
        texts = data.gather(CV_ROWS if split == CV else [split])["text"]
        table = made.to_frame().assign(excerpt=texts.str[:EXCERPT].to_numpy())
        measure_each_class(made).to_csv(folder.add(classes_file(split)), index=False)
        table.to_parquet(folder.add(scores_file(split)), compression="zstd")
    rule = tabulate_rule(predictions.get(CV, predictions["validation"]))
    folder.add(RULES).write_text(json.dumps({"max_f1": rule}, indent=2) + "\n")
    if terms is not None:
        terms.to_csv(folder.add("terms.csv"), index=False)
    report = json.dumps(data.report.to_dict(), indent=2)
    folder.add("quality.json").write_text(report + "\n")
