"""Search spaces, the settings that a search draws, and the samplers that draw them."""

import math
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from hydra.core.override_parser.types import FloatRange
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from sentiment.config import explain_error, find_key, split_override, write_override
from sentiment.errors import ConfigError, quote_list
from sentiment.redaction import redact

# Largest grid. Each job takes a tenth of a second at least, so that this many run for hours; their
# list, which is made before the first one runs, takes 100 MB.
MAX_POINTS = 100_000
_SAMPLERS = ("optuna.samplers.*", "hydra_plugins.hydra_optuna_sweeper.*")
_GRID = "optuna.samplers.GridSampler"
# The group whose files have spaces of their own, in conf/common/space/features/.
_FEATURES = "features"


@dataclass(frozen=True)
class Space:
    """Search space that trials are drawn from.

    Attributes
    ----------
    common : mapping of str to distribution
        What every trial draws, by setting.
    branches : mapping
        By setting, then by its value: the distributions that only trials with that value draw from.
    fixed : mapping of str to str
        Settings that have one value.
    others : sequence of str
        Other overrides, such as those that delete a setting.
    """

    common: Mapping[str, Any]
    branches: Mapping[str, Mapping[str, Mapping[str, Any]]]
    fixed: Mapping[str, str]
    others: Sequence[str] = ()

    def list_drawn(self) -> list[str]:
        """Return all settings that some trial draws."""
        cases = [case for cases in self.branches.values() for case in cases.values()]
        return [*self.common, *(name for case in cases for name in case)]

    def write(self, params: Mapping[str, Any]) -> list[str]:
        """Return the overrides of a trial that drew `params`, always in the order of the space."""
        values = {read_setting(name): value for name, value in params.items()}
        places = {name: place for place, name in enumerate(self.list_drawn())}
        drawn = sorted(values, key=lambda name: places.get(name, len(places)))
        overrides = [write_override(name, values[name]) for name in drawn]
        return [*(f"{key}={value}" for key, value in self.fixed.items()), *self.others, *overrides]

    def list_samples(self) -> Iterator[list[str]]:
        """Yield overrides of trials that cover every choice and both ends of every range."""
        # A typed value, such as model=nbsvm, leaves branches that no trial takes.
        cases: list[tuple[dict[str, Any], Mapping[str, Any]]] = [
            ({key: case}, spaces.get(str(case), {}))
            for key, spaces in self.branches.items()
            for case in ([self.fixed[key]] if key in self.fixed else _list_ends(self.common[key]))
        ]
        for place, (choice, space) in enumerate(cases or [({}, {})]):
            names = {
                name_parameter(name, *map(str, choice.values())): d for name, d in space.items()
            }
            values = {name: _list_ends(d) for name, d in {**self.common, **names}.items()}
            # The distributions that all branches share are sampled once.
            counts = [len(ends) for name, ends in values.items() if place == 0 or name in names]
            for number in range(max(counts, default=1)):
                params = {name: ends[number % len(ends)] for name, ends in values.items()}
                yield self.write(params | {k: v for k, v in choice.items() if k in self.common})

    def without(self, choices: Collection[str]) -> "Space":
        """Return the space without some choices, given as overrides such as ``"model=svm"``."""
        from optuna.distributions import CategoricalDistribution

        common = dict(self.common)
        for key, distribution in self.common.items():
            values = getattr(distribution, "choices", ())
            left = [value for value in values if write_override(key, value) not in choices]
            if len(left) < len(values):
                common[key] = CategoricalDistribution(left)
        branches = {
            key: {case: s for case, s in cases.items() if write_override(key, case) not in choices}
            for key, cases in self.branches.items()
        }
        return replace(self, common=common, branches=branches)

    def find(self, parameter: str) -> Any:
        """Return the distribution of a parameter, which `name_parameter` may have named."""
        if parameter in self.common:
            return self.common[parameter]
        case = parameter.partition(" (")[2].removesuffix(")")
        cases = (cases[case] for cases in self.branches.values() if case in cases)
        return next(space[read_setting(parameter)] for space in cases)

    def read(self, overrides: Sequence[str]) -> dict[str, Any] | None:
        """Return the parameters from which `write` made `overrides`, or None if one is missing."""
        by_key = {find_key(override): override for override in overrides}
        params: dict[str, Any] = {}
        try:
            for name, distribution in self.common.items():
                params[name] = _read_value(distribution, name, by_key[name])
            for key, cases in self.branches.items():
                value = str(params.get(key, self.fixed.get(key)))
                for name, distribution in cases.get(value, {}).items():
                    parameter = name_parameter(name, value)
                    params[parameter] = _read_value(distribution, name, by_key[name])
        except (KeyError, ValueError):
            return None
        return params

    def to_json(self) -> dict[str, Any]:
        """Return the space as plain containers for JSON; see `from_json`."""
        from optuna.distributions import distribution_to_json

        def convert(space: Mapping[str, Any]) -> dict[str, str]:
            return {name: distribution_to_json(drawn) for name, drawn in space.items()}

        branches = {
            key: {case: convert(space) for case, space in cases.items()}
            for key, cases in self.branches.items()
        }
        return {"common": convert(self.common), "branches": branches, "fixed": dict(self.fixed)}

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> "Space":
        """Return the space that `to_json` described, without `others`."""
        from optuna.distributions import json_to_distribution

        def convert(space: Mapping[str, str]) -> dict[str, Any]:
            return {name: json_to_distribution(text) for name, text in space.items()}

        branches = {
            key: {case: convert(space) for case, space in cases.items()}
            for key, cases in facts["branches"].items()
        }
        return cls(convert(facts["common"]), branches, facts["fixed"])

    def describe(self) -> dict[str, Any]:
        """Return the distributions as strings."""
        return {
            "common": {name: str(d) for name, d in self.common.items()},
            "branches": {
                key: {c: {name: str(d) for name, d in s.items()} for c, s in cases.items()}
                for key, cases in self.branches.items()
            },
        }


