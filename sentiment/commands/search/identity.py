"""Identity of a study, which its folder repeats: studies of one name do not share a folder."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sentiment.commands.search.results import read_results
from sentiment.commands.search.state import read_state, write_state
from sentiment.errors import StudyFolderError

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

_NAME = "identity.json"


def claim_folder(folder: Path, identity: str, trials: "Sequence[FrozenTrial]", metric: str) -> None:
    """Mark `folder` as that of a study.

    Parameters
    ----------
    folder : Path
        The folder.
    identity : str
        Identity of the study.
    trials : sequence of FrozenTrial
        All its trials.
    metric : str
        Name of its first objective among the metrics of a result.

    Raises
    ------
    StudyFolderError
        It is the folder of another study.
    """
    kept = read_identity(folder)
    if kept is None and has_results_of(folder, trials, metric):
        write_state(folder / _NAME, {"id": identity})
    elif kept != identity:
        raise StudyFolderError(folder)


def is_folder_of(
    folder: Path, identity: str | None, trials: "Sequence[FrozenTrial]", metric: str
) -> bool:
    """Return whether `folder` is that of a study; for parameters, see `claim_folder`."""
    kept = read_identity(folder, keep=True)
    return has_results_of(folder, trials, metric) if kept is None else kept == identity


def has_results_of(folder: Path, trials: "Sequence[FrozenTrial]", metric: str) -> bool:
    """Return whether all results in `folder` are of these trials, by their numbers and scores.

    Folders of earlier versions have no identity. In one of another study, scores differ, or it has
    more trials.
    """
    known = {trial.number: trial for trial in trials}
    return all(
        number in known
        and (
            not known[number].values
            or math.isclose(result.metrics.get(metric, math.nan), known[number].values[0])
        )
        for number, result in read_results(folder, keep=True).items()
    )


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
