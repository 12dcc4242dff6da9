"""Hydra's errors in the words of this project."""

import re

from hydra.errors import (
    CompactHydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from sentiment.config.targets import is_allowed, list_parameters
from sentiment.errors import ConfigError, SentimentError, suggest
from sentiment.redaction import redact

_REFUSED = re.compile(r"Target '([^']+)' ")
_NO_PLUGIN = re.compile(r"Unknown plugin class : '([^']+)'")


def explain_error(error: BaseException) -> SentimentError | None:
    """Return the error that a person can mend behind `error`, or None if there is none."""
    if isinstance(error, SentimentError):
        return error
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return _explain_choice(error.missing_cfg_file, list(error.options or []))
    if isinstance(error, OverrideParseException):
        return _explain_syntax(error)
    if isinstance(error, ValueError) and "Config group override" in str(error):
        return ConfigError(["a group was set to no name; choose one, such as model=svm."])
    refused = _explain_refusal(error)
    if refused is not None:
        return refused
    if isinstance(error, CompactHydraException | OmegaConfBaseException):
        return _find_resolver_error(error) or _explain_composition(error)
    return None


def _explain_refusal(error: BaseException) -> ConfigError | None:
    """Return the error for a class or function that Hydra refuses to call because a config says so.

    Hydra raises it from callbacks, logging, launchers and sweepers alike, maybe as the cause of
    another error.
    """
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        seen.append(cause)
        text = str(cause)
        if isinstance(cause, InstantiationException) and (target := _REFUSED.match(text)):
            place = re.search(r"^\s*full_key: (\S+)", text, re.MULTILINE)
            return _describe_refusal(place[1] if place else "the config", target[1])
        if isinstance(cause, RuntimeError) and (target := _NO_PLUGIN.match(text)):
            return _describe_refusal("hydra", target[1])
        cause = cause.__cause__ or cause.__context__
    return None


def _describe_refusal(where: str, target: str) -> ConfigError:
    return ConfigError(
        [
            f"{where} names {target!r}, which a config cannot call. Expected a class of this "
            "project or of scikit-learn, or a plugin or log handler of Hydra's."
        ]
    )


def _find_resolver_error(error: BaseException) -> SentimentError | None:
    """Return the error of a resolver of this project, which OmegaConf wraps in its own."""
    cause = error.__context__
    while cause is not None and not isinstance(cause, SentimentError):
        cause = cause.__context__
    return cause


def describe_error(error: BaseException) -> str:
    """Return the message of `error` for a user, or else its class and its message."""
    mistake = explain_error(error)
    return str(mistake) if mistake is not None else redact(f"{type(error).__name__}: {error}")


def _explain_choice(wanted: str, options: list[str]) -> ConfigError:
    group, _, name = wanted.rpartition("/")
    return ConfigError(
        [
            f"{group}={name}: there is no such {group}.{suggest(name, options)} "
            f"Expected one of {', '.join(options)}."
        ]
    )


def _explain_syntax(error: OverrideParseException) -> ConfigError:
    if "=" not in error.override:
        return ConfigError(
            [f"{error.override!r} is no setting; expected key=value, such as model=svm."]
        )
    reasons = [line for line in error.message.splitlines() if "://" not in line]
    return ConfigError(
        [
            f"{error.override!r} cannot be read: {reasons[-1].strip()}. "
            "Quote a value that has special signs in it: \"key='value'\"."
        ]
    )


def _explain_composition(error: Exception) -> ConfigError:
    cause = error.__cause__
    if isinstance(cause, ConfigKeyError | ConfigAttributeError):
        return _explain_key(cause)
    first = str(error).splitlines()[0]
    if isinstance(cause, OmegaConfBaseException):
        override = first.removeprefix("Error merging override ").strip()
        reason = str(cause).splitlines()[0]
        return ConfigError([f"{override}: {reason}. Expected another kind of value."])
    return ConfigError([re.sub(r"\s*\n\s*", " ", str(error)).strip()])


def _explain_key(cause: OmegaConfBaseException) -> ConfigError:
    """Say what stands beside a key that is not there."""
    path, name = str(cause.full_key), str(cause.key)
    parent = cause.parent_node
    if not isinstance(parent, DictConfig):
        return ConfigError([f"there is no setting {path!r}."])
    known = [str(key) for key in parent if not str(key).startswith("_") and key != "hydra"]
    target = str(parent.get("_target_", ""))
    if is_allowed(target) and name in (list_parameters(target) or []):
        return ConfigError(
            [
                f"{path} is a parameter of {target.rpartition('.')[2]} that its config file does "
                f"not set; add it with a plus: +{path}=<value>."
            ]
        )
    return ConfigError(
        [f"there is no setting {path!r}.{suggest(name, known)} Known: {', '.join(known)}."]
    )
