"""Origins of inputs: names, identities and places."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}


@dataclass(frozen=True)
class Origin:
    """Where an input comes from.

    Attributes
    ----------
    name : str
        What it is called in messages.
    identity : dict
        Distinguishes it from others, and from itself after a change; JSON can hold it.
    stem : Path
        Its path without an ending, from which the default output is named.
    ending : str
        Of an output in the same format.
    path : Path, optional
        The file that it is.
    """

    name: str
    identity: dict[str, Any]
    stem: Path
    ending: str
    path: Path | None = None

    @classmethod
    def of_file(cls, path: Path) -> "Origin":
        """Return the origin of what is read from a file."""
        there, plain = path.stat(), strip_compression(path)
        identity = {
            "input": str(path.resolve()),
            "size": there.st_size,
            "modified": there.st_mtime_ns,
        }
        return cls(str(path), identity, plain.with_suffix(""), plain.suffix, path)


def warn_of_change(origin: Origin) -> None:
    """Warn that an input is not as it was when it was opened."""
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
