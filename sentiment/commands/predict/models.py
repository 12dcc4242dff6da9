"""Models of prediction jobs and their decision rules."""

from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

from omegaconf import DictConfig

from sentiment.config import make
from sentiment.errors import ConfigError, LostModelError, RunNotFoundError, UntrustedModelError
from sentiment.files.inputs import Input
from sentiment.modeling.decision_rules import DecisionRule
from sentiment.modeling.model_files import digest_file, load_model
from sentiment.modeling.pipeline import TextClassifier, find_separator
from sentiment.modeling.prediction_columns import PredictionColumns
from sentiment.modeling.scoring import BatchScorer, Predictor
from sentiment.modeling.thresholds import choose_any_rule, needs_scores
from sentiment.tracking import ModelChoice, Tracker
from sentiment.tracking.rule_scores import read_rule_scores

_SETTINGS = ("explain", "encoding", "sep", "quote", "escape", "header")


def choose_model(
    scorer: BatchScorer, tracker: Tracker, state: dict[str, Any] | None, path: Path | None = None
) -> ModelChoice:
    """Return the model to predict with; an unfinished output is resumed with its own model.

    Meanwhile, another run may have become the best, or an alias may have moved.

    Parameters
    ----------
    scorer : BatchScorer
        Settings that name the model.
    tracker : Tracker
        The tracking store.
    state : dict, optional
        Checkpoint of the unfinished output.
    path : Path, optional
        The unfinished output, for messages.

    Raises
    ------
    InputNotFoundError, RunNotFoundError
        There is no such model.
    LostModelError
        The model of the unfinished output was deleted.
    """
    if scorer.run.endswith(".skops"):
        return ModelChoice.of_file(scorer.run, "deploy.run")
    if state and scorer.run == state["job"]["run"]:
        uri = state["job"]["model"]
        try:
            choice = tracker.find_model(uri, scorer.metric)
        except (RunNotFoundError, UntrustedModelError) as error:
            raise LostModelError(path or Path(), uri, str(error)) from error
        return replace(choice, why="the unfinished output was started with it")
    return tracker.find_model(scorer.run, scorer.metric)


def choose_rule(
    scorer: BatchScorer, tracker: Tracker, choice: ModelChoice, pipeline: TextClassifier
) -> DecisionRule:
    """Return the decision rule of the settings.

    If it has to be chosen, the scores of the run decide: those of its cross-validation or, without
    one, of its validation rows.

    Raises
    ------
    ConfigError
        The run of the model is unknown, or a goal cannot be reached.
    RunNotFoundError
        The run has no stored scores.
    """
    scores = None
    if needs_scores(scorer.threshold, scorer.abstain):
        if not choice.run_id:
            raise ConfigError(
                [
                    "deploy.threshold and deploy.abstain are chosen by the scores of a "
                    f"run, and the run of '{choice.path}' is unknown. Name the run, "
                    "deploy.run=<id>, or a number, deploy.threshold=0.7."
                ]
            )
        scores = read_rule_scores(tracker, choice.run_id)
    return choose_any_rule(
        scorer.threshold, scorer.abstain, pipeline.classes_, find_separator(pipeline), scores
    )


def load_predictor(
    scorer: BatchScorer, tracker: Tracker, choice: ModelChoice, columns: PredictionColumns
) -> Predictor:
    """Load the model of `choice` with the decision rule of the settings; see `choose_rule`."""
    pipeline = load_model(choice.path, choice.digest)
    rule = choose_rule(scorer, tracker, choice, pipeline)
    columns = replace(columns, scale=choice.read_scale())
    return Predictor(pipeline, rule, columns, path=choice.path, digest=choice.digest)


@dataclass(frozen=True)
class LoadedModel:
    """A loaded model.

    Attributes
    ----------
    choice : ModelChoice
        The model and its origin.
    predictor : Predictor
        Predicts texts.
    digest : str
        SHA-256 of its file, in hexadecimal digits.
    """

    choice: ModelChoice
    predictor: Predictor
    digest: str


class Models:
    """Models of a command, shared by all files; each is found and loaded once.

    Parameters
    ----------
    cfg : DictConfig
        Settings of the command.

    Attributes
    ----------
    scorer : BatchScorer
        Settings that name the model, and the scorer of batches.
    settings : dict
        Other settings that outputs depend on.
    columns : PredictionColumns
        Columns of predictions.
    """

    def __init__(self, cfg: DictConfig) -> None:
        self.scorer: BatchScorer = make(cfg, "deploy", "score")
        self._tracker: Tracker = make(cfg, "tracking", "find_model")
        self.settings: dict[str, Any] = {name: cfg[name] for name in _SETTINGS}
        self.columns = PredictionColumns(cfg.explain, self.scorer.top_k, self.scorer.probabilities)
        self._lock = Lock()
        self._choices: dict[str | None, ModelChoice] = {}
        self._loaded: dict[str, LoadedModel] = {}

    def choose(self, state: dict[str, Any] | None, path: Path | None = None) -> ModelChoice:
        """Return the model for an output; see `choose_model`."""
        uri = state["job"].get("model") if state else None
        with self._lock:
            if uri not in self._choices:
                self._choices[uri] = choose_model(self.scorer, self._tracker, state, path)
            return self._choices[uri]

    def load(self, choice: ModelChoice) -> LoadedModel:
        """Load the model of `choice`, once, with its decision rule; see `choose_rule`."""
        with self._lock:
            if choice.uri not in self._loaded:
                predictor = load_predictor(self.scorer, self._tracker, choice, self.columns)
                digest = digest_file(choice.path)
                self._loaded[choice.uri] = LoadedModel(choice, predictor, digest)
            return replace(self._loaded[choice.uri], choice=choice)


def check_columns(source: Input, added: list[str]) -> None:
    """Check that `source` has none of the columns that predictions add.

    Raises
    ------
    ConfigError
        It already has such a column.
    """
    repeated = [column for column in added if column in source.columns]
    if repeated:
        raise ConfigError(
            [
                f"'{source.origin.name}' already has a column {repeated[0]!r}, which predict adds. "
                "Is it an output of predict? Rename or remove that column."
            ]
        )
