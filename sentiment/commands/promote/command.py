"""The command promote."""

import sys

from omegaconf import DictConfig

from sentiment.cli.command import command
from sentiment.cli.terminal import ProgressDisplay
from sentiment.commands.promote.view import show_promotion
from sentiment.config import check_config, current_job
from sentiment.errors import ExitCode


@command("promote")
def main(cfg: DictConfig) -> None:
    """Promote the run that `cfg` names, or print the reasons against it and exit with 4."""
    job = current_job()
    with ProgressDisplay("promote", job) as display:
        check_config(cfg)
        from sentiment.commands.promote.job import promote

        result = promote(cfg, job.write_command("promote"), display)
    show_promotion(result)
    if result.outcome == "refused":
        sys.exit(ExitCode.REFUSED)
