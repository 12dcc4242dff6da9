"""Jobs: folder, choices and overrides of one run of a script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

from sentiment.config.commands import make_command_tags, suggest_command, write_command
from sentiment.config.overrides import find_key, is_within, split_override
from sentiment.config.shortening import fit_settings
from sentiment.errors import ConfigError
from sentiment.redaction import learn_secrets, redact

# Groups whose choices are the parameters `model` and `features` of a run.
CHOICES = ("model", "features")
# Overrides on how and where a job runs, which its name leaves out.
_UNNAMED = ("outputs", "tracking", "memory", "trusted", "deploy", "optimize", "hydra")
_MAX_NAME_LENGTH = 80
# Settings of sweeps, which do nothing in a single run.
_OF_SWEEPS = (
    "search", "hydra.sweep", "hydra.sweeper", "hydra/sweeper", "hydra.launcher", "hydra/launcher",
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """One run of a script, or one job of a sweep.

    Attributes
    ----------
    folder : Path
        The folder for its files; if that is not empty, they go to a new folder inside it.
    choices : dict of str to str
        The config file chosen in each group, such as ``{"model": "svm"}``.
    overrides : list of str
        The typed overrides, without secrets.
    sweep : Path, optional
        The folder of the sweep that it belongs to.
    number : int, optional
        Its number in that sweep.
    parent : str, optional
        The parent of its tracked run.
    """

    folder: Path
    choices: dict[str, str] = field(default_factory=dict)
    overrides: list[str] = field(default_factory=list)
    sweep: Path | None = None
    number: int | None = None
    parent: str | None = None

    def __post_init__(self) -> None:
        learn_secrets(self.overrides)
        object.__setattr__(self, "overrides", [redact(override) for override in self.overrides])

    def describe(self) -> str:
        """Return the choices and settings that distinguish one job from another."""
        model, features = (self.choices.get(group, group) for group in CHOICES)
        settings = [
            override
            for override in self.standalone_overrides
            if not split_override(override).is_within(*_UNNAMED)
        ]
        settings = [override for override in settings if find_key(override) not in CHOICES]
        suffix = f", {fit_settings(settings, _MAX_NAME_LENGTH)}" if settings else ""
        return f"{model} on {features}{suffix}"

    @property
    def standalone_overrides(self) -> list[str]:
        """The overrides of a command that runs the job on its own."""
        overrides = [override for override in self.overrides if not is_within(override, "search")]
        if len(overrides) < len(self.overrides):
            # A search may choose the config files.
            typed_keys = set(map(find_key, overrides))
            groups = [
                group for group in CHOICES if group in self.choices and group not in typed_keys
            ]
            overrides = [*(f"{group}={self.choices[group]}" for group in groups), *overrides]
        return overrides

    def write_command(self, script: str = "train") -> str:
        """Return the command that runs the job on its own."""
        return write_command(script, self.standalone_overrides)

    def make_command_tags(self) -> dict[str, str]:
        """Return the tags with the command line of the run."""
        return make_command_tags("train", self.standalone_overrides)


def check_no_sweep(typed: Sequence[str]) -> None:
    """Refuse settings of a search or a sweep in a command line without ``-m``.

    Raises
    ------
    ConfigError
        There are such settings; shows the command of the sweep.
    """
    sweep_overrides = [override for override in typed if is_within(override, *_OF_SWEEPS)]
    if sweep_overrides:
        command = suggest_command("train", "-m", *map(redact, typed))
        kind = "search" if is_within(sweep_overrides[0], "search") else "sweep"
        key = split_override(sweep_overrides[0]).key
        raise ConfigError(
            [
                f"{redact(sweep_overrides[0])!r} is for a {kind}, which takes -m: {command}\n"
                f"Without a {kind}, leave out what begins with {key.rpartition('.')[0] or key}."
            ]
        )


def list_typed(overrides: Any) -> list[str]:
    """Return the overrides as Hydra received them, without resolving environment variables.

    Parameters
    ----------
    overrides : list of str
        ``hydra.overrides.task`` or ``hydra.overrides.hydra``.
    """
    return list(map(str, cast("list[str]", OmegaConf.to_container(overrides, resolve=False))))


def list_group_choices(choices: Mapping[Any, Any]) -> dict[str, str]:
    """Return the config file of each group that has one, without Hydra's own groups.

    Parameters
    ----------
    choices : mapping
        ``hydra.runtime.choices``.
    """
    return {str(k): str(v) for k, v in choices.items() if "/" not in str(k) and v}


def current_job() -> Job:
    """Return the running job of Hydra."""
    hydra = HydraConfig.get()
    multirun = hydra.mode == RunMode.MULTIRUN
    return Job(
        folder=Path(hydra.runtime.output_dir),
        choices=list_group_choices(hydra.runtime.choices),
        overrides=list_typed(hydra.overrides.task),
        sweep=Path(hydra.sweep.dir).resolve() if multirun else None,
        number=_read_number(hydra) if multirun else None,
    )


def _read_number(hydra: HydraConf) -> int:
    # Launchers count from the first job of a batch, but a resumed sweep may have gaps, so the sweep
    # names the folders.
    folder = str(hydra.sweep.subdir)
    return int(folder) if folder.isdecimal() else int(hydra.job.num)
