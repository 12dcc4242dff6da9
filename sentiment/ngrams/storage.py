"""Storage of arrays in a folder that processes share: atomic, checked and limited in size."""

import fcntl
import hashlib
import json
import logging
import os
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tokenize import TokenError

import numpy as np

log = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]
# Name of the array that is unique for each entry.
_STAMP = "stamp"
_MANIFEST = "manifest.json"
# Number of entries that a process keeps open after checking them; a corpus and its counts are two.
_OPEN_ENTRIES = 8
# Errors of truncated files, and of other files.
_DAMAGE = (
    AttributeError,
    EOFError,
    KeyError,
    OSError,
    RecursionError,
    SyntaxError,
    TokenError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, eq=False)
class Entry:
    """Arrays of one entry, in a folder or, if that is not writable, only in memory.

    Entries are compared by identity: an entry that is made again is not equal to the earlier one.

    Attributes
    ----------
    folder : Path
        Folder of the entry.
    arrays : dict of str to ndarray
        Arrays, mapped into memory.
    state : tuple
        State of the files when they were opened, see `_read_state`; empty without files.
    """

    folder: Path
    arrays: Arrays
    state: tuple[object, ...]

    @property
    def stamp(self) -> str:
        """Unique stamp of these arrays; it changes if the arrays are made again."""
        return self.arrays[_STAMP].tobytes().hex()

    @property
    def is_stored(self) -> bool:
        """True if the entry is stored in its folder."""
        return bool(self.state)


_opened: OrderedDict[Path, Entry] = OrderedDict()


def open_or_make(
    folder: Path, make: Callable[[], Arrays], is_sound: Callable[[Arrays], bool]
) -> Entry:
    """Return the entry in `folder`, after making it if it is missing or damaged.

    If several processes need the same entry, one makes it and the others wait. If the arrays cannot
    be written, they are used from memory.

    Parameters
    ----------
    folder : Path
        Folder of the files of the arrays.
    make : callable
        Returns the arrays.
    is_sound : callable
        Returns whether arrays that were read are valid.
    """
    entry = open_entry(folder, is_sound)
    if entry is not None:
        return entry
    arrays: Arrays = {}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            # Another process may have made it while this one waited.
            entry = open_entry(folder, is_sound)
            if entry is None:
                if any(folder.glob("*.npy")):
                    log.warning("the counts in '%s' are damaged and are made anew", folder)
                arrays = _stamp(make())
                _write(folder, arrays)
                state = _read_state(folder)
                entry = Entry(folder, _map(folder, list(arrays)), state)
                _remember(entry)
            return entry
    except OSError as error:
        _warn_once(folder.parent, error.strerror or str(error))
        return Entry(folder, arrays, ()) if arrays else make_temporary(folder, make)


def make_temporary(folder: Path, make: Callable[[], Arrays]) -> Entry:
    """Return an entry for `folder` that is only in memory."""
    return Entry(folder, _stamp(make()), ())


@cache
def _warn_once(folder: Path, reason: str) -> None:
    """Log that counts cannot be stored in `folder`, once for all trials of a search."""
    log.warning("counts cannot be kept in '%s': %s", folder, reason)


def _stamp(arrays: Arrays) -> Arrays:
    # If arrays are made again, numbers may differ; the new stamp reveals this.
    return {**arrays, _STAMP: np.frombuffer(os.urandom(16), np.uint8)}


def open_entry(folder: Path, is_sound: Callable[[Arrays], bool]) -> Entry | None:
    """Return the entry in `folder`, mapped into memory, or None if it is missing or damaged.

    An entry stays open, and is checked again only if its files have changed.
    """
    try:
        state = _read_state(folder)
    except OSError:  # the entry does not exist, or was deleted meanwhile
        return None
    entry = _opened.pop(folder, None)
    if entry is None or entry.state != state:
        arrays = _read(folder)
        if arrays is None or _STAMP not in arrays or not is_sound(arrays):
            return None
        entry = Entry(folder, arrays, state)
    _remember(entry)
    return entry


def _read_state(folder: Path) -> tuple[object, ...]:
    """Return the manifest of an entry and the states of its files, to detect changes.

    Each new entry has another manifest, since that contains the digest of the stamp.
    """
    with os.scandir(folder) as files:
        stats = [(file.name, file.stat()) for file in files if file.name.endswith(".npy")]
    states = sorted((name, stat.st_ino, stat.st_size, stat.st_ctime_ns) for name, stat in stats)
    return (folder / _MANIFEST).read_bytes(), *states


