"""Searches in this process whose jobs compute a formula instead of fitting a model."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra import initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import HydraContext, RunMode

from sentiment.commands.search import search, session
from sentiment.commands.search.launching import HydraSweep
from sentiment.commands.search.observing import OBSERVER, SweepObserver
from sentiment.commands.search.ranking import Ranking
from sentiment.commands.search.results import JobResult, PlannedJob, write_result
from sentiment.config import register_schemas
from sentiment.config.composing import CONF

# Takes what a job was asked for.
Formula = Callable[[dict[str, Any]], dict[str, float]]


@dataclass
class Notes(SweepObserver):
    """Keeps what a sweep reports."""

    jobs: list[JobResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    before: int = 0

    def on_sweep(self, name: str, shared: Sequence[str], total: int, done: int, _: Any) -> None:
        self.before = done

    def on_job(self, result: JobResult, ranking: Ranking) -> None:
        self.jobs.append(result)

    def on_note(self, text: str) -> None:
        self.notes.append(text)


@dataclass
class FakeLauncher:
    """Launcher of jobs that compute a formula.

    Attributes
    ----------
    formula : callable
        Returns the metrics of a job, or raises what fails the job.
    launched : list
        The number of each job that was run.
    """

    formula: Formula
    launched: list[int] = field(default_factory=list)

    def launch(self, jobs: Sequence[Sequence[str]], first: int) -> None:
        for words in jobs:
            read = OverridesParser.create().parse_overrides(list(words))
            asked = {override.key_or_group: override.value() for override in read}
            folder, number = asked["hydra.sweep.dir"], int(asked["hydra.sweep.subdir"])
            self.launched.append(number)
            metrics, error = {}, ""
            try:
                metrics = self.formula(asked)
            except ValueError as problem:
                error = f"ValueError: {problem}"
            now = time.time()
            result = JobResult(number, list(words[:-2]), now, now, metrics=metrics, error=error)
            write_result(Path(folder) / str(number), result)


def peak(asked: dict[str, Any]) -> dict[str, float]:
    """Return the metrics of a job: best where alpha is 1."""
    return {"validation/accuracy": 1 - abs(asked["model.alpha"] - 1) / 100}


@dataclass
class Bench:
    """Runs searches in a folder without training their winners."""

    folder: Path
    winners: list[int] = field(default_factory=list)

    def search(self, formula: Formula, *typed: str) -> tuple[Notes, list[int]]:
        """Run a search; return what it reported, and the numbers of the jobs it ran."""
        notes = Notes()
        launcher = FakeLauncher(formula)
        words = [f"outputs={self.folder}", "tracking=off", *typed]
        with compose_sweep(words, launcher) as hydra:
            token = OBSERVER.set(lambda: notes)
            try:
                sampler = hydra.config.hydra.sweeper.sampler
                search.run_search(hydra, sampler, list(hydra.config.hydra.overrides.task))
            finally:
                OBSERVER.reset(token)
        return notes, launcher.launched

    def name_winner(self, sweep: session.Session, best: PlannedJob, *facts: object) -> None:
        """Keep the number of the winner instead of training it."""
        self.winners.append(best.number)


@contextmanager
def compose_sweep(typed: list[str], launcher: Any) -> Iterator[HydraSweep]:
    """Yield the sweep of ``train.py -m`` with these words, as Hydra passes it to a sweeper."""
    register_schemas()
    with initialize_config_dir(str(CONF)):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        config = hydra.compose_config(
            "train", typed, RunMode.MULTIRUN, with_log_configuration=False
        )
        context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks())
        yield HydraSweep(config, context, launcher)
