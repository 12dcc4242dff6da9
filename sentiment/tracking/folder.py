"""Folder of one run, in which no file is overwritten and each new file is listed."""

import contextlib
import itertools
import json
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from errno import EILSEQ
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from sentiment.errors import ModelKeptError, RunNotKeptError, SentimentError
from sentiment.files.replacing import replace_file
from sentiment.modeling.model_files import digest_file
from sentiment.redaction import redact_values

# Created first and exclusively: of several processes that claim a folder, one succeeds.
_CLAIM = "run.json"
MODEL = "model.skops"
CARD = "card.md"
RULES = "decision_rules.json"
# The tag of a run that holds `RunFacts.key`.
KEY = "run.key"
# Placeholder for the id of the run in its description, which is known once the run is recorded.
RUN_ID = "<run id>"
_LOG_FORMAT = "[%(asctime)s][%(name)s][%(levelname)s] %(message)s"


@dataclass
class RunFacts:
    """Facts of a run that are recorded in addition to its files.

    Attributes
    ----------
    name : str
        Name of the run.
    tags, params : dict of str to str
        Tags to find it by, and settings, without passwords.
    data : (str, str), optional
        Name and fingerprint of the data set that it was trained on.
    examples : list of dict
        A few rows as an input example of the model: ``text``, and its other columns.
    columns : dict of str to str
        The kinds of these other columns.
    metrics : dict of str to float
        Every metric, as ``<split>/<name>``.
    description : str
        A summary, in Markdown; may contain `RUN_ID`.
    key : str
        Unique key of the run, so that a second recording finds the first one.
    started, ended : float
        In seconds since the epoch.
    audit : str
        Why its model cannot be loaded without its run; empty if it can.
    is_own : bool
        True if the user vouches for the model as their own; never read from a file.
    """

    name: str
    tags: dict[str, str]
    params: dict[str, str] = field(default_factory=dict)
    data: tuple[str, str] | None = None
    examples: list[dict[str, str | float | None]] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    description: str = ""
    key: str = field(default_factory=lambda: uuid4().hex)
    started: float = field(default_factory=time.time)
    ended: float = 0.0
    audit: str = ""
    is_own: bool = False


