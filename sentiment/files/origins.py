"""Where an input comes from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        Its place without an ending, beside which its output stands.
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


def read_group(setting: str) -> str:
    """Return what stands before the settings that belong to one: ``data.`` for ``data.path``."""
    group, point, _ = setting.rpartition(".")
    return group + point


def strip_compression(path: Path) -> Path:
    """Return `path` without an ending that says how it is compressed."""
    return path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path
