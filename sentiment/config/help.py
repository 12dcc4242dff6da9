"""Text of ``--help``: the choices of a command, and its settings with their comments."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from sentiment.config.conf_folder import CONF
from sentiment.config.descriptions import find_meaning, read_settings
from sentiment.config.project import list_conf

# Folders under conf/ with files for other files to include.
_INTERNAL = {"common", "hydra"}
# The line with which PyYAML ends a document that is a single value.
_END = "...\n"
# Column of the comments, unless a value is longer.
_COLUMN = 44


def list_groups() -> str:
    """Return a line of choices for each group, of this package and of ``--config-dir``."""
    loader = GlobalHydra.instance().config_loader()
    groups = sorted(set(loader.list_groups("")) - _INTERNAL)
    return "\n".join(f"{group}: {', '.join(loader.get_group_options(group))}" for group in groups)


def describe_config(cfg: DictConfig) -> str:
    """Return the settings of a composed config, with the comments of its files.

    Settings without a default come first, and groups last.

    Parameters
    ----------
    cfg : DictConfig
        With Hydra's own settings, which hold the choices and are not shown.
    """
    choices = cfg.hydra.runtime.choices
    comments = _read_comments(CONF / f"{cfg.hydra.job.config_name}.yaml")
    for group in (str(key) for key in cfg if key in choices):
        files = (folder / group / f"{choices[group]}.yaml" for folder in list_conf())
        of_group = _read_comments(next((file for file in files if file.is_file()), None))
        for key, comment in of_group.items():
            # In a file of the package _global_, keys are complete.
            comments[key if key.startswith(f"{group}.") else f"{group}.{key}"] = comment
    settings: Any = OmegaConf.to_container(cfg, resolve=False)
    settings.pop("hydra", None)
    # Required settings first, and groups last.
    ordered = sorted(settings.items(), key=lambda item: (item[0] in choices, item[1] != "???"))
    return "\n".join(_write_settings(dict(ordered), comments, ""))


def _read_comments(path: Path | None) -> dict[str, str]:
    if path is None:  # of hydra.searchpath
        return {}
    return {setting.key: find_meaning(setting, path) for setting in read_settings(path)}


def _write_settings(settings: dict[Any, Any], comments: dict[str, str], path: str) -> Iterator[str]:
    indent = "  " * path.count(".")
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            yield f"{indent}{key}:"
            yield from _write_settings(value, comments, f"{path}{key}.")
            continue
        value_text = yaml.safe_dump(value, default_flow_style=True, width=float("inf"))
        line = f"{indent}{key}: {value_text.removesuffix(_END).strip()}"
        comment = comments.get(f"{path}{key}", "")
        yield f"{line:<{_COLUMN}}  # {comment}" if comment else line
