"""Hydra's basic sweeper and Optuna's, extended so that both can be killed and resumed.

Hydra loads this module at every start, so libraries are imported where they are used.
"""

from dataclasses import dataclass
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper, BasicSweeperConf
from hydra.core.config_store import ConfigStore
from hydra.types import HydraContext, TaskFunction
from hydra_plugins.hydra_optuna_sweeper.config import OptunaSweeperConf
from hydra_plugins.hydra_optuna_sweeper.optuna_sweeper import OptunaSweeper
from omegaconf import DictConfig

_HOME = "hydra_plugins.sentiment_plugins.sweepers"


class GridSweeper(BasicSweeper):
    """The basic sweeper, but resumable: no job is lost or run twice."""

    def sweep(self, arguments: list[str]) -> None:
        """Run the remaining jobs, and train the best."""
        from sentiment.commands.search.grid import list_points, run_grid
        from sentiment.commands.search.launching import HydraSweep
        from sentiment.config import parse_overrides

        hydra = HydraSweep(self.config, self.hydra_context, self.launcher)
        hydra.check_sweep_settings()
        typed = [*self._parse_config(), *arguments]
        overrides = parse_overrides(typed, self.hydra_context.config_loader)
        run_grid(hydra, list_points(overrides))


class SearchSweeper(OptunaSweeper):
    """The official Optuna sweeper, with a study that processes may join or leave at any time.

    Samplers and the syntax of ranges are those of the official sweeper. Trials are asked for and
    recorded by `sentiment.commands.search.search`.
    """

    def __init__(self, sampler: DictConfig, **settings: Any) -> None:
        super().__init__(sampler, **settings)
        self._sampler = sampler

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Make the launcher."""
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self._hydra = (config, hydra_context)

    def sweep(self, arguments: list[str]) -> None:
        """Run the remaining trials, and train the best."""
        from sentiment.commands.search.launching import HydraSweep
        from sentiment.commands.search.search import run_search
        from sentiment.commands.search.studies.storage import storage_failures

        hydra = HydraSweep(*self._hydra, self.sweeper.launcher)
        hydra.check_sweep_settings()
        overrides = [
            *(f"{key}={value}" for key, value in (self.sweeper.params or {}).items()),
            *arguments,
        ]
        with storage_failures(hydra.config.search.storage):
            run_search(hydra, self._sampler, overrides)


@dataclass
class GridSweeperConf(BasicSweeperConf):
    """Config of ``hydra/sweeper=resuming_grid``."""

    _target_: str = f"{_HOME}.GridSweeper"


@dataclass
class SearchSweeperConf(OptunaSweeperConf):
    """Config of ``hydra/sweeper=resuming_search``."""

    _target_: str = f"{_HOME}.SearchSweeper"


for _name, _node in {
    "resuming_grid": GridSweeperConf,
    "resuming_search": SearchSweeperConf,
}.items():
    ConfigStore.instance().store(
        group="hydra/sweeper", name=_name, node=_node, provider="sentiment_plugins"
    )
