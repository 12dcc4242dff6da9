"""A search: trials that Optuna draws, until there are as many as ``search.n_trials``."""

import re
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from hydra.errors import HydraException
from omegaconf import DictConfig

from sentiment.commands.search.failures import FailurePolicy, check_failures
from sentiment.commands.search.launching import HydraSweep, JobRunner
from sentiment.commands.search.ranking import Objective, find_objectives
from sentiment.commands.search.results import PlannedJob, list_damaged, read_results
from sentiment.commands.search.session import Session
from sentiment.commands.search.studies.figures import save_study_figures
from sentiment.commands.search.studies.folder import claim_folder, keep_study
from sentiment.commands.search.studies.spaces import Space, has_setting, make_sampler, read_space
from sentiment.commands.search.studies.storage import JOURNAL, check_apart, open_storage
from sentiment.commands.search.studies.study import Study
from sentiment.commands.search.trial import (
    describe_left_out,
    find_unlearnable,
    list_settings,
    read_data,
)
from sentiment.config import check_config, find_key, list_typed
from sentiment.config.schemas import list_defaults
from sentiment.errors import ConfigError, list_first, quote_list
from sentiment.files.locking import hold_lock

_LISTED = 5  # numbers of jobs in a message
# Seconds between two looks at a study whose last trials run in other processes.
_POLL = 1.0


def run_search(hydra: HydraSweep, sampler: DictConfig, arguments: Sequence[str]) -> None:
    """Start or resume a search, and train its best trial.

    Parameters
    ----------
    hydra : HydraSweep
        Config and launcher of the sweep.
    sampler : DictConfig
        Config of an Optuna sampler.
    arguments : sequence of str
        The overrides that were typed.

    Raises
    ------
    SentimentError
        The config cannot be run, the study was started with other settings, or jobs failed.
    """
    cfg, settings = hydra.task, hydra.task.search
    check_config(cfg, list_typed(hydra.config.hydra.overrides.task))
    objectives = find_objectives(settings.objectives or [cfg.optimize])
    space = read_space(settings, arguments, lambda words: hydra.compose(words)[0])
    _check_comparable(space)
    _check_model(hydra, space, arguments)
    jobs = hydra.check_jobs(space.list_samples())
    # Raises what is wrong with the sampler, before anything is made.
    make_sampler(sampler, space, cfg.seed, parallel=hydra.is_parallel)
    left_out = find_unlearnable(jobs)
    study = _open_study(cfg, space.without(left_out), objectives)
    session = _open_session(hydra, study)
    damaged = _recover(study, session)
    for line in describe_left_out(left_out):
        session.observer.on_note(line)
    # A resumed search draws other trials than before, and than other processes do.
    shift = len(study.optuna.trials) + study.own_seed
    study.seed(make_sampler(sampler, study.space, cfg.seed, shift, parallel=hydra.is_parallel))
    runner = JobRunner(
        session.folder, hydra.launch, hydra.compose, session.take, study.send_heartbeat
    )

    def next_job() -> PlannedJob | None:
        return damaged.pop() if damaged else study.ask(settings.n_trials)

    with session.recording(hydra.suggest_resuming()):
        runner.run(next_job)
        while study.count_running() or study.count_begun() < settings.n_trials:
            # Other processes are at work; if one dies, its trials are run here.
            time.sleep(_POLL)
            study.send_heartbeat()
            study.recover(read_results(session.folder))
            runner.run(next_job)
        session.report_ranking()
        _train_winner(hydra, study, session)
    check_failures(session.failed, len(session.results))


def _open_study(cfg: DictConfig, space: Space, objectives: Sequence[Objective]) -> Study:
    """Return the study of a search, new or to be resumed."""
    settings, home = cfg.search, _find_home(cfg)
    check_apart(settings.storage, cfg.tracking.get("uri"))
    storage = open_storage(settings.storage, home / JOURNAL)
    taken = [path.name for path in home.glob("*") if path.is_dir()]
    study = Study(settings.name, storage, objectives, space, taken=taken, fresh=settings.fresh)
    study.define(
        {
            "space": space.describe(),
            "settings": _list_fixed_settings(cfg, space),
            "objectives": [o.name for o in objectives],
            "data": " ".join(read_data(cfg).digests.values()),
            # Earlier versions compared cross-validated trials by validation rows.
            **({} if cfg.cv is None else {"scores": "cv"}),
        },
        _list_defaults(cfg),
    )
    return study


