"""The settings that a search draws, and their distributions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sentiment.errors import ConfigError
from sentiment.redaction import redact
from sentiment.sweeps.hydra_side import write_override


@dataclass(frozen=True)
class Space:
    """What trials are drawn from.

    Attributes
    ----------
    common : mapping of str to distribution
        What every trial draws, by setting.
    branches : mapping
        By setting, then by its value: what only trials with that value draw.
    fixed : mapping of str to str
        Settings that have one value.
    others : sequence of str
        Overrides of another kind, such as those that take a setting away.
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
        """Return the overrides of a trial that drew `params`."""
        drawn = (write_override(read_setting(name), value) for name, value in params.items())
        return [*(f"{key}={value}" for key, value in self.fixed.items()), *self.others, *drawn]

    def find(self, parameter: str) -> Any:
        """Return the distribution of a parameter, which `name_parameter` may have named."""
        if parameter in self.common:
            return self.common[parameter]
        case = parameter.partition(" (")[2].removesuffix(")")
        cases = (cases[case] for cases in self.branches.values() if case in cases)
        return next(space[read_setting(parameter)] for space in cases)

    def read(self, overrides: Sequence[str]) -> dict[str, Any] | None:
        """Return the parameters that `write` made `overrides` of, or None if one is missing."""
        words = {word.partition("=")[0]: word for word in overrides}
        params: dict[str, Any] = {}
        try:
            for name, distribution in self.common.items():
                params[name] = _read_value(distribution, name, words[name])
            for key, cases in self.branches.items():
                value = str(params.get(key, self.fixed.get(key)))
                for name, distribution in cases.get(value, {}).items():
                    read = _read_value(distribution, name, words[name])
                    params[name_parameter(name, value)] = read
        except (KeyError, ValueError):
            return None
        return params

    def to_json(self) -> dict[str, Any]:
        """Return the space as JSON can hold it; see `from_json`."""
        from optuna.distributions import distribution_to_json

        def convert(space: Mapping[str, Any]) -> dict[str, str]:
            return {name: distribution_to_json(one) for name, one in space.items()}

        branches = {
            key: {case: convert(space) for case, space in cases.items()}
            for key, cases in self.branches.items()
        }
        return {"common": convert(self.common), "branches": branches, "fixed": dict(self.fixed)}

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> "Space":
        """Return the space that `to_json` described, without the overrides of another kind."""
        from optuna.distributions import json_to_distribution

        def convert(space: Mapping[str, str]) -> dict[str, Any]:
            return {name: json_to_distribution(one) for name, one in space.items()}

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


def _read_value(distribution: Any, setting: str, word: str) -> Any:
    """Return the value that an override gives a setting, as its distribution has it."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        written = {write_override(setting, choice): choice for choice in distribution.choices}
        return written[word]
    value = word.partition("=")[2]
    return int(value) if isinstance(distribution, IntDistribution) else float(value)


def read_space(settings: Any, arguments: Sequence[str]) -> Space:
    """Return what is drawn from: the space in the config, changed by what was typed.

    Raises
    ------
    ConfigError
        A range cannot be read.
    """
    from hydra_plugins.hydra_optuna_sweeper._impl import create_params_from_overrides
    from optuna.distributions import CategoricalDistribution

    def read(space: Any) -> dict[str, Any]:
        lines = [f"{key}={value}" for key, value in (space or {}).items()]
        try:
            return dict(create_params_from_overrides(lines)[0])
        except (ValueError, NotImplementedError) as error:
            raise ConfigError([f"search.space: {error}"]) from error

    typed, fixed, others = create_params_from_overrides(list(arguments))
    common = read(settings.space)
    branches: dict[str, dict[str, dict[str, Any]]] = {}
    for key, cases in (settings.branches or {}).items():
        common[key] = CategoricalDistribution(list(cases))
        branches[key] = {case: read(space) for case, space in cases.items()}
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


def _check_secrets(drawn: Mapping[str, Any]) -> None:
    """Refuse secrets that a trial would draw, since Optuna stores each value as it is."""
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

    What two branches call ``model.alpha`` has nothing in common, so Optuna must not mix the two.
    """
    return f"{setting} ({case})"


def read_setting(parameter: str) -> str:
    """Return the setting that a parameter of a trial is the value of."""
    return parameter.partition(" ")[0]
