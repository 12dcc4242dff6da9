"""History of a registered model: champions, earlier champions and rollbacks."""

from collections.abc import Iterator
from dataclasses import dataclass

from sentiment.errors import ModelPackageError, RunNotFoundError, UntrustedModelError
from sentiment.modeling.model_files import load_model
from sentiment.tracking import MlflowRegistry, StoredRun, Tracker, Version
from sentiment.tracking.registry import CHAMPION, PREVIOUS

# Tags of a version: the version that it replaced, whether its promotion is complete, when and by
# which command it was rolled back, and the anchor that its successors are compared with.
REPLACED, DONE = "promotion.replaced", "promotion.done"
ROLLED_BACK, ANCHOR = "rolled_back.at", "promotion.anchor"
ROLLED_BACK_BY = "rolled_back.command"
# The command of flows, which roll back automatically when a later step fails.
FLOW = "python scripts/flow.py"
# Tag of the registered model: the last champion. Unlike tags of a version, it survives deletion.
LAST = "promotion.last"
# Prefixes of the parameters of a run that define its model, besides the data.
_MODEL_PARAM_PREFIXES = ("features.", "model.", "seed")


@dataclass(frozen=True)
class Defender:
    """The version that a challenger is compared with.

    Attributes
    ----------
    version : Version or None
        The champion or, if it was deleted, the latest champion that still exists, if any.
    is_champion : bool
        True if the alias still points to `version`.
    problem : str or None
        The reason why no version is left to compare with, although there was a champion.
    """

    version: Version | None
    is_champion: bool = True
    problem: str | None = None


def find_defender(registry: MlflowRegistry) -> Defender:
    """Return the champion or, if its version or alias was deleted, its substitute."""
    champion = registry.find(CHAMPION)
    if champion is not None:
        return Defender(champion)
    last_number = registry.read_tags().get(LAST)
    substitute = registry.get(last_number) if last_number else None
    substitute = substitute or registry.find(PREVIOUS) or next(list_champions(registry), None)
    if substitute is not None:
        return Defender(substitute, is_champion=False)
    if last_number is None:
        return Defender(None)
    return Defender(
        None,
        is_champion=False,
        problem=f"version {last_number}, the champion of {registry.name}, was deleted, and no "
        "earlier one is left to compare with",
    )


def list_champions(registry: MlflowRegistry) -> Iterator[Version]:
    """Yield the versions that were the champion and were not rolled back, the newest first."""
    for version in registry.list_versions():
        if DONE in version.tags and ROLLED_BACK not in version.tags:
            yield version


def find_rollback(registry: MlflowRegistry, tracker: Tracker, run: StoredRun) -> str | None:
    """Return the reason why a run must not be promoted again, or None.

    A run counts as rolled back if one of its versions was, or a version of another run with the
    same settings and data, since a scheduler may repeat the training every day.
    """
    for version in registry.list_versions():
        rolled_back_at = version.tags.get(ROLLED_BACK)
        if rolled_back_at is None:
            continue
        if version.run_id == run.id:
            return f"it was rolled back at {rolled_back_at}"
        try:
            other_run = tracker.read_run(version.run_id)
        except RunNotFoundError:
            continue
        if _read_model_params(other_run) == _read_model_params(run):
            return (
                f"version {version.number}, trained with the same settings on the same data, was "
                f"rolled back at {rolled_back_at}"
            )
    return None


def _read_model_params(run: StoredRun) -> dict[str, str | None]:
    recipe: dict[str, str | None] = {
        key: value for key, value in run.params.items() if key.startswith(_MODEL_PARAM_PREFIXES)
    }
    return recipe | {"data": run.tags.get("data.fingerprint")}


def find_rolled_back_successor(registry: MlflowRegistry, champion: Version) -> str | None:
    """Return the number of a version that replaced the champion and was rolled back, or None.

    Automatic rollbacks by flows do not count, since an outage may have caused them.
    """
    for version in registry.list_versions():
        tags = version.tags
        is_manual_rollback = ROLLED_BACK in tags and tags.get(ROLLED_BACK_BY) != FLOW
        if is_manual_rollback and tags.get(REPLACED) == champion.number:
            return version.number
    return None


def check_loads(registry: MlflowRegistry, tracker: Tracker, version: Version) -> str | None:
    """Load a version as predict does; return the error message, or None if it loads."""
    try:
        choice = tracker.find_model(f"models:/{registry.name}/{version.number}", "accuracy")
        load_model(choice.path, choice.digest)
    except (ModelPackageError, RunNotFoundError, UntrustedModelError) as error:
        return str(error)
    return None
