"""Folder of a study: its identity, its description, and the recovery of the study from both."""

import logging
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentiment.commands.search.results import (
    JobResult,
    read_results,
    read_state,
    read_winner,
    write_state,
)
from sentiment.commands.search.studies.spaces import Space
from sentiment.commands.search.studies.study import (
    DEFINITION,
    ERROR,
    RUN,
    STALE,
    STUDY_ID,
    WINNER,
    Study,
    find_trial,
    read_values,
    trial_states,
)
from sentiment.errors import StudyFolderError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

log = logging.getLogger(__name__)

# Description of a study, in its folder.
STUDY = "study.json"
_IDENTITY = "identity.json"


def claim_folder(folder: Path, study: Study) -> None:
    """Mark `folder` as that of `study`.

    Raises
    ------
    StudyFolderError
        It is the folder of another study.
    """
    owner, identity = _read_identity(folder), study.identify()
    trials = study.optuna.get_trials(deepcopy=False)
    if owner is None and has_results_of(folder, trials, study.objectives[0].metric):
        write_state(folder / _IDENTITY, {"id": identity})
    elif owner != identity:
        raise StudyFolderError(folder)


def is_folder_of(
    folder: Path, identity: str | None, trials: "Sequence[FrozenTrial]", metric: str
) -> bool:
    """Return whether `folder` belongs to a study.

    Parameters
    ----------
    folder : Path
        The folder.
    identity : str, optional
        Identity of the study, if it has one.
    trials : sequence of FrozenTrial
        All its trials.
    metric : str
        Name of its first objective among the metrics of a result.
    """
    owner = _read_identity(folder, keep=True)
    return has_results_of(folder, trials, metric) if owner is None else owner == identity


def has_results_of(folder: Path, trials: "Sequence[FrozenTrial]", metric: str) -> bool:
    """Return whether all results in `folder` are of these trials, judged by numbers and scores.

    Folders of earlier versions have no identity. The folder of another study has other scores, or
    more trials.
    """
    by_number = {trial.number: trial for trial in trials}
    return all(
        number in by_number
        and (
            not by_number[number].values
            or math.isclose(result.read_score(metric), by_number[number].values[0])
        )
        for number, result in read_results(folder, keep=True).items()
    )


def _read_identity(folder: Path, *, keep: bool = False) -> str | None:
    """Return the identity of the study of `folder`, or None if it is not known.

    Parameters
    ----------
    folder : Path
        The folder.
    keep : bool, default=False
        Leave a damaged file where it is.
    """
    identity = (read_state(folder / _IDENTITY, keep=keep) or {}).get("id")
    return identity if isinstance(identity, str) else None


def keep_study(folder: Path, study: Study) -> None:
    """Write the definition of a study into its folder, from which `restore_studies` makes it again.

    Parameters
    ----------
    folder : Path
        The folder of its trials.
    study : Study
        The study, after `Study.define`.
    """
    facts = {
        "directions": [direction.name.lower() for direction in study.optuna.directions],
        "metrics": [objective.metric for objective in study.objectives],
        "definition": study.optuna.user_attrs[DEFINITION],
        "run_id": study.run_id,
        "space": study.space.to_json(),
    }
    write_state(folder / STUDY, facts)


def restore_studies(storage: "BaseStorage", home: Path) -> None:
    """Add to the journal the studies and trials that it lacks, from the folders under `home`.

    No other process may be using the journal.

    Parameters
    ----------
    storage : optuna storage
        The journal.
    home : Path
        The folder with the folders of all its studies.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    ended = {
        name: [
            t.state.is_finished()
            for t in optuna.load_study(study_name=name, storage=storage).trials
        ]
        for name in optuna.get_all_study_names(storage)
    }
    for path in sorted(home.glob(f"*/{STUDY}")):
        name, folder = path.parent.name, path.parent
        numbers = [int(p.parent.name) for p in folder.glob("[0-9]*/result.json")]
        if name in ended and all(n < len(ended[name]) and ended[name][n] for n in numbers):
            continue
        facts = read_state(path)
        if facts is None:
            continue
        added = _restore(storage, folder, facts)
        if added or name not in ended:
            log.warning("the study '%s' was recovered from its folder: %d trials", folder, added)


def _restore(storage: "BaseStorage", folder: Path, facts: Mapping[str, Any]) -> int:
    """Make a study if it is missing, add its missing trials, and return how many were added."""
    import optuna

    study = optuna.create_study(
        study_name=folder.name,
        storage=storage,
        directions=facts["directions"],
        load_if_exists=True,
    )
    study.set_user_attr(DEFINITION, facts["definition"])
    identity = _read_identity(folder)
    if identity is not None:
        study.set_user_attr(STUDY_ID, identity)
    if facts["run_id"] is not None:
        study.set_user_attr(RUN, facts["run_id"])
    winner = read_winner(folder)
    if winner is not None and WINNER not in study.user_attrs:
        study.set_user_attr(WINNER, {"number": winner.number, "owner": None, "done": True})
    space, results = Space.from_json(facts["space"]), read_results(folder)
    params = {number: space.read(result.overrides) for number, result in results.items()}
    for trial in study.get_trials(deepcopy=False):
        drawn = params.get(trial.number)
        if drawn is not None and not trial.state.is_finished():
            ended = _describe_result(space, drawn, results[trial.number], facts["metrics"])
            _finish(storage, folder.name, trial, space, ended)
    added = 0
    for number in range(len(study.trials), max(results, default=-1) + 1):
        drawn = params.get(number)
        if drawn is None:  # a trial without a result, which is run again under another number
            study.add_trial(_describe(space, {}, user_attrs={STALE: True}))
            continue
        study.add_trial(_describe_result(space, drawn, results[number], facts["metrics"]))
        added += 1
    return added


def _finish(storage: "BaseStorage", study: str, trial: Any, space: Space, ended: Any) -> None:
    """End `trial` as `ended` did, with the parameters that the journal has lost."""
    trial_id = find_trial(storage, study, trial.number)
    if trial.state.name == "WAITING":
        storage.set_trial_state_values(trial_id, trial_states().RUNNING)
    for name, value in ended.params.items():
        if name not in trial.params:
            distribution = space.find(name)
            stored = distribution.to_internal_repr(value)
            storage.set_trial_param(trial_id, name, stored, distribution)
    for name, value in ended.user_attrs.items():
        storage.set_trial_user_attr(trial_id, name, value)
    storage.set_trial_state_values(trial_id, ended.state, ended.values)


def _describe_result(
    space: Space, params: dict[str, Any], result: JobResult, metrics: list[str]
) -> Any:
    values, error = read_values(result, metrics)
    moments = {
        "datetime_start": datetime.fromtimestamp(result.started),
        "datetime_complete": datetime.fromtimestamp(result.ended),
    }
    if error:
        return _describe(space, params, user_attrs={ERROR: error}, **moments)
    return _describe(space, params, values=values, **moments)


def _describe(space: Space, params: dict[str, Any], **facts: Any) -> Any:
    """Return an ended trial: complete if it has values, else failed."""
    from optuna.trial import create_trial

    state = trial_states().COMPLETE if "values" in facts else trial_states().FAIL
    moments = {k: facts.pop(k) for k in list(facts) if k.startswith("datetime_")}
    distributions = {name: space.find(name) for name in params}
    trial = create_trial(state=state, params=params, distributions=distributions, **facts)
    for name, moment in moments.items():
        setattr(trial, name, moment)
    return trial
