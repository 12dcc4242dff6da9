"""The only room that knows Hydra's configs: schemas, checks, and objects made from them."""

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from importlib import import_module
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.errors import CompactHydraException
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from hydra.utils import instantiate
from omegaconf import MISSING, DictConfig, OmegaConf

from sentiment.errors import ConfigError, SentimentError, suggest

log = logging.getLogger(__name__)

CONF = Path(__file__).resolve().parents[1] / "conf"

# What a config may name as _target_; Hydra checks the object behind the name as well.
ALLOWED_TARGETS = [
    "sentiment.data.datasets.*",
    "sentiment.features.*",
    "sentiment.models.*",
    "sentiment.prediction.BatchScorer",
    "sentiment.sweep.ParentRun",
    "sentiment.tracking.*",
    "sklearn.calibration.*",
    "sklearn.compose.*",
    "sklearn.decomposition.*",
    "sklearn.discriminant_analysis.*",
    "sklearn.dummy.*",
    "sklearn.ensemble.*",
    "sklearn.feature_extraction.*",
    "sklearn.feature_selection.*",
    "sklearn.linear_model.*",
    "sklearn.naive_bayes.*",
    "sklearn.neighbors.*",
    "sklearn.neural_network.*",
    "sklearn.pipeline.*",
    "sklearn.preprocessing.*",
    "sklearn.svm.*",
    "sklearn.tree.*",
]

# The command line and YAML know lists only; these parameters of scikit-learn are tuples.
_TUPLES = {"ngram_range", "feature_range", "quantile_range"}
_HYDRA_KEYS = {"_target_", "_args_", "_convert_", "_partial_", "_recursive_", "_isolate_"}


@dataclass
class TrainConfig:
    """What ``conf/train.yaml`` holds."""

    data: Any = MISSING
    features: Any = MISSING
    model: Any = MISSING
    deploy: Any = MISSING
    tracking: Any = MISSING
    seed: int = 42
    cv: int | None = None
    optimize: str = "accuracy"
    outputs: str = "outputs"


@dataclass
class PredictConfig:
    """What ``conf/predict.yaml`` holds."""

    deploy: Any = MISSING
    tracking: Any = MISSING
    input: str = MISSING
    output: str | None = None
    text_column: str | None = None
    overwrite: bool = False
    outputs: str = "outputs"


SCHEMAS: dict[str, type] = {"train": TrainConfig, "predict": PredictConfig}


def register_schemas() -> None:
    """Make the schemas known to Hydra, as ``train_schema`` and so on."""
    for name, schema in SCHEMAS.items():
        ConfigStore.instance().store(name=f"{name}_schema", node=schema)


def compose(primary: str, overrides: list[str] | None = None) -> DictConfig:
    """Return the config that ``scripts/<primary>.py`` would have with these overrides.

    Examples
    --------
    >>> cfg = compose("train", ["model=svm"])
    >>> cfg.model.estimator.C
    0.3
    """
    register_schemas()
    with initialize_config_dir(str(CONF)):
        return hydra_compose(primary, overrides or [])


@dataclass(frozen=True)
class Job:
    """Where a job runs and how it was asked for.

    Attributes
    ----------
    folder : Path
        Its own folder for what it makes.
    choices : dict of str to str
        The config file chosen in each group, such as ``{"model": "svm"}``.
    overrides : list of str
        What was typed.
    sweep : Path, optional
        The folder of the sweep that it belongs to.
    number : int, optional
        Its number in that sweep.
    """

    folder: Path
    choices: dict[str, str] = field(default_factory=dict)
    overrides: list[str] = field(default_factory=list)
    sweep: Path | None = None
    number: int | None = None


def current_job() -> Job:
    """Return what Hydra says of the job that is running."""
    hydra = HydraConfig.get()
    multirun = hydra.mode == RunMode.MULTIRUN
    return Job(
        folder=Path(hydra.runtime.output_dir),
        choices={k: str(v) for k, v in hydra.runtime.choices.items() if "/" not in k and v},
        overrides=list(hydra.overrides.task),
        sweep=Path(hydra.sweep.dir).resolve() if multirun else None,
        number=int(hydra.job.num) if multirun else None,
    )


