"""Decorator that makes a command of a function: config, error messages and exit code."""

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
    """Decorate a function of a composed config to become a command.

    Parameters
    ----------
    name : str
        Name of the primary config.
    stopped : str, default="stopped"
        Message after Ctrl-C.
    read_word : callable, optional
        Converts each word of the command line into the form that Hydra expects.

    Returns
    -------
    callable
        A decorator. The decorated function reads the command line, runs, and exits with an
        `ExitCode`.
    """

    def decorate(work: Callable[[DictConfig], None]) -> Callable[[], None]:
        @functools.wraps(work)
        def do(cfg: DictConfig) -> None:
            trust_typed(cfg)  # here, since a launcher may run the job in another process
            work(cfg)

        @functools.wraps(work)
        def run() -> None:
            register_schemas()
            if read_word is not None:
                sys.argv[1:] = map(read_word, sys.argv[1:])

            def main() -> None:
                enter_project()  # first, since Hydra imports callbacks before any config is checked
                hydra.main(str(CONF), name, execution_whitelist=list_allowed())(do)()

            run_script(main, stopped)

        return run

    return decorate
