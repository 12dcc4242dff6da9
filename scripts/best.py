"""Show the best of a search or a grid, and why it won: python scripts/best.py search=svm."""

import sys

import _checkout  # noqa: F401 - before sentiment is imported
import hydra
from omegaconf import DictConfig

from sentiment.cli.terminal import Watch, run_script
from sentiment.commands.best.view import show_best, show_sweeps
from sentiment.config import (
    ALLOWED_TARGETS,
    CONF,
    check_config,
    current_job,
    quote,
    register_schemas,
)

QUOTATION = "'\""
register_schemas()


def read_word(word: str) -> str:
    """Return ``search.name='svm'`` for ``search=svm``, which Hydra takes for a file of a group."""
    key, _, name = word.partition("=")
    return f"search.name={quote(name.strip(QUOTATION))}" if key == "search" else word


@hydra.main(str(CONF), "best", execution_whitelist=ALLOWED_TARGETS)
def main(cfg: DictConfig) -> None:
    """Show the best trial, and write it as an experiment if `cfg` says so; or list all sweeps."""
    with Watch("best", current_job()):
        check_config(cfg)
        if cfg.search.name is None:
            from sentiment.commands.search.grids import list_sweeps

            show_sweeps(list_sweeps(cfg))
            return
        from sentiment.commands.search.winning import find_best

        best = find_best(cfg)
    show_best(best)


if __name__ == "__main__":
    sys.argv[1:] = map(read_word, sys.argv[1:])
    run_script(main)
