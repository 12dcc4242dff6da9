"""The folder of one run: new files only, each of them listed."""

import contextlib
import itertools
import logging
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from sentiment.errors import SentimentError

# Made first and exclusively: of several processes that want the same folder, one makes it.
CLAIM = "run.json"
MODEL = "model.skops"
_LOG_FORMAT = "[%(asctime)s][%(name)s][%(levelname)s] %(message)s"


class RunFolder:
    """Folder that one run has to itself; made by `RunFolder.claim`.

    A run never writes into a folder that holds anything, such as files of a person or of an earlier
    run, or that another run is writing: it makes a new folder in there, named after the time. So
    nothing is overwritten, and whatever else is in the folder is neither recorded nor removed.

    As a context manager, it removes the files of a run that ends in a `SentimentError`: there is
    nothing to keep then, and the message says what to change. After any other error they stay.

    Parameters
    ----------
    path : Path
        The folder, claimed.
    made : list of Path
        The folders that were made for it, outermost first.

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

    def __init__(self, path: Path, made: list[Path]) -> None:
        self.path = path
        self._files: list[str] = []
        self._log: str | None = None
        self._made = made

    @property
    def files(self) -> list[str]:
        """What the run wrote: paths relative to the folder, in the order of writing."""
        logged = self._log is not None and (self.path / self._log).is_file()
        return [*self._files, *([str(self._log)] if logged else [])]

    @classmethod
    def claim(cls, folder: Path) -> Self:
        """Return `folder` if it is absent or empty, and otherwise a new folder in it.

        Raises
        ------
        OSError
            It cannot be made or written.
        """
        home = folder = folder.absolute()
        made = _make_folders(home)
        while not _claim(folder):
            folder = home / datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S-%f")
            made += _make_folders(folder)
        return cls(folder, made)

    def add(self, name: str) -> Path:
        """Return the path of the file `name`, which the caller is about to write, and list it."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name not in self._files:
            self._files.append(name)
        return path

    def include(self, paths: Iterable[Path]) -> None:
        """List files that were just written into the folder."""
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

    def discard(self) -> None:
        """Remove the listed files, and those folders made for them that nothing else is in."""
        for name in (*self.files, CLAIM):
            (self.path / name).unlink(missing_ok=True)
        inner = {parent for name in self.files for parent in list(Path(name).parents)[:-1]}
        folders = [self.path / part for part in sorted(inner, key=lambda part: -len(part.parts))]
        for folder in (*folders, *reversed(self._made)):
            with contextlib.suppress(OSError):  # somebody has put something there, or taken it away
                folder.rmdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, SentimentError):
            self.discard()


def _make_folders(folder: Path) -> list[Path]:
    """Make `folder` and its parents; return those that were absent, outermost first."""
    made: list[Path] = []
    absent = list(itertools.takewhile(lambda path: not path.exists(), (folder, *folder.parents)))
    for path in reversed(absent):
        with contextlib.suppress(FileExistsError):  # another process has made it just now
            path.mkdir()
            made.append(path)
    return made


def _claim(folder: Path) -> bool:
    """Return whether `folder` was empty and is now this run's."""
    if any(folder.iterdir()):
        return False
    try:
        (folder / CLAIM).open("x").close()
    except FileExistsError:
        return False
    return True
