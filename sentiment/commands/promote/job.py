"""Promote: make a run the champion unless a paired test finds it worse."""

import math
from dataclasses import dataclass

from omegaconf import DictConfig

from sentiment.commands.compare.contenders import find_model, load_contender
from sentiment.commands.compare.descriptions import format_p_value
from sentiment.commands.compare.job import ComparisonResult, compare_contenders
from sentiment.commands.compare.measuring import PairwiseComparison
from sentiment.commands.promote.anchor import ROUNDING, AnchorCheck, check_anchor
from sentiment.commands.promote.decision import (
    ChampionMovedError,
    Decision,
    Promotion,
    name_version,
)
from sentiment.commands.promote.history import (
    DONE,
    find_defender,
    find_rollback,
    find_rolled_back_successor,
)
from sentiment.commands.promote.live import check_live, check_rollback
from sentiment.commands.promote.rollback import roll_back
from sentiment.config import make
from sentiment.errors import (
    IncomparableRunsError,
    RunNotFoundError,
    RunNotRecordedError,
    TrackingStoreError,
    UntrustedModelError,
)
from sentiment.modeling.model_files import load_model
from sentiment.tracking import MlflowRegistry, ModelChoice, StoredRun, Tracker, Version
from sentiment.tracking.stages import StageObserver, Stages


def promote(
    cfg: DictConfig,
    command: str = "",
    observer: StageObserver | None = None,
    *,
    new_data: str | None = None,
) -> Promotion:
    """Make a run the champion of a registered model, or roll back to the previous one.

    The challenger is refused if

    - it was trained on a sample,
    - it was rolled back, or a run with the same settings and data was,
    - it and the champion were not scored on the same test rows,
    - its ``cfg.metric`` on these rows is worse than that of the champion, or of the best champion
      so far, by more than ``cfg.margin``, or
    - the one-sided paired test finds it worse at the level ``cfg.alpha``: McNemar's exact test for
      accuracy, a permutation test for every other metric,

    unless ``cfg.force`` gives a reason. With ``cfg.live``, labels of live traffic decide instead of
    test rows; see `check_live`. Without a champion, nothing is compared.

    Predictions are the most probable labels or, with ``cfg.threshold``, the labels by a threshold
    for each run, as in `compare`.

    The model is first loaded as in predict. If the champion alias was moved after the comparison,
    the challenger is compared again with the new champion. Processes that run this function move
    aliases one at a time. Only a move by other means, such as the MLflow UI, can be missed: in the
    few milliseconds between the last check and the move.

    Parameters
    ----------
    cfg : DictConfig
        The checked config of ``conf/promote.yaml``.
    command : str
        The command, for the record.
    observer : StageObserver, optional
        Progress callback.
    new_data : str, optional
        Reason why the run may replace a champion that was scored on other data. It is ignored
        after a rollback, so that a schedule does not undo the decision of a person.

    Raises
    ------
    SentimentError
        The config cannot be used, the run does not exist, or its model cannot be loaded.
    """
    stages = Stages(observer) if observer else Stages()
    tracker: Tracker = make(cfg, "tracking", "find_model")
    if cfg.rollback:
        refusal = check_rollback(cfg, tracker) if cfg.live is not None else None
        if refusal is not None:
            return refusal
        return roll_back(tracker, cfg, command)
    with stages("find runs"):
        model, run = find_model(tracker, cfg.run, cfg.metric)
        registry = tracker.open_registry(cfg.name)
    with stages("load model"):
        load_model(model.path, model.digest)
    challenge = _Challenge(registry, tracker, model, run, cfg, stages, command, new_data)
    while True:
        try:
            return challenge.decide()
        except ChampionMovedError:
            continue


