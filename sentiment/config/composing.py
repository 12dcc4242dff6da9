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

from sentiment.config.checking import check_config, find_own_error
from sentiment.config.commands import show_commands
from sentiment.config.explaining import explain_error, list_choices
from sentiment.config.job import list_chosen
from sentiment.config.kinds import list_hints
from sentiment.config.overrides import find_key, is_sweep, split_override
from sentiment.config.places import CONF
from sentiment.config.schemas import COMMANDS
from sentiment.config.starting import check_start, trust_typed
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


def _choose_by_labels(one: Any, several: Any, *, _root_: DictConfig) -> Any:
    """Return `several` if rows may have several labels, and `one` if each has one."""
    return one if OmegaConf.select(_root_, "data.label_separator") is None else several


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
    return list_chosen(_compose(primary, overrides, whole=True).hydra.runtime.choices)


def explain_command(
    error: BaseException, primary: str, words: Sequence[str]
) -> SentimentError | None:
    """Return the user's mistake behind `error`, with all other problems of the command line.

    Parameters
    ----------
    error : BaseException
        The error that ended a script.
    primary : str
        The primary config of the script.
    words : sequence of str
        Its command line, as passed to Hydra.
    """
    known = explain_error(error)
    if known is not None and "=" in words[1:-1]:
        place = words.index("=", 1)
        setting = f"{words[place - 1]}={words[place + 1]}"
        return ConfigError([f"a setting is one word, without spaces: {setting}"])
    flags = {word for word in words if word.startswith("-")}
    whole = known in (error, find_own_error(error))  # it lists everything already
    if whole or not isinstance(known, ConfigError) or flags - {"-m", "--multirun"}:
        return known
    # Hydra stops at the first word that it cannot apply.
    given = [word for word in words if word not in flags and not (flags and is_sweep(word))]
    try:
        problems = _list_problems(primary, given, typed=True)
    except Exception:  # the error is elsewhere, such as in Hydra's own settings
        return known
    return ConfigError(problems) if problems else known


def _compose(primary: str, overrides: Sequence[str], *, whole: bool = False) -> DictConfig:
    """Return an unchecked config, with Hydra's own part if `whole`."""
    # A script may compose another config while Hydra runs its own.
    running = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONF)):
            return hydra_compose(primary, [*overrides], return_hydra_config=whole)
    finally:
        GlobalHydra.instance().hydra = running


def _list_problems(primary: str, overrides: Sequence[str], *, typed: bool) -> list[str]:
    """Return the problems of single overrides, and of the config that the others make."""
    applied: list[str] = []
    left_out: list[str] = []
    problems: list[str] = []
    # Choices come first, since they determine which settings exist.
    for word in sorted(overrides, key=_rank):
        parts = split_override(word)
        key = parts.key
        if parts.value is None and parts.prefix != "~":
            key, problem = _explain_value(primary, word)
            problems.append(problem)
            left_out.append(key)
            continue
        if any(key.startswith(f"{choice}.") for choice in left_out):
            continue  # its group was not chosen
        try:
            _compose(primary, [*applied, word])
        except (CompactHydraException, OmegaConfBaseException, ValueError) as error:
            known = explain_error(error, word)
            if known is None:
                raise
            problems.append(str(known))
            left_out.append(key)
        else:
            applied.append(word)
    try:
        cfg = _compose(primary, applied)
        if typed:
            trust_typed(cfg)
        check_config(cfg, applied, problems)
    except ConfigError as error:
        missing = tuple(f"{key} has no value" for key in left_out)
        problems = [one for one in error.problems if not one.startswith(missing)]
    return problems


def _explain_value(primary: str, word: str) -> tuple[str, str]:
    """Return the setting that a value without a key is probably meant for, and the problem."""
    cfg = _compose(primary, [])
    groups = (str(group) for group in cfg if word in list_choices(str(group)))
    key = next(iter(sorted(OmegaConf.missing_keys(cfg))), next(groups, ""))
    known = f"{key}={shlex.quote(word)}" if key else "model=svm" if "model" in cfg else ""
    example = f", such as {known}" * bool(known)
    return key, f"{word!r} is not a setting; expected key=value{example}."


def _rank(word: str) -> int:
    key = find_key(word)
    return 0 if key == "hydra.searchpath" else 2 if "." in key else 1
