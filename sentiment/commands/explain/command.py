"""The command explain."""

from omegaconf import DictConfig

from sentiment.cli.command import command
from sentiment.cli.terminal import ProgressDisplay
from sentiment.commands.explain.view import show_explanation
from sentiment.config import check_config, current_job


@command("explain")
def main(cfg: DictConfig) -> None:
    """Explain the prediction for one text, and write a page."""
    with ProgressDisplay("explain", current_job()):
        check_config(cfg)
        from sentiment.commands.explain.job import explain

        result = explain(cfg)
    show_explanation(result)
