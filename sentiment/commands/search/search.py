"""A search: Optuna asks for trials until there are as many as were wanted."""

import math
import re
import time
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from sentiment.commands.search.launching import HydraSweep, JobRunner, PlannedJob
from sentiment.commands.search.observing import OBSERVER
from sentiment.commands.search.ranking import Objective, find_objectives
from sentiment.commands.search.results import list_lost, read_results
from sentiment.commands.search.session import FailurePolicy, Session, check_failures
from sentiment.commands.search.spaces import (
    MOST_POINTS,
    Space,
    count_values,
    list_values,
    read_space,
)
from sentiment.commands.search.storage import check_apart, open_storage
from sentiment.commands.search.studies import Study
from sentiment.commands.search.study_folder import claim_folder, keep_study
from sentiment.commands.search.trial import list_settings, read_data
from sentiment.config import check_config, list_typed, make
from sentiment.config.schemas import list_defaults
from sentiment.errors import ConfigError, count_of, quote_list

_SAMPLERS = ("optuna.samplers.*", "hydra_plugins.hydra_optuna_sweeper.*")
# Seconds between two looks at a study whose last trials run in other processes.
_PATIENCE = 1.0


def run_search(hydra: HydraSweep, sampler: DictConfig, arguments: Sequence[str]) -> None:
    """Run what is left of a search, and train its best.

    Parameters
    ----------
    hydra : HydraSweep
        The sweep as Hydra sees it.
    sampler : DictConfig
        Describes an Optuna sampler.
    arguments : sequence of str
        What was typed.

    Raises
    ------
    SentimentError
        The config cannot be run, the study looks for something else, or jobs failed.
    """
    cfg, settings, observer = hydra.task, hydra.settings, OBSERVER.get()()
    check_config(cfg, list_typed(hydra.config.hydra.overrides.task))
    objectives = find_objectives(settings.objectives or [cfg.optimize])
    space = read_space(settings, arguments)
    _check_rows(space)
    hydra.check_jobs(space.list_samples())
    _make_sampler(sampler, space, cfg.seed, 0, hydra.is_parallel)  # or it is refused
    home = Path(cfg.outputs) / "search"
    check_apart(settings.storage, cfg.tracking.get("uri"))
    storage = open_storage(settings.storage, home / "studies.journal")
    taken = [path.name for path in home.glob("*") if path.is_dir()]
    study = Study(settings.name, storage, objectives, taken=taken, fresh=settings.fresh)
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
    study.send_heartbeat()
    earlier = study.await_run()
    folder = (home / study.name).resolve()
    trials = study.optuna.get_trials(deepcopy=False)
    claim_folder(folder, study.identify(), trials, objectives[0].metric)
    tracker = make(cfg, "tracking", "open_sweep")
    tracker.open()
    tags = {"kind": "sweep", "study": study.name, "command": hydra.describe_command()}
    record = tracker.open_sweep(f"search {study.name}", tags, earlier)
    study.run_id = record.id
    if settings.storage is None:
        keep_study(folder, study, space)
    session = Session(
        name=study.name,
        folder=folder,
        objective=objectives[0],
        record=record,
        observer=observer,
        policy=FailurePolicy(settings.max_failures, fresh=study.count_done() == 0),
        total=settings.n_trials,
        shared=space.write({}),
        tell=study.tell,
        find_others=lambda: study.list_ended(space),
    )
    alone = not study.find_others()
    session.begin(alone=alone)
    again = study.recover(session.results)
    if again:
        was = "was interrupted and runs" if len(again) == 1 else "were interrupted and run"
        observer.on_note(f"{count_of(len(again), 'trial')} {was} again")
    # Neither what was drawn before is drawn again, nor what another process draws.
    shift = len(study.optuna.trials) + study.own_seed
    study.seed(_make_sampler(sampler, space, cfg.seed, shift, hydra.is_parallel))
    runner = JobRunner(
        session.folder, hydra.launch, hydra.compose, session.take, study.send_heartbeat
    )

    lost = study.list_draws(list_lost(session.folder)) if alone else []
    if lost:
        what = "result was damaged and runs" if len(lost) == 1 else "results were damaged and run"
        observer.on_note(f"{count_of(len(lost), 'trial')} whose {what} again")

    def next_job() -> PlannedJob | None:
        if lost:
            again = lost.pop()
            return PlannedJob(again.number, space.write(again.params))
        draw = study.ask(space, settings.n_trials)
        return None if draw is None else PlannedJob(draw.number, space.write(draw.params))

    with session.keeping(hydra.suggest_resuming()):
        runner.run(next_job)
        while study.count_running() or study.count_begun() < settings.n_trials:
            # Other processes are at work; if one dies, its trials are run here.
            time.sleep(_PATIENCE)
            study.send_heartbeat()
            study.recover(read_results(session.folder))
            runner.run(next_job)
        session.report_ranking()
        best = study.find_best()
        if best is not None and study.claim_winner(best.number):
            overrides = space.write(best.params)
            session.train_winner(best.number, overrides, *hydra.compose(overrides))
            figures = session.folder / "figures"
            record.log_files(figures, save_study_figures(study.optuna, objectives, figures))
            study.keep_winner(best.number)
    check_failures(session.failed, len(session.results))


