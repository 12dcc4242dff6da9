"""Recipes: the command that trains a trial on its own, and its file in conf/experiment."""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from sentiment.commands.best.sweeps import StoredSweep, StoredTrial
from sentiment.commands.search.results import JobResult, read_results
from sentiment.commands.search.studies.spaces import read_setting
from sentiment.commands.search.trial import is_housekeeping, list_refit_overrides, list_settings
from sentiment.config import (
    choose_conf,
    compose,
    explain_error,
    find_key,
    is_within,
    list_conf,
    parse_overrides,
    read_overrides,
    suggest_command,
    write_command,
    write_override,
    write_recorded,
)
from sentiment.errors import ConfigError, ExperimentExistsError, RecipeError, quote_list
from sentiment.files.replacing import replace_file
from sentiment.redaction import MASK

# Settings on which a trial does not depend, but which belong to an experiment: the rows that the
# saved model learns from, and what a sweep over the experiment chooses by.
_KEPT = ("refit", "optimize")


@dataclass(frozen=True)
class Recipe:
    """Command that trains a trial on its own.

    Attributes
    ----------
    overrides : sequence of str
        The arguments of the command.
    settings : dict of str to str
        The settings of the trial, by dotted key.
    differences : sequence of str
        Settings that `overrides` no longer reproduce, one line each: files under ``conf/`` or
        defaults in the code have changed since.
    """

    overrides: Sequence[str]
    settings: dict[str, str]
    differences: Sequence[str]

    @property
    def command(self) -> str:
        """The command line."""
        return suggest_command("train", *self.overrides)


def find_recipe(study: StoredSweep, trial: StoredTrial, result: JobResult | None) -> Recipe | None:
    """Return how to train `trial` on its own, or None if its study left nothing on this machine.

    Parameters
    ----------
    study : StoredSweep
        The study.
    trial : StoredTrial
        One of its trials.
    result : JobResult, optional
        Its result, if its folder is on this machine.
    """
    overrides = None if result is None else read_overrides(result.tags)
    if overrides is None:
        overrides = _borrow_overrides(study, trial)
    if overrides is None:
        return None
    stored = study.fixed if result is None else result.settings
    settings = {key: value for key, value in stored.items() if not is_housekeeping(key)}
    differences = _compare(settings, overrides)
    if differences:
        # A search may fix settings that nobody typed, and files may have changed since.
        overrides += [_write_setting(key, settings[key]) for key in differences if key in settings]
        differences = _compare(settings, overrides)
    if "" not in differences:
        overrides += list_refit_overrides(compose("train", overrides))
    return Recipe(overrides, settings, list(differences.values()))


def _borrow_overrides(study: StoredSweep, trial: StoredTrial) -> list[str] | None:
    """Return overrides for a trial that ran elsewhere: those of a local trial, with its values."""
    results = read_results(study.folder, keep=True)
    for other in study.trials:
        is_local = other.number in results
        overrides = read_overrides(results[other.number].tags) if is_local else None
        if overrides is not None:
            drawn = {find_key(read_setting(name)) for name in [*other.params, *trial.params]}
            shared = [word for word in overrides if find_key(word) not in drawn]
            params = {read_setting(name): value for name, value in trial.params.items()}
            return [*shared, *(write_override(key, value) for key, value in params.items())]
    return None


def _compare(settings: dict[str, str], overrides: list[str]) -> dict[str, str]:
    """Return a line for each of `settings` that a job with these overrides would not have."""
    try:
        cfg = compose("train", overrides)
    except Exception as error:  # Hydra and OmegaConf have many
        problem = explain_error(error)
        if problem is None:
            raise
        return {"": str(problem)}
    current = {key: str(value) for key, value in list_settings(cfg).items()}
    return {
        key: f"{key} was {write_recorded(value)} and would be "
        f"{write_recorded(current.get(key, 'nothing'))}"
        for key, value in settings.items()
        if current.get(key) != value
    }


def _write_setting(key: str, value: str) -> str:
    return f"++{write_override(key, write_recorded(value))}"