def mark_used(entry: Path) -> None:
    """Record the use of `entry`, for `make_room`."""
    with suppress(OSError):
        os.utime(entry / _MANIFEST)


def make_room(groups: list[Path], max_bytes: int) -> None:
    """Delete the least recently used folders of `groups` until the others fit the limit.

    Parameters
    ----------
    groups : list of Path
        Folders of entries; the first one is never deleted.
    max_bytes : int
        Limit of the total size.
    """
    sizes, last_used = {}, {}
    for group in groups:
        stats = list(_list_stats(group))
        sizes[group] = sum(stat.st_size for stat in stats)
        last_used[group] = max((stat.st_mtime_ns for stat in stats), default=0)
    total = sum(sizes.values())
    for group in sorted(groups[1:], key=last_used.__getitem__):
        if total <= max_bytes:
            return
        _remove(group)
        total -= sizes[group]


def _list_stats(group: Path) -> Iterator[os.stat_result]:
    for folder, _, names in os.walk(group):
        for name in names:
            # Another process may rename or delete the file meanwhile.
            with suppress(FileNotFoundError):
                yield (Path(folder) / name).stat()


def _remember(entry: Entry) -> None:
    _opened[entry.folder] = entry
    while len(_opened) > _OPEN_ENTRIES:
        _opened.popitem(last=False)


@contextmanager
def _locked(entry: Path) -> Iterator[None]:
    """Hold the lock of `entry`, which the system releases when a process dies."""
    with _lock_file(entry).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write(entry: Path, arrays: Arrays) -> None:
    """Write `arrays` atomically; the caller must hold the lock."""
    prefix = f".{entry.name}.new-"
    for leftover in entry.parent.glob(f"{prefix}*"):  # from a process that was killed
        _remove(leftover, arrays)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=entry.parent))
    try:
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
        manifest = {name: _digest(array) for name, array in arrays.items()}
        (folder / _MANIFEST).write_text(json.dumps(manifest))
        _remove(entry, arrays)  # an existing entry is damaged
        if not entry.is_dir():
            folder.rename(entry)
            return
        # There are other files in it, but no array is read before the manifest exists.
        for name in (*(f"{name}.npy" for name in arrays), _MANIFEST):
            (folder / name).rename(entry / name)
        folder.rmdir()
    except OSError:
        _remove(folder, arrays)
        raise


def is_entry(folder: Path) -> bool:
    """Return whether `folder` contains an entry, not just other files."""
    return _STAMP in _read_manifest(folder)


def _remove(entry: Path, names: Iterable[str] = ()) -> None:
    """Remove the entry in a folder and the entries inside of it, but no other files.

    Parameters
    ----------
    entry : Path
        The folder, which is removed if it becomes empty.
    names : iterable of str
        Names of its arrays, in case there is no manifest.
    """
    for inner in filter(is_entry, entry.glob("*/")):
        _remove(inner)
        _lock_file(inner).unlink(missing_ok=True)
    arrays = {*names, *_read_manifest(entry)}
    with suppress(OSError):
        for name in (_MANIFEST, *(f"{name}.npy" for name in arrays)):
            (entry / name).unlink(missing_ok=True)
        entry.rmdir()


def _lock_file(entry: Path) -> Path:
    return entry.parent / f".{entry.name}.lock"


def _read_manifest(entry: Path) -> dict[str, str]:
    """Return the digests of the arrays of an entry by name; empty if unreadable."""
    try:
        manifest = json.loads((entry / _MANIFEST).read_text())
    except (OSError, RecursionError, ValueError):
        return {}
    names = list(manifest) if isinstance(manifest, dict) else []
    return {name: manifest[name] for name in names if name.replace("-", "").isalnum()}


def _read(entry: Path) -> Arrays | None:
    """Return the arrays, mapped into memory, or None if they do not match their digests."""
    manifest = _read_manifest(entry)
    try:
        arrays = _map(entry, list(manifest))
        if all(_digest(arrays[name]) == digest for name, digest in manifest.items()):
            return arrays
    except _DAMAGE:
        log.debug("cannot read '%s'", entry, exc_info=True)
    return None


def _map(entry: Path, names: list[str]) -> Arrays:
    # Copy on write, since the kernels are compiled for writable arrays.
    return {
        name: np.asarray(np.load(entry / f"{name}.npy", mmap_mode="c", allow_pickle=False))
        for name in names
    }


def _digest(array: np.ndarray) -> str:
    return hashlib.blake2b(array.tobytes()).hexdigest()
