"""Comparison of two models on live traffic, with intervals that hold at every look."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from omegaconf import DictConfig

from sentiment.commands.compare.descriptions import (
    NO_DIFFERENCE,
    format_difference,
    format_p_value,
)
from sentiment.commands.compare.estimates import Estimate, McNemar
from sentiment.commands.compare.job import write_json
from sentiment.config import make
from sentiment.data.labels import find_order
from sentiment.errors import LISTED, ConfigError, EmptyDataError, quote_list, show_share
from sentiment.files.traffic import CHALLENGER, CHAMPION, SHADOW, LoggedModel, Traffic
from sentiment.modeling.model_files import load_model
from sentiment.modeling.pipeline import find_separator
from sentiment.modeling.sequential import bound_difference, bound_paired_difference
from sentiment.tracking import RunFacts, RunFolder, Tracker
from sentiment.tracking.folder import make_timestamp
from sentiment.tracking.recording import keep_and_record
from sentiment.tracking.stages import StageObserver, Stages

TABLE = "live.json"
_COLUMNS = ["id", "key", "role", "time", "labelled", "prediction", "label"]


@dataclass(frozen=True)
class LiveComparison:
    """Comparison of two models on labelled traffic.

    Attributes
    ----------
    route : str
        The route whose traffic is compared.
    first, second : LoggedModel
        Champion and challenger.
    rows : tuple of int
        Number of labelled rows of each model; with pairs, of rows that both predicted.
    metric : str
        ``accuracy`` or ``recall``: a mean over rows.
    scores : tuple of float
        The metric of each model.
    difference : Estimate
        Second minus first. The interval holds at any time, no matter how often it is checked.
    errors : McNemar or None
        With pairs, the counts of rows on which each model is right.
    level : float
        Confidence of the interval.
    """

    route: str
    first: LoggedModel
    second: LoggedModel
    rows: tuple[int, int]
    metric: str
    scores: tuple[float, float]
    difference: Estimate
    errors: McNemar | None
    level: float

    def judge(self) -> int:
        """Return 1 if the second is better, -1 if it is worse, 0 if the labels show neither."""
        return int(self.difference.low > 0) - int(self.difference.high < 0)

    def describe_verdict(self) -> str:
        """Return outcome and evidence as one sentence."""
        outcomes = {
            1: "B is better than A",
            -1: "B is worse than A",
            0: f"the labels show {NO_DIFFERENCE} between A and B yet",
        }
        values = " against ".join(show_share(score, 2) for score in reversed(self.scores))
        verb = "right on" if self.metric == "accuracy" else self.metric
        return f"{outcomes[self.judge()]}: {verb} {values} ({self.format_difference()})."

    def format_difference(self) -> str:
        """Return the difference with its interval."""
        return f"{format_difference(self.difference, self.metric, self.level)} at any time"

    def describe_evidence(self) -> str:
        """Return the difference and the number of rows, as part of a sentence."""
        return f"{self.metric} {self.format_difference()}, live on {self.describe_rows()}"

    def describe_rows(self) -> str:
        """Return the number of rows and whether they are paired, in words."""
        if self.errors is not None:
            return f"{self.rows[0]:,} labelled rows that both predicted"
        return f"{self.rows[0]:,} labelled rows of the champion and {self.rows[1]:,} of the other"

    def describe(self) -> dict[str, Any]:
        """Return the results as plain containers."""
        facts = asdict(self)
        facts["verdict"], facts["outcome"] = self.describe_verdict(), self.judge()
        if self.errors is not None:
            facts["p_of_one_look"] = self.errors.test().p
        return facts


@dataclass(frozen=True)
class LiveResult:
    """Result of a comparison on live traffic.

    Attributes
    ----------
    comparison : LiveComparison
        Scores and difference.
    folder : Path
        Folder of ``live.json``.
    run_id : str or None
        The run in the tracking store that records the comparison.
    """

    comparison: LiveComparison
    folder: Path
    run_id: str | None


def compare_live(
    cfg: DictConfig, command: str = "", observer: StageObserver | None = None
) -> LiveResult:
    """Compare two models on the traffic in a server's log.

    Parameters
    ----------
    cfg : DictConfig
        The checked config of ``conf/compare.yaml``, with ``live``.
    command : str
        The command line, for the record.
    observer : StageObserver, optional
        Receives progress.

    Raises
    ------
    SentimentError
        The folder is not a log, or the log has no labelled rows of two models.
    """
    stages = Stages(observer) if observer else Stages()
    tracker: Tracker = make(cfg, "tracking", "find_model")
    with stages("read log"):
        traffic = Traffic(Path(cfg.live).expanduser(), cfg.route, "live")
        models = traffic.list_models()
        first = _choose_model(traffic, models, cfg.a, (CHAMPION,), tracker)
        second = _choose_model(traffic, models, cfg.b, (CHALLENGER, SHADOW), tracker)
        if first.key == second.key:
            raise ConfigError([f"a and b mean the same model, {first.uri}; name another one."])
        positive = find_positive(cfg.metric, first, tracker)
        comparison = measure_live(traffic, first, second, (1 - cfg.level) / 2, positive)
    path = Path(cfg.outputs, "compare", make_timestamp())
    with stages("keep results"), RunFolder.claim(path) as folder:
        result = LiveResult(comparison, folder.path, None)
        write_json(comparison.describe() | {"command": command}, folder.add(TABLE))
        tags = {"kind": "comparison", "data": f"live: {cfg.route}", "command": command}
        params = {f"run_{key}": model.key for key, model in zip("AB", (first, second), strict=True)}
        metrics = {
            f"{key}/{cfg.metric}": value for key, value in zip("AB", comparison.scores, strict=True)
        } | {f"B-A/{cfg.metric}": comparison.difference.value}
        facts = RunFacts(f"compare live {cfg.route}", tags, params, metrics=metrics)
        recorded = keep_and_record(cfg.tracking, tracker, folder, facts, "the comparison")
    return replace(result, run_id=recorded.run_id)


def find_positive(metric: str, model: LoggedModel, tracker: Tracker) -> str | None:
    """Return the label whose recall is compared: the second of two classes; None for accuracy.

    Raises
    ------
    ConfigError
        The model has label sets, or not exactly two classes.
    """
    if metric != "recall":
        return None
    choice = tracker.find_model(model.run_id or model.uri, metric)
    pipeline = load_model(choice.path, choice.digest)
    classes = pipeline.classes_[find_order(pipeline.classes_)]
    if len(classes) != 2 or find_separator(pipeline) is not None:
        raise ConfigError(
            [
                f"metric is 'recall', which live takes of the second of two classes, but the "
                f"labels of {model.uri} are {quote_list(classes, LISTED)}; leave it out."
            ]
        )
    return str(classes[1])


def measure_live(
    traffic: Traffic,
    first: LoggedModel,
    second: LoggedModel,
    alpha: float,
    positive: str | None = None,
) -> LiveComparison:
    """Compare two models by the labels in a log.

    Rows that both models predicted, one of them in shadow, are compared in pairs. If there are no
    such rows, rows of the champion are compared with rows of the challenger, from hours in which
    both predicted.

    Parameters
    ----------
    traffic : Traffic
        The log.
    first, second : LoggedModel
        Champion and challenger.
    alpha : float
        Upper bound on the probability that the difference is ever below the interval, and on the
        probability that it is ever above.
    positive : str, optional
        The label whose recall is compared; default: compare the accuracy on all rows.

    Raises
    ------
    EmptyDataError
        The log has no such rows with labels.
    """
    rows = _read_labelled(traffic, [first.key, second.key])
    if positive is not None:
        # The choice of rows does not depend on predictions, so the interval of their mean holds.
        rows = rows[rows["label"] == positive]
    first_rows, second_rows = (rows[rows["key"] == model.key] for model in (first, second))
    pairs = _pair_rows(first_rows, second_rows)
    errors = None
    if len(pairs):
        right = [pairs[f"right_{key}"].to_numpy(dtype=bool) for key in ("first", "second")]
        errors = McNemar.count(*right)
        low, high = bound_paired_difference(right[1].astype(float) - right[0], alpha)
    else:
        arms = [
            first_rows[first_rows["role"] == CHAMPION],
            second_rows[second_rows["role"] == CHALLENGER],
        ]
        hours = [arm["time"].dt.floor("h") for arm in arms]
        arms = [arms[0][hours[0].isin(hours[1])], arms[1][hours[1].isin(hours[0])]]
        right = [arm["right"].to_numpy(dtype=bool) for arm in arms]
        if not all(map(len, right)):
            raise EmptyDataError(
                f"'{traffic.folder}'",
                f"the route {traffic.route!r} has no labels for both {first.uri} and {second.uri} "
                "from the same time",
                "POST /feedback with labels for predictions of both",
            )
        low, high = bound_difference(right[0].astype(float), right[1].astype(float), alpha)
    scores = (float(right[0].mean()), float(right[1].mean()))
    difference = Estimate(scores[1] - scores[0], low, high, float("nan"))
    counts, metric = (len(right[0]), len(right[1])), "recall" if positive else "accuracy"
    return LiveComparison(
        traffic.route, first, second, counts, metric, scores, difference, errors, 1 - 2 * alpha
    )


def _read_labelled(traffic: Traffic, keys: list[str]) -> pd.DataFrame:
    """Return the labelled rows of two models, in the order in which their labels arrived."""
    frames: list[pd.DataFrame] = []
    for table in traffic.read():
        is_selected = pc.and_(pc.is_valid(table["label"]), pc.is_in(table["key"], pa.array(keys)))
        frames.append(table.filter(is_selected).select(_COLUMNS).to_pandas())
    if not frames:
        raise EmptyDataError(
            f"'{traffic.folder}'",
            f"no rows of the route {traffic.route!r}",
            "the name of a route of the server, route=<name>",
        )
    rows = pd.concat(frames).sort_values(["labelled", "id"], kind="stable")
    return rows.assign(right=rows["prediction"] == rows["label"])


def _pair_rows(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that both models predicted, in the order of `first`."""
    suffixes = ("_first", "_second")
    pairs = first.merge(second.drop_duplicates("id"), on="id", suffixes=suffixes)
    is_shadow = (pairs["role_first"] == SHADOW) != (pairs["role_second"] == SHADOW)
    return pairs[is_shadow]


def _choose_model(
    traffic: Traffic, models: list[LoggedModel], run: str | None, roles: tuple[str, ...],
    tracker: Tracker,
) -> LoggedModel:  # fmt: skip
    """Return the model of `run`; default: the latest model in one of the `roles`."""
    if run is None:
        candidates = [model for model in models if model.role in roles]
        reason = f"no {roles[0]} has answered"
    else:
        choice = tracker.find_model(run, "accuracy")
        candidates = [model for model in models if model.key in (choice.run_id, choice.uri)]
        reason = f"the model {run} has not answered"
    if not candidates:
        raise EmptyDataError(
            f"'{traffic.folder}'",
            f"{reason} for the route {traffic.route!r}",
            "predictions of two models, one of them last as challenger or in shadow; name models "
            "whose roles have changed by a=<run id> b=<run id>",
        )
    return candidates[-1]


def describe_single_look(errors: McNemar) -> str:
    """Return McNemar's test in words, with its caveat: it is valid for a single look only."""
    return f"McNemar {format_p_value(errors.test().p)}, if this is the only look"
