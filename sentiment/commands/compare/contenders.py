"""Contenders of a comparison: runs and their predictions for the same test rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from sentiment.config import (
    compose,
    find_key,
    flatten,
    is_within,
    quote_free_text,
    read_overrides,
    suggest_command,
    write_recorded,
)
from sentiment.data.labels import sort_labels
from sentiment.errors import LISTED, ConfigError, IncomparableRunsError, SentimentError, quote_list
from sentiment.modeling.evaluation import scores_file
from sentiment.modeling.predictions import Predictions
from sentiment.modeling.thresholds import choose_any_rule, needs_scores
from sentiment.tracking import ModelChoice, StoredRun, Tracker
from sentiment.tracking.rule_scores import read_rule_scores

# Validation rows were used to choose settings; test rows were not.
SPLIT = "test"
_FINGERPRINT_DIGITS = 12  # in messages


@dataclass(frozen=True)
class Contender:
    """A run in a comparison.

    Attributes
    ----------
    key : str
        Letter of the run in tables and messages, such as ``A``.
    model : ModelChoice
        The model, and why it was chosen.
    run : StoredRun
        Record of the run in the tracking store.
    predictions : Predictions
        Predictions for the test rows.
    excerpts : ndarray of shape (n,)
        Beginnings of the texts of the test rows.
    """

    key: str
    model: ModelChoice
    run: StoredRun
    predictions: Predictions
    excerpts: np.ndarray

    @property
    def size_mb(self) -> float:
        """Size of the model file in MB."""
        return self.run.metrics.get("model/size_mb", float("nan"))

    @property
    def rows_per_second(self) -> float:
        """Rows per second that the model scored at training, on the machine of the training."""
        return self.run.metrics.get("deploy/rows_per_second", float("nan"))

    @property
    def is_sample(self) -> bool:
        """True if the model was trained on a sample."""
        return self.run.tags.get("sample") == "true"

    @property
    def training_note(self) -> str:
        """Unusual facts about the training, in words, such as "on a sample"; usually empty.

        A refit may use the test rows, so a refitted run is compared by its scores before the refit.
        """
        return ", ".join(filter(None, ["on a sample" * self.is_sample, self.run.describe_refit()]))


def find_model(tracker: Tracker, name: str, metric: str) -> tuple[ModelChoice, StoredRun]:
    """Return the model that `name` means ("best" by `metric`, an id or an address) and its run."""
    choice = tracker.find_model(name, metric)
    return choice, tracker.read_run(choice.run_id)


def load_contender(
    tracker: Tracker, key: str, model: ModelChoice, run: StoredRun, threshold: float | str = 0.5
) -> Contender:
    """Return a run with its predictions for the test rows.

    Parameters
    ----------
    tracker : Tracker
        The tracking store of the run.
    key : str
        Letter of the run in tables and messages, such as ``A``.
    model, run : ModelChoice, StoredRun
        Result of `find_model`.
    threshold : float or str
        A threshold, or the goal of one; a threshold for a goal is chosen on the scores that
        `read_rule_scores` returns.

    Raises
    ------
    RunNotFoundError
        The run has no stored scores.
    ConfigError
        No threshold reaches the goal; the message names the run.
    """
    table = pd.read_parquet(tracker.fetch_file(run.id, scores_file(SPLIT)))
    excerpts = table["excerpt"].to_numpy(dtype=object)
    predictions = Predictions.from_frame(table)
    if threshold != 0.5:
        scores = read_rule_scores(tracker, run.id) if needs_scores(threshold, 0.0) else None
        names = np.array(sort_labels(predictions.classes.astype(str)))
        try:
            rule: Any = choose_any_rule(threshold, 0.0, names, predictions.separator, scores)
        except ConfigError as error:
            raise ConfigError([f"run {run.id}: {problem}" for problem in error.problems]) from error
        predictions = replace(predictions, rule=rule)
    return Contender(key, model, run, predictions, excerpts)


def check_distinct(names: Sequence[str], runs: Sequence[StoredRun]) -> None:
    """Raise `ConfigError` if two names refer to the same run."""
    names_by_id: dict[str, str] = {}
    for name, run in zip(names, runs, strict=True):
        if run.id in names_by_id:
            names_of_run = f"as {names_by_id[run.id]} and as {name}"
            problem = f"run {run.id} is named twice, {names_of_run}. Name two different runs."
            raise ConfigError([problem])
        names_by_id[run.id] = name


def check_same_rows(first: Contender, second: Contender) -> None:
    """Check that two runs were scored on the same test rows.

    Raises
    ------
    IncomparableRunsError
        They were not; the message lists the differences and a remedy.
    """
    first_run, second_run = first.run, second.run
    if first_run.tags.get("data.fingerprint") != second_run.tags.get("data.fingerprint"):
        differences = [f"{_describe_data(first_run)} against {_describe_data(second_run)}"]
        differences += _list_differences(first_run.params, second_run.params)
        raise IncomparableRunsError(
            first_run.id, second_run.id, differences, _write_remedy(first_run, second_run)
        )
    if first.predictions.classes.tolist() != second.predictions.classes.tolist():
        labels = [
            quote_list(contender.predictions.classes, LISTED) for contender in (first, second)
        ]
        differences = [f"their labels are {labels[0]} against {labels[1]}"]
    elif not (
        np.array_equal(first.predictions.labels, second.predictions.labels)
        and np.array_equal(first.excerpts, second.excerpts)
    ):
        differences = ["the test rows that they kept are not the same"]
    else:
        return
    remedy = "Train both again on the same data."
    raise IncomparableRunsError(first_run.id, second_run.id, differences, remedy)


def _describe_data(run: StoredRun) -> str:
    sample = " (a sample)" if run.tags.get("sample") == "true" else ""
    digits = run.tags.get("data.fingerprint", "unknown")[:_FINGERPRINT_DIGITS]
    return f"data {run.tags.get('data', 'unknown')} {digits}{sample}"


def _list_differences(first: dict[str, str], second: dict[str, str]) -> list[str]:
    """Return the differences between the data settings of two runs, in words."""
    differences = _find_differences(first, second)
    return [
        f"{key} is {value} against {other_value}"
        for key, (value, other_value) in differences.items()
    ]


def _find_differences(first: dict[str, str], second: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Return the data settings in which two runs differ, with both values as typed."""
    return {
        key: (write_recorded(first[key]), write_recorded(second[key]))
        for key in sorted(first.keys() & second.keys())
        if is_data_override(key)
        and first[key] != second[key]
        and key != "data.name"
        and not key.endswith("_target_")
    }


