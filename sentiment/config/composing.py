"""Schemas of the primary configs, and configs composed without a command line."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import MISSING, DictConfig, OmegaConf

from sentiment.config.checking import check_config, check_folder


def _find_conf() -> Path:
    """Return the folder of the configs: one that is named, the wheel's own or the repository's."""
    if named := os.environ.get("SENTIMENT_CONF"):
        return Path(named).resolve()
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


CONF = _find_conf()


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
    memory: str | None = None
    search: Any = MISSING


@dataclass
class PredictConfig:
    """What ``conf/predict.yaml`` holds."""

    deploy: Any = MISSING
    tracking: Any = MISSING
    input: str = MISSING
    output: str | None = None
    text_column: str | None = None
    encoding: str | None = None
    sep: str | None = None
    quote: str | None = None
    escape: str | None = None
    header: Any = None
    table: str | None = None
    query: str | None = None
    together: bool = False
    explain: bool = False
    overwrite: bool = False
    outputs: str = "outputs"


@dataclass
class ExplainConfig:
    """What ``conf/explain.yaml`` holds."""

    deploy: Any = MISSING
    tracking: Any = MISSING
    text: str = MISSING
    output: str | None = None
    overwrite: bool = False
    outputs: str = "outputs"


@dataclass
class SearchConfig:
    """Which search ``conf/best.yaml`` means."""

    name: str | None = None
    storage: str | None = None


@dataclass
class BestConfig:
    """What ``conf/best.yaml`` holds."""

    search: SearchConfig = field(default_factory=SearchConfig)
    write: str | None = None
    overwrite: bool = False
    outputs: str = "outputs"


@dataclass
class ThresholdsConfig:
    """Sizes of the differences that matter, in ``conf/monitor.yaml``."""

    distance: float = 0.1
    labels: float = 1.68
    share: float = 0.2
    accuracy: float = 0.05
    errors: float = 0.5
    alpha: float = 0.01


@dataclass
class MonitorConfig:
    """What ``conf/monitor.yaml`` holds."""

    tracking: Any = MISSING
    current: str = MISSING
    run: str | None = None
    label_column: str | None = None
    time_column: str | None = None
    text_column: str | None = None
    encoding: str | None = None
    sep: str | None = None
    quote: str | None = None
    escape: str | None = None
    header: Any = None
    sample: int = 200_000
    windows: int = 10
    thresholds: ThresholdsConfig = field(default_factory=ThresholdsConfig)
    seed: int = 42
    outputs: str = "outputs"
    output: str = MISSING
    workspace: str | None = None
    project: str = "sentiment"


@dataclass
class CompareConfig:
    """What ``conf/compare.yaml`` holds."""

    tracking: Any = MISSING
    runs: list[str] = field(default_factory=list)
    a: str | None = None
    b: str | None = None
    metric: str = "accuracy"
    level: float = 0.95
    resamples: int = 2000
    seed: int = 42
    outputs: str = "outputs"


@dataclass
class PromoteConfig:
    """What ``conf/promote.yaml`` holds."""

    tracking: Any = MISSING
    run: str = "best"
    name: str = "sentiment"
    metric: str = "accuracy"
    alpha: float = 0.05
    margin: float = 0.005
    force: str | None = None
    rollback: bool = False
    level: float = 0.95
    resamples: int = 2000
    seed: int = 42
    outputs: str = "outputs"


@dataclass
class RecordConfig:
    """Schema of ``conf/record.yaml``."""

    tracking: Any = MISSING
    folder: str = MISSING
    outputs: str = "outputs"


@dataclass
class Schedule:
    """When and how carefully the flow runs."""

    search: str | None = None
    cron: str | None = None
    retries: int = 2
    retry_delay: float = 10
    cache_hours: float = 24


@dataclass
class FlowConfig:
    """What ``conf/flow.yaml`` holds."""

    tracking: Any = MISSING
    train: str = ""
    input: str | None = None
    predict: str = ""
    monitor: str = ""
    promote: str = ""
    name: str = "sentiment"
    outputs: str = "outputs"
    flow: Schedule = field(default_factory=Schedule)


SCHEMAS: dict[str, type] = {
    "train": TrainConfig,
    "predict": PredictConfig,
    "explain": ExplainConfig,
    "best": BestConfig,
    "monitor": MonitorConfig,
    "compare": CompareConfig,
    "promote": PromoteConfig,
    "record": RecordConfig,
    "flow": FlowConfig,
}


def register_schemas() -> None:
    """Make the schemas known to Hydra, as ``train_schema`` and so on."""
    for name, schema in SCHEMAS.items():
        ConfigStore.instance().store(
            name=f"{name}_schema", node=schema, provider="sentiment", replace=True
        )
    OmegaConf.register_resolver("in_sweep", _in_sweep, replace=True)
    OmegaConf.register_resolver("folder", check_folder, replace=True)


def _in_sweep(value: Any, otherwise: Any = None) -> Any:
    """Return `value` in a sweep, where several jobs may use it, and `otherwise` in a single run."""
    sweeping = HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
    return value if sweeping else otherwise


def compose(primary: str, overrides: list[str] | None = None) -> DictConfig:
    """Return the config that ``scripts/<primary>.py`` would have with these overrides, checked.

    Raises
    ------
    ConfigError
        The config cannot be run.

    Examples
    --------
    >>> cfg = compose("train", ["model=svm"])
    >>> cfg.model.estimator.C
    0.3
    """
    register_schemas()
    # A script may compose another config while Hydra runs its own.
    running = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONF)):
            cfg = hydra_compose(primary, overrides or [])
    finally:
        GlobalHydra.instance().hydra = running
    check_config(cfg)
    return cfg
