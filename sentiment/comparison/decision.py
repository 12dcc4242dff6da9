"""What became of a challenger, and the record of it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from omegaconf import DictConfig

from sentiment.comparison.comparison import ComparisonResult, make_folder, write_json
from sentiment.comparison.contenders import find_model
from sentiment.comparison.wording import describe_verdict, write_difference
from sentiment.tracking import MlflowRegistry, StoredRun, Tracker, Version

CHAMPION, PREVIOUS = "champion", "previous"
RECORD = "promotion.json"
# Tags of a version: which one it took the place of, that it did, and when it was taken back.
REPLACED, DONE, TAKEN_BACK = "promotion.replaced", "promotion.done", "rolled_back.at"


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


@dataclass(frozen=True)
class Decision:
    """Carries out what was decided.

    A process that is killed leaves a champion that is whole, and the same command does the rest:
    the record is written first, then ``previous`` is moved, then ``champion``.
    """

    registry: MlflowRegistry
    tracker: Tracker
    run: StoredRun
    champion: Version | None
    reasons: Sequence[str]
    result: ComparisonResult | None
    cfg: DictConfig
    command: str

    def refuse(self) -> Promotion:
        """Leave the champion where it is, and record why."""
        sentence = f"run {self.run.id} was not promoted: {'; '.join(self.reasons)}"
        self._keep("refused", sentence, None)
        return self._end("refused", sentence, self.champion)

    def promote(self) -> Promotion:
        """Let the run be the champion, and the one before be the previous."""
        # By its run, since a model may have been named by an alias.
        model, _ = find_model(self.tracker, self.run.id, self.cfg.metric)
        known = self.registry.list_versions(self.run.id)
        # A version has been the champion once at most, so that its record is never written over;
        # one that is not done was left by a process that was killed.
        left = [version for version in known if DONE not in version.tags]
        version = left[0] if left else self.registry.register(model.uri, self.run.id)
        sentence = f"run {self.run.id} is the champion of {self.cfg.name} as {call(version)}"
        sentence += f", {self._explain()}"
        self._keep("promoted", sentence, version)
        if self.champion is not None:
            self.registry.point(PREVIOUS, self.champion.number)
        self.registry.point(CHAMPION, version.number)
        self.registry.note(version.number, {DONE: "true"})
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
            told = f"in place of {call(self.champion)}, with which it was not compared"
        else:
            comparison = self.result.comparison
            metric, duel = self.cfg.metric, comparison.duels[0]
            difference = write_difference(duel.differences[metric], metric, comparison.level)
            told = (
                f"in place of {call(self.champion)} (run {self.champion.run_id}): {metric} "
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
                REPLACED: self.champion.number if self.champion else "",
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


def call(version: Version) -> str:
    """Return how a version is called."""
    return f"version {version.number}"
