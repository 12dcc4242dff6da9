"""Two models on live traffic, by the labels that came back: intervals that may be watched daily."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from omegaconf import DictConfig

from sentiment.commands.compare.descriptions import write_difference, write_p
from sentiment.commands.compare.estimates import Estimate, McNemar
from sentiment.commands.compare.job import write_json
from sentiment.config import make
from sentiment.errors import ConfigError, EmptyDataError
from sentiment.files.traffic import CHALLENGER, CHAMPION, SHADOW, LoggedModel, Traffic
from sentiment.modeling.sequential import follow_difference, follow_paired_difference
from sentiment.tracking import RunFacts, RunFolder, Tracker
from sentiment.tracking.folder import make_timestamp
from sentiment.tracking.recording import keep_and_record
from sentiment.tracking.stages import StageObserver, Stages

TABLE = "live.json"
_COLUMNS = ["id", "key", "role", "time", "labelled", "prediction", "label"]


@dataclass(frozen=True)
class LiveComparison:
    """Accuracy of two models on labelled traffic.

    Attributes
    ----------
    route : str
        The route whose traffic is compared.
    first, second : LoggedModel
        Champion and challenger.
    rows : tuple of int
        Labelled rows of each; where both predicted the same rows, those.
    accuracy : tuple of float
        Accuracy of each.
    difference : Estimate
        Second less first. Its interval holds at any time, however often it is looked at.
    errors : McNemar or None
        Counts of rows on which each is right, where both predicted the same rows.
    level : float
        Confidence of the interval.
    """

    route: str
    first: LoggedModel
    second: LoggedModel
    rows: tuple[int, int]
    accuracy: tuple[float, float]
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
            0: "the labels show no difference between A and B yet",
        }
        values = " against ".join(f"{100 * one:.2f} %" for one in reversed(self.accuracy))
        return f"{outcomes[self.judge()]}: right on {values} ({self.write_difference()})."

    def write_difference(self) -> str:
        """Return the difference with its interval."""
        return f"{write_difference(self.difference, 'accuracy', self.level)} at any time"

    def describe_evidence(self) -> str:
        """Return the difference and its rows, as part of a sentence."""
        return f"accuracy {self.write_difference()}, live on {self.describe_rows()}"

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
        What was found.
    folder : Path
        Where ``live.json`` is.
    run_id : str or None
        The run in the tracking store that keeps it.
    """

    comparison: LiveComparison
    folder: Path
    run_id: str | None


