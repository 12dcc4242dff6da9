"""Optuna samplers, made from the group ``hydra/sweeper/sampler``."""

import math
import warnings
from functools import partial
from typing import Any, cast

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from sentiment.commands.search.spaces import MOST_POINTS, Space, count_values, list_values
from sentiment.errors import ConfigError, quote_list

_SAMPLERS = ("optuna.samplers.*", "hydra_plugins.hydra_optuna_sweeper.*")
_GRID = "optuna.samplers.GridSampler"


def make_sampler(
    described: DictConfig, space: Space, seed: int, shift: int = 0, *, parallel: bool
) -> Any:
    """Return the sampler that a config describes.

    Parameters
    ----------
    described : DictConfig
        The config; without a seed of its own, the sampler takes `seed` + `shift`.
    space : Space
        The search space, which a grid sampler lists.
    seed : int
        Seed of the search.
    shift : int, default=0
        Number that makes a resumed search draw other trials than before. A grid takes `seed` alone,
        so that it continues in the order in which it began.
    parallel : bool
        True if trials run side by side. A TPE sampler then takes running trials for bad ones
        (``constant_liar``), so that trials which start together do not look in the same place.

    Raises
    ------
    ConfigError
        The sampler is a grid, and the space has too many points, intervals or branches.
    """
    config = cast("dict[str, Any]", OmegaConf.to_container(described, resolve=True))
    if "seed" in config and config["seed"] is None:
        config["seed"] = (seed if config["_target_"] == _GRID else seed + shift) % 2**32
    if "constant_liar" in config:
        config["constant_liar"] = config["constant_liar"] or parallel
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the user has chosen what Optuna calls experimental
        sampler = instantiate(config, _execution_whitelist_=_SAMPLERS)
    # The config of a grid sampler leaves its search space to be filled in.
    return _list_grid(sampler, space) if isinstance(sampler, partial) else sampler


def _list_grid(sampler: partial[Any], space: Space) -> Any:
    """Return a grid sampler of all points of `space`."""
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
    # After its last point, it would stop the loop of `Study.optimize`, which nothing here runs.
    grid.after_trial = lambda *facts: None
    return grid
