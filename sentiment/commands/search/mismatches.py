"""Differences between the settings of a study and those that it was started with."""

from typing import Any


def list_differences(kept: Any, now: Any, path: str = "") -> list[str]:
    """Return one line per value that differs in two nested dictionaries."""
    if not (isinstance(kept, dict) and isinstance(now, dict)):
        return [] if kept == now else [f"{path}: {kept} in the study, {now} now"]
    lines: list[str] = []
    for key in [*kept, *(key for key in now if key not in kept)]:
        inner = f"{path}.{key}" if path else str(key)
        lines += list_differences(kept.get(key, "nothing"), now.get(key, "nothing"), inner)
    return lines
