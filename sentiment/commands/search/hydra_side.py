"""Hydra's part in a sweep: the typed command, the launcher and the configs of jobs."""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.types import HydraContext
from omegaconf import DictConfig, open_dict

from sentiment.commands.search.workers import NextJob
from sentiment.config import check_config, explain_error, list_typed, quote, write_command
from sentiment.errors import ConfigError
from sentiment.redaction import redact

# Jobs that are handed at a time to launchers that put them into a queue: enough that none waits
# long for the slowest, and few enough that a search still learns.
_QUEUED = 16


@dataclass(frozen=True)
class HydraSide:
    """A sweep as Hydra sees it.

    Attributes
    ----------
    config : DictConfig
        The composed config, Hydra's own part included.
    context : HydraContext
        Of the running app.
    launcher : hydra Launcher
        Runs jobs.
    """

    config: DictConfig
    context: HydraContext
    launcher: Any

    @property
    def task(self) -> DictConfig:
        """The config without Hydra's own part."""
        return _without_hydra(self.config)

    @property
    def settings(self) -> Any:
        """Settings of the group ``search``."""
        return self.config.search

    def compose(self, overrides: Sequence[str]) -> tuple[DictConfig, dict[str, str]]:
        """Return the config of a job and the config files chosen in it."""
        cfg = self.context.config_loader.load_sweep_config(self.config, list(overrides))
        choices = cfg.hydra.runtime.choices
        chosen = {k: str(v) for k, v in choices.items() if "/" not in k and v}
        return _without_hydra(cfg), chosen

    def check_jobs(self, jobs: Iterable[Sequence[str]]) -> None:
        """Check the configs of jobs before any is run.

        A job is skipped if each of its words was checked beside the same choices of files: of a
        grid, that leaves as many as there are values.

        Parameters
        ----------
        jobs : iterable of sequence of str
            The overrides of each job.

        Raises
        ------
        ConfigError
            Names everything that is wrong with some job.
        """
        groups = set(map(str, self.config.hydra.runtime.choices))
        problems: dict[str, None] = {}
        seen: set[tuple[frozenset[str], str]] = set()
        for words in jobs:
            chosen = frozenset(word for word in words if word.partition("=")[0] in groups)
            pairs = {(chosen, word) for word in ("", *words)}
            if pairs <= seen:
                continue
            seen |= pairs
            try:
                check_config(self.compose(words)[0])
            except Exception as error:  # Hydra and OmegaConf have many
                known = explain_error(error)
                if known is None:
                    raise
                found = known.problems if isinstance(known, ConfigError) else [str(known)]
                problems |= dict.fromkeys(found)
        if problems:
            raise ConfigError([*problems])

    def check_folder(self) -> None:
        """Refuse a folder that only Hydra's own sweepers would use.

        Raises
        ------
        ConfigError
            Says which setting chooses the folder.
        """
        for word in list_typed(self.config.hydra.overrides.hydra):
            if word.lstrip("+~").startswith("hydra.sweep."):
                raise ConfigError(
                    [
                        f"{word!r} is not used: a sweep that can be resumed has a folder by its "
                        "name, <outputs>/sweep/<name> or <outputs>/search/<name>. Choose where "
                        "with outputs=<folder>."
                    ]
                )

    def list_typed(self) -> list[str]:
        """Return the words that were typed, redacted, without a request to start anew."""
        typed = self.config.hydra.overrides
        words = [*list_typed(typed.task), *list_typed(typed.hydra)]
        hidden = ("search.fresh=", "hydra.mode=")
        return [redact(word) for word in words if not word.startswith(hidden)]

    def describe_command(self) -> str:
        """Return the command that resumes the sweep."""
        return write_command("train", ["-m", *self.list_typed()])

    @property
    def is_parallel(self) -> bool:
        """True if jobs run side by side."""
        return self._gives_one_by_one or self._batch > 1

    @property
    def _gives_one_by_one(self) -> bool:
        return self.settings.batch is None and hasattr(self.launcher, "launch_each")

    @property
    def _batch(self) -> int:
        if self.settings.batch is not None:
            return int(self.settings.batch)
        serial = str(self.config.hydra.launcher._target_).endswith(".BasicLauncher")
        return 1 if serial else _QUEUED

    def launch(self, next_job: NextJob) -> None:
        """Run the jobs that `next_job` gives, until it gives none."""
        if self._gives_one_by_one:
            self.launcher.launch_each(next_job)
            return
        # submitit pickles the config of each job, whose passwords nobody else may read.
        if pickles := self.config.hydra.launcher.get("submitit_folder"):
            Path(str(pickles).partition("%")[0]).mkdir(mode=0o700, parents=True, exist_ok=True)
        while jobs := list(islice(iter(next_job, None), self._batch)):
            self.launcher.launch([overrides for _, overrides in jobs], jobs[0][0])


def _without_hydra(config: DictConfig) -> DictConfig:
    task = copy.deepcopy(config)
    with open_dict(task):
        del task["hydra"]
    return task


def write_override(key: str, value: Any) -> str:
    """Return the override that gives `key` the `value`, quoted if Hydra reads something else."""
    written = f"{key}={value}"
    if not isinstance(value, str):
        return written
    try:
        read = OverridesParser.create().parse_override(written)
    except HydraException:
        return f"{key}={quote(value)}"
    return f"{key}={quote(value)}" if read.is_sweep_override() else written
