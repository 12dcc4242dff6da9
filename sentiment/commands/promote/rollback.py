"""Roll back: make the previous champion the champion again."""

from datetime import UTC, datetime

from omegaconf import DictConfig

from sentiment.commands.promote.decision import Promotion, call
from sentiment.commands.promote.history import (
    CHAMPION,
    LAST,
    PREVIOUS,
    REPLACED,
    ROLLED_BACK,
    ROLLED_BACK_BY,
    check_loads,
    list_champions,
)
from sentiment.config import suggest_command
from sentiment.errors import NothingToRollBackError, UnusableVersionError
from sentiment.tracking import MlflowRegistry, Tracker, Version


def roll_back(tracker: Tracker, cfg: DictConfig, command: str) -> Promotion:
    """Make the previous version the champion, and its predecessor the previous version.

    If a process is killed before the last step, both aliases point to one version, and the same
    command does that step. If the version of the champion was deleted, the previous one replaces
    it.

    Raises
    ------
    NothingToRollBackError
        There is no previous version.
    UnusableVersionError
        The previous version cannot be loaded; no alias is moved.
    """
    registry = tracker.open_registry(cfg.name)
    _find_target(registry, tracker, cfg)  # before the lock is taken
    with registry.lock():
        target = _find_target(registry, tracker, cfg)
        problem = check_loads(registry, tracker, target)
        if problem is not None:
            raise _refuse(registry, tracker, target.number, problem)
        champion = registry.find(CHAMPION)
        before = registry.get(target.tags.get(REPLACED, ""))
        if champion is None:
            sentence = f"{cfg.name} is back at {call(target)}, since its champion was deleted"
        elif champion.number == target.number:
            sentence = f"{cfg.name} is at {call(target)}, where an interrupted command left it"
        else:
            sentence = f"{cfg.name} went back from {call(champion)} to {call(target)}"
            now = datetime.now(UTC).isoformat(timespec="seconds")
            registry.note(champion.number, {ROLLED_BACK: now, ROLLED_BACK_BY: command})
        if champion is None or champion.number != target.number:
            registry.point(CHAMPION, target.number)
        registry.set_tag(LAST, target.number)
        registry.point(PREVIOUS, before.number if before else None)
    return Promotion("rolled back", sentence, cfg.name, target)


def _find_target(registry: MlflowRegistry, tracker: Tracker, cfg: DictConfig) -> Version:
    previous, champion = registry.find(PREVIOUS), registry.find(CHAMPION)
    if previous is not None:
        return previous
    replaced = champion.tags.get(REPLACED) if champion is not None else None
    if replaced and registry.get(replaced) is None:
        raise _refuse(registry, tracker, replaced, "it was deleted")
    lacking = CHAMPION if champion is None else PREVIOUS
    command = suggest_command("promote", "run=<id>")
    raise NothingToRollBackError(cfg.name, lacking, cfg.tracking.uri, command)


def _refuse(
    registry: MlflowRegistry, tracker: Tracker, number: str, problem: str
) -> UnusableVersionError:
    """Return the error that names the next older version that can be loaded."""
    champion = registry.find(CHAMPION)
    older = (one for one in list_champions(registry) if int(one.number) < int(number))
    left = next((one for one in older if check_loads(registry, tracker, one) is None), None)
    reason = f"force=version {number} cannot be loaded"
    return UnusableVersionError(
        registry.name,
        number,
        problem,
        champion.number if champion else None,
        (left.number, _suggest(registry.name, left, reason)) if left else None,
    )


def _suggest(name: str, version: Version, reason: str) -> str:
    return suggest_command("promote", f"name={name}", f"run={version.run_id}", reason)
