"""Promote: a run becomes the champion if the paired test does not find it worse."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from omegaconf import DictConfig

from sentiment.comparison.comparison import (
    ComparisonResult,
    check_settings,
    compare_contenders,
    make_folder,
    write_json,
)
from sentiment.comparison.contenders import find_model, load_contender
from sentiment.comparison.measuring import Duel
from sentiment.comparison.wording import describe_verdict, write_difference, write_p
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

CHAMPION, PREVIOUS = "champion", "previous"
RECORD = "promotion.json"
# Tags of a version: which one it took the place of, that it did, and when it was taken back.
_REPLACED, _DONE, _TAKEN_BACK = "promotion.replaced", "promotion.done", "rolled_back.at"
# What may be wrong with a champion, so that nothing can be compared with it.
_CHAMPION_LOST = (IncomparableRunsError, RunNotFoundError, UntrustedModelError)


@dataclass(frozen=True)
class Promotion:
    """What came out of a promotion.

    Attributes
    ----------
    outcome : str
        What became of it; "unchanged" if the challenger is the champion already.
    sentence : str
        The same in words.
    name : str
        The registered model.
    champion : Version
        The champion now, if there is one.
    reasons : list of str
        What spoke against it.
    force : str, optional
        Why it was done all the same.
    comparison : ComparisonResult, optional
        Champion (A) and challenger (B), if there was a champion to compare with.
    """

    outcome: Literal["promoted", "refused", "unchanged", "rolled back"]
    sentence: str
    name: str
    champion: Version | None
    reasons: list[str] = field(default_factory=list)
    force: str | None = None
    comparison: ComparisonResult | None = None


def promote(cfg: DictConfig, command: str = "", observer: StageObserver | None = None) -> Promotion:
    """Let a run be the champion of a registered model, or let the one before be it again.

    The challenger is refused if

    - it was trained on a sample, or was the champion and was taken back,
    - it and the champion were not scored on the same test rows,
    - it is worse by more than ``cfg.margin`` in ``cfg.metric`` on these rows, or
    - the one-sided paired test finds it worse at the level ``cfg.alpha``: McNemar's exact test for
      accuracy, the paired bootstrap for every other metric,

    unless ``cfg.force`` gives a reason. Where there is no champion yet, nothing is compared.

    A process that is killed leaves a champion that is whole, and the same command does the rest:
    the record is written first, then ``previous`` is moved, then ``champion``.

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
        sentence = f"run {run.id} is the champion of {cfg.name} already, as {_call(champion)}"
        return Promotion("unchanged", sentence, cfg.name, champion)
    reasons = ["it was trained on a sample"] if run.tags.get("sample") == "true" else []
    versions = registry.list_versions(run.id)
    # Or the next job that a scheduler starts would undo what a person did.
    taken_back = [v.tags[_TAKEN_BACK] for v in versions if _TAKEN_BACK in v.tags]
    reasons += [f"it was rolled back at {when}" for when in taken_back[:1]]
    result = None
    if champion is not None:
        try:
            result = _compare(champion, model, run, tracker, cfg, stages, command)
        except _CHAMPION_LOST as error:
            reasons.append(str(error))
        else:
            reasons += find_reasons(result.comparison.duels[0], cfg.metric, cfg.alpha, cfg.margin)
    decision = _Decision(registry, tracker, run, champion, reasons, result, cfg, command)
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
    reasons = []
    # A loss that is the margin but for rounding is within it.
    if loss > margin + 1e-12:
        reasons.append(f"its {metric} is worse by {loss:.4f}, more than margin={margin:g}")
    if loss > 0 and p < alpha:
        reasons.append(
            f"the paired test finds it worse in {metric} (one-sided {write_p(p)}, alpha={alpha:g})"
        )
    return reasons


