"""Sweeps that run in the process of a test, and tracking stores that fail on demand."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import HydraContext, RunMode
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE
from omegaconf import open_dict

from sentiment.config import CONF, Job, register_schemas
from sentiment.sweeps.grid import run_grid
from sentiment.sweeps.hydra_side import HydraSide
from sentiment.sweeps.search import run_search
from sentiment.sweeps.trial import run_trial
from sentiment.sweeps.workers import HandOut
from sentiment.tracking import opening, patience


class HereLauncher:
    """A launcher that runs each job in this process."""

    hydra: HydraSide

    def launch_each(self, hand_out: HandOut) -> None:
        while (job := hand_out()) is not None:
            number, overrides = job
            cfg, choices = self.hydra.compose(overrides)
            with open_dict(cfg):
                folder = self._read(overrides, "hydra.sweep.dir")
            folder = Path(folder, str(number))
            folder.mkdir(exist_ok=True)
            words = [word for word in overrides if not word.startswith("hydra.")]
            run_trial(cfg, Job(folder, choices, words, sweep=folder.parent, number=number))

    @staticmethod
    def _read(overrides: Any, key: str) -> str:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        return next(str(one.value()) for one in parsed if one.key_or_group == key)


def run_sweep_here(*words: str) -> None:
    """Run ``train.py -m`` with these words in this process."""
    register_schemas()
    running = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONF)):
            here = GlobalHydra.instance().hydra
            assert here is not None
            config = here.compose_config(
                "train", list(words), run_mode=RunMode.MULTIRUN, from_shell=False
            )
            launcher = HereLauncher()
            context = HydraContext(config_loader=here.config_loader, callbacks=Callbacks())
            launcher.hydra = HydraSide(config, context, launcher)
            if any(word.startswith("search=") for word in words):
                given = config.hydra.sweeper.params or {}
                arguments = [*(f"{key}={value}" for key, value in given.items()), *words]
                run_search(launcher.hydra, config.hydra.sweeper.sampler, arguments)
                return
            parsed = OverridesParser.create().parse_overrides(list(words))
            run_grid(launcher.hydra, BasicSweeper.split_arguments(parsed, None)[0])
    finally:
        GlobalHydra.instance().hydra = running


@dataclass
class Outage:
    """Outage of a tracking store.

    Attributes
    ----------
    first : int
        Number of the first call that fails, counted from 1.
    length : int
        How many calls fail.
    is_answer_lost : bool
        Whether the first call reaches the store all the same.
    method : str
        Only calls of this method are counted until the outage begins; all if empty.
    """

    first: int
    length: int = 10**9
    is_answer_lost: bool = False
    method: str = ""
    calls: int = 0

    def call(self, name: str, method: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        if self.calls or not self.method or name == self.method:
            self.calls += 1
        if not self.first <= self.calls < self.first + self.length:
            return method(*args, **kwargs)
        if self.calls == self.first and self.is_answer_lost:
            method(*args, **kwargs)
        raise MlflowException("away", error_code=TEMPORARILY_UNAVAILABLE)


class Unreliable:
    """An MLflow client whose calls go through an `Outage`."""

    def __init__(self, client: Any, outage: Outage) -> None:
        self._client, self._outage = client, outage

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return lambda *args, **kwargs: self._outage.call(name, method, *args, **kwargs)


@contextmanager
def stricken(outage: Outage) -> Iterator[None]:
    """Let all clients that are made in the ``with`` block meet an outage, without patience."""
    before, delays = opening.PatientClient, patience._DELAYS

    def make(client: Any, store: str) -> Any:
        return before(Unreliable(client, outage), store)

    opening.PatientClient = make  # type: ignore[assignment,misc]
    patience._DELAYS = ()  # type: ignore[assignment]
    try:
        yield
    finally:
        opening.PatientClient, patience._DELAYS = before, delays  # type: ignore[misc]
