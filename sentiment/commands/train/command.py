"""The command train."""

from omegaconf import DictConfig

from sentiment.cli.command import command
from sentiment.commands.search.observing import OBSERVER
from sentiment.commands.search.view import SweepDisplay
from sentiment.config import check_config, current_job, make


def main() -> None:
    """Train one model, or sweep over many with ``-m``."""
    OBSERVER.set(SweepDisplay)
    run_job()


@command("train")
def run_job(cfg: DictConfig) -> None:
    """Train and show the result; a job of a sweep writes it into its folder instead."""
    job = current_job()
    if job.sweep is not None:
        from sentiment.commands.search.trial import run_trial

        run_trial(cfg, job)
        return
    from sentiment.cli.terminal import ProgressDisplay
    from sentiment.commands.train.view import show_training

    with ProgressDisplay(f"train {' '.join(job.overrides)}", job) as display:
        check_config(cfg, job.overrides)
        from sentiment.commands.train.growth import find_growth
        from sentiment.commands.train.job import train

        result = train(cfg, job, display)
        growth = find_growth(make(cfg, "tracking", "list_runs"), cfg.data, result)
    show_training(result, growth)
