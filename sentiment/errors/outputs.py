"""What stands in the way of an output."""

from collections.abc import Sequence
from pathlib import Path

from sentiment.errors.base import SentimentError


class OutputExistsError(SentimentError, FileExistsError):
    """An output file is there already."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"'{path}' is already there and is not overwritten. "
            "Name another file with output=<file>, or say overwrite=true."
        )


class UnfinishedOutputError(SentimentError, FileExistsError):
    """What another job left unfinished stands where an output is to be written."""

    def __init__(self, path: Path, differences: Sequence[str]) -> None:
        super().__init__(
            f"'{path}' is the unfinished output of another job: {'; '.join(differences)}. Give "
            "that job's command again to finish it, name another file with output=<file>, or drop "
            "what is there with overwrite=true."
        )


class OutputBusyError(SentimentError, BlockingIOError):
    """Another process is writing the output."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"another process is writing '{path}'. Wait for it, or name another file with "
            "output=<file>."
        )
