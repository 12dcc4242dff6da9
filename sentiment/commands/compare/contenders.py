"""Contenders of a comparison: runs and their predictions for the same test rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from sentiment.config import find_key, is_within, read_origin, suggest_command, write_recorded
from sentiment.data.labels import sort_labels
from sentiment.errors import LISTED, ConfigError, IncomparableRunsError, quote_list
from sentiment.modeling.evaluation import scores_file
from sentiment.modeling.predictions import Predictions
from sentiment.modeling.thresholds import choose_any_rule, needs_scores
from sentiment.tracking import ModelChoice, StoredRun, Tracker
from sentiment.tracking.known_scores import read_known_scores

# Validation rows have chosen settings; test rows have not.
SPLIT = "test"
_DIGITS = 12  # of a fingerprint, to be read


@dataclass(frozen=True)
class Contender:
    """A run in a comparison.

    Attributes
    ----------
    key : str
        The letter that stands for it, such as ``A``.
    model : ModelChoice
        Its model and the reason why it was chosen.
    run : StoredRun
        Its record in the store.
    predictions : Predictions
        Its predictions for the test rows.
    excerpts : ndarray of shape (n,)
        The beginnings of their texts.
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
        """Rows that it scored per second at training, on the machine where it was trained."""
        return self.run.metrics.get("deploy/rows_per_second", float("nan"))

    @property
    def is_sample(self) -> bool:
        """True if it was trained on a sample."""
        return self.run.tags.get("sample") == "true"

    @property
    def trained(self) -> str:
        """Special circumstances of its training; "" if there are none.

        A refitted run is compared by its scores from before the refit, which may use the test rows.
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
        Where the run is.
    key : str
        The letter that stands for it, such as ``A``.
    model, run : ModelChoice, StoredRun
        From `find_model`.
    threshold : float or str
        As of `choose_rule`; a goal is reached on the scores that `read_known_scores` returns.

    Raises
    ------
    RunNotFoundError
        The run kept no scores.
    ConfigError
        There is no such threshold; the message names the run.
    """
    table = pd.read_parquet(tracker.fetch_file(run.id, scores_file(SPLIT)))
    excerpts = table["excerpt"].to_numpy(dtype=object)
    made = Predictions.from_frame(table)
    if threshold != 0.5:
        known = read_known_scores(tracker, run.id) if needs_scores(threshold, 0.0) else None
        names = np.array(sort_labels(made.classes.astype(str)))
        try:
            rule: Any = choose_any_rule(threshold, 0.0, names, made.separator, known)
        except ConfigError as error:
            raise ConfigError([f"run {run.id}: {one}" for one in error.problems]) from error
        made = replace(made, rule=rule)
    return Contender(key, model, run, made, excerpts)


def check_different(names: Sequence[str], runs: Sequence[StoredRun]) -> None:
    """Raise `ConfigError` where two names mean the same run."""
    seen: dict[str, str] = {}
    for name, run in zip(names, runs, strict=True):
        if run.id in seen:
            known = seen[run.id]
            both = f"{name} means" if name == known else f"{known} and {name} mean"
            raise ConfigError([f"{both} the run {run.id} twice; name another to compare."])
        seen[run.id] = name


def check_same_rows(first: Contender, second: Contender) -> None:
    """Check that two runs were scored on the same test rows.

    Raises
    ------
    IncomparableRunsError
        They were not; the message lists the differences and a remedy.
    """
    one, other = first.run, second.run
    if one.tags.get("data.fingerprint") != other.tags.get("data.fingerprint"):
        differences = [f"{_describe_data(one)} against {_describe_data(other)}"]
        differences += _list_differences(one.params, other.params)
        raise IncomparableRunsError(one.id, other.id, differences, _write_remedy(one, other))
    if first.predictions.classes.tolist() != second.predictions.classes.tolist():
        labels = [quote_list(c.predictions.classes, LISTED) for c in (first, second)]
        differences = [f"their labels are {labels[0]} against {labels[1]}"]
    elif not (
        np.array_equal(first.predictions.labels, second.predictions.labels)
        and np.array_equal(first.excerpts, second.excerpts)
    ):
        differences = ["the test rows that they kept are not the same"]
    else:
        return
    remedy = "Train both again on the same data."
    raise IncomparableRunsError(one.id, other.id, differences, remedy)


def _describe_data(run: StoredRun) -> str:
    sample = " (a sample)" if run.tags.get("sample") == "true" else ""
    digits = run.tags.get("data.fingerprint", "unknown")[:_DIGITS]
    return f"data {run.tags.get('data', 'unknown')} {digits}{sample}"


def _list_differences(first: dict[str, str], second: dict[str, str]) -> list[str]:
    """Return the differences between the data settings of two runs, in words."""
    found = _find_differences(first, second)
    return [f"{key} is {one} against {other}" for key, (one, other) in found.items()]


def _find_differences(first: dict[str, str], second: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Return the settings of the data in which two runs differ, and both values as typed."""
    return {
        key: (write_recorded(first[key]), write_recorded(second[key]))
        for key in sorted(first.keys() & second.keys())
        if is_data(key)
        and first[key] != second[key]
        and key != "data.name"
        and not key.endswith("_target_")
    }


def _write_remedy(first: StoredRun, second: StoredRun) -> str:
    """Return how to train the settings of the first run on the data of the second."""
    own, others = (read_origin(run.tags) for run in (first, second))
    if own is None or others is None or "data" not in second.tags:
        return "Train one of them again on the data of the other."
    words = [word for word in own if not is_data(word)]
    words.append(f"data={second.tags['data']}")
    words += [word for word in others if is_data(word) and find_key(word) != "data"]
    given = set(map(find_key, words))
    # What a file, such as an experiment, has set is not in the command.
    words += [
        f"{key}={value}"
        for key, (_, value) in _find_differences(first.params, second.params).items()
        if key not in given
    ]
    return (
        "Train the settings of the first on the data of the second and compare with that: "
        f"{suggest_command('train', *words)}"
    )


def is_data(word: str) -> bool:
    """Return whether an override of ``train.py`` is about the data."""
    return is_within(word, "data", "seed")