def write_experiment(name: str, recipe: Recipe | None, about: str, *, overwrite: bool) -> Path:
    """Write ``experiment/<name>.yaml``, an experiment with the settings of a trial.

    It goes to ``--config-dir``, to ``conf`` of the project in the working folder or to that of a
    checkout, in this order.

    Parameters
    ----------
    name : str
        Of the experiment.
    recipe : Recipe, optional
        Of the trial.
    about : str
        A sentence for the top of the file.
    overwrite : bool
        Replace a file of that name.

    Raises
    ------
    ConfigError
        `name` is not a valid name of a file.
    ExperimentExistsError
        It is there.
    RecipeError
        There is no folder for it, or the file would not have the settings of the trial, such as a
        password, which is not kept.
    """
    if not re.fullmatch(r"\w[\w-]*", name):
        raise ConfigError(
            [f"write={name}: expected the name of an experiment: letters, digits, - and _."]
        )
    folder = choose_conf()
    if folder is None:
        raise RecipeError(
            "this package is installed, and the working folder has no project for configs. Type "
            "--config-dir=<folder>, or make a project: sentiment init <folder>."
        )
    path = folder / "experiment" / f"{name}.yaml"
    if any((conf / "experiment" / path.name).exists() for conf in list_conf() if conf != folder):
        raise ConfigError([f"write={name}: there is an experiment of that name; choose another."])
    if path.exists() and not overwrite:
        raise ExperimentExistsError(path)
    if recipe is None:
        raise RecipeError("the trials ran on another machine. Write it there.")
    _check_secrets(recipe.overrides)
    text = describe_experiment(name, recipe.overrides, about)
    _check_experiment(text, recipe.settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    if overwrite:
        replace_file(path, text.encode())
        return path
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:  # another process has just made it
        raise ExperimentExistsError(path) from None
    return path


def _check_secrets(overrides: Sequence[str]) -> None:
    """Refuse overrides with a password, since passwords are not stored."""
    masked = [word for word in overrides if MASK in word and not is_housekeeping(word)]
    keys = list(map(find_key, masked))
    if keys:
        raise RecipeError(
            f"the trial had a password in {quote_list(keys)}, and no file keeps it. Search again "
            f"with the name of an environment variable in its place: {keys[0]}='${{oc.env:NAME}}'."
        )


def describe_experiment(name: str, overrides: Sequence[str], about: str) -> str:
    """Return the text of an experiment with the settings of `overrides`.

    Settings of how and where jobs run, such as ``outputs``, are left out.

    Raises
    ------
    RecipeError
        One of `overrides` cannot be written in a file.
    """
    recipe = [word for word in overrides if is_within(word, *_KEPT) or not is_housekeeping(word)]
    folders = list_conf()
    bases: list[Any] = []
    choices: dict[str, Any] = {}
    settings = OmegaConf.create()
    for override in parse_overrides(recipe):
        key, value = override.key_or_group, override.value()
        if override.is_delete() or override.package is not None:
            raise RecipeError(f"{override.input_line!r} can be typed, but has no place in a file.")
        if key == "experiment":
            bases += value if isinstance(value, list) else [value]
        elif any((folder / key).is_dir() for folder in folders):
            choices[f"override /{key}"] = value
        else:
            _set(settings, override, value)
    defaults = [*filter(None, bases), *({key: value} for key, value in choices.items())]
    command = write_command("train", [f"experiment={name}"])
    head = f"# @package _global_\n# {about}\n# {command}\n"
    parts = [OmegaConf.to_yaml(OmegaConf.create({"defaults": defaults}))] if defaults else []
    # A blank line between groups, as in the files that are written by hand.
    parts += [OmegaConf.to_yaml(OmegaConf.masked_copy(settings, [str(key)])) for key in settings]
    return head + "\n".join(parts)


def _set(settings: Any, override: Any, value: Any) -> None:
    try:
        OmegaConf.update(settings, override.key_or_group, value, force_add=True)
    except ValueError as error:  # a key inside of a setting without a value
        raise RecipeError(f"{override.input_line!r}: {error}") from error


def _check_experiment(text: str, settings: dict[str, str]) -> None:
    """Check that the experiment composes to the settings of the trial, in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "experiment").mkdir()
        name = f"checked_{Path(folder).name}"
        (Path(folder) / "experiment" / f"{name}.yaml").write_text(text, encoding="utf-8")
        search_path = f"hydra.searchpath=['file://{folder}']"
        differences = _compare(settings, [f"experiment={name}", search_path])
    if differences:
        lines = "\n".join(f"  - {line}" for line in list(differences.values())[:8])
        raise RecipeError(f"its settings would not be those of the trial:\n{lines}")
