"""Objects made from a checked config."""

from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from sentiment.config.targets import ALLOWED_TARGETS, PAIRS
from sentiment.errors import ConfigError

# What has margins only, and may be in a model file (`sentiment.modeling.model_files.trusted`).
CALIBRATED = ("LinearSVC", "Perceptron", "SGDClassifier")
_REMEDIES = {
    "predict_proba": (
        "Probabilities are needed: choose a model or a loss that has them, or do as "
        "conf/model/svm.yaml does, where CalibratedClassifierCV makes them of margins. It can be "
        f"saved with {' and '.join([', '.join(CALIBRATED[:-1]), CALIBRATED[-1]])} in it."
    )
}


def make(cfg: DictConfig, key: str, *methods: str) -> Any:
    """Return the object that the group `key` of `cfg` describes.

    Parameters
    ----------
    cfg : DictConfig
        Checked by `check_config`.
    key : str
        A group, such as ``"model"``.
    *methods : str
        What the object must be able to do.

    Raises
    ------
    ConfigError
        A parameter has a value that its class does not take, or the object lacks a method.
    """
    described = _with_tuples(OmegaConf.to_container(cfg[key], resolve=True), key)
    if not isinstance(described, dict) or "_target_" not in described:
        raise ConfigError(
            [f"{key} is {described!r}, which describes no object; choose one with {key}=<name>."]
        )
    try:
        made = instantiate(described | {"_convert_": "all"}, _execution_whitelist_=ALLOWED_TARGETS)
        _check_parameters(made)
    except ConfigError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError([f"{key}: {str(error).splitlines()[0]}"]) from error
    absent = [method for method in methods if not hasattr(made, method)]
    if absent:
        remedy = _REMEDIES.get(absent[0], f"Choose another with {key}=<name>.")
        raise ConfigError([f"{key} is a {type(made).__name__}, which has no {absent[0]}. {remedy}"])
    return made


def _with_tuples(value: Any, path: str) -> Any:
    """Return the plain containers in `value` with pairs as tuples."""
    if isinstance(value, dict):
        return {str(k): _with_tuples(v, f"{path}.{k}") for k, v in value.items()}
    is_pair = path.rpartition(".")[2] in PAIRS and isinstance(value, list)
    return tuple(value) if is_pair else value


def _check_parameters(made: Any) -> None:
    """Let scikit-learn check the parameters of an estimator and of those inside it."""
    inner = made.get_params(deep=True).values() if hasattr(made, "get_params") else []
    for estimator in (made, *inner):
        if hasattr(estimator, "_parameter_constraints") and not isinstance(estimator, type):
            estimator._validate_params()
