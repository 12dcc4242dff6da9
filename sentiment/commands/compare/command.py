"""The command compare."""

from omegaconf import DictConfig

from sentiment.cli.command import command
from sentiment.cli.terminal import Watch
from sentiment.commands.compare.view import show_comparison
from sentiment.config import check_config, current_job


@command("compare")
def main(cfg: DictConfig) -> None:
    """Compare the runs that `cfg` names and show what was found."""
    job = current_job()
    with Watch("compare", job) as watch:
        check_config(cfg)
        from sentiment.commands.compare.job import compare

        result = compare(cfg, job.write_command("compare"), watch)
    show_comparison(result)
