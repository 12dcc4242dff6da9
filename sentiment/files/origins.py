"""Origins of inputs: names, identities and locations."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}


@dataclass(frozen=True)
class Origin:
    """Origin of an input.

    Attributes
    ----------
    name : str
        Its name in messages.
    identity : dict
        JSON values that distinguish it from other inputs, and from itself after a change.
    stem : Path
        Its path without an ending, for the name of the default output.
    ending : str
        Ending of an output in the same format.
    path : Path, optional
        Its file.
    """

    name: str
    identity: dict[str, Any]
    stem: Path
    ending: str
    path: Path | None = None

    @classmethod
    def of_file(cls, path: Path) -> "Origin":
        """Return the origin of an input that is a file."""
        status, uncompressed = path.stat(), strip_compression(path)
        identity = {
            "input": str(path.resolve()),
            "size": status.st_size,
            "modified": status.st_mtime_ns,
        }
        return cls(str(path), identity, uncompressed.with_suffix(""), uncompressed.suffix, path)


def warn_of_change(origin: Origin) -> None:
    """Warn that an input has changed since it was opened."""
    log.warning(
        "'%s' was changed while it was read, so its rows may be of two versions, or not "
        "all of them; read it again when nothing writes it",
        origin.name,
    )


def read_group(setting: str) -> str:
    """Return the prefix of the settings beside `setting`: ``data.`` for ``data.path``."""
    group, point, _ = setting.rpartition(".")
    return group + point


def strip_compression(path: Path) -> Path:
    """Return `path` without the ending of its compression."""
    return path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path
