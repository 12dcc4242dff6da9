"""Construction of objects from a checked config."""

from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from sentiment.config.arguments import prepare_arguments
from sentiment.config.project import find_own_failure
from sentiment.config.targets import list_allowed
from sentiment.errors import ConfigError


def make(cfg: DictConfig, key: str, *methods: str) -> Any:
    """Return the object that the group `key` of `cfg` describes.

    Parameters
    ----------
    cfg : DictConfig
        Checked by `check_config`.
    key : str
        A group, such as ``"model"``.
    *methods : str
        Methods that the object must have.

    Raises
    ------
    ConfigError
        A parameter has a value that its class does not take, or the object lacks a method.
    """
    described = prepare_arguments(OmegaConf.to_container(cfg[key], resolve=True))
    if not isinstance(described, dict) or "_target_" not in described:
        raise ConfigError(
            [f"{key} is {described!r}, which describes no object; choose one with {key}=<name>."]
        )
    try:
        made = instantiate(described | {"_convert_": "all"}, _execution_whitelist_=list_allowed())
        _check_parameters(made)
    except ConfigError:
        raise
    except (TypeError, ValueError) as error:
        reason = f"{key}: {' '.join(str(error).split())}"
        raise find_own_failure(error) or ConfigError([reason]) from error
    absent = [method for method in methods if not hasattr(made, method)]
    if absent:
        raise ConfigError(
            [
                f"{key} is a {type(made).__name__}, which has no {absent[0]}. "
                f"Choose another with {key}=<name>."
            ]
        )
    return made


def _check_parameters(made: Any) -> None:
    """Let scikit-learn check the parameters of an estimator and of those inside it."""
    try:
        inner = made.get_params(deep=True).values() if hasattr(made, "get_params") else []
        _complete_stacks(made)
    except (AttributeError, RuntimeError) as error:  # a class that breaks scikit-learn's rules
        raise TypeError(
            f"{type(made).__name__} is not an estimator of scikit-learn, whose __init__ names all "
            f"parameters and sets an attribute of the same name for each: {error}"
        ) from error
    for estimator in (made, *inner):
        if hasattr(estimator, "_parameter_constraints") and not isinstance(estimator, type):
            estimator._validate_params()


def _complete_stacks(model: Any) -> None:
    """Set scikit-learn's default where a stack in `model` names no final estimator.

    Without it, a stack has neither predict nor predict_proba before the fit.
    """
    parts = [model, *model.get_params().values()] if hasattr(model, "get_params") else []
    for part in parts:
        kind = type(part)
        is_stack = kind.__module__.startswith("sklearn.") and kind.__name__ == "StackingClassifier"
        if is_stack and part.final_estimator is None:
            from sklearn.linear_model import LogisticRegression

            part.final_estimator = LogisticRegression()
