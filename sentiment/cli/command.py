"""Decorator that makes a command of a function: config, error messages and exit code."""

import functools
import gc
import logging
import sys
from collections.abc import Callable

import hydra
from omegaconf import DictConfig

from sentiment.cli.terminal import run_script, stop_at_mistake
from sentiment.config import (
    CONF,
    current_job,
    enter_project,
    list_allowed,
    register_schemas,
    remove_unused,
    trust_typed,
)


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
            # All of this is here, since a launcher may run the job in another process.
            trust_typed(cfg)
            # A full disk ends the job in a message, which a traceback for each record would hide.
            logging.raiseExceptions = False
            if current_job().sweep is None:
                gc.freeze()  # what was imported and composed is not searched for garbage again
            try:
                work(cfg)
            except (Exception, KeyboardInterrupt) as error:
                if current_job().sweep is None:
                    remove_unused()
                    stop_at_mistake(error)  # before Hydra prints a line about it
                raise

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
