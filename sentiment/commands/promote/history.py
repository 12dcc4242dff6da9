"""History of a registered model: champions, earlier champions and rollbacks."""

from collections.abc import Iterator
from dataclasses import dataclass

from sentiment.errors import ModelPackageError, RunNotFoundError, UntrustedModelError
from sentiment.modeling.model_files import load_model
from sentiment.tracking import MlflowRegistry, StoredRun, Tracker, Version

CHAMPION, PREVIOUS = "champion", "previous"
# Tags of a version: the version that it replaced, whether its promotion is complete, when it was
# rolled back, and the anchor, from which losses of its successors are counted.
REPLACED, DONE = "promotion.replaced", "promotion.done"
ROLLED_BACK, ANCHOR = "rolled_back.at", "promotion.anchor"
ROLLED_BACK_BY = "rolled_back.command"
# The command of flows, which roll back automatically when a later step fails.
FLOW = "python scripts/flow.py"
# Tag of the registered model, which outlives its versions: the last champion.
LAST = "promotion.last"
# Prefixes of the parameters of a run that define its model, besides the data.
_RECIPE = ("features.", "model.", "seed")


@dataclass(frozen=True)
class Defender:
    """The version that a challenger is compared with.

    Attributes
    ----------
    version : Version or None
        The champion or, if it was deleted, the latest champion that still exists, if any.
    is_champion : bool
        Whether the alias still points to `version`.
    problem : str or None
        Why there is nothing to compare with, although there was a champion.
    """

    version: Version | None
    is_champion: bool = True
    problem: str | None = None


def find_defender(registry: MlflowRegistry) -> Defender:
    """Return the champion or, if its version or alias was deleted, its substitute."""
    champion = registry.find(CHAMPION)
    if champion is not None:
        return Defender(champion)
    last = registry.read_tags().get(LAST)
    earlier = list(list_champions(registry))
    left = registry.get(last) if last else None
    left = left or registry.find(PREVIOUS) or next(iter(earlier), None)
    if left is not None:
        return Defender(left, is_champion=False)
    if last is None:
        return Defender(None)
    return Defender(
        None,
        is_champion=False,
        problem=f"version {last}, the champion of {registry.name}, was deleted, and no earlier one "
        "is left to compare with",
    )


def list_champions(registry: MlflowRegistry) -> Iterator[Version]:
    """Yield the versions that were the champion and were not rolled back, the newest first."""
    for version in registry.list_versions():
        if DONE in version.tags and ROLLED_BACK not in version.tags:
            yield version


def find_rollback(registry: MlflowRegistry, tracker: Tracker, run: StoredRun) -> str | None:
    """Return why a run must not be promoted again, or None.

    A run was rolled back if one of its versions was, or a version of another run that was trained
    with the same settings on the same data: a scheduler trains it again every day.
    """
    for version in registry.list_versions():
        when = version.tags.get(ROLLED_BACK)
        if when is None:
            continue
        if version.run_id == run.id:
            return f"it was rolled back at {when}"
        try:
            other = tracker.read_run(version.run_id)
        except RunNotFoundError:
            continue
        if _read_recipe(other) == _read_recipe(run):
            return (
                f"version {version.number}, trained with the same settings on the same data, was "
                f"rolled back at {when}"
            )
    return None


def _read_recipe(run: StoredRun) -> dict[str, str | None]:
    recipe: dict[str, str | None] = {
        key: value for key, value in run.params.items() if key.startswith(_RECIPE)
    }
    return recipe | {"data": run.tags.get("data.fingerprint")}


def find_successor_rolled_back(registry: MlflowRegistry, champion: Version) -> str | None:
    """Return the number of a version that replaced the champion and was rolled back, or None.

    Automatic rollbacks of flows do not count, since an outage may have been their cause.
    """
    for version in registry.list_versions():
        tags = version.tags
        by_hand = ROLLED_BACK in tags and tags.get(ROLLED_BACK_BY) != FLOW
        if by_hand and tags.get(REPLACED) == champion.number:
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
