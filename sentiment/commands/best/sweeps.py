"""Searches and grids as they are stored; reading them changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sentiment.commands.search.ranking import Objective, find_objectives, rank
from sentiment.commands.search.results import GRID, find_newest, read_results, read_state
from sentiment.commands.search.studies.folder import STUDY, is_folder_of
from sentiment.commands.search.studies.storage import JOURNAL, list_studies
from sentiment.commands.search.studies.study import DEFINITION, SAME_AS, STALE, STUDY_ID
from sentiment.commands.search.trial import is_housekeeping
from sentiment.config import split_override, suggest_command
from sentiment.errors import NoBestJobError, NoTrialError, StudyLostError, StudyNotFoundError


@dataclass(frozen=True)
class StoredTrial:
    """A complete trial.

    Attributes
    ----------
    number : int
        Its number; if several jobs of a grid share a place, that of the first.
    params : dict of str to object
        Its parameters; of a grid, the settings that differ between jobs.
    values : list of float
        The objectives.
    std : float, optional
        Standard deviation of the first over several jobs.
    """

    number: int
    params: dict[str, Any]
    values: list[float]
    std: float | None = None


@dataclass(frozen=True)
class StoredSweep:
    """A stored search or grid.

    Attributes
    ----------
    name : str
        Its own name, such as ``svm~2``.
    kind : {"search", "grid"}
        Its kind.
    folder : Path
        Folder of the results of its trials, if they ran on this machine.
    objectives : sequence of Objective
        Metrics to optimize.
    trials : sequence of StoredTrial
        Complete trials without repetitions, sorted by the first objective, the best first, and then
        by number.
    ended, failed, running, repeated : int
        Numbers of trials: ended; failed; running or interrupted; not run since an earlier one had
        the same parameters.
    note : str
        Message on scores that cannot be compared.
    fixed : mapping of str to str
        The settings that no trial changes.
    optuna : optuna.Study, optional
        The study of a search.
    """

    name: str
    kind: Literal["search", "grid"]
    folder: Path
    objectives: Sequence[Objective]
    trials: Sequence[StoredTrial]
    ended: int
    failed: int
    running: int = 0
    repeated: int = 0
    note: str = ""
    fixed: Mapping[str, str] = field(default_factory=dict)
    optuna: Any = None


def read_study(name: str, address: str | None, home: Path) -> StoredSweep:
    """Return the newest study that is called `name`.

    Parameters
    ----------
    name : str
        ``svm`` for the newest of ``svm``, ``svm~2`` and so on, or the name of one of these.
    address : str, optional
        Address of the database that holds it; default: the journal in `home`.
    home : Path
        The folder of all searches.

    Raises
    ------
    StudyNotFoundError, StudyLostError
        There is none.
    NoTrialError
        It has no complete trial.
    ConfigError
        The database cannot be used.
    """
    journal = home / JOURNAL
    place = f"'{journal}'" if address is None else "the database"
    studies = list_studies(address, journal)
    newest, _ = find_newest(name, [*studies])
    if newest is None:
        if address is None and (home / name / STUDY).is_file():
            raise StudyLostError(home / name)
        command = suggest_command("train", "-m", "search=<name>")
        raise StudyNotFoundError(name, place, [*studies], command)
    study = _read_study(newest, studies[newest](), home)
    if study is None or not study.trials:
        raise NoTrialError(newest, study.failed if study else 0, study.running if study else 0)
    return study


def read_grid(name: str, home: Path) -> StoredSweep | None:
    """Return the newest grid that is called `name` in the folder of all grids, or None.

    Raises
    ------
    NoBestJobError
        No score of it can be compared with another, or there is none.
    """
    newest, _ = find_newest(name, _list_grids(home))
    if newest is None:
        return None
    grid = _read_grid(home / newest)
    if not grid.trials:
        raise NoBestJobError(newest, grid.note or "no job has ended well yet")
    return grid


def list_sweeps(cfg: Any) -> list[StoredSweep]:
    """Return all grids and searches, grids first.

    Parameters
    ----------
    cfg : DictConfig
        As composed from ``conf/best.yaml``.
    """
    grid_home, search_home = Path(cfg.outputs, "sweep"), Path(cfg.outputs, "search")
    studies = [
        _read_study(name, load(), search_home)
        for name, load in list_studies(cfg.search.storage, search_home / JOURNAL).items()
    ]
    grids = [_read_grid(grid_home / name) for name in _list_grids(grid_home)]
    return [*grids, *(study for study in studies if study is not None)]


def _read_study(name: str, study: Any, home: Path) -> StoredSweep | None:
    """Return a study, or None if another tool made it."""
    definition = study.user_attrs.get(DEFINITION)
    if definition is None:
        return None
    all_trials = study.get_trials(deepcopy=False)
    trials = [trial for trial in all_trials if STALE not in trial.user_attrs]
    states = [trial.state.name for trial in trials]
    objectives = find_objectives(definition["objectives"])
    folder = home / name
    if not is_folder_of(folder, study.user_attrs.get(STUDY_ID), all_trials, objectives[0].metric):
        folder = home / f"{name} elsewhere"  # the folder of another study with the same name
    complete = [
        StoredTrial(trial.number, dict(trial.params), list(trial.values))
        for trial in trials
        if trial.values and SAME_AS not in trial.user_attrs
    ]
    complete.sort(key=lambda trial: (objectives[0].measure_loss(trial.values[0]), trial.number))
    return StoredSweep(
        name=name,
        kind="search",
        folder=folder,
        objectives=objectives,
        trials=complete,
        ended=sum(trial.state.is_finished() for trial in trials),
        failed=states.count("FAIL"),
        running=states.count("RUNNING"),
        repeated=sum(SAME_AS in trial.user_attrs for trial in trials),
        fixed=definition["settings"],
        optuna=study,
    )


def _list_grids(home: Path) -> list[str]:
    return sorted(path.parent.name for path in home.glob(f"*/{GRID}"))


def _read_grid(folder: Path) -> StoredSweep:
    facts = read_state(folder / GRID, keep=True) or {}
    objectives = find_objectives([str(facts.get("objective", "accuracy"))])
    results = read_results(folder, keep=True)
    ranking = rank(results, objectives[0])
    overrides = {
        number: {word for word in result.overrides if not is_housekeeping(word)}
        for number, result in results.items()
    }
    shared = set.intersection(*overrides.values()) if overrides else set()
    trials = []
    for place in ranking.places:
        number = place.numbers[0]
        differing = map(split_override, sorted(overrides[number] - shared))
        params = {parts.prefix + parts.key: parts.value or "" for parts in differing}
        trials.append(StoredTrial(number, params, [place.score], place.std))
    return StoredSweep(
        name=folder.name,
        kind="grid",
        folder=folder,
        objectives=objectives,
        trials=trials,
        ended=len(results),
        failed=sum(bool(result.error) for result in results.values()),
        note=ranking.note,
    )
