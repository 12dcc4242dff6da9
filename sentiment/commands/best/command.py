"""The command best."""

from omegaconf import DictConfig

from sentiment.cli.command import command
from sentiment.cli.terminal import ProgressDisplay
from sentiment.commands.best.view import show_best, show_sweeps
from sentiment.config import check_config, current_job, quote_typed, split_override


def convert_argument(word: str) -> str:
    """Return ``search.name='svm'`` for ``search=svm``, which Hydra takes for a file of a group."""
    parts = split_override(word)
    if parts.key != "search" or parts.prefix or parts.value is None:
        return word
    return f"search.name={quote_typed(parts.value)}"


@command("best", convert_argument=convert_argument)
def main(cfg: DictConfig) -> None:
    """Show the best trial, and write it as an experiment if asked to; or list all sweeps."""
    with ProgressDisplay("best", current_job()):
        check_config(cfg)
        if cfg.search.name is None:
            from sentiment.commands.best.sweeps import list_sweeps

            show_sweeps(list_sweeps(cfg))
            return
        from sentiment.commands.best.job import find_best

        best = find_best(cfg)
    show_best(best)
