"""Compare predictions with training: python scripts/monitor.py current=reviews.predictions.csv."""

import sys

import _checkout  # noqa: F401 - before sentiment is imported
import hydra
from omegaconf import DictConfig

from sentiment.cli.terminal import Watch, run_script
from sentiment.commands.monitor.view import show_monitoring
from sentiment.config import ALLOWED_TARGETS, CONF, check_config, current_job, register_schemas
from sentiment.errors import ExitCode

register_schemas()


@hydra.main(str(CONF), "monitor", execution_whitelist=ALLOWED_TARGETS)
def main(cfg: DictConfig) -> None:
    """Compare as `cfg` says and show the result; drift is an exit code of its own."""
    with Watch("monitor", current_job()) as watch:
        check_config(cfg)
        from sentiment.commands.monitor.job import monitor

        result = monitor(cfg, watch)
    show_monitoring(result)
    sys.exit(ExitCode.DRIFT if result.comparison.drifted else ExitCode.OK)


if __name__ == "__main__":
    run_script(main)
