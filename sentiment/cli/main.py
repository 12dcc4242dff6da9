"""The command `sentiment`: one subcommand for each folder of `sentiment.commands`."""

import shlex
import sys
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from sentiment.cli.completion import SHELLS, make_completion
from sentiment.cli.interrupts import end_at_interrupt
from sentiment.errors import ExitCode, SentimentError, explain_os_error
from sentiment.redaction.printable import make_printable

_SUMMARIES = {
    "train": "train a model; -m runs a grid, -m search=svm an Optuna search",
    "best": "show the best trial of a search or grid",
    "predict": "predict a file, a folder, a database or standard input",
    "explain": "show the words behind the prediction of one text",
    "suggest": "choose the texts to label next",
    "compare": "compare runs on the same test rows",
    "promote": "make a run the champion, unless it is worse",
    "finalize": "refit the model of a run on all labels",
    "serve": "serve predictions over HTTP",
    "monitor": "compare predictions with the training data",
    "flow": "run all steps, once or on a schedule",
    "record": "record a run after an outage of the tracking store",
}
# Including commands without a folder in `sentiment.commands`.
_NAMES = [*_SUMMARIES, "init", "completion"]
_HELP = (["--help"], ["-h"])


def main() -> None:
    """Run the typed subcommand with the other arguments of the command line."""
    end_at_interrupt()
    name, *arguments = sys.argv[1:] or ["--help"]
    if [name] in _HELP:
        sys.stdout.write(_describe())
        return
    if name == "--version":
        sys.stdout.write(f"sentiment {version('sentiment')}\n")
        return
    if name == "completion":
        _complete(arguments)
        return
    if name == "init":
        _init(arguments)
        return
    if name not in _SUMMARIES:
        matches = get_close_matches(name, _NAMES, 1)
        hint = f" Did you mean {matches[0]}?" if matches else ""
        sys.stderr.write(
            f"sentiment: {make_printable(name)!r} is not a command; expected one of "
            f"{', '.join(_NAMES)}.{hint}\n"
        )
        sys.exit(ExitCode.MISTAKE)
    from sentiment.config.commands import remember_program

    remember_program()
    sys.argv = [f"sentiment {name}", *arguments]
    import_module(f"sentiment.commands.{name}.command").main()


def _init(arguments: list[str]) -> None:
    if arguments in _HELP:
        sys.stdout.write(
            "sentiment init <folder> creates a project for your own data sets, features, models "
            "and metrics.\nThe folder must be missing or empty; the package has its name.\n"
        )
        return
    from sentiment.cli.init import make_project

    if len(arguments) != 1 or arguments[0].startswith("-"):
        typed = make_printable(" ".join(arguments)) or "nothing"
        sys.stderr.write(f"sentiment init: found {typed}; expected a folder: sentiment init mine\n")
        sys.exit(ExitCode.MISTAKE)
    try:
        paths = make_project(Path(arguments[0]))
    except (SentimentError, OSError) as error:
        explained = error if isinstance(error, SentimentError) else explain_os_error(error)
        if explained is None:
            raise
        sys.stderr.write(f"sentiment init: {make_printable(str(explained), None)}\n")
        sys.exit(explained.exit_code)
    lines = "\n".join(f"  {make_printable(str(path))}" for path in paths)
    sys.stdout.write(f"made\n{lines}\ntry   cd {shlex.quote(arguments[0])} && make train\n")


def _complete(arguments: list[str]) -> None:
    if arguments in _HELP:
        sys.stdout.write(
            "sentiment completion <shell> prints the code that completes commands, settings and "
            "choices.\nAdd this line to ~/.bashrc, or with zsh in place of bash to ~/.zshrc:\n\n"
            '  eval "$(sentiment completion bash)"\n'
        )
        return
    shell = " ".join(arguments)
    if shell not in SHELLS:
        typed = f"{make_printable(shell)!r}" if shell else "nothing"
        sys.stderr.write(
            f"sentiment completion: found {typed}; expected a shell: {' or '.join(SHELLS)}.\n"
        )
        sys.exit(ExitCode.MISTAKE)
    sys.stdout.write(make_completion(shell, _NAMES))


def _describe() -> str:
    width = max(map(len, _SUMMARIES))
    commands = "\n".join(f"  {name:<{width}}  {text}" for name, text in _SUMMARIES.items())
    return f"""Text classification experiments.

  sentiment train model=svm features.max_features=20000
  sentiment predict input=reviews.csv

Commands:
{commands}

sentiment <command> --help lists the choices and settings of a command.
sentiment init <folder> creates a project for your own data sets, features, models and metrics.
eval "$(sentiment completion bash)", or zsh, completes commands and settings with the tab key.
"""
