"""Promote: a run becomes the champion if the paired test does not find it worse."""

import math
from datetime import UTC, datetime

from omegaconf import DictConfig

from sentiment.comparison.comparison import (
    ComparisonResult,
    check_settings,
    compare_contenders,
)
from sentiment.comparison.contenders import find_model, load_contender
from sentiment.comparison.decision import (
    CHAMPION,
    DONE,
    PREVIOUS,
    REPLACED,
    TAKEN_BACK,
    Decision,
    Promotion,
    call,
)
from sentiment.comparison.measuring import Duel
from sentiment.comparison.wording import write_p
from sentiment.config import make
from sentiment.errors import (
    ConfigError,
    IncomparableRunsError,
    NothingToRollBackError,
    RunNotFoundError,
    UntrustedModelError,
)
from sentiment.stages import StageObserver, Stages
from sentiment.tracking import MlflowRegistry, ModelChoice, StoredRun, Tracker, Version

# What may be wrong with a champion, so that nothing can be compared with it.
_CHAMPION_LOST = (IncomparableRunsError, RunNotFoundError, UntrustedModelError)


def promote(cfg: DictConfig, command: str = "", observer: StageObserver | None = None) -> Promotion:
    """Let a run be the champion of a registered model, or let the one before be it again.

    The challenger is refused if

    - it was trained on a sample, or was the champion and was taken back,
    - it and the champion were not scored on the same test rows,
    - it is worse by more than ``cfg.margin`` in ``cfg.metric`` on these rows, or
    - the one-sided paired test finds it worse at the level ``cfg.alpha``: McNemar's exact test for
      accuracy, the paired bootstrap for every other metric,

    unless ``cfg.force`` gives a reason. Where there is no champion yet, nothing is compared.

    Parameters
    ----------
    cfg : DictConfig
        As composed from ``conf/promote.yaml``, checked.
    command : str
        How it was asked for, for the record.
    observer : StageObserver, optional
        Whoever watches.

    Raises
    ------
    SentimentError
        The config cannot be used, or there is no such run.
    """
    _check_settings(cfg)
    stages = Stages(observer) if observer else Stages()
    tracker: Tracker = make(cfg, "tracking", "find_model")
    if cfg.rollback:
        return _roll_back(tracker.open_registry(cfg.name), cfg, command)
    with stages("find runs"):
        model, run = find_model(tracker, cfg.run, cfg.metric)
        registry = tracker.open_registry(cfg.name)
        champion = registry.find(CHAMPION)
    if champion is not None and champion.run_id == run.id:
        if DONE not in champion.tags:  # whoever promoted it was killed then
            registry.note(champion.number, {DONE: "true"})
        sentence = f"run {run.id} is the champion of {cfg.name} already, as {call(champion)}"
        return Promotion("unchanged", sentence, cfg.name, champion)
    reasons = ["it was trained on a sample"] if run.tags.get("sample") == "true" else []
    versions = registry.list_versions(run.id)
    # Or the next job that a scheduler starts would undo what a person did.
    taken_back = [v.tags[TAKEN_BACK] for v in versions if TAKEN_BACK in v.tags]
    reasons += [f"it was rolled back at {when}" for when in taken_back[:1]]
    result = None
    if champion is not None:
        try:
            result = _compare(champion, model, run, tracker, cfg, stages, command)
        except _CHAMPION_LOST as error:
            reasons.append(str(error))
        else:
            reasons += find_reasons(result.comparison.duels[0], cfg.metric, cfg.alpha, cfg.margin)
    decision = Decision(registry, tracker, run, champion, reasons, result, cfg, command)
    with stages("keep the record"):
        return decision.refuse() if reasons and not cfg.force else decision.promote()


def _check_settings(cfg: DictConfig) -> None:
    problems = []
    if not 0 < cfg.alpha <= 0.5:
        problems.append(f"alpha is {cfg.alpha}; expected a share above 0 and up to 0.5: 0.05.")
    if cfg.margin < 0:
        problems.append(f"margin is {cfg.margin}; expected 0 or more.")
    if cfg.force is not None and not cfg.force.strip():
        problems.append('force is empty; it takes the reason: force="it is half the size".')
    if not cfg.name.strip() or set(cfg.name) & set("/:@."):
        problems.append(f"name is {cfg.name!r}; expected a name without / : @ and full stops.")
    try:
        check_settings(cfg)
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(problems)


def _compare(
    champion: Version, model: ModelChoice, run: StoredRun, tracker: Tracker, cfg: DictConfig,
    stages: Stages, command: str,
) -> ComparisonResult:  # fmt: skip
    with stages("find runs"):
        challenger = load_contender(tracker, "B", model, run)
        known = find_model(tracker, champion.run_id, cfg.metric)
        defender = load_contender(tracker, "A", *known)
    tags = {"command": command, "purpose": "promotion"}
    return compare_contenders([defender, challenger], cfg, tracker, stages, tags)


def find_reasons(duel: Duel, metric: str, alpha: float, margin: float) -> list[str]:
    """Return what speaks against the second of a duel taking the place of the first.

    Parameters
    ----------
    duel : Duel
        Champion and challenger.
    metric : str
        The one that decides.
    alpha : float
        Level of the one-sided paired test of "it is worse".
    margin : float
        How much worse it may be, in units of the metric, as long as the test says nothing.
    """
    loss, p = -duel.measure_gain(metric), duel.test_worse(metric)
    if math.isnan(loss):
        return [f"its {metric} on these rows, or that of the champion, cannot be told"]
    reasons = []
    # A loss that is the margin but for rounding is within it.
    if loss > margin + 1e-12:
        reasons.append(f"its {metric} is worse by {loss:.4f}, more than margin={margin:g}")
    if loss > 0 and p < alpha:
        reasons.append(
            f"the paired test finds it worse in {metric} (one-sided {write_p(p)}, alpha={alpha:g})"
        )
    return reasons


def _roll_back(registry: MlflowRegistry, cfg: DictConfig, command: str) -> Promotion:
    """Let the champion before be it again, and ``previous`` mean the one before that.

    What a killed process left, with both aliases at one version, is what stands before the last
    step of a promotion or of this; then only that last step is done.
    """
    champion, previous = registry.find(CHAMPION), registry.find(PREVIOUS)
    if champion is None or previous is None:
        missing = PREVIOUS if champion else CHAMPION
        raise NothingToRollBackError(cfg.name, missing, cfg.tracking.uri)
    before = registry.get(previous.tags.get(REPLACED, ""))
    if champion.number == previous.number:
        sentence = f"{cfg.name} is at {call(previous)}, where an interrupted command left it"
    else:
        sentence = f"{cfg.name} went back from {call(champion)} to {call(previous)}"
        now = datetime.now(UTC).isoformat(timespec="seconds")
        notes = {TAKEN_BACK: now, "rolled_back.command": command}
        registry.note(champion.number, notes)
        registry.point(CHAMPION, previous.number)
    registry.point(PREVIOUS, before.number if before else None)
    return Promotion("rolled back", sentence, cfg.name, previous)
