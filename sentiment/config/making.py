"""Construction of objects from a checked config."""

from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from sentiment.config.arguments import prepare_arguments
from sentiment.config.project import find_user_code_error
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
    description = prepare_arguments(OmegaConf.to_container(cfg[key], resolve=True))
    if not isinstance(description, dict) or "_target_" not in description:
        raise ConfigError(
            [f"{key} is {description!r}, which describes no object; choose one with {key}=<name>."]
        )
    try:
        instance = instantiate(
            description | {"_convert_": "all"}, _execution_whitelist_=list_allowed()
        )
        _check_parameters(instance)
    except ConfigError:
        raise
    except (TypeError, ValueError) as error:
        reason = f"{key}: {' '.join(str(error).split())}"
        raise find_user_code_error(error) or ConfigError([reason]) from error
    missing = [method for method in methods if not hasattr(instance, method)]
    if missing:
        raise ConfigError(
            [
                f"{key} is a {type(instance).__name__}, which has no {missing[0]}. "
                f"Choose another with {key}=<name>."
            ]
        )
    return instance


def _check_parameters(instance: Any) -> None:
    """Let scikit-learn check the parameters of an estimator and of those inside it."""
    try:
        inner = instance.get_params(deep=True).values() if hasattr(instance, "get_params") else []
        _complete_stacks(instance)
    except (AttributeError, RuntimeError) as error:  # a class that breaks scikit-learn's rules
        raise TypeError(
            f"{type(instance).__name__} is not an estimator of scikit-learn, whose __init__ names "
            f"all parameters and sets an attribute of the same name for each: {error}"
        ) from error
    for estimator in (instance, *inner):
        if hasattr(estimator, "_parameter_constraints") and not isinstance(estimator, type):
            estimator._validate_params()


def _complete_stacks(model: Any) -> None:
    """Set scikit-learn's default where a stack in `model` names no final estimator.

    Without it, a stack has neither predict nor predict_proba before the fit.
    """
    estimators = [model, *model.get_params().values()] if hasattr(model, "get_params") else []
    for estimator in estimators:
        kind = type(estimator)
        is_stack = kind.__module__.startswith("sklearn.") and kind.__name__ == "StackingClassifier"
        if is_stack and estimator.final_estimator is None:
            from sklearn.linear_model import LogisticRegression

            estimator.final_estimator = LogisticRegression()
