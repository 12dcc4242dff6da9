"""Best: find the best trial of a search or grid, and explain why it is the best."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from sentiment.commands.best.recipes import Recipe, find_recipe, write_experiment
from sentiment.commands.best.sweeps import StoredSweep, StoredTrial, read_grid, read_study
from sentiment.commands.search.results import JobResult, read_result, read_state, read_winner
from sentiment.commands.search.studies.figures import measure_importances
from sentiment.commands.search.studies.spaces import read_setting
from sentiment.errors import StudyNotFoundError
from sentiment.modeling.intervals import INTERVALS_FILE, Interval
from sentiment.tracking.choosing import describe_score

# With fewer trials, importances are noise: twice the 10 that Optuna's TPE draws at random first.
_ENOUGH_TRIALS = 20


@dataclass(frozen=True)
class Neighbor:
    """A trial that differs from the best in one setting.

    Attributes
    ----------
    number : int
        The trial.
    setting, value : str
        The setting in which it differs, and its value there.
    score : float
        Its first objective.
    """

    number: int
    setting: str
    value: str
    score: float


@dataclass(frozen=True)
class BestTrial:
    """The best trial of a study, by its first objective.

    Attributes
    ----------
    study : StoredSweep
        The search or grid.
    number : int
        The trial.
    params : dict of str to object
        Its parameters.
    scores : dict of str to float
        Values of the objectives.
    metrics : dict of str to float
        Every known metric, as ``<split>/<name>``; metrics of the test rows if it was trained as the
        winner.
    intervals : dict of str to (float, float)
        The 95 % intervals of metrics, if it was trained as the winner.
    second : tuple of int and float, optional
        The next best trial and its first objective.
    median : float
        Median of the first objective over all trials that were run.
    importances : dict of str to float
        Importance of each setting, the most important first; empty with few trials.
    neighbors : list of Neighbor
        Trials that differ in one setting, the best first.
    front : list of tuple
        With several objectives, the Pareto front: numbers and values of its trials.
    recipe : Recipe, optional
        How to train it on its own; None if its folder is not on this machine.
    written : Path, optional
        The experiment that it was written to.
    """

    study: StoredSweep
    number: int
    params: dict[str, Any]
    scores: dict[str, float]
    metrics: dict[str, float]
    intervals: dict[str, Interval]
    second: tuple[int, float] | None
    median: float
    importances: dict[str, float]
    neighbors: list[Neighbor]
    front: list[tuple[int, list[float]]] = field(default_factory=list)
    recipe: Recipe | None = None
    written: Path | None = None

    @property
    def score(self) -> float:
        """The first objective."""
        return self.scores[self.study.objectives[0].name]

    def describe_uncertainty(self) -> str:
        """Return the rows and the interval of `score` in words, or "" if they are unknown."""
        name = self.study.objectives[0].name
        keys = (f"{split}/{name}" for split in ("cv", "validation"))
        # The mean over several seeds is not one of the metrics.
        metric = next((key for key in keys if self.metrics.get(key) == self.score), None)
        return describe_score(metric, self.metrics).partition(" ")[2] if metric else ""

    def measure_margin(self, other: float) -> float:
        """Return how much better than `other` the first objective is."""
        return (
            self.score - other if self.study.objectives[0].greater_is_better else other - self.score
        )


def find_best(cfg: DictConfig) -> BestTrial:
    """Return the best trial of a study, and write it as an experiment if ``cfg.write`` names one.

    Parameters
    ----------
    cfg : DictConfig
        As composed from ``conf/best.yaml``.

    Raises
    ------
    SentimentError
        There is no such study or it has no trial, or the experiment cannot be written.
    """
    study = _read_sweep(cfg.search.name, cfg.search.storage, Path(cfg.outputs))
    best, *others = study.trials
    result = read_result(study.folder / str(best.number), keep=True)
    recipe = find_recipe(study, best, result)
    scores = {o.name: value for o, value in zip(study.objectives, best.values, strict=True)}
    written = None
    if cfg.write is not None:
        values = ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
        about = (
            f"The best of {len(study.trials)} trials of the {study.kind} {study.name}: {values}."
        )
        written = write_experiment(cfg.write, recipe, about, overwrite=cfg.overwrite)
    return BestTrial(
        study=study,
        number=best.number,
        params=dict(best.params),
        scores=scores,
        metrics=_read_metrics(study, best, result),
        intervals=_read_of_winner(study, best, INTERVALS_FILE),
        second=(others[0].number, others[0].values[0]) if others else None,
        median=statistics.median(trial.values[0] for trial in study.trials),
        importances=_measure_importances(study),
        neighbors=_find_neighbors(best, others),
        front=_find_front(study),
        recipe=recipe,
        written=written,
    )


def _read_sweep(name: str, address: str | None, outputs: Path) -> StoredSweep:
    """Return the search, or else the grid, of that name."""
    grid = read_grid(name, outputs / "sweep")
    try:
        return read_study(name, address, outputs / "search")
    except StudyNotFoundError:
        if grid is None:
            raise
        return grid


def _read_metrics(
    study: StoredSweep, best: StoredTrial, result: JobResult | None
) -> dict[str, float]:
    if result is None and study.fixed.get("cv", "None") != "None":
        return {}  # of validation rows or of cross-validation
    if result is None:
        return {o.metric: value for o, value in zip(study.objectives, best.values, strict=True)}
    final = _read_of_winner(study, best, "metrics.json")
    return result.metrics | {key: value for key, value in final.items() if key.startswith("test/")}


def _read_of_winner(study: StoredSweep, best: StoredTrial, name: str) -> dict[str, Any]:
    """Return a JSON file in the folder of the winner; empty if `best` is not the winner."""
    winner = read_winner(study.folder, keep=True)
    if winner is None or winner.number != best.number:
        return {}
    return read_state(winner.folder / name, keep=True) or {}


def _measure_importances(study: StoredSweep) -> dict[str, float]:
    """Return the importances of settings; empty with few trials, or if all scores are equal."""
    values = {trial.values[0] for trial in study.trials}
    if study.optuna is None or len(study.trials) < _ENOUGH_TRIALS or len(values) == 1:
        return {}
    return measure_importances(study.optuna)


def _find_neighbors(best: StoredTrial, others: Sequence[StoredTrial]) -> list[Neighbor]:
    neighbors = []
    for trial in others:
        if trial.params.keys() != best.params.keys():
            continue
        changed = [name for name, value in trial.params.items() if value != best.params[name]]
        if len(changed) == 1:
            setting, value = read_setting(changed[0]), str(trial.params[changed[0]])
            neighbors.append(Neighbor(trial.number, setting, value, trial.values[0]))
    return neighbors


def _find_front(study: StoredSweep) -> list[tuple[int, list[float]]]:
    if study.optuna is None or len(study.objectives) == 1:
        return []
    complete = {trial.number for trial in study.trials}
    front = [t for t in study.optuna.best_trials if t.number in complete]
    measure = study.objectives[0].measure_loss
    front.sort(key=lambda trial: (measure(trial.values[0]), trial.number))
    return [(trial.number, list(trial.values)) for trial in front]
