"""Resumable Optuna study that several processes share."""

import json
import math
import time
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sentiment.commands.search.ranking import Objective
from sentiment.commands.search.results import JobResult, PlannedJob, find_newest
from sentiment.commands.search.studies.spaces import Space, name_parameter
from sentiment.errors import StudyMismatchError
from sentiment.redaction.printable import cut_middle
from sentiment.tracking.processes import HEARTBEAT_INTERVAL, is_alive, name_owner

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

# User attributes of trials.
OWNER, STALE, SAME_AS, ERROR = "owner", "stale", "same_as", "error"
# User attributes of studies; the last two are prefixes of the name of an owner.
DEFINITION, RUN, WINNER, STUDY_ID = "definition", "run", "winner", "id"
HEARTBEAT, SINCE = "beat ", "since "
# Characters of an error; databases limit the attributes of a trial.
_LONGEST = 2000
_LONGEST_SHOWN = 80  # characters of a value in a message
# Seconds within which a process enters its name in a trial that it made; it takes milliseconds.
_GRACE = 10.0
# Seconds between two looks at a study that another process is about to change.
_PAUSE = 0.1
# Least number of seconds between the joining of two processes, more than the resolution of a
# time stamp.
_LATER = 1e-6


def trial_states() -> Any:
    """Return Optuna's enumeration of the states of trials, imported when it is needed."""
    from optuna.trial import TrialState

    return TrialState


def read_values(result: JobResult, metrics: Sequence[str]) -> tuple[list[float], str]:
    """Return the values of `metrics`, and why the job failed, empty if it did not."""
    values = [result.read_score(metric) for metric in metrics]
    error = result.error
    if not error and not all(map(math.isfinite, values)):
        error = f"{metrics[0].rpartition('/')[2]} is not a number"
    return values, error[:_LONGEST]


def _list_differences(stored: Any, current: Any, path: str = "") -> list[str]:
    """Return one line per value that differs in two nested dictionaries."""
    if not (isinstance(stored, dict) and isinstance(current, dict)):
        if stored == current:
            return []
        setting = path.removeprefix("settings.")
        return [f"{setting}: {_show(stored)} in the study, {_show(current)} now"]
    lines: list[str] = []
    for key in [*stored, *(key for key in current if key not in stored)]:
        inner = f"{path}.{key}" if path else str(key)
        lines += _list_differences(stored.get(key), current.get(key), inner)
    return lines


def _show(value: Any) -> str:
    """Return a value of a definition for a message; settings are stored as strings."""
    if value is None:
        return "not set"
    return "null" if value == "None" else cut_middle(str(value), _LONGEST_SHOWN)


