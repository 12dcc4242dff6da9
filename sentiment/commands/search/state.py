"""Small files of a sweep's state: written whole, checked when read, set aside when damaged."""

import json
import logging
import os
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

_CHECKSUM = "checksum"
_DAMAGED = ".damaged"


def write_state(path: Path, facts: Mapping[str, Any]) -> None:
    """Write `facts` as JSON with a checksum; `path` holds all of them or is left as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    # It quotes settings and errors, which are for others to read only if the user says so.
    with open(partial, "w", encoding="utf-8", opener=_open_private) as file:
        json.dump({**facts, _CHECKSUM: _sum(facts)}, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)


def read_state(path: Path, *, keep: bool = False) -> dict[str, Any] | None:
    """Return what `write_state` wrote, or None if `path` is missing or damaged.

    A damaged file is reported and renamed, so that it is neither read again nor lost.

    Parameters
    ----------
    path : Path
        The file.
    keep : bool, default=False
        Whether a damaged file stays where it is, for callers that change nothing.
    """
    try:
        file = path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        return None
    with file:
        opened = os.fstat(file.fileno())
        reason, facts = _check(file.read())
        if not reason:
            return facts
        if keep:
            log.warning("'%s' is damaged (%s) and is ignored", path, reason)
        # Another process may have replaced it with a good one meanwhile.
        elif path.exists() and path.stat().st_ino == opened.st_ino:
            aside = set_aside(path)
            log.warning("'%s' is damaged (%s); it was renamed to '%s'", path, reason, aside.name)
    return None


def _check(content: bytes) -> tuple[str, dict[str, Any]]:
    """Return why `content` is damaged, or nothing, and the facts in it."""
    try:
        facts = json.loads(content)
    except (ValueError, RecursionError) as error:
        return f"it is not JSON: {error}" if content else "it is empty", {}
    if not isinstance(facts, dict):
        return "it is not a JSON object", {}
    # Files of earlier versions have no checksum; what reads them checks the types.
    found = facts.pop(_CHECKSUM, None)
    if found is not None and found != _sum(facts):
        return "its checksum is another one", {}
    return "", facts


def _sum(facts: Mapping[str, Any]) -> str:
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return f"{zlib.crc32(canonical.encode()):08x}"


def set_aside(path: Path) -> Path:
    """Rename a damaged file to a free name beside it; return that name."""
    number = 1
    while True:
        aside = path.with_name(f"{path.name}{_DAMAGED}{f'-{number}' if number > 1 else ''}")
        try:
            os.link(path, aside)  # unlike a renaming, this overwrites nothing
        except FileExistsError:
            number += 1
            continue
        except FileNotFoundError:  # another process was faster
            return aside
        except OSError:  # a file system without links
            path.rename(aside)
            return aside
        with suppress(FileNotFoundError):
            path.unlink()
        return aside


def was_set_aside(path: Path) -> bool:
    """Return whether `path` is missing because it was damaged."""
    return not path.exists() and path.with_name(f"{path.name}{_DAMAGED}").exists()
