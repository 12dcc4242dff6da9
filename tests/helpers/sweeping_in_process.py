"""Sweeps that run in the process of a test, and tracking stores that fail on demand."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE
from sweep_bench import compose_sweep

from sentiment.commands.search.grid import list_points, run_grid
from sentiment.commands.search.launching import HydraSweep
from sentiment.commands.search.search import run_search
from sentiment.commands.search.trial import run_trial
from sentiment.commands.search.workers import NextJob
from sentiment.config import Job
from sentiment.tracking import opening, retries


class InProcessLauncher:
    """A launcher that runs each job in this process."""

    hydra: HydraSweep

    def launch_each(self, next_job: NextJob) -> None:
        while (job := next_job()) is not None:
            number, overrides = job
            read = OverridesParser.create().parse_overrides(list(overrides))
            home = next(one.value() for one in read if one.key_or_group == "hydra.sweep.dir")
            folder = Path(str(home), str(number))
            folder.mkdir(exist_ok=True)
            cfg, choices = self.hydra.compose(overrides)
            words = [word for word in overrides if not word.startswith("hydra.")]
            run_trial(cfg, Job(folder, choices, words, sweep=folder.parent, number=number))


def run_sweep_in_process(*words: str) -> None:
    """Run ``train.py -m`` with these words in this process."""
    launcher = InProcessLauncher()
    with compose_sweep(list(words), launcher) as hydra:
        launcher.hydra = hydra
        given = hydra.config.hydra.sweeper.get("params") or {}
        typed = [*(f"{key}={value}" for key, value in given.items()), *words]
        if any(word.startswith("search=") for word in words):
            run_search(hydra, hydra.config.hydra.sweeper.sampler, typed)
            return
        parsed = OverridesParser.create().parse_overrides(typed)
        run_grid(hydra, list_points(parsed))


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


class UnreliableClient:
    """An MLflow client whose calls go through an `Outage`."""

    def __init__(self, client: Any, outage: Outage) -> None:
        self._client, self._outage = client, outage

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return lambda *args, **kwargs: self._outage.call(name, method, *args, **kwargs)


@contextmanager
def failing_clients(outage: Outage) -> Iterator[None]:
    """Let all clients that are made in the ``with`` block meet an outage, without retries."""
    before, delays = opening.RetryingClient, retries._DELAYS

    def make(client: Any, store: str) -> Any:
        return before(UnreliableClient(client, outage), store)

    opening.RetryingClient = make  # type: ignore[assignment,misc]
    retries._DELAYS = ()  # type: ignore[assignment]
    try:
        yield
    finally:
        opening.RetryingClient, retries._DELAYS = before, delays  # type: ignore[misc]