def _write_remedy(first: StoredRun, second: StoredRun) -> str:
    """Return the advice to train the settings of one run on the data of the other."""
    for run, other in ((first, second), (second, first)):
        command = _write_command(run, other)
        if command is not None:
            return (
                f"Train the settings of run {run.id} on the data of run {other.id} and compare "
                f"with that: {command}"
            )
    return (
        "Train one of them again on the data of the other: with the same seed and settings of "
        "data, and without an experiment that sets the data."
    )


def _write_command(run: StoredRun, other: StoredRun) -> str | None:
    """Return the command that trains the settings of a run on the data of another.

    It is None if the commands of the runs are not known, or if the settings cannot be combined, as
    with an experiment that sets options of other data.
    """
    run_overrides, other_overrides = (read_overrides(stored.tags) for stored in (run, other))
    if run_overrides is None or other_overrides is None or "data" not in other.tags:
        return None
    data_overrides = [override for override in other_overrides if is_data_override(override)]
    typed = [override for override in data_overrides if find_key(override) == "data"]
    choice = typed[-1] if typed else f"data={other.tags['data']}"
    overrides = [override for override in run_overrides if not is_data_override(override)]
    overrides += [choice, *(override for override in data_overrides if override not in typed)]
    overridden = set(map(find_key, overrides))
    # Settings from a file, such as an experiment, are not among the overrides.
    differences = _find_differences(run.params, other.params)
    settings = {key: value for key, (_, value) in differences.items()}
    settings |= _find_data_settings(choice, run.params, other.params)
    overrides += [f"{key}={value}" for key, value in settings.items() if key not in overridden]
    try:
        compose("train", quote_free_text(overrides))
    except SentimentError:
        return None
    return suggest_command("train", *overrides)


def _find_data_settings(
    choice: str, params: dict[str, str], other_params: dict[str, str]
) -> dict[str, str]:
    """Return the settings, other than defaults, that only the data of the other run has."""
    settings = {
        key: write_recorded(other_params[key])
        for key in sorted(other_params.keys() - params.keys())
        if key.startswith("data.") and not key.endswith("_target_")
    }
    required = [f"{key}={value}" for key, value in settings.items() if key == "data.path"]
    try:
        defaults = flatten(compose("train", quote_free_text([choice, *required])))
    except SentimentError:
        return settings
    return {
        key: value
        for key, value in settings.items()
        if key == "data.path" or str(defaults.get(key)) != other_params[key]
    }


def is_data_override(override: str) -> bool:
    """Return whether an override of ``train.py`` is about the data."""
    return is_within(override, "data", "seed")
