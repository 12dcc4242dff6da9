"""Check of a config before Hydra makes the folder of a run, and removal of unused folders."""

import contextlib
import copy
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from sentiment.config.checking import check_config
from sentiment.config.job import check_no_sweep, list_typed
from sentiment.config.project import trust
from sentiment.config.schemas import Folder, Trusted
from sentiment.config.type_hints import WRONG, convert
from sentiment.errors import ConfigError

# Folders that did not exist when this process began, the innermost first.
_new_folders: list[Path] = []


class StartCheck(Callback):
    """A callback of Hydra whose only purpose is its argument, the result of `check_start`.

    Hydra constructs callbacks before it makes the folder of the run. It would only log errors of
    their methods.
    """

    def __init__(self, checked: bool) -> None:
        self.checked = checked


def check_start(*, _root_: DictConfig) -> bool:
    """Check the config of a command line; the resolver ``check_start``.

    The configs of the jobs of a sweep are checked by the sweep.

    Raises
    ------
    ConfigError
        The config cannot be run; lists all problems.
    """
    if _root_.hydra.job.chdir:
        raise ConfigError(
            [
                "hydra.job.chdir is true, so that outputs and every other relative path would "
                "count from the folder of the run, where no other command finds its store. Leave "
                "it out; what a run writes goes to its folder all the same."
            ]
        )
    trust_typed(_root_)
    is_sweep = _root_.hydra.mode == RunMode.MULTIRUN
    if not is_sweep or convert(Folder, _root_.get("outputs")) is WRONG:
        typed = list_typed(_root_.hydra.overrides.task)
        check_config(drop_hydra(_root_), typed)
        check_no_sweep([*typed, *list_typed(_root_.hydra.overrides.hydra)])
    if not is_sweep:
        HydraConfig.instance().set_config(_root_)  # the name of the folder may refer to it
        folder = Path(str(OmegaConf.select(_root_, "hydra.run.dir"))).absolute()
        _new_folders[:] = [path for path in (folder, *folder.parents) if not path.exists()]
    return True


def drop_hydra(config: DictConfig) -> DictConfig:
    """Return a copy of `config` without Hydra's own part."""
    task = copy.deepcopy(config)
    with read_write(task), open_dict(task):
        del task["hydra"]
    return task


def trust_typed(cfg: DictConfig) -> None:
    """Trust the classes under ``trusted`` in `cfg`, which the user typed.

    An invalid value is left for `check_config` to report.
    """
    with contextlib.suppress(OmegaConfBaseException):
        trusted = OmegaConf.select(cfg, "trusted")
        if OmegaConf.is_list(trusted):
            trusted = convert(Trusted, OmegaConf.to_container(trusted, resolve=True))
            trust([] if trusted is WRONG else trusted)


def remove_unused() -> None:
    """Remove the empty folders that Hydra made for this run."""
    for folder in _new_folders:
        try:
            folder.rmdir()
        except OSError:
            return
