"""Composition of configs without a command line, and explanation of its errors."""

import functools
import shlex
from collections.abc import Sequence
from dataclasses import field, make_dataclass
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from hydra.types import RunMode
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sentiment.config.checking import check_config, find_wrapped_error
from sentiment.config.commands import show_commands
from sentiment.config.conf_folder import CONF
from sentiment.config.explaining import explain_error, list_choices
from sentiment.config.job import list_group_choices
from sentiment.config.overrides import find_key, is_sweep, split_override
from sentiment.config.schemas import COMMANDS
from sentiment.config.starting import check_start, trust_typed
from sentiment.config.type_hints import list_hints
from sentiment.errors import ConfigError, SentimentError


@functools.cache
def register_schemas() -> None:
    """Register the names of all settings with Hydra, as ``train_schema`` and so on.

    Types are left to `check_config`, which reports all wrong values; Hydra would stop at the first.
    """
    for name, schema in COMMANDS.items():
        fields = [(key, Any, field(default=MISSING)) for key in list_hints(schema)]
        ConfigStore.instance().store(
            name=f"{name}_schema",
            node=make_dataclass(name, fields),
            provider="sentiment",
            replace=True,
        )
    OmegaConf.register_resolver("by_labels", _choose_by_labels, replace=True)
    OmegaConf.register_resolver("in_sweep", _in_sweep, replace=True)
    OmegaConf.register_resolver("check_start", check_start, replace=True)
    OmegaConf.register_resolver("describe_config", _describe_config, replace=True)
    OmegaConf.register_resolver("list_groups", _list_groups, replace=True)
    OmegaConf.register_resolver("show_commands", show_commands, replace=True)
    OmegaConf.register_resolver("sqlite", _write_sqlite_address, replace=True)


def _choose_by_labels(single: Any, multiple: Any, *, _root_: DictConfig) -> Any:
    """Return `multiple` if rows may have several labels, and `single` if each has one."""
    return single if OmegaConf.select(_root_, "data.label_separator") is None else multiple


def _in_sweep(value: Any, otherwise: Any = None) -> Any:
    """Return `value` in a sweep, where several jobs may use it, and `otherwise` in a single run."""
    sweeping = HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
    return value if sweeping else otherwise


def _describe_config(*, _root_: DictConfig) -> str:
    from sentiment.config.help import describe_config

    return describe_config(_root_).replace("$", "$$")  # Hydra makes a template of it


def _list_groups() -> str:
    from sentiment.config.help import list_groups

    return list_groups()


def _write_sqlite_address(path: str) -> str:
    """Return the address of the sqlite database `path`; in addresses, %20 is a space."""
    return f"sqlite:///{path.replace('%', '%25').replace('?', '%3F')}"


def compose(primary: str, overrides: Sequence[str] = (), *, typed: bool = False) -> DictConfig:
    """Return the checked config of ``scripts/<primary>.py`` with these overrides.

    Parameters
    ----------
    primary : str
        Name of the primary config.
    overrides : sequence of str
        Settings, as on the command line.
    typed : bool
        True if the user of this process typed the overrides. Only then the setting ``trusted``
        counts, since overrides may also come from a run in a store.

    Raises
    ------
    ConfigError
        The config cannot be run; lists all problems.

    Examples
    --------
    >>> cfg = compose("train", ["model=svm"])
    >>> cfg.model.estimator.C
    0.3
    """
    register_schemas()
    try:
        cfg = _compose(primary, overrides)
    except (CompactHydraException, OmegaConfBaseException, ValueError) as error:
        if explain_error(error) is None:
            raise
        raise ConfigError(_list_problems(primary, overrides, typed=typed)) from error
    if typed:
        trust_typed(cfg)
    check_config(cfg)
    return cfg


