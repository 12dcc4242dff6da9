"""A search as a step of the flow: a process that writes the name of its study to a file.

Hydra runs one sweep in a process, and takes its settings from the command line.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sentiment.commands.search.observing import OBSERVER, SweepObserver
from sentiment.commands.train.command import run_job
from sentiment.config.commands import remember_program

if TYPE_CHECKING:
    from sentiment.commands.search.ranking import Objective


class _NameWriter(SweepObserver):
    """Observer that writes the name of the study to a file.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_sweep(
        self, name: str, shared: Sequence[str], total: int, done: int, objective: "Objective"
    ) -> None:
        """Write the name of the study."""
        self._path.write_text(name, encoding="utf-8")


def main() -> None:
    """Search; the arguments are the file for the name of the study, and the overrides."""
    path, *overrides = sys.argv[1:]
    remember_program()
    sys.argv = ["sentiment train", "-m", *overrides]
    OBSERVER.set(lambda: _NameWriter(Path(path)))
    run_job()


if __name__ == "__main__":
    main()