def compare_live(
    cfg: DictConfig, command: str = "", observer: StageObserver | None = None
) -> LiveResult:
    """Compare two models on the traffic in the log of a server.

    Parameters
    ----------
    cfg : DictConfig
        As composed from ``conf/compare.yaml``, checked, with ``live``.
    command : str
        The command line, for the record.
    observer : StageObserver, optional
        Receives progress.

    Raises
    ------
    SentimentError
        The folder is not a log, or has no labelled rows of two models.
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
        comparison = measure_live(traffic, first, second, (1 - cfg.level) / 2)
    with stages("keep results"):
        folder = RunFolder.claim(Path(cfg.outputs, "compare", make_timestamp()))
        result = LiveResult(comparison, folder.path, None)
        write_json(comparison.describe() | {"command": command}, folder.add(TABLE))
        tags = {"kind": "comparison", "data": f"live: {cfg.route}", "command": command}
        params = {f"run_{key}": one.key for key, one in zip("AB", (first, second), strict=True)}
        metrics = {
            f"{key}/accuracy": value for key, value in zip("AB", comparison.accuracy, strict=True)
        } | {"B-A/accuracy": comparison.difference.value}
        name = f"compare live {cfg.route}"
        kept = keep_and_record(
            cfg, tracker, folder, RunFacts(name, tags, params, metrics=metrics), "the comparison"
        )
    return replace(result, run_id=kept.run_id)


def measure_live(
    traffic: Traffic, first: LoggedModel, second: LoggedModel, alpha: float
) -> LiveComparison:
    """Compare two models by the labels in a log.

    Rows that both predicted, one of them in shadow, are compared in pairs. If there are none, rows
    of the champion are compared with rows of the challenger in the hours in which both predicted.

    Parameters
    ----------
    traffic : Traffic
        The log.
    first, second : LoggedModel
        Champion and challenger.
    alpha : float
        Bound on the probability that the difference is ever below the interval, and on that above
        it.

    Raises
    ------
    EmptyDataError
        There are no such rows with labels.
    """
    rows = _read_labelled(traffic, [first.key, second.key])
    own = [rows[rows["key"] == one.key] for one in (first, second)]
    pairs = _pair(*own)
    errors = None
    if len(pairs):
        right = [pairs[f"right_{key}"].to_numpy(dtype=bool) for key in ("first", "second")]
        errors = McNemar.count(*right)
        low, high = follow_paired_difference(right[1].astype(float) - right[0], alpha)
    else:
        arms = [own[0][own[0]["role"] == CHAMPION], own[1][own[1]["role"] == CHALLENGER]]
        hours = [arm["time"].dt.floor("h") for arm in arms]
        arms = [arms[0][hours[0].isin(hours[1])], arms[1][hours[1].isin(hours[0])]]
        right = [arm["right"].to_numpy(dtype=bool) for arm in arms]
        if not all(map(len, right)):
            raise EmptyDataError(
                f"'{traffic.folder}'",
                f"the route {traffic.route!r} has no labels for both {first.uri} and {second.uri} "
                "from the same time",
            )
        low, high = follow_difference(right[0].astype(float), right[1].astype(float), alpha)
    accuracy = (float(right[0].mean()), float(right[1].mean()))
    difference = Estimate(accuracy[1] - accuracy[0], low, high, float("nan"))
    counts = (len(right[0]), len(right[1]))
    return LiveComparison(
        traffic.route, first, second, counts, accuracy, difference, errors, 1 - 2 * alpha
    )


def _read_labelled(traffic: Traffic, keys: list[str]) -> pd.DataFrame:
    """Return the labelled rows of two models, in the order in which their labels came."""
    frames: list[pd.DataFrame] = []
    for table in traffic.read():
        wanted = pc.and_(pc.is_valid(table["label"]), pc.is_in(table["key"], pa.array(keys)))
        frames.append(table.filter(wanted).select(_COLUMNS).to_pandas())
    if not frames:
        raise EmptyDataError(f"'{traffic.folder}'", f"nothing of the route {traffic.route!r}")
    rows = pd.concat(frames).sort_values(["labelled", "id"], kind="stable")
    return rows.assign(right=rows["prediction"] == rows["label"])


def _pair(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that both predicted, in the order of `first`."""
    ends = ("_first", "_second")
    pairs = first.merge(second.drop_duplicates("id"), on="id", suffixes=ends)
    is_shadow = (pairs["role_first"] == SHADOW) != (pairs["role_second"] == SHADOW)
    return pairs[is_shadow]


def _choose_model(
    traffic: Traffic, models: list[LoggedModel], named: str | None, roles: tuple[str, ...],
    tracker: Tracker,
) -> LoggedModel:  # fmt: skip
    """Return the model that was named, or the latest one in one of the `roles`."""
    if named is None:
        chosen = [one for one in models if one.role in roles]
        reason = f"no {roles[0]} has answered"
    else:
        choice = tracker.find_model(named, "accuracy", greater_is_better=True)
        chosen = [one for one in models if one.key in (choice.run_id, choice.uri)]
        reason = f"the model {named} has not answered"
    if not chosen:
        raise EmptyDataError(f"'{traffic.folder}'", f"{reason} for the route {traffic.route!r}")
    return chosen[-1]


def write_one_look(errors: McNemar) -> str:
    """Return McNemar's test in words, with its caveat: it holds for a single look only."""
    return f"McNemar {write_p(errors.test().p)}, if this is the only look"