def read_choices(primary: str, overrides: Sequence[str]) -> dict[str, str]:
    """Return the config file of each group with these overrides, which `compose` accepts.

    Examples
    --------
    >>> read_choices("train", ["model=svm"])["model"]
    'svm'
    """
    register_schemas()
    return list_group_choices(_compose(primary, overrides, with_hydra=True).hydra.runtime.choices)


def explain_command(
    error: BaseException, primary: str, arguments: Sequence[str]
) -> SentimentError | None:
    """Return the user's mistake behind `error`, with all other problems of the command line.

    Parameters
    ----------
    error : BaseException
        The error that ended a script.
    primary : str
        The primary config of the script.
    arguments : sequence of str
        Its command line, as passed to Hydra.
    """
    explained = explain_error(error)
    if explained is not None and "=" in arguments[1:-1]:
        index = arguments.index("=", 1)
        setting = f"{arguments[index - 1]}={arguments[index + 1]}"
        return ConfigError([f"a setting is one word, without spaces: {setting}"])
    flags = {argument for argument in arguments if argument.startswith("-")}
    is_complete = explained in (error, find_wrapped_error(error))  # it lists everything already
    if is_complete or not isinstance(explained, ConfigError) or flags - {"-m", "--multirun"}:
        return explained
    # Hydra stops at the first override that it cannot apply.
    overrides = [
        argument
        for argument in arguments
        if argument not in flags and not (flags and is_sweep(argument))
    ]
    try:
        problems = _list_problems(primary, overrides, typed=True)
    except Exception:  # the error is elsewhere, such as in Hydra's own settings
        return explained
    return ConfigError(problems) if problems else explained


def _compose(primary: str, overrides: Sequence[str], *, with_hydra: bool = False) -> DictConfig:
    """Return an unchecked config, with Hydra's own part if `with_hydra`."""
    # A script may compose another config while Hydra runs its own.
    running = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONF)):
            return hydra_compose(primary, [*overrides], return_hydra_config=with_hydra)
    finally:
        GlobalHydra.instance().hydra = running


def _list_problems(primary: str, overrides: Sequence[str], *, typed: bool) -> list[str]:
    """Return the problems of single overrides, and of the config that the valid ones compose."""
    applied: list[str] = []
    skipped_keys: list[str] = []
    problems: list[str] = []
    # Choices come first, since they determine which settings exist.
    for override in sorted(overrides, key=_rank):
        split = split_override(override)
        key = split.key
        if split.value is None and split.prefix != "~":
            key, problem = _explain_value(primary, override)
            problems.append(problem)
            skipped_keys.append(key)
            continue
        if any(key.startswith(f"{choice}.") for choice in skipped_keys):
            continue  # its group was not chosen
        try:
            _compose(primary, [*applied, override])
        except (CompactHydraException, OmegaConfBaseException, ValueError) as error:
            explained = explain_error(error, override)
            if explained is None:
                raise
            problems.append(str(explained))
            skipped_keys.append(key)
        else:
            applied.append(override)
    try:
        cfg = _compose(primary, applied)
        if typed:
            trust_typed(cfg)
        check_config(cfg, applied, problems)
    except ConfigError as error:
        missing = tuple(f"{key} has no value" for key in skipped_keys)
        problems = [message for message in error.problems if not message.startswith(missing)]
    return problems


def _explain_value(primary: str, value: str) -> tuple[str, str]:
    """Return the setting for which a value without a key is probably meant, and the problem."""
    cfg = _compose(primary, [])
    groups = (str(group) for group in cfg if value in list_choices(str(group)))
    key = next(iter(sorted(OmegaConf.missing_keys(cfg))), next(groups, ""))
    setting = f"{key}={shlex.quote(value)}" if key else "model=svm" if "model" in cfg else ""
    example = f", such as {setting}" * bool(setting)
    return key, f"{value!r} is not a setting; expected key=value{example}."


def _rank(word: str) -> int:
    key = find_key(word)
    return 0 if key == "hydra.searchpath" else 2 if "." in key else 1
