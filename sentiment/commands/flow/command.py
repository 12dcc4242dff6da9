"""The command flow."""

import sys

from omegaconf import DictConfig

from sentiment.cli.command import command
from sentiment.cli.interrupts import exit_at_termination
from sentiment.cli.terminal import ProgressDisplay
from sentiment.commands.flow.view import show_flow
from sentiment.config import check_config, current_job
from sentiment.errors import ExitCode


@command("flow", interrupt_message="stopped; the champion is unchanged")
def main(cfg: DictConfig) -> None:
    """Run the flow once, or serve it on its schedule."""
    job = current_job()
    exit_at_termination()  # or a server that Prefect has started would keep running
    with ProgressDisplay("flow", job) as display:
        check_config(cfg)
        from sentiment.commands.flow.job import run_flow, serve_flow

        if cfg.flow.cron is not None:
            serve_flow(cfg, job.overrides)
            return
        result = run_flow(cfg, display)
    show_flow(result)
    sys.exit(ExitCode.DRIFT if result.drifted else ExitCode.OK)
