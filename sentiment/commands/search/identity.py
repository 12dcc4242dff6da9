"""Identity of a study, which its folder repeats: studies of one name do not share a folder."""

from pathlib import Path

from sentiment.commands.search.state import read_state, write_state
from sentiment.errors import SentimentError

_NAME = "identity.json"


class StudyFolderError(SentimentError, FileExistsError):
    """The folder of a study holds trials of another study, which has the same name elsewhere."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"'{folder}' holds trials of another study, which has the same name and is stored "
            "elsewhere. Choose another folder for this one: outputs=<folder>, or start a new study "
            "beside it: search.fresh=true."
        )


def claim_folder(folder: Path, identity: str) -> None:
    """Mark `folder` as that of the study with this `identity`.

    Raises
    ------
    StudyFolderError
        It is the folder of another one.
    """
    kept = read_identity(folder)
    if kept is None:  # new, or of an earlier version
        write_state(folder / _NAME, {"id": identity})
    elif kept != identity:
        raise StudyFolderError(folder)


def read_identity(folder: Path, *, keep: bool = False) -> str | None:
    """Return the identity of the study whose folder this is, or None if it is not known.

    Parameters
    ----------
    folder : Path
        The folder.
    keep : bool, default=False
        Whether a damaged file stays where it is.
    """
    found = (read_state(folder / _NAME, keep=keep) or {}).get("id")
    return found if isinstance(found, str) else None
