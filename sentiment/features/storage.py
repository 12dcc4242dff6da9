"""Arrays in a folder that several processes share: complete or absent, checked, bounded."""

import fcntl
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tokenize import TokenError

import numpy as np

log = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]

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
    SyntaxError,
    TokenError,
    TypeError,
    ValueError,
)
_opened: OrderedDict[Path, Arrays] = OrderedDict()


def open_or_make(
    entry: Path, make: Callable[[], Arrays], is_sound: Callable[[Arrays], bool]
) -> Arrays:
    """Return the arrays in the folder `entry`, which are made if there are no sound ones.

    Of several processes that want the same entry one makes it and the others wait. What cannot be
    written is used all the same.

    Parameters
    ----------
    entry : Path
        The folder.
    make : callable
        Returns the arrays.
    is_sound : callable
        Says whether arrays that were read can be trusted.
    """
    arrays = open_entry(entry, is_sound)
    if arrays is not None:
        return arrays
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with _locked(entry):
            # Another process may have made it while this one waited.
            arrays = open_entry(entry, is_sound)
            if arrays is None:
                if any(entry.glob("*.npy")):
                    log.warning("the counts in '%s' are damaged and are made anew", entry)
                arrays = _stamp(make())
                _write(entry, arrays)
                arrays = _map(entry, list(arrays))
                _remember(entry, arrays)
            return arrays
    except OSError as error:
        log.warning("counts cannot be kept in '%s': %s", entry.parent, error)
        return _stamp(make()) if arrays is None else arrays


def read_stamp(arrays: Arrays) -> str:
    """Return what tells these arrays from all others, even from the same ones made anew."""
    return arrays[_STAMP].tobytes().hex()


def _stamp(arrays: Arrays) -> Arrays:
    # What is made again may be numbered otherwise; the stamp tells it apart.
    return {**arrays, _STAMP: np.frombuffer(os.urandom(16), np.uint8)}


def open_entry(entry: Path, is_sound: Callable[[Arrays], bool]) -> Arrays | None:
    """Return the arrays of `entry`, mapped into memory, or None if there are no sound ones."""
    if not (entry / _MANIFEST).is_file():
        return None
    if entry in _opened:
        _opened.move_to_end(entry)
        return _opened[entry]
    arrays = _read(entry)
    if arrays is None or _STAMP not in arrays or not is_sound(arrays):
        return None
    _remember(entry, arrays)
    return arrays


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
        shutil.rmtree(group, ignore_errors=True)
        total -= sizes[group]


def _list_stats(group: Path) -> Iterator[os.stat_result]:
    for folder, _, names in os.walk(group):
        for name in names:
            # Another process may rename or delete it meanwhile.
            with suppress(FileNotFoundError):
                yield (Path(folder) / name).stat()


def _remember(entry: Path, arrays: Arrays) -> None:
    _opened[entry] = arrays
    while len(_opened) > _OPEN_ENTRIES:
        _opened.popitem(last=False)


@contextmanager
def _locked(entry: Path) -> Iterator[None]:
    """Hold the lock of `entry`, which the system takes back from a process that dies."""
    with (entry.parent / f".{entry.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write(entry: Path, arrays: Arrays) -> None:
    """Write `arrays` so that they appear at once, or not at all; the lock must be held."""
    prefix = f".{entry.name}.new-"
    for left in entry.parent.glob(f"{prefix}*"):  # by a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=entry.parent))
    try:
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
        manifest = {name: _digest(array) for name, array in arrays.items()}
        (folder / _MANIFEST).write_text(json.dumps(manifest))
        shutil.rmtree(entry, ignore_errors=True)  # what is there is damaged
        folder.rename(entry)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _read(entry: Path) -> Arrays | None:
    """Return the arrays that were written, mapped into memory, or None if they are not the same."""
    try:
        manifest = json.loads((entry / _MANIFEST).read_text())
        arrays = _map(entry, [name for name in manifest if name.replace("-", "").isalnum()])
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
