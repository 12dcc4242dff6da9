"""Names of the attributes that studies and trials carry in Optuna's storage."""

from typing import Any

# Of trials.
OWNER, STALE, SAME_AS, ERROR = "owner", "stale", "same_as", "error"
# Of studies; the last two precede the name of an owner.
DEFINITION, RUN, WINNER, STUDY_ID = "definition", "run", "winner", "id"
HEARTBEAT, SINCE = "beat ", "since "


def trial_states() -> Any:
    """Return Optuna's enumeration of the states of trials, imported when it is needed."""
    from optuna.trial import TrialState

    return TrialState