def _open_session(hydra: HydraSweep, study: Study) -> Session:
    """Return the session of this process, with the folder and the tracked run of the study."""
    settings = hydra.task.search
    study.send_heartbeat()
    earlier = study.await_run()
    folder = (_find_home(hydra.task) / study.name).resolve()
    claim_folder(folder, study)
    record = hydra.open_record(f"search {study.name}", earlier, study=study.name)
    study.run_id = record.id
    if settings.storage is None:
        keep_study(folder, study)
    return Session(
        name=study.name,
        folder=folder,
        objective=study.objectives[0],
        record=record,
        policy=FailurePolicy(settings.max_failures, fresh=study.count_done() == 0),
        total=settings.n_trials,
        shared=study.space.write({}),
        tell=study.tell,
        find_others=study.list_ended,
    )


def _find_home(cfg: DictConfig) -> Path:
    """Return the folder of all searches."""
    return Path(cfg.outputs) / "search"


def _recover(study: Study, session: Session) -> list[PlannedJob]:
    """Begin the session with the results of earlier processes.

    Interrupted trials are enqueued in the study. Trials whose results were damaged have ended
    there, so they are returned to be run again.
    """
    is_alone = not study.find_others()
    session.begin(alone=is_alone)
    interrupted = study.recover(session.results)
    if interrupted:
        verb = "was interrupted and runs" if len(interrupted) == 1 else "were interrupted and run"
        numbers = list_first([f"#{number}" for number in interrupted], _LISTED)
        session.observer.on_note(f"{numbers} {verb} again under a new number")
    damaged = study.plan_again(list_damaged(session.folder)) if is_alone else []
    if damaged:
        verb = (
            "has a damaged result and runs" if len(damaged) == 1 else "have damaged results and run"
        )
        numbers = list_first([f"#{job.number}" for job in damaged], _LISTED)
        session.observer.on_note(f"{numbers} {verb} again")
    return damaged


def _train_winner(hydra: HydraSweep, study: Study, session: Session) -> None:
    """Train the best trial and draw the study, unless another process does."""
    best = study.find_best()
    if best is None:
        return
    with hold_lock(session.folder / ".lock"):  # another process may end at this moment
        if not study.claim_winner(best.number):
            session.report_earlier_winner(best.number)
            return
    session.train_winner(best, *hydra.compose(best.overrides))
    figures = session.folder / "figures"
    names = save_study_figures(study.optuna, study.objectives, figures)
    session.record.log_files(figures, names)
    study.keep_winner(best.number)


def _check_comparable(space: Space) -> None:
    """Raise if trials would be scored on different rows, so that luck would choose the best."""
    changing = [key for key in space.list_drawn() if re.match(r"(seed|data|cv)(\.|@|$)", key)]
    if changing:
        raise ConfigError(
            [
                f"the search draws {quote_list(changing)}, which changes the rows that its trials "
                "are scored on, so their scores cannot be compared. Give it one value, or run a "
                "grid, which averages over seeds: the same command without search=."
            ]
        )


def _check_model(hydra: HydraSweep, space: Space, arguments: Sequence[str]) -> None:
    """Raise if the search draws settings of a model other than the typed one."""
    typed = set(map(find_key, arguments))
    drawn = [key for key in space.common if key.startswith("model.") and key not in typed]
    if "model" not in space.fixed or not drawn:
        return
    model = f"model={space.fixed['model']}"
    with suppress(HydraException):  # a model without a file is reported with the jobs
        cfg, _ = hydra.compose(space.write({}))
        if missing := [key for key in drawn if not has_setting(cfg, key)]:
            raise ConfigError(
                [
                    f"the search draws {quote_list(missing)}, which {model} does not have. Choose "
                    f"the search over models, which draws its settings: search=all {model}"
                ]
            )


def _list_fixed_settings(cfg: DictConfig, space: Space) -> dict[str, str]:
    """Return the settings that no trial changes."""
    drawn = space.list_drawn()
    return {
        key: str(value)
        for key, value in list_settings(cfg).items()
        if not any(key == name or key.startswith(f"{name}.") for name in drawn)
    }


def _list_defaults(cfg: DictConfig) -> dict[str, str]:
    """Return the defaults of the settings of all groups whose defaults are known."""
    groups = {str(name): node for name, node in cfg.items() if isinstance(node, DictConfig)}
    return {
        f"{group}.{name}": str(value)
        for group, node in groups.items()
        for name, value in list_defaults(str(node.get("_target_"))).items()
    }
