"""Compare trained runs on the same test rows: python scripts/compare.py runs=[best,<run id>]."""

import _checkout  # noqa: F401 - before sentiment is imported
import hydra
from omegaconf import DictConfig

from sentiment.cli.terminal import Watch, run_script
from sentiment.commands.compare.view import show_comparison
from sentiment.config import ALLOWED_TARGETS, CONF, check_config, current_job, register_schemas

register_schemas()


@hydra.main(str(CONF), "compare", execution_whitelist=ALLOWED_TARGETS)
def main(cfg: DictConfig) -> None:
    """Compare the runs that `cfg` names and show what was found."""
    job = current_job()
    with Watch("compare", job) as watch:
        check_config(cfg)
        from sentiment.commands.compare.job import compare

        result = compare(cfg, job.write_command("compare"), watch)
    show_comparison(result)


if __name__ == "__main__":
    run_script(main)
