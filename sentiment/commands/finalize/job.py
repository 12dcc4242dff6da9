"""Finalize: fit the settings of a recorded run on more rows, and keep the model as a new run."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile

import pandas as pd
from omegaconf import DictConfig, OmegaConf

from sentiment.commands.train.files import (
    make_facts,
    save_metrics,
    save_reference,
    save_settings,
)
from sentiment.commands.train.fitting import EVALUATED, RECIPE, Fitting, measure_stages
from sentiment.commands.train.rehearsal import save_final
from sentiment.config import (
    CHOICES,
    check_config,
    compose,
    is_within,
    make,
    make_command_tags,
    read_overrides,
    show_command,
)
from sentiment.data.preparation import DIGESTS, prepare_data
from sentiment.data.splitting import FITTED
from sentiment.errors import AlreadyFinalError, ConfigError, DataChangedError, RunNotFoundError
from sentiment.modeling.evaluation import scores_file
from sentiment.modeling.fit_warnings import merging_warnings
from sentiment.modeling.predictions import Predictions
from sentiment.modeling.reference import FOLDER
from sentiment.modeling.score_tables import ScoreTable, tabulate_scores
from sentiment.redaction import MASK
from sentiment.tracking import RULES, SCALE, RunFolder, StoredRun, Tracker
from sentiment.tracking.folder import make_timestamp
from sentiment.tracking.recording import keep_and_record
from sentiment.tracking.stages import Stage, StageObserver, Stages

# Files and folders of a run on its evaluation, which a final model keeps.
_EVALUATION = ("scores", "reference", "figures", "terms.csv", "quality.json", RULES)
# Metrics of the model file and of the training, which a final model has anew.
_MODEL_METRICS = ("model/", "deploy/", "stage/", "final/")
# Tags about the data of a run.
_DATA_TAGS = ("data", *DIGESTS, SCALE, "sample")
# The tag that names the run with the evaluated model.
_EVALUATED_RUN = "evaluated.run"
# Suffix that the name of a final run adds to that of the evaluated one.
_REFIT_SUFFIX = re.compile(r"(, refit=\S+( \(\d+\))?)+$")


@dataclass(frozen=True)
class FinalizationResult:
    """A final model.

    Attributes
    ----------
    evaluated : StoredRun
        The run with the evaluated model, whose settings and scores it shares.
    why : str
        Why that run was chosen; "" if the user named it.
    metrics : dict of str to float
        Metrics of the evaluated run and of the new model file.
    scores : ScoreTable
        The main ones with their intervals as text.
    rows : int
        Labelled rows of the data.
    stages : sequence of Stage
        Time and peak memory of each stage.
    run_id, model : str
        The new run, and the address of its model.
    folder : Path
        The files of the new run.
    """

    evaluated: StoredRun
    why: str
    metrics: dict[str, float]
    scores: ScoreTable
    rows: int
    stages: Sequence[Stage]
    run_id: str | None
    model: str
    folder: Path


def finalize(cfg: DictConfig, observer: StageObserver | None = None) -> FinalizationResult:
    """Fit the settings of a run on more of its rows.

    Parameters
    ----------
    cfg : DictConfig
        As composed from ``conf/finalize.yaml``, checked.
    observer : StageObserver, optional
        Receives progress.

    Raises
    ------
    AlreadyFinalError
        The model of the run has already learned from these rows.
    DataChangedError
        The rows or their split have changed since the run.
    SentimentError
        There is no such run, or its data cannot be read.
    """
    stages = Stages(observer) if observer else Stages()
    tracker: Tracker = make(cfg, "tracking", "find_model")
    with stages("find run"):
        choice = tracker.find_model(cfg.run, cfg.metric)
        run = tracker.read_run(choice.run_id)
        recipe = _read_recipe(cfg, run, tracker.fetch_file(run.id, "config.yaml"))
        for split in EVALUATED:  # without the scores, a fit would be in vain
            tracker.fetch_file(run.id, scores_file(split))
    fitting = Fitting(recipe, stages)
    data = fitting.prepare(lambda: prepare_data(make(recipe, "data", "read"), recipe.seed))
    overrides = _list_overrides(run, cfg.refit)
    _check(run, fitting, overrides, cfg.refit)
    with merging_warnings():
        fitting.refit()
        reference = fitting.fit_reference()
    with RunFolder.claim(Path(cfg.outputs, "finalize", make_timestamp())) as folder:
        tags = _list_tags(run, overrides, fitting.fitted_on)
        choices = {k: run.params[k] for k in CHOICES if k in run.params}
        name = f"{_REFIT_SUFFIX.sub('', run.name)}, refit={fitting.fitted_on}"
        facts = make_facts(name, tags, choices, recipe, fitting)
        save_settings(folder, recipe, overrides)
        facts.audit = save_final(folder, fitting, stages)
        with stages("copy evaluation"):
            for file in _EVALUATION:
                if file == FOLDER and reference is not None:
                    continue  # it is replaced below
                with suppress(RunNotFoundError):  # not every model has terms
                    _copy(tracker.fetch_file(run.id, file), folder, file)
        if reference is not None:
            save_reference(folder, fitting, *reference)
        for split in EVALUATED:
            table = pd.read_parquet(folder.path / scores_file(split))
            fitting.predictions[split] = Predictions.from_frame(table)
        fitting.summarize()
        evaluated = {k: v for k, v in run.metrics.items() if not k.startswith(_MODEL_METRICS)}
        facts.metrics = metrics = evaluated | fitting.metrics | measure_stages(stages.done)
        scores = tabulate_scores(metrics, fitting.intervals, recipe.optimize)
        save_metrics(folder, facts, fitting, scores)
        with stages("record run"):
            kept = keep_and_record(cfg.tracking, tracker, folder, facts, "the final model")
    return FinalizationResult(
        evaluated=run,
        why="" if choice.is_named else choice.why,
        metrics=metrics,
        scores=scores,
        rows=data.rows,
        stages=stages.done,
        run_id=kept.run_id,
        model=kept.model,
        folder=folder.path,
    )


def _read_recipe(cfg: DictConfig, run: StoredRun, path: Path) -> DictConfig:
    """Return the checked config with which the final model is fitted."""
    recorded = DictConfig(OmegaConf.create(path.read_text(encoding="utf-8")))
    recipe = compose("train")
    for name in RECIPE:
        if name in recorded:
            recipe[name] = recorded._get_node(name)
    for name in ("tracking", "outputs", "refit"):
        recipe[name] = cfg[name]
    _forget_counts(recipe.features)
    for name in ("path", "test_path"):
        if cfg[name] is not None:
            recipe.data[name] = cfg[name]
        elif MASK in str(recipe.data.get(name)):
            raise ConfigError(
                [
                    f"the data of run {run.id} are at {recipe.data[name]!r}, whose password no run "
                    f"keeps; give the address: {name}=<address>, or {name}='${{oc.env:NAME}}'."
                ]
            )
    check_config(recipe)
    return recipe


def _forget_counts(node: DictConfig) -> None:
    """Remove the folders of the count cache from settings of features, which may be gone."""
    for name in node:
        if name == "memory":
            node[name] = None
        elif isinstance(node._get_node(name), DictConfig):
            _forget_counts(node[name])


def _check(run: StoredRun, fitting: Fitting, overrides: Sequence[str], refit: str) -> None:
    """Check that the rows are those of the run, and more than its model learned from."""
    data, name = fitting.data, run.tags.get("data", "unknown")
    command = show_command("train", overrides)
    labels = (name, f"{name}, extra columns", f"{name}, unlabelled texts")
    for tag, label in zip(DIGESTS, labels, strict=True):
        current, recorded = data.digests.get(tag, ""), run.tags.get(tag, "")
        if current != recorded:
            raise DataChangedError(
                run.id, label, recorded or "unknown", current, data.rows, command
            )
    before = round(run.metrics.get("rows/fitted", run.metrics.get("rows/train", 0)))
    rows = len(data.gather(FITTED[fitting.fitted_on]))
    if rows <= before:
        raise AlreadyFinalError(run.id, before, rows, refit)


def _list_overrides(run: StoredRun, refit: str) -> list[str]:
    """Return the overrides of a command that trains and refits the model of `run`."""
    overrides = [word for word in read_overrides(run.tags) or [] if not is_within(word, "refit")]
    return [*overrides, f"refit={refit}"]


def _list_tags(run: StoredRun, overrides: list[str], fitted_on: str) -> dict[str, str]:
    return {
        "kind": "training",
        **make_command_tags("train", overrides),
        **{key: run.tags[key] for key in _DATA_TAGS if key in run.tags},
        "fitted_on": fitted_on,
        _EVALUATED_RUN: run.tags.get(_EVALUATED_RUN, run.id),
    }


def _copy(source: Path, folder: RunFolder, name: str) -> None:
    """Copy a file, or all files of a folder, into the folder of a run."""
    for path in [source] if source.is_file() else sorted(source.rglob("*")):
        if path.is_file():
            inside = "" if source.is_file() else f"/{path.relative_to(source).as_posix()}"
            copyfile(path, folder.add(f"{name}{inside}"))
