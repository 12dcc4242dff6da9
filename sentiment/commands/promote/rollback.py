"""Roll back: make the previous champion the champion again."""

from datetime import UTC, datetime

from omegaconf import DictConfig

from sentiment.commands.promote.decision import Promotion, name_version
from sentiment.commands.promote.history import (
    LAST,
    REPLACED,
    ROLLED_BACK,
    ROLLED_BACK_BY,
    check_loads,
    list_champions,
)
from sentiment.config import suggest_command
from sentiment.errors import NothingToRollBackError, UnusableVersionError
from sentiment.tracking import MlflowRegistry, Tracker, Version
from sentiment.tracking.registry import CHAMPION, PREVIOUS


def roll_back(tracker: Tracker, cfg: DictConfig, command: str) -> Promotion:
    """Make the previous version the champion, and its predecessor the previous version.

    If a process is killed before the last step, both aliases point to the same version, and the
    same command completes the rollback. If the version of the champion was deleted, the previous
    version replaces it.

    Raises
    ------
    NothingToRollBackError
        There is no previous version.
    UnusableVersionError
        The previous version cannot be loaded; no alias is moved.
    """
    registry = tracker.open_registry(cfg.name)
    _find_target(registry, tracker, cfg)  # fail before the lock is taken
    with registry.lock():
        target = _find_target(registry, tracker, cfg)
        problem = check_loads(registry, tracker, target)
        if problem is not None:
            raise _refuse(registry, tracker, target.number, problem)
        champion = registry.find(CHAMPION)
        predecessor = registry.get(target.tags.get(REPLACED, ""))
        if champion is None:
            sentence = (
                f"{cfg.name} is back at {name_version(target)}, since its champion was deleted"
            )
        elif champion.number == target.number:
            sentence = (
                f"{cfg.name} is at {name_version(target)}, where an interrupted command left it"
            )
        else:
            sentence = (
                f"{cfg.name} went back from {name_version(champion)} to {name_version(target)}"
            )
            timestamp = datetime.now(UTC).isoformat(timespec="seconds")
            registry.annotate(champion.number, {ROLLED_BACK: timestamp, ROLLED_BACK_BY: command})
        if champion is None or champion.number != target.number:
            registry.set_alias(CHAMPION, target.number)
        registry.set_tag(LAST, target.number)
        registry.set_alias(PREVIOUS, predecessor.number if predecessor else None)
    return Promotion("rolled back", sentence, cfg.name, target)


def _find_target(registry: MlflowRegistry, tracker: Tracker, cfg: DictConfig) -> Version:
    previous, champion = registry.find(PREVIOUS), registry.find(CHAMPION)
    if previous is not None:
        return previous
    replaced = champion.tags.get(REPLACED) if champion is not None else None
    if replaced and registry.get(replaced) is None:
        raise _refuse(registry, tracker, replaced, "it was deleted")
    missing = CHAMPION if champion is None else PREVIOUS
    command = suggest_command("promote", "run=<id>")
    raise NothingToRollBackError(cfg.name, missing, cfg.tracking.uri, command)


def _refuse(
    registry: MlflowRegistry, tracker: Tracker, number: str, problem: str
) -> UnusableVersionError:
    """Return the error that names the next older version that can be loaded."""
    champion = registry.find(CHAMPION)
    older = (version for version in list_champions(registry) if int(version.number) < int(number))
    usable = next(
        (version for version in older if check_loads(registry, tracker, version) is None), None
    )
    reason = f"force=version {number} cannot be loaded"
    return UnusableVersionError(
        registry.name,
        number,
        problem,
        champion.number if champion else None,
        (usable.number, _suggest_promotion(registry.name, usable, reason)) if usable else None,
    )


def _suggest_promotion(name: str, version: Version, reason: str) -> str:
    return suggest_command("promote", f"name={name}", f"run={version.run_id}", reason)
