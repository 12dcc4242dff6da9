"""The command suggest."""

from omegaconf import DictConfig

from sentiment.cli.command import command
from sentiment.cli.terminal import ProgressDisplay
from sentiment.commands.suggest.view import show_answers, show_suggestions
from sentiment.config import check_config, current_job


@command("suggest")
def main(cfg: DictConfig) -> None:
    """Choose texts to label, serve the labelling page if asked to, and show the next command."""
    server = None
    with ProgressDisplay("suggest", current_job()) as display:
        check_config(cfg)
        from sentiment.commands.suggest.job import suggest

        result = suggest(cfg, display)
        if cfg.page:
            from sentiment.commands.suggest.labelling import open_page

            server = open_page(cfg, result)
    show_suggestions(result, server)
    if server is not None:
        server.serve()
        show_answers(result, server.session)
