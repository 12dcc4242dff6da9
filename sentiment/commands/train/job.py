"""Train: prepare the data, fit and evaluate a pipeline, and record the run."""

import json
import logging
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig
from sklearn.pipeline import Pipeline

from sentiment.commands.train.drawing import Drawer
from sentiment.commands.train.files import (
    list_figures,
    list_terms_figures,
    make_facts,
    save_metrics,
    save_reference,
    save_results,
    save_settings,
)
from sentiment.commands.train.fitting import CV, EVALUATED, Fitting, measure_stages
from sentiment.commands.train.rehearsal import save_final
from sentiment.config import CHOICES, Job, make
from sentiment.data.preparation import PreparedData, prepare_data
from sentiment.modeling.baseline import Baseline, measure_baseline
from sentiment.modeling.estimators.dense import name_inner
from sentiment.modeling.evaluation import list_confusions
from sentiment.modeling.explanation import top_terms
from sentiment.modeling.fit_warnings import merging_warnings
from sentiment.modeling.intervals import Interval
from sentiment.modeling.predictions import Predictions
from sentiment.modeling.score_tables import ScoreTable, tabulate_scores
from sentiment.tracking import KEY, SCALE, Tracker
from sentiment.tracking.folder import RunFolder
from sentiment.tracking.recording import recording_failures
from sentiment.tracking.stages import Stage, StageObserver, Stages

_LOG = "train.log"
_CONFUSIONS = 3  # the most frequent ones

log = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class TrainingResult:
    """Result of one training job.

    Attributes
    ----------
    score : float
        The metric `optimize`, of cross-validation if there is one, else of validation rows.
    metrics : dict of str to float
        Every metric, as ``<split>/<name>``.
    intervals : dict of str to (float, float)
        The 95 % intervals of the metrics that tables show, as far as they have one.
    predictions : dict of str to Predictions
        Predictions of the evaluated pipeline for the rows of each split.
    scores : ScoreTable
        The main scores and their intervals as text.
    classes : DataFrame
        Precision, recall, F1 and rows of each class on test rows; see `measure_each_class`.
    confusions : list of (str, str, int)
        The most frequent mistakes on test rows: true class, predicted class, rows.
    baseline : Baseline
        Scores of constant predictions for the rows of `score`.
    stages : sequence of Stage
        Time and peak memory of each stage.
    data : PreparedData
        The splits and the quality report.
    pipeline : Pipeline
        The fitted pipeline that was saved.
    fitted_on : str
        Rows that `pipeline` was fitted on: ``"train"``, ``"train+validation"`` or ``"all"``. The
        metrics are of the same settings fitted on the training rows.
    optimize : str
        Name of the metric of `score`.
    run_id : str or None
        The run in the tracking store.
    model : str
        Address of the saved model.
    folder : Path
        The files of the run: the folder of the job or, if that was not empty, one inside it.
    chosen_features : str
        Features that ``features=auto`` has chosen, ``"words"`` or ``"characters"``; "" for others.
    folds : int
        Folds of cross-validation over training and validation rows, whose predictions are those
        of the split ``"cv"``; 0 for none.
    store : str or None
        Address of the MLflow store with the run.
    """

    score: float
    metrics: dict[str, float]
    intervals: dict[str, Interval]
    predictions: dict[str, Predictions]
    scores: ScoreTable
    classes: pd.DataFrame
    confusions: list[tuple[str, str, int]]
    baseline: Baseline
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
    store: str | None = None

    def __repr__(self) -> str:
        names = (f"{split}/accuracy" for split in EVALUATED)
        scores = ", ".join(
            f"{name} {self.metrics[name]:.4f}" for name in names if name in self.metrics
        )
        run = f"run {self.run_id}" if self.run_id else "not recorded"
        return f"<TrainingResult {scores}; {run}; {self.folder}>"

    def _repr_html_(self) -> str:
        return self.scores._repr_html_() + escape(repr(self))


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
        Its folder, its overrides and the sweep that it belongs to.
    observer : StageObserver, optional
        Receives progress.
    data : PreparedData, optional
        The data of `cfg`, if they were read before; default: read them.

    Raises
    ------
    SentimentError
        The config, the data or the tracking store cannot be used. Nothing is left in the folder.
    """
    stages = Stages(observer) if observer else Stages()
    with (
        RunFolder.claim(job.folder) as folder,
        folder.logging_to(_LOG),
        closing(Drawer(alone=job.sweep is not None or "matplotlib" in sys.modules)) as drawer,
    ):
        return _train(cfg, job, folder, stages, drawer, data)


def _train(
    cfg: DictConfig,
    job: Job,
    folder: RunFolder,
    stages: Stages,
    drawer: Drawer,
    prepared: PreparedData | None,
) -> TrainingResult:
    with stages("configure"):
        dataset = make(cfg, "data", "read")
        fitting = Fitting(cfg, stages)
        make(cfg, "deploy", "score")  # a mistake in it is reported before any work
        tracker: Tracker = make(cfg, "tracking", "start")
    tracker.import_ahead()
    classes = {group: name_inner(fitting.pipeline[group]) for group in CHOICES}
    job = replace(job, choices=classes | job.choices)
    data = fitting.prepare(lambda: prepared or prepare_data(dataset, cfg.seed))
    choices = {group: job.choices[group] for group in CHOICES}
    facts = make_facts(job.describe(), _list_tags(job, fitting), choices, cfg, fitting)
    save_settings(folder, cfg, job.overrides)
    for warning in fitting.warnings:
        log.warning(warning)
    with stages("open tracking"):
        tracker.open()
    with tracker.start(facts.name, facts.tags | {KEY: facts.key}) as run:
        # First, so that a run that is under way or fails shows its settings, too.
        run.log_params(facts.params)
        run.log_data(data.name, data.fingerprint)
        with merging_warnings():
            terms = _fit(fitting, folder, drawer)
            fitting.summarize()
            facts.audit = save_final(folder, fitting, stages)
            with stages("save results"):
                save_results(folder, fitting, terms)
            evaluated = fitting.pipeline, fitting.predictions["validation"]
            reference = fitting.fit_reference() or evaluated
            with stages("keep reference"):
                save_reference(folder, fitting, *reference)
        with stages("draw figures"):
            drawer.finish()
        facts.metrics = metrics = fitting.metrics | measure_stages(stages.done)
        scores = tabulate_scores(metrics, fitting.intervals, cfg.optimize)
        save_metrics(folder, facts, fitting, scores)
        folder.keep(facts)
        with stages("record run"), recording_failures(folder, cfg.tracking):
            address = run.record(folder, facts)
    test = fitting.predictions["test"]
    scored = CV if fitting.folds else "validation"
    return TrainingResult(
        score=metrics[f"{scored}/{cfg.optimize}"],
        metrics=metrics,
        intervals=fitting.intervals,
        predictions=fitting.predictions,
        scores=scores,
        classes=fitting.classes["test"],
        confusions=[] if test.separator else list_confusions(test, _CONFUSIONS),
        baseline=measure_baseline(fitting.predictions[scored]),
        stages=stages.done,
        data=data,
        pipeline=fitting.final,
        fitted_on=fitting.fitted_on,
        optimize=cfg.optimize,
        run_id=run.id,
        model=address,
        folder=folder.path,
        chosen_features=fitting.chosen_features,
        folds=fitting.folds,
        store=cfg.tracking.get("uri"),
    )


def _fit(fitting: Fitting, folder: RunFolder, drawer: Drawer) -> pd.DataFrame | None:
    """Fit, evaluate and refit; draw the figures meanwhile. Return the top terms, if any."""
    fitting.fit()
    terms = top_terms(fitting.pipeline)
    drawer.draw(list_terms_figures(folder, terms, fitting.data))
    fitting.evaluate(
        EVALUATED,
        lambda split, predictions: drawer.draw(list_figures(folder, split, predictions)),
    )
    fitting.refit()
    return terms


def _list_tags(job: Job, fitting: Fitting) -> dict[str, str]:
    data = fitting.data
    return {
        "kind": "training",
        **job.make_command_tags(),
        "data": data.name,
        **data.digests,
        **({SCALE: json.dumps(data.scale)} if data.scale else {}),
        "sample": str(data.is_sample).lower(),
        "fitted_on": fitting.fitted_on,
        **({"mlflow.parentRunId": job.parent} if job.parent else {}),
    }