def count_values(distribution: Any) -> float:
    """Return how many values a distribution has; infinity if they cannot be counted."""
    choices = getattr(distribution, "choices", None)
    if choices is not None:
        return len(choices)
    step = getattr(distribution, "step", None)
    return 1 + (distribution.high - distribution.low) // step if step else math.inf


def list_values(distribution: Any) -> list[Any]:
    """Return all values of a distribution that can be counted."""
    if hasattr(distribution, "choices"):
        return list(distribution.choices)
    low, high, step = distribution.low, distribution.high, distribution.step
    if isinstance(low, int):
        return list(range(low, high + 1, step))
    values = list(FloatRange(low, high, step))
    # The upper end belongs to a distribution of Optuna, but not to a range of Hydra.
    return values if values[-1:] == [high] else [*values, high]


def _list_ends(distribution: Any) -> list[Any]:
    """Return the choices of a distribution, or the ends of its range."""
    return list(getattr(distribution, "choices", ())) or [distribution.low, distribution.high]


def _read_value(distribution: Any, setting: str, override: str) -> Any:
    """Return the value that an override gives a setting, in the type of its distribution."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        choices = {write_override(setting, choice): choice for choice in distribution.choices}
        return choices[override]
    value = split_override(override).value or ""
    return int(value) if isinstance(distribution, IntDistribution) else float(value)


def read_space(
    settings: Any,
    arguments: Sequence[str],
    compose: Callable[[list[str]], DictConfig] | None = None,
) -> Space:
    """Return the search space: that of the config, changed by the typed overrides.

    Parameters
    ----------
    settings : DictConfig
        Settings of the search.
    arguments : sequence of str
        The typed overrides.
    compose : callable, optional
        Returns the config with other overrides. If several features are typed, each is a branch
        that draws the settings of its own space.

    Raises
    ------
    ConfigError
        A range cannot be read, or several models are typed for a search over the settings of one.
    """
    from optuna.distributions import CategoricalDistribution

    problems: list[str] = []

    def read(space: Any) -> dict[str, Any]:
        lines = [f"{key}={value}" for key, value in (space or {}).items()]
        return _read_overrides(lines, problems)[0]

    typed, fixed, others = _read_overrides(arguments, problems)
    common = read(settings.space)
    branches: dict[str, dict[str, dict[str, Any]]] = {}
    for key, cases in (settings.branches or {}).items():
        common[key] = CategoricalDistribution(list(cases))
        branches[key] = {case: read(space) for case, space in cases.items()}
    if compose is not None and _FEATURES in typed:
        shared = [*(f"{key}={value}" for key, value in fixed.items()), *others]
        branches[_FEATURES] = {}
        for name in list_values(typed[_FEATURES]):
            cfg = compose([*shared, f"{_FEATURES}={name}"])
            space = _select_features(read(cfg.search.space) | typed)
            branches[_FEATURES][name] = {
                key: d for key, d in space.items() if has_setting(cfg, key)
            }
        common = {key: d for key, d in common.items() if key not in _select_features(common)}
    if "model" in typed and "model" not in branches and any(k.startswith("model.") for k in common):
        models = ",".join(map(str, list_values(typed["model"])))
        problems.append(
            f"model={models} has several values, and the search draws settings of one model. To "
            f"draw those of each, choose the search over models: search=all model={models}"
        )
    if problems:
        raise ConfigError(problems)
    in_branches = {k for cases in branches.values() for space in cases.values() for k in space}
    for key in [*typed, *fixed]:
        common.pop(key, None)
        for cases in branches.values():
            for space in cases.values():
                if key in space and key in typed:
                    space[key] = typed[key]
                elif key in space:
                    del space[key]
    common |= {key: d for key, d in typed.items() if key not in in_branches}
    spaces = [common, *(space for cases in branches.values() for space in cases.values())]
    _check_secrets({key: d for space in spaces for key, d in space.items()})
    return Space(common, branches, {k: str(v) for k, v in fixed.items()}, tuple(others))


def _select_features(space: Mapping[str, Any]) -> dict[str, Any]:
    """Return the distributions of settings of features."""
    return {key: d for key, d in space.items() if key.startswith(f"{_FEATURES}.")}


def has_setting(cfg: DictConfig, key: str) -> bool:
    """Return whether a config has a setting, whose value may be null."""
    group, _, name = key.rpartition(".")
    node = OmegaConf.select(cfg, group)
    return isinstance(node, DictConfig) and name in node


def _read_overrides(
    overrides: Sequence[str], problems: list[str]
) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Return distributions, fixed values and other overrides; add to `problems` what is wrong."""
    # The official sweeper's reading of ranges, which has no public name.
    from hydra_plugins.hydra_optuna_sweeper._impl import create_params_from_overrides

    drawn: dict[str, Any] = {}
    fixed: dict[str, Any] = {}
    others: list[str] = []
    for override in overrides:
        try:
            params = create_params_from_overrides([override])
        except (ValueError, NotImplementedError, HydraException) as error:
            mistake = explain_error(error) or f"{override}: {str(error).rstrip('.')}."
            problems.append(str(mistake))
            continue
        drawn |= params[0]
        fixed |= params[1]
        others += params[2]
    return drawn, fixed, others


