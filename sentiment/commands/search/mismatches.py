"""Differences between the settings of a study and those that it was started with."""

from collections.abc import Sequence
from typing import Any

from sentiment.errors import SentimentError


class StudyMismatchError(SentimentError, ValueError):
    """A study is there already, but it looks for something else."""

    def __init__(self, name: str, differences: Sequence[str]) -> None:
        shown = "\n".join(f"  - {line}" for line in differences[:8])
        more = f"\n  and {len(differences) - 8} more" if len(differences) > 8 else ""
        super().__init__(
            f"the study {name!r} was started with something else, so its trials cannot be "
            f"compared with new ones:\n{shown}{more}\nGo on with what it was started with, start "
            "a new one beside it with search.fresh=true, or name another: search.name=<name>."
        )


def list_differences(kept: Any, now: Any, path: str = "") -> list[str]:
    """Return one line per value that differs in two nested dictionaries."""
    if not (isinstance(kept, dict) and isinstance(now, dict)):
        return [] if kept == now else [f"{path}: {kept} in the study, {now} now"]
    lines: list[str] = []
    for key in [*kept, *(key for key in now if key not in kept)]:
        inner = f"{path}.{key}" if path else str(key)
        lines += list_differences(kept.get(key, "nothing"), now.get(key, "nothing"), inner)
    return lines
