"""Translation of errors of Hydra and OmegaConf into messages of this project."""

import re
import shlex
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

import yaml
from hydra._internal.utils import get_args_parser
from hydra.errors import (
    CompactHydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from sentiment.config.checking import find_wrapped_error
from sentiment.config.overrides import find_key, split_override
from sentiment.config.project import find_user_code_error, list_conf
from sentiment.config.targets import describe_allowed, is_allowed, list_parameters
from sentiment.errors import ConfigError, SentimentError, read_reason, suggest
from sentiment.redaction import redact

_REFUSED = re.compile(r"Target '([^']+)' ")
_NOT_FOUND = re.compile(r"Error locating target '([^']+)'")
# Texts of Hydra's errors.
_EVALUATED = re.compile(r"Error while evaluating ('.*': .*)")
_SWEEP = re.compile(r"(?:Sweep parameters|Ambiguous value for argument) ('.*?')(?: requires|\n|$)")
_ALREADY = re.compile(r"An item is already at '(.*?)'.*?\n.*?prefix: '(.*?)'\n", re.DOTALL)
_ABSENT = re.compile(r"Could not delete from config\. '(.*?)' does not exist")
# Hydra's options, which may be abbreviated.
_OPTIONS = {
    "cfg", "config-dir", "config-name", "config-path", "experimental-rerun", "help", "hydra-help",
    "info", "multirun", "package", "resolve", "run", "shell-completion", "version",
}  # fmt: skip
# Options that exclude one another.
_ACTIONS = ("run", "multirun", "cfg", "info", "shell_completion")
_NO_GROUP = re.compile(r"Could not override '([\w/@]+)'\.\s+No match in the defaults list")
_OVERRIDE = re.compile(r"Could not override '([^']+)'")
# Hydra's module that composes a config.
_COMPOSING = "hydra/_internal/config_loader_impl.py"
_NO_PLUGIN = re.compile(r"Unknown plugin class : '([^']+)'")


def explain_error(error: BaseException, override: str = "") -> SentimentError | None:
    """Return the user's mistake behind `error`, or None if it is not one.

    Parameters
    ----------
    error : BaseException
        An error of this project, of Hydra or of OmegaConf.
    override : str
        The override that Hydra refused, if it is known.
    """
    if isinstance(error, SentimentError):
        return error
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return _explain_choice(error.missing_cfg_file, list(error.options or []))
    if isinstance(error, OverrideParseException):
        return _explain_syntax(error)
    if isinstance(error, ValueError) and "Config group override" in str(error):
        return _explain_group(override)
    explained = _explain_file(error) or _explain_refusal(error)
    if explained is not None:
        return explained
    if isinstance(error, CompactHydraException | OmegaConfBaseException):
        return find_wrapped_error(error) or _explain_composition(error)
    return find_user_code_error(error) or _explain_construction(error)


def _explain_file(error: BaseException) -> ConfigError | None:
    """Return the error for a config file that cannot be read, or that refers to itself."""
    if isinstance(error, yaml.MarkedYAMLError) and (
        mark := error.problem_mark or error.context_mark
    ):
        problem = str(error.problem).partition(". See ")[0].rstrip(".")
        return ConfigError([f"'{mark.name}' is not valid YAML: line {mark.line + 1}: {problem}."])
    if isinstance(error, yaml.reader.ReaderError):
        return ConfigError([f"'{error.name}' is not valid YAML: {error.reason}."])
    if isinstance(error, UnicodeDecodeError):
        files = (path for folder in list_conf() for path in sorted(folder.rglob("*.yaml")))
        for path in files:
            if path.is_file() and path.read_bytes().startswith(error.object):
                return ConfigError([f"'{path}' is not UTF-8. Save it in that encoding."])
    if isinstance(error, RecursionError) and any(
        frame.filename.endswith(_COMPOSING) for frame in traceback.extract_tb(error.__traceback__)
    ):
        return ConfigError(
            [
                "a config file refers to itself, or is nested too deep. Check its defaults and the "
                "aliases (*name) of its YAML."
            ]
        )
    return None


def _explain_refusal(error: BaseException) -> ConfigError | None:
    """Return the error for a class or function of a config that Hydra refuses or cannot find.

    Hydra raises it from callbacks, logging, launchers and sweepers, also as the cause of another
    error.
    """
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        text = str(cause)
        if isinstance(cause, InstantiationException) and (target := _REFUSED.match(text)):
            key = re.search(r"^\s*full_key: (\S+)", text, re.MULTILINE)
            return _describe_refusal(key[1] if key else "the config", target[1])
        if isinstance(cause, InstantiationException) and (target := _NOT_FOUND.match(text)):
            key = re.search(r"^\s*full_key: (\S+)", text, re.MULTILINE)
            return ConfigError(
                [
                    f"{key[1] if key else 'the config'} names {target[1]!r}, which cannot be "
                    "imported. Check its name, and that its package is installed or in the working "
                    "folder."
                ]
            )
        if isinstance(cause, RuntimeError) and (target := _NO_PLUGIN.match(text)):
            return _describe_refusal("hydra", target[1])
        cause = cause.__cause__ or cause.__context__
    return None


def _explain_construction(error: BaseException) -> ConfigError | None:
    """Return the error for a callback, or another object of Hydra's, that cannot be constructed."""
    match = re.search(r"full_key: (hydra\.\S+)", "\n".join(getattr(error, "__notes__", ())))
    if match is None and not isinstance(error, InstantiationException):
        return None
    # Without a key it is a callback: only these may be something other than a named object.
    key = match[1] if match else "hydra.callbacks"
    return ConfigError([f"{key}: {read_reason(error).rstrip('.')}."])


def _describe_refusal(key: str, target: str) -> ConfigError:
    return ConfigError(
        [
            f"{key} names {target!r}, which a config cannot call. {describe_allowed(target)} "
            "Hydra's own settings may name its plugins and log handlers, too."
        ]
    )


def describe_error(error: BaseException) -> str:
    """Return the message for a user's mistake; for another `error`, its class and message."""
    mistake = explain_error(error)
    return str(mistake) if mistake is not None else redact(f"{type(error).__name__}: {error}")


def _explain_choice(choice: str, options: list[str]) -> ConfigError:
    group, _, name = choice.rpartition("/")
    if not group:
        return ConfigError(
            [f"there is no config {name!r}. Each script has its own: leave out -cn."]
        )
    options = options or list_choices(group)
    return ConfigError(
        [
            f"{group}={name}: there is no such {group}.{suggest(name, options)} "
            f"Expected one of {', '.join(options)}."
        ]
    )


def check_options(arguments: Sequence[str]) -> None:
    """Raise if Hydra would refuse options, or a setting is written like one.

    The messages of argparse are too long.

    Raises
    ------
    ConfigError
        Shows how to write a setting.
    """
    for index, argument in enumerate(arguments):
        split = split_override(argument.removeprefix("--"))
        name, value = split.key, split.value
        if not argument.startswith("--") or any(option.startswith(name) for option in _OPTIONS):
            continue
        following = arguments[index + 1] if index + 1 < len(arguments) else ""
        if not value and "=" not in following:
            value = following
        example = f"{name}={shlex.quote(value)}" if value else f"{name}=<value>"
        raise ConfigError(
            [f"there is no option --{name}; settings are written without dashes: {example}."]
        )
    parser = get_args_parser()
    parser.error = _refuse_options  # type: ignore[method-assign]
    options = vars(parser.parse_intermixed_args(arguments))
    if sum(bool(options[name]) for name in _ACTIONS) > 1:
        _refuse_options(f"only one of {', '.join(_ACTIONS)} can be given")


def _refuse_options(message: str) -> NoReturn:
    raise ConfigError([f"{message}. Expected key=value, or an option that --hydra-help lists."])


def list_choices(group: str) -> list[str]:
    """Return the config files of a group, which Hydra's error for a list of names lacks."""
    files = (path for folder in list_conf() for path in (folder / group).glob("*.yaml"))
    return sorted({path.stem for path in files})


def _explain_group(override: str) -> ConfigError:
    """Return the error for a group whose value is not a name."""
    group = find_key(override)
    if not group:
        return ConfigError(
            [f"{override!r} does not name a file of a group; expected a name, such as model=svm."]
        )
    options = ", ".join(list_choices(group))
    return ConfigError([f"{override}: expected the name of a file, one of {options}."])


def _explain_syntax(error: OverrideParseException) -> ConfigError:
    if "=" not in error.override:
        return ConfigError(
            [f"{error.override!r} is not a setting; expected key=value, such as model=svm."]
        )
    # Without the address of a manual, the override itself and the line that points into it.
    lines = [line.strip() for line in error.message.splitlines() if "://" not in line]
    reason = [line for line in lines if line.strip("^ ") and line != error.override][-1]
    if evaluated := _EVALUATED.search(error.message):
        return ConfigError([f"{error.override}: {evaluated[1].rstrip('.')}."])
    return ConfigError(
        [
            f"{error.override!r} cannot be read: {reason}. "
            "Quote a value that has special signs in it: \"key='value'\"."
        ]
    )


def _explain_composition(error: Exception) -> ConfigError:
    cause, text = error.__cause__, str(error)
    if isinstance(cause, ConfigKeyError | ConfigAttributeError):
        return _explain_key(cause, typed[1] if (typed := _OVERRIDE.search(text)) else "")
    if sweep := _SWEEP.search(text):
        return ConfigError(
            [
                f"{sweep[1]} has several values, which a grid or a search takes: add -m. A list is "
                "typed as [a,b], and a text with a comma in quotes, \"key='a,b'\"."
            ]
        )
    if existing := _ALREADY.search(text):
        return ConfigError(
            [f"{existing[1]} has a value already; change it without a plus: {existing[2]}"]
        )
    if missing := _ABSENT.search(text):
        return ConfigError([f"there is no setting {missing[1]!r} to delete."])
    if group := _NO_GROUP.search(text):
        trained = "predict and explain take a trained model by deploy.run=<run id>. "
        return ConfigError(
            [
                f"{group[1]}=<name> chooses a part of another command than this one. "
                f"{trained * (group[1] == 'model')}A flow takes what is for train as one text: "
                f"train='{group[1]}=<name>'."
            ]
        )
    first = text.splitlines()[0]
    if isinstance(cause, OmegaConfBaseException):
        override = first.removeprefix("Error merging override ").strip()
        reason = read_reason(cause)
        return ConfigError([f"{override}: {reason}. Expected another kind of value."])
    return ConfigError([re.sub(r"\s*\n\s*", " ", text).strip()])


def _explain_key(cause: OmegaConfBaseException, typed: str) -> ConfigError:
    """Return the error for a missing key of the override `typed`, with the existing keys."""
    path, name = str(cause.full_key), str(cause.key)
    parent = cause.parent_node
    if not isinstance(parent, DictConfig) or parent._is_none():
        return ConfigError([f"there is no setting {path!r}."])
    keys = [str(key) for key in parent if not str(key).startswith("_") and key != "hydra"]
    target = str(parent.get("_target_", ""))
    if is_allowed(target) and name in (list_parameters(target) or []):
        return ConfigError(
            [
                f"{path} is a parameter of {target.rpartition('.')[2]} that its config file does "
                f"not set; add it with a plus: +{path}=<value>."
            ]
        )
    prefix = path.removesuffix(name)
    if not prefix and "features" in keys:
        keys.append("experiment")  # a group of files that is not a setting itself
    suggestion = suggest(name, keys).replace("'", f"'{prefix}", 1)
    if same_name := _find_settings(parent._get_root(), (typed or path).rpartition(".")[2]):
        suggestion = f" Did you mean {' or '.join(map(repr, same_name))}?"
    return ConfigError([f"there is no setting {path!r}.{suggestion} Known: {', '.join(keys)}."])


def _find_settings(node: Any, name: str, prefix: str = "") -> list[str]:
    """Return the dotted keys of all settings below `node` that are called `name`."""
    if not isinstance(node, DictConfig) or node._is_none():
        return []
    keys = []
    for key in [str(key) for key in node if key != "hydra"]:
        keys += [f"{prefix}{key}"] * (key == name)
        keys += _find_settings(node._get_node(key), name, f"{prefix}{key}.")
    return keys
