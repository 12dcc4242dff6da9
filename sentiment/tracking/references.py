"""Reference profile of a model in the store."""

from sentiment.errors import ReferenceMissingError, RunNotFoundError
from sentiment.modeling.reference import FOLDER, Reference, load_reference
from sentiment.tracking.records import ModelChoice, Tracker


def find_reference(choice: ModelChoice, tracker: Tracker) -> Reference:
    """Return the reference profile of a model.

    Raises
    ------
    ReferenceMissingError
        The training of the model did not write one.
    SentimentError
        The store cannot be used.
    """
    if not choice.run_id:  # trained without tracking, with all files in one folder
        return load_reference(choice.path.parent / FOLDER, f"the folder of '{choice.path}'")
    owner = f"run {choice.run_id!r}"
    try:
        folder = tracker.fetch_file(choice.run_id, FOLDER)
    except RunNotFoundError as error:
        raise ReferenceMissingError(owner) from error
    return load_reference(folder, owner)
