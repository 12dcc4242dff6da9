"""The command compare."""

from omegaconf import DictConfig

from sentiment.cli.command import command
from sentiment.cli.terminal import ProgressDisplay
from sentiment.commands.compare.view import show_comparison, show_live
from sentiment.config import check_config, current_job


@command("compare")
def main(cfg: DictConfig) -> None:
    """Compare the runs that `cfg` names and show what was found."""
    job = current_job()
    with ProgressDisplay("compare", job) as display:
        check_config(cfg)
        if cfg.live is not None:
            from sentiment.commands.compare.live import compare_live

            live = compare_live(cfg, job.write_command("compare"), display)
        else:
            from sentiment.commands.compare.job import compare

            result = compare(cfg, job.write_command("compare"), display)
    if cfg.live is not None:
        show_live(live.comparison, live.run_id)
    else:
        show_comparison(result)