def _check_secrets(drawn: Mapping[str, Any]) -> None:
    """Refuse secrets among choices, since Optuna stores each drawn value as it is."""
    for key, distribution in drawn.items():
        if any(isinstance(c, str) and redact(c) != c for c in getattr(distribution, "choices", ())):
            raise ConfigError(
                [
                    f"{key} has a password among its choices, and a study stores its choices. Name "
                    f"environment variables instead: '{key}=choice(\"${{oc.env:FIRST}}\",...)'."
                ]
            )


def name_parameter(setting: str, case: str) -> str:
    """Return the name of a parameter that only some trials have.

    The ``model.alpha`` of two branches are different parameters, which Optuna must not mix.
    """
    return f"{setting} ({case})"


def read_setting(parameter: str) -> str:
    """Return the setting that a parameter of a trial is the value of."""
    return parameter.partition(" ")[0]


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
    if MAX_POINTS < count < math.inf:
        raise ConfigError(
            [
                f"the grid of this search has {int(count):,} points, which are listed first; "
                f"expected at most {MAX_POINTS:,}. List fewer values, or choose another "
                "hydra/sweeper/sampler, such as tpe."
            ]
        )
    if count == math.inf:
        ranges = [key for key, drawn in space.common.items() if count_values(drawn) == math.inf]
        raise ConfigError(
            [
                f"a grid needs values it can count, and {quote_list(ranges)} is drawn from an "
                "interval. List values, a,b or range(1,4), or choose another hydra/sweeper/sampler."
            ]
        )
    grid = sampler({key: list_values(drawn) for key, drawn in space.common.items()})
    # After its last point, it would stop the loop of `Study.optimize`, which nothing here runs.
    grid.after_trial = lambda *facts: None
    return grid