@dataclass(frozen=True)
class _Challenge:
    """The attempt to make a run the champion."""

    registry: MlflowRegistry
    tracker: Tracker
    model: ModelChoice
    run: StoredRun
    cfg: DictConfig
    stages: Stages
    command: str
    new_data: str | None

    def decide(self) -> Promotion:
        """Compare the run with the current champion; promote or refuse it.

        Raises
        ------
        ChampionMovedError
            The champion changed meanwhile.
        """
        cfg, run = self.cfg, self.run
        defender = find_defender(self.registry)
        champion = defender.version
        reasons = ["it was trained on a sample"] if run.tags.get("sample") == "true" else []
        rolled_back = find_rollback(self.registry, self.tracker, run)
        reasons += [reason for reason in (rolled_back, defender.problem) if reason]
        result, anchor, live = None, None, None
        is_same = champion is not None and champion.run_id == run.id
        if cfg.live is not None and champion is not None and not is_same:
            live, live_reasons = check_live(cfg, self.tracker, champion, run)
            reasons += live_reasons
        elif champion is not None and not is_same:
            try:
                result = self._compare(champion)
            except IncomparableRunsError as error:
                reasons += self._find_data_reasons(champion, error)
            except (RunNotFoundError, UntrustedModelError) as error:
                reasons.append(str(error))
            else:
                reasons += find_reasons(
                    result.comparison.pairs[0], result.comparison.metric, cfg.alpha, cfg.margin
                )
                anchor = self._check_anchor(champion, result)
                if anchor is not None and anchor.version.number != champion.number:
                    reasons += anchor.list_reasons(result.comparison.metric, cfg.margin)
        decision = Decision(
            self.registry, self.tracker, run, defender, reasons, result, anchor, cfg,
            self.command, self.new_data, live,
        )  # fmt: skip
        if is_same and defender.is_champion:
            assert champion is not None  # noqa: S101 - is_same
            if DONE not in champion.tags:  # the process that promoted it was killed
                with self.registry.lock():  # also removes the lease of the killed process
                    decision.finish(champion)
            sentence = (
                f"run {run.id} is the champion of {cfg.name} already, as {name_version(champion)}"
            )
            return Promotion("unchanged", sentence, cfg.name, champion, run_id=run.id)
        with self.stages("keep the record"):
            return decision.refuse() if reasons and not cfg.force else decision.promote()

    def _compare(self, champion: Version) -> ComparisonResult:
        with self.stages("read scores"):
            threshold = self.cfg.threshold
            challenger = load_contender(self.tracker, "B", self.model, self.run, threshold)
            model, run = find_model(self.tracker, champion.run_id, self.cfg.metric)
            defender = load_contender(self.tracker, "A", model, run, threshold)
        tags = {"command": self.command, "purpose": "promotion"}
        pair = [defender, challenger]
        try:
            return compare_contenders(pair, self.cfg, self.tracker, self.stages, tags)
        except RunNotRecordedError as error:
            # The user must repeat the whole command: recording the comparison later would promote
            # nothing.
            raise TrackingStoreError(
                error.uri, error.reason, error.exit_code, error.remedy
            ) from error

    def _check_anchor(self, champion: Version, result: ComparisonResult) -> AnchorCheck | None:
        return check_anchor(
            self.registry, self.tracker, champion, result.comparison.pairs[0], self.cfg
        )

    def _find_data_reasons(self, champion: Version, error: IncomparableRunsError) -> list[str]:
        if self.new_data is None:
            return [
                "a model for another task is promoted under a name of its own, name=<model>",
                str(error),
            ]
        rolled_back = find_rolled_back_successor(self.registry, champion)
        if rolled_back is None:
            return []
        return [
            f"it cannot be compared with {name_version(champion)}, which was scored on other data, "
            f"and version {rolled_back}, which replaced that one, was rolled back"
        ]


def find_reasons(pair: PairwiseComparison, metric: str, alpha: float, margin: float) -> list[str]:
    """Return the reasons to refuse the second model of a pair.

    Parameters
    ----------
    pair : PairwiseComparison
        Champion and challenger.
    metric : str
        The deciding metric.
    alpha : float
        Level of the one-sided paired test of "it is worse".
    margin : float
        The largest loss that is accepted if the test is not significant, in units of the metric.
    """
    loss, p = -pair.measure_gain(metric), pair.test_worse(metric)
    if math.isnan(loss):
        return [f"its {metric} on these rows, or that of the champion, is not defined"]
    reasons = []
    if loss > margin + ROUNDING:
        reasons.append(f"its {metric} is worse by {loss:.4f}, more than margin={margin:g}")
    if loss > 0 and p < alpha:
        reasons.append(
            f"the paired test finds it worse in {metric} "
            f"(one-sided {format_p_value(p)}, alpha={alpha:g})"
        )
    return reasons
