"""One shape for all commands: a config, a job, a view and an exit code."""

import functools
import sys
from collections.abc import Callable

import hydra
from omegaconf import DictConfig

from sentiment.cli.terminal import run_script
from sentiment.config import CONF, enter_project, list_allowed, register_schemas, trust_typed


def command(
    name: str,
    *,
    stopped: str = "stopped",
    read_word: Callable[[str], str] | None = None,
) -> Callable[[Callable[[DictConfig], None]], Callable[[], None]]:
    """Make a command of a function that takes a composed config.

    Parameters
    ----------
    name : str
        Name of the primary config.
    stopped : str, default="stopped"
        Message after Ctrl-C.
    read_word : callable, optional
        Translates each word of the command line to what Hydra expects.

    Returns
    -------
    callable
        A decorator. The decorated function reads the command line, runs, and exits with an
        `ExitCode`.
    """

    def decorate(work: Callable[[DictConfig], None]) -> Callable[[], None]:
        @functools.wraps(work)
        def do(cfg: DictConfig) -> None:
            trust_typed(cfg)  # also where a launcher runs a job in another process
            work(cfg)

        @functools.wraps(work)
        def run() -> None:
            register_schemas()
            if read_word is not None:
                sys.argv[1:] = map(read_word, sys.argv[1:])

            def main() -> None:
                enter_project()  # Hydra imports callbacks before any config is checked
                hydra.main(str(CONF), name, execution_whitelist=list_allowed())(do)()

            run_script(main, stopped)

        return run

    return decorate
