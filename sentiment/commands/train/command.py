"""The command train."""

from typing import TYPE_CHECKING

from omegaconf import DictConfig

from sentiment.cli.command import command
from sentiment.commands.search.observing import OBSERVER
from sentiment.commands.search.view import SweepWatch
from sentiment.config import check_config, current_job, make

if TYPE_CHECKING:
    from sentiment.commands.train.growth import Growth
    from sentiment.commands.train.job import TrainingResult


def main() -> None:
    """Train one model, or sweep over many with ``-m``."""
    OBSERVER.set(SweepWatch)
    run_job()


@command("train")
def run_job(cfg: DictConfig) -> None:
    """Train and show the result; a job of a sweep writes it into its folder instead."""
    job = current_job()
    if job.sweep is not None:
        from sentiment.commands.search.trial import run_trial

        run_trial(cfg, job)
        return
    from sentiment.cli.terminal import Watch
    from sentiment.commands.train.view import show_training

    with Watch(f"train {' '.join(job.overrides)}", job) as watch:
        check_config(cfg, job.overrides)
        from sentiment.commands.train.job import train

        result = train(cfg, job, watch)
        growth = _find_growth(cfg, result)
    show_training(result, growth)


def _find_growth(cfg: DictConfig, result: "TrainingResult") -> "Growth | None":
    from sentiment.commands.train.growth import find_growth

    if result.run_id is None:
        return None
    data = {f"data.{name}": str(cfg.data.get(name) or "") for name in ("path", "test_path")}
    tracker = make(cfg, "tracking", "list_runs")
    return find_growth(tracker, result.run_id, data, result.metrics, result.optimize)
