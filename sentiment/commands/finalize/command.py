"""The command finalize."""

from omegaconf import DictConfig

from sentiment.cli.command import command
from sentiment.cli.terminal import ProgressDisplay
from sentiment.commands.finalize.view import show_final
from sentiment.config import check_config, current_job


@command("finalize")
def main(cfg: DictConfig) -> None:
    """Fit the settings of a recorded run on more rows, and keep the model as a new run."""
    with ProgressDisplay("finalize", current_job()) as display:
        check_config(cfg)
        from sentiment.commands.finalize.job import finalize

        result = finalize(cfg, display)
    show_final(result)
