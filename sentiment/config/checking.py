"""Checks of a whole config before any work is done."""

from collections.abc import Iterator

from omegaconf import DictConfig, OmegaConf

from sentiment.config.recording import learn_config
from sentiment.config.targets import is_allowed, list_parameters
from sentiment.errors import ConfigError, suggest

_HYDRA_KEYS = {"_target_", "_args_", "_convert_", "_partial_", "_recursive_", "_isolate_"}


def check_config(cfg: DictConfig) -> None:
    """Check all of `cfg`, which was composed over one of the schemas.

    Raises
    ------
    ConfigError
        Names every unknown key, missing value, unknown constructor parameter and target that is
        not allowed.
    """
    learn_config(cfg)
    known = list(OmegaConf.structured(OmegaConf.get_type(cfg)))
    missing = sorted(OmegaConf.missing_keys(cfg))
    problems = [
        f"there is no setting {key!r}.{suggest(str(key), known)} Known: {', '.join(known)}."
        for key in cfg
        if key not in known
    ]
    problems += [f"{key} has no value; give it: {key}=<value>." for key in missing]
    for key in known:
        if key not in missing and isinstance(cfg[key], DictConfig):
            problems += _check_node(cfg[key], key)
    if problems:
        raise ConfigError(problems)
    if "outputs" in known:
        check_folder(cfg.outputs)


def check_folder(outputs: str) -> str:
    """Return `outputs` if it can be the name of a folder; an empty one would mean the root.

    Raises
    ------
    ConfigError
        It is empty.
    """
    if not outputs.strip():
        raise ConfigError(["outputs is empty; expected a folder, such as outputs=outputs."])
    return outputs


def _check_node(node: DictConfig, path: str) -> Iterator[str]:
    """Yield the problems of the object that `node` describes, and of those inside it."""
    if "_target_" in node:
        yield from _check_target(node, path)
    for key in node:
        if not OmegaConf.is_missing(node, key) and isinstance(node[key], DictConfig):
            yield from _check_node(node[key], f"{path}.{key!s}")


def _check_target(node: DictConfig, path: str) -> Iterator[str]:
    name = str(node["_target_"])
    if not is_allowed(name):
        yield (
            f"{path}._target_ is {name!r}, which is not allowed. Only this project's and "
            "scikit-learn's own estimators can be named in a config."
        )
        return
    try:
        parameters = list_parameters(name)
    except (ImportError, AttributeError):
        yield f"{path}._target_ is {name!r}, but there is no such class or function."
        return
    if parameters is None:
        return
    for key in node:
        if key not in parameters and key not in _HYDRA_KEYS:
            yield (
                f"{path}.{key!s} is not a parameter of {name.rpartition('.')[2]}."
                f"{suggest(str(key), parameters)} Known: {', '.join(parameters)}."
            )
