"""Make a run the champion if it is not worse: python scripts/promote.py run=best."""

import sys

import _checkout  # noqa: F401 - before sentiment is imported
import hydra
from omegaconf import DictConfig

from sentiment.cli.terminal import Watch, run_script
from sentiment.commands.compare.view import show_promotion
from sentiment.config import ALLOWED_TARGETS, CONF, check_config, current_job, register_schemas
from sentiment.errors import ExitCode

register_schemas()


@hydra.main(str(CONF), "promote", execution_whitelist=ALLOWED_TARGETS)
def main(cfg: DictConfig) -> None:
    """Promote the run that `cfg` names, or say why not and exit with 4."""
    job = current_job()
    with Watch("promote", job) as watch:
        check_config(cfg)
        from sentiment.commands.promote.job import promote

        result = promote(cfg, job.write_command("promote"), watch)
    show_promotion(result)
    if result.outcome == "refused":
        sys.exit(ExitCode.REFUSED)


if __name__ == "__main__":
    run_script(main)
