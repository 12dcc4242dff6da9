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
# The command that makes runs of a kind; other runs record their command.
_SOURCES = {"monitoring": "monitor"}
# The forms of a command: both have two words before the settings.
_SCRIPT, _PROGRAM = "python scripts/{}.py", "sentiment {}"
_typed: list[str] = []
_form = _SCRIPT
_folder = ""  # of the scripts, as it was typed
# Characters that shells interpret also in double quotes.
_SPECIAL = set('"$`\\!')
# Commands with choices of config files.
_CHOOSING = {"train", "best"}


def remember_program() -> None:
    """Write commands as ``sentiment train``, the form in which this process was started."""
    global _form
    _form = _PROGRAM


def remember_words(words: Sequence[str], program: str = "") -> None:
    """Remember the command line of this process, parts of which suggested commands repeat.

    Parameters
    ----------
    words : sequence of str
        The words behind the program.
    program : str
        The script as it was typed, which may be in another folder than the working one.
    """
    global _folder
    _typed[:] = words
    path, usual = Path(program), Path("scripts", Path(program).name)
    _folder = "" if path.parent.name != "scripts" or usual.is_file() else str(path.parent)


def write_command(name: str, words: Iterable[str]) -> str:
    """Return a command line for records, independent of the folder of the scripts.

    Examples
    --------
    >>> write_command("train", ["model=svm", "outputs=my runs"])
    "python scripts/train.py model=svm 'outputs=my runs'"
    """
    return " ".join([_form.format(name), *map(shlex.quote, words)])


def show_command(name: str, words: Iterable[str]) -> str:
    """Return a command line that can be pasted into the terminal of this process.

    Passwords are hidden; ``<...>`` in a word is a placeholder.
    """
    return " ".join([_show_program(name), *map(_quote, words)])


def show_commands(text: str) -> str:
    """Return `text` with its commands in the form in which this process was started.

    Examples
    --------
    >>> show_commands("Try python scripts/train.py model=svm")
    'Try python scripts/train.py model=svm'
    """
    script = re.escape(_SCRIPT).replace(r"\{\}", r"(\w+)")
    return re.sub(script, lambda found: _show_program(found[1]), text)


def _show_program(name: str) -> str:
    if _form == _SCRIPT and _folder:
        return f"python {shlex.quote(f'{_folder}/{name}.py')}"
    return _form.format(name)


def describe_origin(name: str, words: Sequence[str]) -> dict[str, str]:
    """Return the tags with the command line of a run."""
    return {"command": write_command(name, words), "overrides": json.dumps([*words])}


def adopt_form(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a training with its command in the form of this process.

    A worker of a sweep does not know how the sweep was started, and records the form of scripts.

    Examples
    --------
    >>> adopt_form({"command": "python scripts/train.py model=svm"})
    {'command': 'python scripts/train.py model=svm'}
    """
    script, form = (one.format("train") for one in (_SCRIPT, _form))
    command = tags.get("command", "")
    if not command.startswith(script):
        return {**tags}
    return {**tags, "command": form + command.removeprefix(script)}


def read_origin(tags: Mapping[str, str]) -> list[str] | None:
    """Return the overrides in the tags of a run, or None if there are none.

    Settings of trusted classes are left out, since other people may write to the store.

    Examples
    --------
    >>> read_origin(describe_origin("train", ["model=svm", "outputs=my runs"]))
    ['model=svm', 'outputs=my runs']
    """
    words: list[str] = []
    with suppress(KeyError, ValueError):  # or the tag was cut, since it was too long for a store
        words = list(map(str, json.loads(tags["overrides"])))
    if not words:
        if not tags.get("command"):
            return None
        # Runs of earlier versions only have the command, in one of its two forms.
        words = shlex.split(tags["command"])[2:]
    return [word for word in words if not is_within(word, "trusted")]


def suggest_command(script: str, *words: str) -> str:
    """Return a command line of `script` for the store and the classes of the running command.

    A suggested promotion also repeats the registered model and the metric. Passwords are hidden; a
    store that needs one should be set by an environment variable.

    Parameters
    ----------
    script : str
        Its name, such as ``"train"``.
    *words : str
        Its settings; ``<...>`` in one is a placeholder.

    Examples
    --------
    >>> remember_words(["model=svm", "outputs=my runs"])
    >>> suggest_command("predict", "input=reviews.csv")
    "python scripts/predict.py input=reviews.csv 'outputs=my runs'"
    """
    accepted = {"outputs", "trusted", *(() if script == "best" else ("tracking",))}
    accepted |= {"search.storage"} if script == "best" or "-m" in words else set()
    accepted |= {"name", "metric"} if script == "promote" else set()
    stored = [word for word in _typed if _name_place(word) in accepted]
    places = set(map(_name_place, stored))
    kept = [word for word in words if _name_place(word) not in places]
    folders = list_named_conf() if script in _CHOOSING else []
    return show_command(script, [*(f"--config-dir={folder}" for folder in folders), *kept, *stored])


def repeat_command(script: str, *words: str) -> str:
    """Return the running command line of `script` with some settings changed.

    Parameters
    ----------
    script : str
        Its name, such as ``"promote"``.
    *words : str
        Settings, in place of those that were typed; ``<...>`` in one is a placeholder.

    Examples
    --------
    >>> remember_words(["run=best", "name=mine", "margin=0.1"])
    >>> repeat_command("promote", "run=1", "force=<reason>")
    'python scripts/promote.py name=mine margin=0.1 run=1 force=<reason>'
    """
    changed = [split_override(word).key for word in words]
    kept = (word for word in _typed if not is_within(word, *changed))
    return show_command(script, [*kept, *words])


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
    words = tags.get("command") or _form.format(_SOURCES.get(tags.get("kind", ""), "train"))
    program, script = [*words.split(), ""][:2]
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
    shown = shlex.quote(redact(uri))
    if uri.startswith(("http://", "https://")):
        return f"{shown} in a browser"
    if redact(uri) != uri and uri == os.environ.get(_STORE_VARIABLE):
        shown = f'"${_STORE_VARIABLE}"'  # with its password
    # The environment of the terminal may differ from that of this process.
    program = "mlflow" if shutil.which("mlflow") else f"{shlex.quote(sys.executable)} -m mlflow"
    command = f"{program} ui --backend-store-uri {shown}"
    if not has_make_targets():
        return command
    target = "make ui" if uri == _DEFAULT_STORE else f"make ui STORE={shown}"
    return f"{command}    (or: {target})"


def _name_place(word: str) -> str | None:
    """Return the setting or group that suggested commands repeat, of an override, or None."""
    places = ("outputs", "search.storage", "tracking", "trusted", "name", "metric")
    return next((place for place in places if is_within(word, place)), None)


def _quote(word: str) -> str:
    shown = redact(word)
    return shown if shown.endswith(">") else _quote_for_shell(requote(shown))


def _quote_for_shell(word: str) -> str:
    """Return `word`, quoted if necessary, in the quotes that need the fewest escapes."""
    if "'" not in word:
        return shlex.quote(word)
    if _SPECIAL.isdisjoint(word):
        return f'"{word}"'
    return "'" + word.replace("'", r"'\''") + "'"