@dataclass(frozen=True)
class _Decision:
    """Carries out what was decided."""

    registry: MlflowRegistry
    tracker: Tracker
    run: StoredRun
    champion: Version | None
    reasons: Sequence[str]
    result: ComparisonResult | None
    cfg: DictConfig
    command: str

    def refuse(self) -> Promotion:
        sentence = f"run {self.run.id} was not promoted: {'; '.join(self.reasons)}"
        self._keep("refused", sentence, None)
        return self._end("refused", sentence, self.champion)

    def promote(self) -> Promotion:
        # By its run, since a model may have been named by an alias.
        model, _ = find_model(self.tracker, self.run.id, self.cfg.metric)
        known = self.registry.list_versions(self.run.id)
        # A version has been the champion once at most, so that its record is never written over;
        # one that is not done was left by a process that was killed.
        left = [version for version in known if _DONE not in version.tags]
        version = left[0] if left else self.registry.register(model.uri, self.run.id)
        sentence = f"run {self.run.id} is the champion of {self.cfg.name} as {_call(version)}"
        sentence += f", {self._explain()}"
        self._keep("promoted", sentence, version)
        if self.champion is not None:
            self.registry.point(PREVIOUS, self.champion.number)
        self.registry.point(CHAMPION, version.number)
        self.registry.note(version.number, {_DONE: "true"})
        return self._end("promoted", sentence, version)

    def _end(
        self, outcome: Literal["promoted", "refused"], sentence: str, champion: Version | None
    ) -> Promotion:
        return Promotion(
            outcome, sentence, self.cfg.name, champion, list(self.reasons), self.cfg.force,
            self.result,
        )  # fmt: skip

    def _explain(self) -> str:
        """Return who was beaten by how much on what."""
        if self.champion is None:
            told = "the first"
        elif self.result is None:
            told = f"in place of {_call(self.champion)}, with which it was not compared"
        else:
            comparison = self.result.comparison
            metric, duel = self.cfg.metric, comparison.duels[0]
            difference = write_difference(duel.differences[metric], metric, comparison.level)
            told = (
                f"in place of {_call(self.champion)} (run {self.champion.run_id}): {metric} "
                f"{difference}, on {comparison.rows:,} test rows of "
                f"{self.run.tags.get('data', 'unknown')}"
            )
        return f"{told}; forced: {self.cfg.force}" if self.reasons else told

    def _keep(self, outcome: str, sentence: str, version: Version | None) -> None:
        """Write the record to the run and to the version, before any alias is moved."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        result = self.result
        folder = result.folder if result else make_folder(Path(self.cfg.outputs) / "promote")
        record = folder / RECORD
        facts = self._describe(outcome, sentence, version) | {"at": now}
        write_json(facts, record)
        tags = {"promotion": outcome, "promotion.why": sentence}
        files = [record, result.page] if result else [record]
        self.tracker.annotate(self.run.id, tags, files, f"promotions/{now.replace(':', '-')}")
        if version is not None:
            notes = {
                "promotion.at": now,
                "promotion.command": self.command,
                "promotion.force": self.cfg.force or "",
                _REPLACED: self.champion.number if self.champion else "",
            }
            self.registry.note(version.number, notes, sentence)

    def _describe(self, outcome: str, sentence: str, version: Version | None) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "outcome": outcome,
            "sentence": sentence,
            "command": self.command,
            "name": self.cfg.name,
            "version": version.number if version else None,
            "challenger": {"run": self.run.id, "name": self.run.name},
            "champion": asdict(self.champion) if self.champion else None,
            "data": self.run.tags.get("data", "unknown"),
            "fingerprint": self.run.tags.get("data.fingerprint", "unknown"),
            **{key: self.cfg[key] for key in ("metric", "alpha", "margin", "force")},
            "reasons": list(self.reasons),
        }
        if self.result is None:
            return facts
        comparison = self.result.comparison
        duel = comparison.duels[0]
        return facts | {
            "verdict": describe_verdict(comparison, duel),
            "rows": comparison.rows,
            "difference": asdict(duel.differences[self.cfg.metric]),
            "errors": asdict(duel.errors),
            "p_worse": duel.test_worse(self.cfg.metric),
            "noticeable": duel.find_noticeable(self.cfg.metric, self.cfg.alpha),
            "comparison": self.result.run_id,
            "comparisons_before": self.result.looks,
            "promotions_before": self.result.decisions,
        }


def _roll_back(registry: MlflowRegistry, cfg: DictConfig, command: str) -> Promotion:
    """Let the champion before be it again, and ``previous`` mean the one before that.

    What a killed process left, with both aliases at one version, is what stands before the last
    step of a promotion or of this; then only that last step is done.
    """
    champion, previous = registry.find(CHAMPION), registry.find(PREVIOUS)
    if champion is None or previous is None:
        missing = PREVIOUS if champion else CHAMPION
        raise NothingToRollBackError(cfg.name, missing, cfg.tracking.uri)
    before = registry.get(previous.tags.get(_REPLACED, ""))
    if champion.number == previous.number:
        sentence = f"{cfg.name} is at {_call(previous)}, where an interrupted command left it"
    else:
        sentence = f"{cfg.name} went back from {_call(champion)} to {_call(previous)}"
        now = datetime.now(UTC).isoformat(timespec="seconds")
        notes = {_TAKEN_BACK: now, "rolled_back.command": command}
        registry.note(champion.number, notes)
        registry.point(CHAMPION, previous.number)
    registry.point(PREVIOUS, before.number if before else None)
    return Promotion("rolled back", sentence, cfg.name, previous)


def _call(version: Version) -> str:
    return f"version {version.number}"