def check_config(cfg: DictConfig, schema: type) -> None:
    """Check all of `cfg` before any work is done.

    Raises
    ------
    ConfigError
        Names every unknown key, missing value, unknown constructor parameter and target that is
        not allowed.
    """
    known = {entry.name for entry in fields(schema)}
    problems = [
        f"there is no setting {key!r}.{suggest(str(key), known)} Known: {', '.join(sorted(known))}."
        for key in cfg
        if key not in known
    ]
    missing = OmegaConf.missing_keys(cfg)
    problems += [f"{key} has no value; give it: {key}=<value>." for key in sorted(missing)]
    for key in cfg:
        if key in known and key not in missing and isinstance(cfg[key], DictConfig):
            problems += _check_node(cfg[key], str(key))
    if problems:
        raise ConfigError(problems)


def _check_node(node: DictConfig, path: str) -> Iterator[str]:
    """Yield the problems of the object that `node` describes, and of those inside it."""
    if "_target_" in node:
        yield from _check_target(node, path)
    for key in node:
        if not OmegaConf.is_missing(node, key) and isinstance(node[key], DictConfig):
            yield from _check_node(node[key], f"{path}.{key}")


def _check_target(node: DictConfig, path: str) -> Iterator[str]:
    name = str(node["_target_"])
    if not _is_allowed(name):
        yield (
            f"{path}._target_ is {name!r}, which is not allowed. Only this project's and "
            "scikit-learn's own estimators can be named in a config."
        )
        return
    try:
        target = _locate(name)
    except (ImportError, AttributeError):
        yield f"{path}._target_ is {name!r}, but there is no such class or function."
        return
    parameters = inspect.signature(target).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    for key in node:
        if key not in parameters and key not in _HYDRA_KEYS:
            yield (
                f"{path}.{key} is not a parameter of {name.rpartition('.')[2]}."
                f"{suggest(str(key), parameters)} Known: {', '.join(parameters)}."
            )


def _is_allowed(name: str) -> bool:
    return any(
        name == allowed or (allowed.endswith(".*") and name.startswith(allowed[:-1]))
        for allowed in ALLOWED_TARGETS
    )


def _locate(name: str) -> Callable[..., Any]:
    module, _, attribute = name.rpartition(".")
    found: Callable[..., Any] = getattr(import_module(module), attribute)
    return found


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
    try:
        made = instantiate(
            OmegaConf.create({key: _with_tuples(OmegaConf.to_container(cfg[key], resolve=True))},
                             flags={"allow_objects": True}),
            _convert_="all",
            _execution_whitelist_=ALLOWED_TARGETS,
        )[key]
        _check_parameters(made)
    except ConfigError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError([f"{key}: {str(error).splitlines()[0]}"]) from error
    absent = [method for method in methods if not hasattr(made, method)]
    if absent:
        raise ConfigError(
            [
                f"{key} is a {type(made).__name__}, which has no {absent[0]}. "
                + _REMEDIES.get(absent[0], f"Choose another with {key}=<name>.")
            ]
        )
    return made


_REMEDIES = {
    "predict_proba": (
        "Probabilities are needed: choose a model or loss that has them, or wrap it in "
        "sklearn.calibration.CalibratedClassifierCV as conf/model/svm.yaml does."
    )
}


def _with_tuples(value: Any, key: str = "") -> Any:
    if isinstance(value, Mapping):
        return {str(k): _with_tuples(v, str(k)) for k, v in value.items()}
    if isinstance(value, list):
        items = [_with_tuples(item) for item in value]
        return tuple(items) if key in _TUPLES else items
    return value


def _check_parameters(made: Any) -> None:
    """Let scikit-learn check the parameters of an estimator and of those inside it."""
    inner = made.get_params(deep=True).values() if hasattr(made, "get_params") else []
    for estimator in (made, *inner):
        if hasattr(estimator, "_validate_params") and not isinstance(estimator, type):
            estimator._validate_params()


def flatten(cfg: DictConfig) -> dict[str, Any]:
    """Return every value of `cfg` under its dotted key, interpolations resolved."""
    flat: dict[str, Any] = {}

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                walk(inner, f"{path}.{key}" if path else str(key))
        else:
            flat[path] = value

    walk(OmegaConf.to_container(cfg, resolve=True), "")
    return flat


def explain_error(error: Exception) -> SentimentError | None:
    """Return the error that a person can mend behind `error`, or None if there is none."""
    if isinstance(error, SentimentError):
        return error
    return ConfigError([str(error)]) if isinstance(error, CompactHydraException) else None
