"""The command train."""

from omegaconf import DictConfig

from sentiment.cli.command import command
from sentiment.commands.search.observing import OBSERVER
from sentiment.commands.search.view import SweepWatch
from sentiment.config import check_config, current_job


def main() -> None:
    """Train one model, or sweep over many with ``-m``."""
    OBSERVER.set(SweepWatch)
    run_job()


@command("train")
def run_job(cfg: DictConfig) -> None:
    """Train as `cfg` says and show the result; a job of a sweep leaves it in its folder."""
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
    show_training(result, cfg.tracking.get("uri"))
