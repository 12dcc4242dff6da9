"""Outcome of a promotion, and its record."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from omegaconf import DictConfig

from sentiment.commands.compare.contenders import find_model
from sentiment.commands.compare.descriptions import describe_verdict, format_difference
from sentiment.commands.compare.job import ComparisonResult, write_json
from sentiment.commands.compare.live import LiveComparison
from sentiment.commands.promote.anchor import AnchorCheck
from sentiment.commands.promote.history import (
    ANCHOR,
    DONE,
    LAST,
    REPLACED,
    Defender,
)
from sentiment.tracking import MlflowRegistry, StoredRun, Tracker, Version
from sentiment.tracking.folder import make_timestamp
from sentiment.tracking.registry import CHAMPION, PREVIOUS

_RECORD_FILE = "promotion.json"


@dataclass(frozen=True)
class Promotion:
    """Result of a promotion.

    Attributes
    ----------
    outcome : str
        The outcome; "unchanged" if the challenger is the champion already.
    sentence : str
        The outcome in words.
    name : str
        The registered model.
    champion : Version
        The champion after the command, if there is one.
    reasons : list of str
        Reasons against the challenger.
    force : str, optional
        The user's reason to promote in spite of `reasons`.
    comparison : ComparisonResult, optional
        Champion (A) and challenger (B), if there was a champion to compare with.
    live : LiveComparison, optional
        The comparison on live traffic, instead of test rows.
    run_id : str, optional
        The challenger; None for a rollback.
    """

    outcome: Literal["promoted", "refused", "unchanged", "rolled back"]
    sentence: str
    name: str
    champion: Version | None
    reasons: list[str] = field(default_factory=list)
    force: str | None = None
    comparison: ComparisonResult | None = None
    live: LiveComparison | None = None
    run_id: str | None = None


class ChampionMovedError(Exception):
    """The champion alias was moved after the challenger was compared with the champion."""


@dataclass(frozen=True)
class Decision:
    """The facts behind a decision on a challenger, and the methods that carry it out.

    The record is written first, then ``previous`` is moved, then ``champion``. So a process that is
    killed leaves a working champion, and the same command completes the promotion.

    Attributes
    ----------
    registry, tracker, run, cfg, command
        The registered model, the tracking store, the challenger, the settings and the command.
    defender : Defender
        The champion that the challenger was compared with.
    reasons : list of str
        Reasons against the challenger.
    result : ComparisonResult or None
        The comparison.
    anchor : AnchorCheck or None
        The comparison with the best champion so far.
    new_data : str or None
        Why the challenger may replace a champion that was scored on other data.
    live : LiveComparison or None
        The comparison on live traffic.
    """

    registry: MlflowRegistry
    tracker: Tracker
    run: StoredRun
    defender: Defender
    reasons: Sequence[str]
    result: ComparisonResult | None
    anchor: AnchorCheck | None
    cfg: DictConfig
    command: str
    new_data: str | None = None
    live: LiveComparison | None = None

    @property
    def champion(self) -> Version | None:
        """The version that the challenger replaces."""
        return self.defender.version

    def refuse(self) -> Promotion:
        """Keep the champion, and record the reasons."""
        reasons = "; ".join(reason.rstrip(".") for reason in self.reasons)
        sentence = f"run {self.run.id} was not promoted: {reasons}"
        for version in self._list_unfinished():
            # A process registered this version and was killed, or another process was faster.
            if "promotion.at" in version.tags:
                self.registry.annotate(version.number, {}, sentence)
        self._record("refused", sentence, None)
        champion = self.champion if self.defender.is_champion else None
        return self._make_promotion("refused", sentence, champion)

    def promote(self) -> Promotion:
        """Make the run the champion, and the champion the previous version.

        Raises
        ------
        ChampionMovedError
            The alias was moved meanwhile; this method changed nothing.
        """
        with self.registry.lock():
            self._check_unmoved()
            # Find the model by its run, since the user may have named it by an alias.
            model, _ = find_model(self.tracker, self.run.id, self.cfg.metric)
            # A version becomes the champion at most once, so that its record is never overwritten.
            unfinished = self._list_unfinished()
            version = (
                unfinished[0] if unfinished else self.registry.register(model.uri, self.run.id)
            )
            sentence = (
                f"run {self.run.id} is the champion of {self.cfg.name} as {name_version(version)}"
            )
            sentence += f", {self._describe_replacement(version)}"
            if refit := self.run.describe_refit():
                sentence += f"; its model was {refit} after that"
            self._record("promoted", sentence, version)
            self._check_unmoved()
            if self.champion is not None:
                self.registry.set_alias(PREVIOUS, self.champion.number)
            self.registry.set_alias(CHAMPION, version.number)
            self.finish(version)
        return self._make_promotion("promoted", sentence, version)

    def finish(self, version: Version) -> None:
        """Record that the promotion of a version is complete."""
        self.registry.set_tag(LAST, version.number)
        self.registry.annotate(version.number, {DONE: "true"})

    def _list_unfinished(self) -> list[Version]:
        versions = self.registry.list_versions(self.run.id)
        return [version for version in versions if DONE not in version.tags]

    def _check_unmoved(self) -> None:
        current = self.registry.find(CHAMPION)
        expected = self.champion if self.defender.is_champion else None
        if (current.number if current else None) != (expected.number if expected else None):
            raise ChampionMovedError

    def _make_promotion(
        self, outcome: Literal["promoted", "refused"], sentence: str, champion: Version | None
    ) -> Promotion:
        return Promotion(
            outcome, sentence, self.cfg.name, champion, list(self.reasons), self.cfg.force,
            self.result, self.live, self.run.id,
        )  # fmt: skip

    def _describe_replacement(self, version: Version) -> str:
        """Return the replaced version and the comparison with it, in words."""
        if self.champion is None:
            reason = "the first" if self.defender.is_champion else "since the champion was deleted"
        elif self.live is not None:
            reason = f"in place of {name_version(self.champion)} (run {self.champion.run_id}): "
            reason += self.live.describe_evidence()
        elif self.result is None:
            reason = f"in place of {name_version(self.champion)}, with which it was not compared"
        else:
            comparison = self.result.comparison
            metric, pair = comparison.metric, comparison.pairs[0]
            difference = format_difference(pair.differences[metric], metric, comparison.level)
            reason = (
                f"in place of {name_version(self.champion)} (run {self.champion.run_id}): {metric} "
                f"{difference}, on {comparison.rows:,} test rows of "
                f"{self.run.tags.get('data', 'unknown')}"
            )
        if self.champion is not None and not self.defender.is_champion:
            reason += (
                f"; the champion was gone, and {name_version(self.champion)} was the last one left"
            )
        if self._choose_anchor(version) == version.number and self._resets_anchor():
            reason += "; losses of later versions are measured from this one"
        if self.reasons:
            return f"{reason}; forced: {self.cfg.force}"
        return f"{reason}; {self.new_data}" if self.new_data and not self.result else reason

    def _resets_anchor(self) -> bool:
        """Return whether the anchor moves although no comparison justifies that."""
        return self.champion is not None and (self.anchor is None or bool(self.reasons))

    def _choose_anchor(self, version: Version) -> str:
        """Return the number of the version that is the anchor of `version`."""
        if self.live is not None and self.champion and not self.reasons and self.live.judge() < 1:
            return self.champion.tags.get(ANCHOR, self.champion.number)
        if self.anchor is None or self.reasons or self.anchor.becomes_anchor:
            return version.number
        return self.anchor.version.number

    def _record(self, outcome: str, sentence: str, version: Version | None) -> None:
        """Write the record to the run and to the version, before any alias is moved."""
        now = datetime.now(UTC)
        timestamp = now.isoformat(timespec="seconds")
        result = self.result
        folder = result.folder if result else Path(self.cfg.outputs, "promote", make_timestamp())
        folder.mkdir(parents=True, exist_ok=True)
        record = folder / _RECORD_FILE
        facts = self._describe(outcome, sentence, version) | {"at": timestamp}
        write_json(facts, record)
        tags = {"promotion": outcome, "promotion.why": sentence}
        files = [record, result.page] if result else [record]
        # In microseconds: promotions of a run under several names may follow each other quickly.
        artifact_folder = f"promotions/{now:%Y-%m-%dT%H-%M-%S-%f}"
        self.tracker.annotate(self.run.id, tags, files, artifact_folder)
        if version is not None:
            notes = {
                "promotion.at": timestamp,
                "promotion.command": self.command,
                "promotion.force": self.cfg.force or "",
                ANCHOR: self._choose_anchor(version),
                REPLACED: self.champion.number if self.champion else "",
            }
            self.registry.annotate(version.number, notes, sentence)

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
            **{key: self.cfg[key] for key in ("metric", "threshold", "alpha", "margin", "force")},
            "reasons": list(self.reasons),
            "new_data": self.new_data,
            "anchor": self.anchor.describe() if self.anchor else None,
            "live": self.live.describe() if self.live else None,
        }
        if self.result is None:
            return facts
        comparison = self.result.comparison
        pair = comparison.pairs[0]
        return facts | {
            "verdict": describe_verdict(comparison, pair),
            "rows": comparison.rows,
            "difference": asdict(pair.differences[comparison.metric]),
            "errors": asdict(pair.errors),
            "p_worse": pair.test_worse(comparison.metric),
            "detectable": pair.compute_detectable_effect(comparison.metric, self.cfg.alpha),
            "comparison": self.result.run_id,
            "comparisons_before": self.result.earlier_comparisons,
            "promotions_before": self.result.earlier_promotions,
        }


def name_version(version: Version) -> str:
    """Return the name of a version in a sentence."""
    return f"version {version.number}"
