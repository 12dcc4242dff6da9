"""Command lines in messages and records, ready to paste, for the store of the running command."""

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from sentiment.config.overrides import is_within, requote, split_override
from sentiment.config.project import list_named_conf
from sentiment.redaction import redact

_DEFAULT_STORE = "sqlite:///outputs/mlflow.db"
# Variable for the address of the store, in conf/tracking/mlflow.yaml.
_STORE_VARIABLE = "SENTIMENT_TRACKING_URI"
# The command that creates runs of a kind; other runs record their command.
_SOURCES = {"monitoring": "monitor"}
# The forms of a command: both have two words before the settings.
_SCRIPT, _PROGRAM = "python scripts/{}.py", "sentiment {}"
_arguments: list[str] = []  # of the command line
_form = _SCRIPT
_folder = ""  # of the scripts, as typed
# Characters that shells interpret also in double quotes.
_SPECIAL = set('"$`\\!')
# Commands with choices of config files.
_CHOOSING = {"train", "best"}


def remember_program() -> None:
    """Write commands as ``sentiment train``, the form in which this process was started."""
    global _form
    _form = _PROGRAM


def remember_arguments(arguments: Sequence[str], program: str = "") -> None:
    """Remember the command line of this process, from which suggested commands repeat settings.

    Parameters
    ----------
    arguments : sequence of str
        The command-line arguments after the program.
    program : str
        The script as typed, which may be outside the working folder.
    """
    global _folder
    _arguments[:] = arguments
    path, default_script = Path(program), Path("scripts", Path(program).name)
    _folder = "" if path.parent.name != "scripts" or default_script.is_file() else str(path.parent)


def write_command(name: str, overrides: Iterable[str]) -> str:
    """Return a command line for records, independent of the folder of the scripts.

    Examples
    --------
    >>> write_command("train", ["model=svm", "outputs=my runs"])
    "python scripts/train.py model=svm 'outputs=my runs'"
    """
    return " ".join([_form.format(name), *map(shlex.quote, overrides)])


def show_command(name: str, overrides: Iterable[str]) -> str:
    """Return a command line that can be pasted into the terminal of this process.

    Passwords are hidden; ``<...>`` in an override is a placeholder.
    """
    return " ".join([_show_program(name), *map(_quote, overrides)])


def show_commands(text: str) -> str:
    """Return `text` with its commands in the form in which this process was started.

    Examples
    --------
    >>> show_commands("Try python scripts/train.py model=svm")
    'Try python scripts/train.py model=svm'
    """
    script = re.escape(_SCRIPT).replace(r"\{\}", r"(\w+)")
    return re.sub(script, lambda match: _show_program(match[1]), text)


def _show_program(name: str) -> str:
    if _form == _SCRIPT and _folder:
        return f"python {shlex.quote(f'{_folder}/{name}.py')}"
    return _form.format(name)


def make_command_tags(name: str, overrides: Sequence[str]) -> dict[str, str]:
    """Return the tags with the command line of a run."""
    return {"command": write_command(name, overrides), "overrides": json.dumps([*overrides])}


