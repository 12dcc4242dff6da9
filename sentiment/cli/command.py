"""Decorator that turns a function into a command: config, error messages and exit code."""

import functools
import gc
import logging
import sys
from collections.abc import Callable

import hydra
from omegaconf import DictConfig

from sentiment.cli.terminal import exit_if_user_error, run_script
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
    interrupt_message: str = "stopped",
    convert_argument: Callable[[str], str] | None = None,
) -> Callable[[Callable[[DictConfig], None]], Callable[[], None]]:
    """Return a decorator that turns a function of a composed config into a command.

    Parameters
    ----------
    name : str
        Name of the primary config.
    interrupt_message : str, default="stopped"
        Message after Ctrl-C.
    convert_argument : callable, optional
        Converts each argument of the command line into the form that Hydra expects.

    Returns
    -------
    callable
        A decorator. The decorated function reads the command line, runs, and exits with an
        `ExitCode`.
    """

    def decorate(function: Callable[[DictConfig], None]) -> Callable[[], None]:
        @functools.wraps(function)
        def run_job(cfg: DictConfig) -> None:
            # A launcher may run the job in another process, so its setup belongs here.
            trust_typed(cfg)
            # A full disk ends the job with a message. A traceback for each record would hide it.
            logging.raiseExceptions = False
            if current_job().sweep is None:
                gc.freeze()  # excludes imported and composed objects from garbage collections
            try:
                function(cfg)
            except (Exception, KeyboardInterrupt) as error:
                if current_job().sweep is None:
                    remove_unused()
                    exit_if_user_error(error)  # before Hydra prints a line about it
                raise

        @functools.wraps(function)
        def run_command() -> None:
            register_schemas()
            if convert_argument is not None:
                sys.argv[1:] = map(convert_argument, sys.argv[1:])

            def main() -> None:
                enter_project()  # first, since Hydra imports callbacks before any config is checked
                hydra.main(str(CONF), name, execution_whitelist=list_allowed())(run_job)()

            run_script(main, interrupt_message)

        return run_command

    return decorate
