"""A project for the user's own code: sentiment init <folder>."""

import itertools
import keyword
import re
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path

from sentiment.errors import OccupiedFolderError

_SUFFIX = ".in"
_NAME = "my_package"
# Names of folders of a project, and of this package.
_RESERVED = {"conf", "data", "sentiment", "tests"}
_TEAMS = {
    "sales": (
        ["Quote", "Price list", "Renewal", "Upgrade", "New seats"],
        ["May I have a quote for", "What is the price of", "We would like to order"],
    ),
    "support": (
        ["Crash", "Login fails", "Error message", "Slow page", "Broken export"],
        ["The program crashed after", "I cannot log in since", "There is an error in"],
    ),
}
_THINGS = ["3 seats", "12 licences", "version 4", "report 77", "the last update", "invoice 1042"]


def make_project(folder: Path) -> list[Path]:
    """Create a project in `folder` and return its files; the package has the folder's name.

    Parameters
    ----------
    folder : Path
        The folder, which must be missing or empty.

    Raises
    ------
    OccupiedFolderError
        It is not empty, or is a file.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise OccupiedFolderError(folder)
    is_new, contents = not folder.exists(), _write_contents(name_package(folder))
    paths = list[Path]()
    try:
        for name, content in contents.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            paths.append(path)
            path.write_text(content, encoding="utf-8")
    except BaseException:
        # An incomplete project would make the next call fail.
        _remove(paths, folder, is_new=is_new)
        raise
    return sorted(paths)


def _write_contents(name: str) -> dict[str, str]:
    """Return the content of each file, by its path in a project whose package is `name`."""
    contents = {}
    for source, path in _walk(files("sentiment.cli") / "template", Path()):
        target = str(path).removesuffix(_SUFFIX).replace(_NAME, name)
        contents[target] = source.read_text(encoding="utf-8").replace(_NAME, name)
    table = "\n".join(["subject,body,team", *_list_tickets()]) + "\n"
    return contents | {"data/tickets.csv": table}


def _remove(paths: Sequence[Path], folder: Path, *, is_new: bool) -> None:
    """Remove files, some of which may be incomplete, and then the empty folders."""
    for path in paths:
        path.unlink(missing_ok=True)
    subfolders = {parent for path in paths for parent in path.parents if folder in parent.parents}
    folders = sorted(subfolders, key=lambda subfolder: len(subfolder.parts), reverse=True)
    for subfolder in [*folders, folder] if is_new else folders:
        with suppress(OSError):  # it is not empty: others have put something there
            subfolder.rmdir()


def name_package(folder: Path) -> str:
    """Return the name of a package for a project in `folder`.

    It is never that of an installed package or of a module of Python, which would be imported and
    trusted instead.

    Examples
    --------
    >>> [name_package(Path(name)) for name in ("my/Spam filter", "2nd", "numpy", "Über")]
    ['spam_filter', 'project_2nd', 'project_numpy', 'uber']
    """
    ascii_name = (
        unicodedata.normalize("NFKD", folder.resolve().name).encode("ascii", "ignore").decode()
    )
    name = re.sub(r"\W+", "_", ascii_name.lower()).strip("_")
    is_usable = name.isidentifier() and not keyword.iskeyword(name) and name not in _RESERVED
    if is_usable and not _is_installed(name):
        return name
    return f"project_{name}".rstrip("_")


def _is_installed(name: str) -> bool:
    spec = find_spec(name)
    return spec is not None and spec.origin is not None  # a plain folder has no origin


def _walk(folder: Traversable, path: Path) -> list[tuple[Traversable, Path]]:
    entries = []
    for entry in folder.iterdir():
        entry_path = path / entry.name
        entries += _walk(entry, entry_path) if entry.is_dir() else [(entry, entry_path)]
    return entries


def _list_tickets() -> list[str]:
    return [
        f"{subject},{opening} {thing}?,{team}"
        for team, (subjects, openings) in _TEAMS.items()
        for subject, opening, thing in itertools.product(subjects, openings, _THINGS)
    ]
