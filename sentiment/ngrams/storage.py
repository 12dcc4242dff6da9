"""Arrays in a folder that several processes share: complete or absent, checked, bounded."""

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
from pathlib import Path
from tokenize import TokenError

import numpy as np

log = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Entry:
    """Arrays that belong together, kept in a folder or, where that fails, only in memory.

    Each is itself only: what was made from one is not taken for another, even of the same name.

    Attributes
    ----------
    folder : Path
        Where it is.
    arrays : dict of str to ndarray
        Mapped into memory.
    state : tuple
        What the files were when they were opened; see `_read_state`.
    """

    folder: Path
    arrays: Arrays
    state: tuple[object, ...]

    @property
    def stamp(self) -> str:
        """Stamp that distinguishes these arrays, even from the same ones made anew."""
        return self.arrays[_STAMP].tobytes().hex()


# The name of an array that is different in each entry that was ever made.
_STAMP = "stamp"
_MANIFEST = "manifest.json"
# Entries stay open, and checked, in a process: a corpus and its counts under some token rules.
_OPEN_ENTRIES = 8
# What comes of files that are cut short or hold something else.
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
_opened: OrderedDict[Path, Entry] = OrderedDict()


def open_or_make(
    folder: Path, make: Callable[[], Arrays], is_sound: Callable[[Arrays], bool]
) -> Entry:
    """Return the entry in `folder`, which is made if there is no sound one.

    Of several processes that want the same entry one makes it and the others wait. What cannot be
    written is used all the same.

    Parameters
    ----------
    folder : Path
        Its arrays are the files in it.
    make : callable
        Returns the arrays.
    is_sound : callable
        Says whether arrays that were read can be trusted.
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
        log.warning("counts cannot be kept in '%s': %s", folder.parent, error)
        return Entry(folder, arrays or _stamp(make()), ())


def _stamp(arrays: Arrays) -> Arrays:
    # What is made again may be numbered otherwise; the stamp distinguishes it.
    return {**arrays, _STAMP: np.frombuffer(os.urandom(16), np.uint8)}


def open_entry(folder: Path, is_sound: Callable[[Arrays], bool]) -> Entry | None:
    """Return the entry in `folder`, mapped into memory, or None if there is no sound one.

    An entry stays open, and is checked again only if its files are no longer what they were.
    """
    try:
        state = _read_state(folder)
    except OSError:  # there is none, or no more
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
    """Return the manifest of an entry, and what changes whenever one of its arrays does.

    The manifest changes with each entry that is made, for the digest of the stamp is in it.
    """
    with os.scandir(folder) as files:
        stats = [(file.name, file.stat()) for file in files if file.name.endswith(".npy")]
    seen = sorted((name, stat.st_ino, stat.st_size, stat.st_ctime_ns) for name, stat in stats)
    return (folder / _MANIFEST).read_bytes(), *seen


def mark_used(entry: Path) -> None:
    """Note that `entry` is in use now, for `make_room`."""
    with suppress(OSError):
        os.utime(entry / _MANIFEST)


def make_room(groups: list[Path], most_bytes: int) -> None:
    """Delete those folders of `groups` that were not used for longest until the rest is small.

    Parameters
    ----------
    groups : list of Path
        Folders of entries; the first is kept in any case.
    most_bytes : int
        How much all may take.
    """
    sizes, used = {}, {}
    for group in groups:
        stats = list(_list_stats(group))
        sizes[group] = sum(stat.st_size for stat in stats)
        used[group] = max((stat.st_mtime_ns for stat in stats), default=0)
    total = sum(sizes.values())
    for group in sorted(groups[1:], key=used.__getitem__):
        if total <= most_bytes:
            return
        _remove(group)
        total -= sizes[group]


def _list_stats(group: Path) -> Iterator[os.stat_result]:
    for folder, _, names in os.walk(group):
        for name in names:
            # Another process may rename or delete it meanwhile.
            with suppress(FileNotFoundError):
                yield (Path(folder) / name).stat()


def _remember(entry: Entry) -> None:
    _opened[entry.folder] = entry
    while len(_opened) > _OPEN_ENTRIES:
        _opened.popitem(last=False)


@contextmanager
def _locked(entry: Path) -> Iterator[None]:
    """Hold the lock of `entry`, which the system takes back from a process that dies."""
    with _lock_file(entry).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write(entry: Path, arrays: Arrays) -> None:
    """Write `arrays` so that they appear at once, or not at all; the lock must be held."""
    prefix = f".{entry.name}.new-"
    for left in entry.parent.glob(f"{prefix}*"):  # by a process that was killed
        _remove(left, arrays)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=entry.parent))
    try:
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
        manifest = {name: _digest(array) for name, array in arrays.items()}
        (folder / _MANIFEST).write_text(json.dumps(manifest))
        _remove(entry, arrays)  # what is there is damaged
        if not entry.is_dir():
            folder.rename(entry)
            return
        # Files that are not ours are in there. Nobody reads arrays before there is a manifest.
        for name in (*(f"{name}.npy" for name in arrays), _MANIFEST):
            (folder / name).rename(entry / name)
        folder.rmdir()
    except OSError:
        _remove(folder, arrays)
        raise


def is_entry(folder: Path) -> bool:
    """Return whether `folder` holds an entry, rather than files of somebody else."""
    return _STAMP in _read_manifest(folder)


def _remove(entry: Path, names: Iterable[str] = ()) -> None:
    """Remove the entry in a folder and those inside of it; files that are not theirs stay.

    Parameters
    ----------
    entry : Path
        The folder, which is removed if nothing else is in it.
    names : iterable of str
        Arrays that are part of it even if its manifest is lost.
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
    """Return the digests of the arrays of an entry by name; nothing if that cannot be read."""
    try:
        manifest = json.loads((entry / _MANIFEST).read_text())
    except (OSError, RecursionError, ValueError):
        return {}
    names = list(manifest) if isinstance(manifest, dict) else []
    return {name: manifest[name] for name in names if name.replace("-", "").isalnum()}


def _read(entry: Path) -> Arrays | None:
    """Return the arrays that were written, mapped into memory, or None if they are not the same."""
    manifest = _read_manifest(entry)
    try:
        arrays = _map(entry, list(manifest))
        if all(_digest(arrays[name]) == digest for name, digest in manifest.items()):
            return arrays
    except _DAMAGE:
        log.debug("cannot read '%s'", entry, exc_info=True)
    return None


def _map(entry: Path, names: list[str]) -> Arrays:
    # Copy on write, for the kernels are compiled for arrays that may be written.
    return {
        name: np.asarray(np.load(entry / f"{name}.npy", mmap_mode="c", allow_pickle=False))
        for name in names
    }


def _digest(array: np.ndarray) -> str:
    return hashlib.blake2b(array.tobytes()).hexdigest()
