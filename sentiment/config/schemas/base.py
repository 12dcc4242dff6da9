"""Base of all schemas, and the check of values against one."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, Self, cast

from omegaconf import DictConfig, OmegaConf

from sentiment.config.type_hints import WRONG, convert, describe_problem, list_hints
from sentiment.errors import ConfigError

# A group of files, whose ``_target_`` names the class with the settings.
Group = Annotated[Any, "group"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base of dataclasses of settings that check themselves when they are constructed."""

    group = ""

    def __post_init__(self) -> None:
        values = {name: getattr(self, name) for name in list_hints(type(self))}
        problems, changes = check_values(type(self), values, self.group)
        if problems:
            raise ConfigError(list(problems.values()))
        for name, value in changes.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, cfg: DictConfig) -> Self:
        """Return the settings of this kind in the config of a command."""
        return cls(**cast("dict[str, Any]", OmegaConf.to_container(cfg[cls.group], resolve=True)))

    @classmethod
    def list_required(cls) -> list[str]:
        """Return the names of the settings that have no default."""
        no_default = {MISSING}
        return [f.name for f in fields(cls) if {f.default, f.default_factory} == no_default]

    @classmethod
    def find_conflicts(cls, values: Mapping[str, Any], prefix: str) -> Iterator[str]:
        """Yield problems between settings that are each valid.

        Parameters
        ----------
        values : mapping of str to object
            Settings by name.
        prefix : str
            Precedes their names in messages: ``data.``.
        """
        yield from ()


def is_nested(hint: Any) -> bool:
    """Return whether a type hint is a nested schema."""
    return isinstance(hint, type) and issubclass(hint, Settings)


def _is_group(hint: Any) -> bool:
    return hint is Group or is_nested(hint)


def check_values(
    schema: type[Settings], values: Mapping[str, Any], path: str
) -> tuple[dict[str, str], dict[str, Any]]:
    """Check the `values` of a group, or those of a command without its groups.

    Parameters
    ----------
    schema : type
        A dataclass of settings.
    values : mapping of str to object
        Settings by name; others are ignored.
    path : str
        The group, "" for a command.

    Returns
    -------
    problems : dict of str to str
        A message for each invalid value, by name; if all values are valid, one for each conflict,
        by number.
    changes : dict of str to object
        Converted values, such as a column name that was a number.
    """
    prefix = f"{path}." if path else ""
    problems: dict[str, str] = {}
    changes = {}
    for name, hint in list_hints(schema).items():
        if name not in values or _is_group(hint):
            continue
        converted = convert(hint, values[name])
        if converted is WRONG:
            problems[name] = describe_problem(hint, values[name], f"{prefix}{name}")
        elif converted is not values[name] and converted != values[name]:  # 5 and 5.0 are the same
            changes[name] = converted
    if not problems and all(
        name in values or _is_group(hint) for name, hint in list_hints(schema).items()
    ):
        conflicts = schema.find_conflicts({**values, **changes}, prefix)
        problems = {str(number): conflict for number, conflict in enumerate(conflicts)}
    return problems, changes
