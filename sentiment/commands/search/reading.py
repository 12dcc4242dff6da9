"""Studies that are only looked at: nothing is made and nothing is changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentiment.commands.search.attributes import DEFINITION, SAME_AS, STALE, STUDY_ID
from sentiment.commands.search.identity import is_folder_of
from sentiment.commands.search.objectives import Objective, find_objectives
from sentiment.commands.search.restoring import STUDY
from sentiment.commands.search.storage import explain_failure, newest
from sentiment.config import suggest_command
from sentiment.errors import NoTrialError, StudyLostError, StudyNotFoundError

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class StoredStudy:
    """A study as it is kept.

    Attributes
    ----------
    name : str
        Its own name, such as ``svm~2``.
    folder : Path
        Where its trials left their results, if they ran on this machine.
    objectives : sequence of Objective
        What it looks for.
    trials : sequence of optuna.trial.FrozenTrial
        All but those whose process died and that were run again.
    fixed : dict of str to str
        The settings that no trial changes.
    optuna : optuna.Study
        The study as Optuna has it.
    """

    name: str
    folder: Path
    objectives: Sequence[Objective]
    trials: "Sequence[FrozenTrial]"
    fixed: dict[str, str]
    optuna: Any
    kind: str = "search"

    @property
    def complete(self) -> "list[FrozenTrial]":
        """The trials that ended well and are no repetition, the best by the first objective first.

        Of equals the first comes first.
        """
        ended = [t for t in self.trials if t.values and SAME_AS not in t.user_attrs]
        sign = -1 if self.objectives[0].more else 1
        return sorted(ended, key=lambda trial: (sign * trial.values[0], trial.number))

    @property
    def repeated(self) -> int:
        """Number of trials that were not run, since an earlier one was the same."""
        return sum(SAME_AS in trial.user_attrs for trial in self.trials)

    def count(self, state: str) -> int:
        """Return how many trials are in a state that Optuna calls so, such as ``FAIL``."""
        return sum(trial.state.name == state for trial in self.trials)


def read_study(name: str, address: str | None, home: Path) -> StoredStudy:
    """Return the newest study that is called `name`.

    Parameters
    ----------
    name : str
        ``svm`` for the newest of ``svm``, ``svm~2`` and so on, or the name of one of these.
    address : str, optional
        Of the database that holds it.
    home : Path
        The folder of all searches, which has the file that holds it without `address`.

    Raises
    ------
    StudyNotFoundError, StudyLostError
        There is none.
    NoTrialError
        It has no complete trial.
    ConfigError
        The database cannot be used.
    """
    import optuna

    where = f"'{home / 'studies.journal'}'" if address is None else "the database"
    storage, names = _open_all(address, home)
    known, _ = newest(name, names)
    if known is None:
        if address is None and (home / name / STUDY).is_file():
            raise StudyLostError(home / name)
        command = suggest_command("train", "-m", "search=<name>")
        raise StudyNotFoundError(name, where, names, command)
    study = optuna.load_study(study_name=known, storage=storage)
    every = study.get_trials(deepcopy=False)
    trials = [trial for trial in every if STALE not in trial.user_attrs]
    definition = study.user_attrs.get(DEFINITION)
    if definition is None or not any(trial.values for trial in trials):
        states = [trial.state.name for trial in trials]
        raise NoTrialError(known, states.count("FAIL"), states.count("RUNNING"))
    objectives = find_objectives(definition["objectives"])
    folder = home / known
    if not is_folder_of(folder, study.user_attrs.get(STUDY_ID), every, objectives[0].metric):
        folder = home / f"{known} elsewhere"  # that folder is of another study of the same name
    return StoredStudy(known, folder, objectives, trials, definition["settings"], study)


def list_studies(
    address: str | None, home: Path
) -> list[tuple[str, int, int, str, dict[str, Any]]]:
    """Return name, trials that ended, failed ones, best score and its parameters of each study."""
    import optuna

    storage, names = _open_all(address, home)
    found = []
    for name in names:
        study = optuna.load_study(study_name=name, storage=storage)
        definition = study.user_attrs.get(DEFINITION)
        if definition is None:  # one of another tool
            continue
        trials = [t for t in study.get_trials(deepcopy=False) if STALE not in t.user_attrs]
        objectives = find_objectives(definition["objectives"])
        stored = StoredStudy(name, home / name, objectives, trials, definition["settings"], study)
        best = stored.complete[:1]
        score = "".join(f"{objectives[0].name} {trial.values[0]:.4f}" for trial in best)
        params = {name: value for trial in best for name, value in trial.params.items()}
        ended = sum(trial.state.is_finished() for trial in trials)
        found.append((name, ended, stored.count("FAIL"), score, params))
    return found


def _open_all(address: str | None, home: Path) -> tuple[Any, list[str]]:
    """Return the storage of all studies, or None if it is not there, and their names."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = _open_journal(home / "studies.journal") if address is None else _open(address)
    return storage, [] if storage is None else sorted(optuna.get_all_study_names(storage))


def _open_journal(path: Path) -> Any:
    """Return the journal `path`, or None if it is not there."""
    from sentiment.commands.search.journal import read_journal

    return read_journal(path) if path.is_file() else None


def _open(address: str) -> Any:
    """Return the database at `address`, or None if it holds no studies."""
    from optuna.storages import RDBStorage
    from sqlalchemy.pool import NullPool

    try:
        # Optuna would make what is not there.
        if not _has_tables(address):
            return None
        # Without a pool nothing stays open when the study has been read.
        return RDBStorage(address, engine_kwargs={"poolclass": NullPool}, skip_table_creation=True)
    except Exception as error:  # each database has its own
        raise explain_failure(address, error) from error


def _has_tables(address: str) -> bool:
    from sqlalchemy import create_engine, inspect, make_url

    url = make_url(address)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        return False
    engine = create_engine(url)
    try:
        return inspect(engine).has_table("studies")
    finally:
        engine.dispose()
