"""The command suggest."""

from omegaconf import DictConfig

from sentiment.cli.command import command
from sentiment.cli.terminal import Watch
from sentiment.commands.suggest.view import show_suggestions
from sentiment.config import check_config, current_job


@command("suggest")
def main(cfg: DictConfig) -> None:
    """Choose texts as `cfg` says, and show where they are and what to type next."""
    with Watch("suggest", current_job()) as watch:
        check_config(cfg)
        from sentiment.commands.suggest.job import suggest

        result = suggest(cfg, watch)
    show_suggestions(result)