class RunFolder:
    """A folder that belongs to one run; created by `RunFolder.claim`.

    If the folder is not empty, or another run is writing it, a run creates a new folder inside it,
    named after the time. So nothing is overwritten, and other files are neither recorded nor
    removed.

    As a context manager, it removes the files of a run if a `SentimentError` or an `OSError` is
    raised before `keep`, since the user has to change something first. An `OSError`, such as a full
    disk, does not remove the files that `protect` names: no setting is wrong, and the model may
    have taken hours. Any other error removes no file.

    Parameters
    ----------
    path : Path
        The folder, claimed.
    new_folders : list of Path
        The folders that were created for it, outermost first.

    Attributes
    ----------
    path : Path
        The folder, as an absolute path.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home, RunFolder.claim(Path(home, "mine")) as folder:
    ...     _ = folder.add("scores/test.txt").write_text("0.9")
    ...     folder.files
    ['scores/test.txt']
    """

    def __init__(self, path: Path, new_folders: list[Path]) -> None:
        self.path = path
        self._files: list[str] = []
        self._log: str | None = None
        self._is_kept = False
        self._protected: set[str] = set()
        self._made = new_folders

    @property
    def files(self) -> list[str]:
        """Files that the run wrote, relative to the folder, in the order of writing."""
        logged = self._log is not None and (self.path / self._log).is_file()
        return [*self._files, *([str(self._log)] if logged else [])]

    @classmethod
    def claim(cls, folder: Path) -> Self:
        """Return `folder` if it is absent or empty, and otherwise a new folder in it.

        Raises
        ------
        OSError
            It cannot be created or written, or libraries that write files do not accept its name.
        """
        parent = folder = folder.absolute()
        if not is_unicode(parent):
            raise OSError(EILSEQ, "the name is not in UTF-8", str(parent))
        new_folders = _make_folders(parent)
        while not _claim(folder):
            folder = parent / make_timestamp().replace("/", "_")
            new_folders += _make_folders(folder)
        return cls(folder, new_folders)

    def add(self, name: str) -> Path:
        """Return the path of a new file `name` for the caller to write, and list it."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name not in self._files:
            self._files.append(name)
        return path

    def include(self, paths: Iterable[Path]) -> None:
        """List files that the caller has written into the folder."""
        for path in paths:
            self.add(path.relative_to(self.path).as_posix())

    @contextlib.contextmanager
    def logging_to(self, name: str) -> Iterator[None]:
        """Write log records of the ``with`` block to the file `name`, if there are any."""
        handler = logging.FileHandler(self.path / name, delay=True, encoding="utf-8")
        handler.setFormatter(logging.Formatter(_LOG_FORMAT))
        logging.getLogger().addHandler(handler)
        self._log = name
        try:
            yield
        finally:
            logging.getLogger().removeHandler(handler)
            handler.close()

    def protect(self, *names: str) -> None:
        """Leave complete files in the folder if an `OSError` ends the run."""
        self._protected.update(names)

    def keep(self, facts: RunFacts) -> None:
        """Mark the run as complete, and store the facts to record.

        Raises
        ------
        OSError
            The disk is full.
        """
        facts.ended = facts.ended or time.time()
        facts.tags, facts.params = redact_values(facts.tags), redact_values(facts.params)
        digests = {name: digest_file(self.path / name) for name in self._files}
        content = {"facts": asdict(facts), "files": digests}
        text = json.dumps(content, indent=2) + "\n"
        self.protect(*self._files)
        replace_file(self.path / _CLAIM, text.encode(), durable=True)
        self._is_kept = True

    @classmethod
    def open(cls, path: Path) -> tuple[Self, RunFacts]:
        """Return the folder of a kept run, and the facts to record.

        Raises
        ------
        RunNotKeptError
            There is no such run, it is not complete, or its files have changed.
        """
        try:
            content = json.loads((path / _CLAIM).read_text(encoding="utf-8") or "null")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise RunNotKeptError(path, f"it has no {_CLAIM}") from error
        except ValueError as error:
            raise RunNotKeptError(path, f"{_CLAIM} is damaged") from error
        if content is None:
            raise RunNotKeptError(path, "its training has not ended, or was cut off")
        try:
            facts = RunFacts(**content["facts"] | {"is_own": False})
            files = dict(content["files"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RunNotKeptError(path, f"{_CLAIM} is damaged") from error
        folder = cls(path.absolute(), [])
        for name, digest in files.items():
            if not (path / name).resolve().is_relative_to(path.resolve()):
                raise RunNotKeptError(path, f"{_CLAIM} names a file outside of it")
            if not (path / name).is_file() or digest_file(path / name) != digest:
                raise RunNotKeptError(path, f"{name} is missing or was changed since")
            folder.add(name)
        return folder, facts

    def discard(self) -> None:
        """Remove the listed files, and then the empty folders that were created for them."""
        self._remove([*self.files, _CLAIM])

    def _remove(self, names: Sequence[str]) -> None:
        for name in names:
            (self.path / name).unlink(missing_ok=True)
        subfolders = {parent for name in names for parent in list(Path(name).parents)[:-1]}
        folders = [
            self.path / subfolder
            for subfolder in sorted(subfolders, key=lambda subfolder: -len(subfolder.parts))
        ]
        for folder in (*folders, *reversed(self._made)):
            # Another process may have put something there, or removed it.
            with contextlib.suppress(OSError):
                folder.rmdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_kept or not isinstance(error, SentimentError | OSError):
            return
        if isinstance(error, OSError) and MODEL in self._protected:
            missing = [name for name in self._files if name not in self._protected]
            self._remove(missing)
            raise ModelKeptError(error, self.path / MODEL, is_scored=not missing) from error
        self.discard()


def make_timestamp() -> str:
    """Return the current time as the path of a folder, as Hydra names the folders of its jobs.

    Examples
    --------
    >>> len(make_timestamp()), len("2026-11-27/00-20-00-123456")
    (26, 26)
    """
    return datetime.now().astimezone().strftime("%Y-%m-%d/%H-%M-%S-%f")


def is_unicode(path: Path) -> bool:
    """Return whether the bytes of a path are text; Python holds others as surrogates."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _make_folders(folder: Path) -> list[Path]:
    """Create `folder` and its parents; return those that were missing, outermost first."""
    new_folders: list[Path] = []
    missing = list(itertools.takewhile(lambda path: not path.exists(), (folder, *folder.parents)))
    for path in reversed(missing):
        with contextlib.suppress(FileExistsError):  # another process has just created it
            path.mkdir()
            new_folders.append(path)
    return new_folders


def _claim(folder: Path) -> bool:
    """Claim an empty `folder` for this run; return whether that succeeded."""
    if any(folder.iterdir()):
        return False
    try:
        (folder / _CLAIM).open("x").close()
    except FileExistsError:
        return False
    return True