def convert_command_tag(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a training with its command in the form of this process.

    A worker of a sweep does not know how the sweep was started, and records the form of scripts.

    Examples
    --------
    >>> convert_command_tag({"command": "python scripts/train.py model=svm"})
    {'command': 'python scripts/train.py model=svm'}
    """
    script, adopted = (template.format("train") for template in (_SCRIPT, _form))
    command = tags.get("command", "")
    if not command.startswith(script):
        return {**tags}
    return {**tags, "command": adopted + command.removeprefix(script)}


def read_overrides(tags: Mapping[str, str]) -> list[str] | None:
    """Return the overrides in the tags of a run, or None if there are none.

    Settings of trusted classes are left out, since other people may write to the store.

    Examples
    --------
    >>> read_overrides(make_command_tags("train", ["model=svm", "outputs=my runs"]))
    ['model=svm', 'outputs=my runs']
    """
    overrides: list[str] = []
    with suppress(KeyError, ValueError):  # no tag, or the store has cut it
        overrides = list(map(str, json.loads(tags["overrides"])))
    if not overrides:
        if not tags.get("command"):
            return None
        # Runs of earlier versions have the command only, in one of its two forms.
        overrides = shlex.split(tags["command"])[2:]
    return [override for override in overrides if not is_within(override, "trusted")]


def suggest_command(script: str, *overrides: str) -> str:
    """Return a command line of `script` for the store and the classes of the running command.

    A suggested promotion also repeats the registered model and the metric. Passwords are hidden; a
    store that needs one should be set by an environment variable.

    Parameters
    ----------
    script : str
        Its name, such as ``"train"``.
    *overrides : str
        Its settings; ``<...>`` in a setting is a placeholder.

    Examples
    --------
    >>> remember_arguments(["model=svm", "outputs=my runs"])
    >>> suggest_command("predict", "input=reviews.csv")
    "python scripts/predict.py input=reviews.csv 'outputs=my runs'"
    """
    accepted = {"outputs", "trusted", *(() if script == "best" else ("tracking",))}
    accepted |= {"search.storage"} if script == "best" or "-m" in overrides else set()
    accepted |= {"name", "metric"} if script == "promote" else set()
    repeated = [override for override in _arguments if _find_repeated_key(override) in accepted]
    repeated_keys = set(map(_find_repeated_key, repeated))
    others = [
        override for override in overrides if _find_repeated_key(override) not in repeated_keys
    ]
    folders = list_named_conf() if script in _CHOOSING else []
    return show_command(
        script, [*(f"--config-dir={folder}" for folder in folders), *others, *repeated]
    )


def repeat_command(script: str, *overrides: str) -> str:
    """Return the running command line of `script` with some settings changed.

    Parameters
    ----------
    script : str
        Its name, such as ``"promote"``.
    *overrides : str
        Settings, which replace those that were typed; ``<...>`` in a setting is a placeholder.

    Examples
    --------
    >>> remember_arguments(["run=best", "name=mine", "margin=0.1"])
    >>> repeat_command("promote", "run=1", "force=<reason>")
    'python scripts/promote.py name=mine margin=0.1 run=1 force=<reason>'
    """
    changed_keys = [split_override(override).key for override in overrides]
    unchanged = (override for override in _arguments if not is_within(override, *changed_keys))
    return show_command(script, [*unchanged, *overrides])


def suggest_training() -> str:
    """Return the advice to train a model first, with the command."""
    return f"Train a model first: {suggest_command('train')}"


def name_source(tags: Mapping[str, str]) -> str:
    """Return the source of a run with these tags, for MLflow's column of sources.

    Examples
    --------
    >>> name_source({"command": "python scripts/train.py model=svm"})
    'train.py'
    >>> name_source({"kind": "monitoring"})
    'monitor.py'
    """
    command = tags.get("command") or _form.format(_SOURCES.get(tags.get("kind", ""), "train"))
    program, script = [*command.split(), ""][:2]
    return script.rpartition("/")[2] if script.endswith(".py") else f"{program} {script}".strip()


def has_make_targets() -> bool:
    """Return whether the working folder is a checkout, with its Makefile."""
    return _form == _SCRIPT and not _folder and Path("Makefile").is_file()


def suggest_ui(uri: str) -> str:
    """Return how to look at the runs in the MLflow store `uri`.

    Examples
    --------
    >>> suggest_ui("http://127.0.0.1:5000")
    'http://127.0.0.1:5000 in a browser'
    """
    address = shlex.quote(redact(uri))
    if uri.startswith(("http://", "https://")):
        return f"{address} in a browser"
    if redact(uri) != uri and uri == os.environ.get(_STORE_VARIABLE):
        address = f'"${_STORE_VARIABLE}"'  # with its password
    # The environment of the terminal may differ from that of this process.
    program = "mlflow" if shutil.which("mlflow") else f"{shlex.quote(sys.executable)} -m mlflow"
    command = f"{program} ui --backend-store-uri {address}"
    if not has_make_targets():
        return command
    target = "make ui" if uri == _DEFAULT_STORE else f"make ui STORE={address}"
    return f"{command}    (or: {target})"


def _find_repeated_key(override: str) -> str | None:
    """Return the key of an override if suggested commands repeat that setting or group, or None."""
    keys = ("outputs", "search.storage", "tracking", "trusted", "name", "metric")
    return next((key for key in keys if is_within(override, key)), None)


def _quote(override: str) -> str:
    redacted = redact(override)
    return redacted if redacted.endswith(">") else _quote_for_shell(requote(redacted))


def _quote_for_shell(word: str) -> str:
    """Return `word`, quoted if necessary, in the quotes that need the fewest escapes."""
    if "'" not in word:
        return shlex.quote(word)
    if _SPECIAL.isdisjoint(word):
        return f'"{word}"'
    return "'" + word.replace("'", r"'\''") + "'"
