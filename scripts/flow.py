"""Train, compare, promote, predict and monitor: python scripts/flow.py input=reviews.csv."""

import sys
from pathlib import Path

import _checkout  # noqa: F401 - before sentiment is imported
import hydra
from omegaconf import DictConfig

from sentiment.cli.terminal import Watch, run_script
from sentiment.commands.flow.view import show_flow
from sentiment.config import ALLOWED_TARGETS, CONF, check_config, current_job, register_schemas
from sentiment.errors import ExitCode

SCRIPTS = Path(__file__).resolve().parent
register_schemas()


@hydra.main(str(CONF), "flow", execution_whitelist=ALLOWED_TARGETS)
def main(cfg: DictConfig) -> None:
    """Run the flow as `cfg` says, now or whenever its schedule says so."""
    job = current_job()
    with Watch("flow", job) as watch:
        check_config(cfg)
        from sentiment.commands.flow.job import run_flow, serve_flow

        if cfg.flow.cron is not None:
            serve_flow(cfg, SCRIPTS, job.overrides)
            return
        result = run_flow(cfg, SCRIPTS, watch)
    show_flow(result)
    sys.exit(ExitCode.DRIFT if result.drifted else ExitCode.OK)


if __name__ == "__main__":
    run_script(main, "stopped; the champion is the one that it was")