class Study:
    """Study that several processes share, any of which may die.

    Parameters
    ----------
    name : str
        Its name in settings.
    storage : optuna storage
        From `open_storage`.
    objectives : sequence of Objective
        Metrics to optimize.
    space : Space
        The space that trials are drawn from.
    taken : sequence of str
        Names that a new study cannot have.
    fresh : bool
        Start a new study beside one of the same name.
    """

    def __init__(
        self,
        name: str,
        storage: Any,
        objectives: Sequence[Objective],
        space: Space,
        *,
        taken: Sequence[str] = (),
        fresh: bool = False,
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        names = optuna.get_all_study_names(storage)
        newest, _ = find_newest(name, names)
        _, following = find_newest(name, [*names, *taken])
        self.name = following if fresh or newest is None else newest
        self.objectives, self.space = objectives, space
        self._study = optuna.create_study(
            study_name=self.name,
            storage=storage,
            directions=["maximize" if o.greater_is_better else "minimize" for o in objectives],
            load_if_exists=True,
        )
        self._storage = storage
        self._owner = name_owner()
        self._last_heartbeat = 0.0
        self._ended: dict[int, JobResult] = {}

    def define(
        self, definition: Mapping[str, Any], defaults: Mapping[str, str] | None = None
    ) -> None:
        """Store the definition of a new study, or compare it with that of an old one.

        Parameters
        ----------
        definition : mapping
            Space, objectives, data and, under "settings", the settings that no trial changes.
        defaults : mapping of str to str, optional
            Defaults of settings that an earlier version, which started the study, did not have.

        Raises
        ------
        StudyMismatchError
            The study was started with another definition.
        """
        current = json.loads(json.dumps(definition))
        stored = self._study.user_attrs.get(DEFINITION)
        if stored is None:
            self._study.set_user_attr(DEFINITION, current)
            return
        settings = {k: v for k, v in (defaults or {}).items() if k in current["settings"]}
        stored = stored | {"settings": settings | stored["settings"]}
        if stored != current:
            raise StudyMismatchError(self.name, _list_differences(stored, current))

    def seed(self, sampler: Any) -> None:
        """Draw with `sampler` from now on."""
        self._study.sampler = sampler

    @property
    def run_id(self) -> str | None:
        """The tracked run of the sweep, if it has one."""
        run_id: str | None = self._study.user_attrs.get(RUN)
        return run_id

    @run_id.setter
    def run_id(self, run_id: str | None) -> None:
        self._study.set_user_attr(RUN, run_id)

    @property
    def optuna(self) -> Any:
        """The study as Optuna has it."""
        return self._study

    def list_trials(self) -> "list[FrozenTrial]":
        """Return all trials, without those that are run again since their process died."""
        trials = self._study.get_trials(deepcopy=False)
        return [trial for trial in trials if STALE not in trial.user_attrs]

    def plan_again(self, numbers: Sequence[int]) -> list[PlannedJob]:
        """Return the jobs that run the ended trials among those with these numbers again."""
        trials = [t for t in self.list_trials() if t.state.is_finished() and t.number in numbers]
        return [self._plan(t) for t in trials if SAME_AS not in t.user_attrs]

    def count_begun(self) -> int:
        """Return how many trials are being run or have ended."""
        return sum(trial.state.name != "WAITING" for trial in self.list_trials())

    def count_done(self) -> int:
        """Return how many trials have ended, failed ones included."""
        return sum(trial.state.is_finished() for trial in self.list_trials())

    def count_running(self) -> int:
        """Return how many trials are being run, here or elsewhere."""
        return sum(trial.state.name == "RUNNING" for trial in self.list_trials())

    def recover(self, results: Mapping[int, JobResult]) -> list[int]:
        """Recover stale trials: complete those that left a result, and enqueue the others again.

        Returns
        -------
        list of int
            The numbers of those that will be run again, under another number.
        """
        heartbeats = self._study.user_attrs
        enqueued = []
        for trial in self.list_trials():
            owner = trial.user_attrs.get(OWNER)
            heartbeat = heartbeats.get(f"{HEARTBEAT}{owner}", 0.0)
            if trial.state.name != "RUNNING" or is_alive(owner, heartbeat):
                continue
            begun = trial.datetime_start
            if owner is None and begun and time.time() - begun.timestamp() < _GRACE:
                continue
            if trial.number in results:
                self.tell(results[trial.number])
            elif self._fail_stale(trial):
                self._study.enqueue_trial(trial.params)
                enqueued.append(trial.number)
        return enqueued

    def ask(self, total: int) -> PlannedJob | None:
        """Return the next trial, or None if there are `total`, or if the same one is being run.

        A trial with the parameters of a complete one is not run: it gets the values of that one,
        and counts as done.
        """
        while self.count_begun() < total:
            trial = self._study.ask(dict(self.space.common))
            trial.set_user_attr(OWNER, self._owner)
            for key, cases in self.space.branches.items():
                value = trial.params.get(key, self.space.fixed.get(key))
                for name, distribution in cases.get(str(value), {}).items():
                    suggest(trial, name_parameter(name, str(value)), distribution)
            begun = [t for t in self.list_trials() if t.state.name != "WAITING"]
            earlier = [t for t in begun if t.number < trial.number]
            running = [t.params for t in earlier if not t.state.is_finished()]
            if len(earlier) >= total or trial.params in running:
                self._fail_stale(trial)  # another process was faster, or is running the same trial
                return None
            twin = next((t for t in begun if t.values and t.params == trial.params), None)
            if twin is None:
                return self._plan(trial)
            trial.set_user_attr(SAME_AS, twin.number)
            self._study.tell(trial, twin.values)
        return None

    def tell(self, result: JobResult) -> None:
        """Enter the result of a job."""
        values, error = read_values(result, [o.metric for o in self.objectives])
        if error:
            trial = next(t for t in self.list_trials() if t.number == result.number)
            if not trial.state.is_finished():
                self._set_trial_attr(trial.number, ERROR, error)
                self._study.tell(result.number, state=trial_states().FAIL, skip_if_finished=True)
        else:
            self._study.tell(result.number, values, skip_if_finished=True)

    def find_best(self) -> PlannedJob | None:
        """Return the best trial by the first objective; of equal ones, the first."""
        ended = [t for t in self.list_trials() if t.values and SAME_AS not in t.user_attrs]
        measure = self.objectives[0].measure_loss
        best = min(ended, key=lambda trial: (measure(trial.values[0]), trial.number), default=None)
        return None if best is None else self._plan(best)

    def list_ended(self) -> dict[int, JobResult]:
        """Return the results of all processes, with the first objective as their only metric."""
        metric = self.objectives[0].metric
        trials = self.list_trials()
        ended = [t for t in trials if t.state.is_finished() and SAME_AS not in t.user_attrs]
        for t in ended:
            # An ended trial never changes, and this is called after each of many trials.
            if t.number not in self._ended:
                metrics = {metric: t.values[0]} if t.values else {}
                self._ended[t.number] = JobResult(
                    t.number, self.space.write(t.params), 0, 0, metrics=metrics
                )
        return {t.number: self._ended[t.number] for t in ended}

    def send_heartbeat(self) -> None:
        """Send a heartbeat, if the last one is old; to be called often."""
        if time.monotonic() - self._last_heartbeat > HEARTBEAT_INTERVAL:
            is_first = not self._last_heartbeat
            self._last_heartbeat = time.monotonic()
            self._study.set_user_attr(f"{HEARTBEAT}{self._owner}", time.time())
            if is_first:
                # As in Lamport's bakery algorithm: later than every process in sight, and only
                # after this one is in sight. A process that misses it joins later, even with a
                # slow clock.
                latest = max(self.find_others().values(), default=0.0)
                since = max(time.time(), latest + _LATER)
                self._study.set_user_attr(f"{SINCE}{self._owner}", since)

    def find_others(self) -> dict[str, float]:
        """Return the other live processes on the study, and when each of them joined.

        The time is 0 for one that has sent its first heartbeat only.
        """
        attributes = self._study.user_attrs
        names = [key.removeprefix(HEARTBEAT) for key in attributes if key.startswith(HEARTBEAT)]
        others = [name for name in names if name != self._owner]
        alive = [name for name in others if is_alive(name, attributes[f"{HEARTBEAT}{name}"])]
        return {name: attributes.get(f"{SINCE}{name}", 0.0) for name in alive}

    @property
    def own_seed(self) -> int:
        """A number that differs between the processes on the study; 0 if there is only one."""
        return zlib.crc32(self._owner.encode()) if self.find_others() else 0

    def await_run(self) -> str | None:
        """Return the tracked run of the sweep, or None if this process has to start it."""
        while RUN not in self._study.user_attrs:
            place = (self._study.user_attrs.get(f"{SINCE}{self._owner}", 0.0), self._owner)
            if all(place < (since, name) for name, since in self.find_others().items()):
                return None
            time.sleep(_PAUSE)
        return self.run_id

    def identify(self) -> str:
        """Return the identity of the study; give it one before its run is started."""
        if STUDY_ID not in self._study.user_attrs:
            self._study.set_user_attr(STUDY_ID, uuid4().hex)
        return str(self._study.user_attrs[STUDY_ID])

    def claim_winner(self, number: int) -> bool:
        """Return whether this process has to train the winner, which is trial `number`."""
        attributes = self._study.user_attrs
        claim = attributes.get(WINNER, {"number": None, "owner": None, "done": False})
        heartbeat = attributes.get(f"{HEARTBEAT}{claim['owner']}", 0.0)
        is_taken = claim["owner"] != self._owner and is_alive(claim["owner"], heartbeat)
        if claim["number"] == number and (claim["done"] or is_taken):
            return False
        claim = {"number": number, "owner": self._owner, "done": False}
        self._study.set_user_attr(WINNER, claim)
        return True

    def keep_winner(self, number: int) -> None:
        """Store that this process has trained the winner."""
        claim = {"number": number, "owner": self._owner, "done": True}
        self._study.set_user_attr(WINNER, claim)

    def _plan(self, trial: Any) -> PlannedJob:
        return PlannedJob(trial.number, self.space.write(trial.params))

    def _set_trial_attr(self, number: int, name: str, value: Any) -> None:
        """Set a user attribute of a trial, which another process may have made."""
        trial_id = find_trial(self._storage, self.name, number)
        self._storage.set_trial_user_attr(trial_id, name, value)

    def _fail_stale(self, trial: Any) -> bool:
        """Fail a stale trial; return False if another process did so first."""
        self._set_trial_attr(trial.number, STALE, value=True)
        try:
            self._study.tell(trial.number, state=trial_states().FAIL)
        except ValueError:
            return False
        return True


def suggest(trial: Any, name: str, distribution: Any) -> None:
    """Let `trial` draw from a distribution, as `optuna.Study.ask` does."""
    if hasattr(distribution, "choices"):
        trial.suggest_categorical(name, distribution.choices)
        return
    draw = trial.suggest_int if isinstance(distribution.low, int) else trial.suggest_float
    low, high = distribution.low, distribution.high
    draw(name, low, high, step=distribution.step, log=distribution.log)


def find_trial(storage: Any, study: str, number: int) -> int:
    """Return the id of a trial in the storage, which a `FrozenTrial` does not show."""
    study_id = storage.get_study_id_from_name(study)
    return int(storage.get_trial_id_from_study_id_trial_number(study_id, number))