def _check_rows(space: Space) -> None:
    """Raise if trials would be scored on different rows, where any score is one of luck."""
    changing = [key for key in space.list_drawn() if re.match(r"(seed|data|cv)(\.|@|$)", key)]
    if changing:
        raise ConfigError(
            [
                f"the search draws {quote_list(changing)}, which changes the rows that its trials "
                "are scored on, so their scores cannot be compared. Give it one value, or run a "
                "grid, which averages over seeds: the same command without search=."
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


def _make_sampler(
    described: DictConfig, space: Space, seed: int, shift: int, parallel: bool
) -> Any:
    """Return the sampler, which takes `seed`, moved by `shift`, if it has none of its own."""
    config = cast("dict[str, Any]", OmegaConf.to_container(described, resolve=True))
    if "seed" in config and config["seed"] is None:
        # A grid is shuffled by its seed, and goes on in the order in which it began.
        ordered = config["_target_"] == "optuna.samplers.GridSampler"
        config["seed"] = (seed if ordered else seed + shift) % 2**32
    if "constant_liar" in config:
        # So that trials that are asked for together do not all look in the same place.
        config["constant_liar"] = config["constant_liar"] or parallel
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is experimental is chosen with open eyes
        sampler = instantiate(config, _execution_whitelist_=_SAMPLERS)
    if not isinstance(sampler, partial):
        return sampler
    if space.branches:
        raise ConfigError(["a grid has no branches; choose another hydra/sweeper/sampler."])
    count = math.prod(map(count_values, space.common.values()))
    if MOST_POINTS < count < math.inf:
        raise ConfigError(
            [
                f"the grid of this search has {int(count):,} points, which are listed first; "
                f"expected at most {MOST_POINTS:,}. List fewer values, or choose another "
                "hydra/sweeper/sampler, such as tpe."
            ]
        )
    if count == math.inf:
        ranges = [key for key, one in space.common.items() if count_values(one) == math.inf]
        raise ConfigError(
            [
                f"a grid needs values it can count, and {quote_list(ranges)} is drawn from an "
                "interval. List values, a,b or range(1,4), or choose another hydra/sweeper/sampler."
            ]
        )
    grid = sampler({key: list_values(one) for key, one in space.common.items()})
    # After its last point, it would stop a loop of Optuna's that is not there.
    grid.after_trial = lambda *facts: None
    return grid


# What plotly writes beside its pages, for all of them.
_SCRIPT = "plotly.min.js"


def save_study_figures(study: Any, objectives: Sequence[Objective], folder: Path) -> list[str]:
    """Write history, importances, slices and parallel coordinates of `study` into `folder`.

    Parameters
    ----------
    study : optuna.Study
        With trials.
    objectives : sequence of Objective
        What it looked for; of several, the front is drawn too.
    folder : Path
        Each figure is a PNG and an HTML page there, which share one script and need no network.

    Returns
    -------
    list of str
        Names of the files.
    """
    from matplotlib import pyplot as plt
    from optuna import visualization as pages
    from optuna.visualization import matplotlib as pictures

    folder.mkdir(parents=True, exist_ok=True)
    plt.switch_backend("agg")
    names = ["optimization_history", "param_importances", "slice", "parallel_coordinate"]
    drawn = []
    targets: dict[str, Any] = {"target_name": objectives[0].name}
    if len(objectives) > 1:
        targets["target"] = lambda trial: trial.values[0]
    with warnings.catch_warnings():
        # Optuna calls its own pictures experimental.
        warnings.simplefilter("ignore")
        for name in names:
            if name == "param_importances" and not _has_choice(study):
                continue
            draw = getattr(pictures, f"plot_{name}")
            axes = draw(study, **targets)
            _save_picture(axes, folder / f"{name}.png")
            _save_page(getattr(pages, f"plot_{name}")(study, **targets), folder / f"{name}.html")
            drawn.append(name)
        if len(objectives) > 1:
            shown = [objective.name for objective in objectives]
            axes = pictures.plot_pareto_front(study, target_names=shown)
            _save_picture(axes, folder / "pareto_front.png")
            page = pages.plot_pareto_front(study, target_names=shown)
            _save_page(page, folder / "pareto_front.html")
            drawn.append("pareto_front")
    return [f"{name}{ending}" for name in drawn for ending in (".png", ".html")] + [_SCRIPT]


def _has_choice(study: Any) -> bool:
    """Return whether there are trials that differ in a parameter all of them have."""
    finished = [t for t in study.get_trials(deepcopy=False) if t.values]
    shared = set.intersection(*(set(t.params) for t in finished)) if finished else set()
    return len({tuple(str(t.params[k]) for k in sorted(shared)) for t in finished}) > 1


def _save_picture(axes: Any, path: Path) -> None:
    from matplotlib import pyplot as plt

    figure = getattr(axes, "figure", None) or axes.ravel()[0].figure
    figure.set_size_inches(max(figure.get_size_inches()[0], 10), 6)
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)


def _save_page(figure: Any, path: Path) -> None:
    figure.write_html(path, include_plotlyjs="directory")
