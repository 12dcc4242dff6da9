"""Errors of the user's project and of the code in it."""

from pathlib import Path

from sentiment.errors.base import SentimentError
from sentiment.redaction.printable import make_printable


class ProjectFileError(SentimentError, ValueError):
    """The pyproject.toml of the working folder cannot be read, or has an invalid setting.

    Parameters
    ----------
    path : Path
        The file.
    reason : str
        The finding and the expectation.
    remedy : str
        Example of a valid setting of this kind.
    """

    def __init__(
        self,
        path: Path,
        reason: str,
        remedy: str = (
            "It is read for the classes that configs may name: [tool.sentiment] "
            'trusted = ["my_package.*"]'
        ),
    ) -> None:
        super().__init__(f"'{path}' cannot be used: {make_printable(reason).rstrip('.')}. {remedy}")


class UserCodeError(SentimentError, ImportError):
    """The user's own code raised an error.

    Parameters
    ----------
    module : str
        Name of the module, or of the object in it that was called.
    reason : str
        Class and message of the error.
    location : str
        File and line.
    """

    def __init__(self, module: str, reason: str, location: str) -> None:
        super().__init__(
            f"{module} raised an error: {make_printable(reason)}, in {location}. Correct that "
            "file, or name another class or function."
        )


class OccupiedFolderError(SentimentError, FileExistsError):
    """The folder for a new project is not empty."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"'{folder}' exists and is not an empty folder; nothing was written. Name another "
            "one: sentiment init my_project"
        )
