"""The command monitor."""

import sys

from omegaconf import DictConfig

from sentiment.cli.command import command
from sentiment.cli.terminal import ProgressDisplay
from sentiment.commands.monitor.view import show_monitoring
from sentiment.config import check_config, current_job
from sentiment.errors import ExitCode


@command("monitor")
def main(cfg: DictConfig) -> None:
    """Compare predictions with training and show the result; drift has its own exit code."""
    job = current_job()
    with ProgressDisplay("monitor", job) as display:
        check_config(cfg)
        from sentiment.commands.monitor.job import monitor

        result = monitor(cfg, job.write_command("monitor"), display)
    show_monitoring(result)
    sys.exit(ExitCode.DRIFT if result.comparison.drifted else ExitCode.OK)
