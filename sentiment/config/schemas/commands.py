"""Settings of each command; defaults are in the files under ``conf/``."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from sentiment.config.schemas.base import Group, Settings
from sentiment.config.schemas.drift import AlertSettings, ThresholdSettings
from sentiment.config.schemas.groups import SweepSettings, find_dialect_problems
from sentiment.config.schemas.values import (
    Automatic,
    Column,
    Count,
    Encoding,
    Folder,
    Goal,
    Level,
    Metric,
    ModelName,
    Probability,
    Refit,
    Resamples,
    Seconds,
    Seed,
    StudyName,
    Text,
    Trusted,
    at_least,
)
from sentiment.config.type_hints import Rule
from sentiment.errors import count_of

# Letters of compared runs; their number limits a comparison.
RUN_KEYS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, kw_only=True)
class TrainSettings(Settings):
    """Settings of ``scripts/train.py``."""

    data: Group
    features: Group
    model: Group
    deploy: Group
    tracking: Group
    seed: Seed
    cv: Annotated[int, at_least(2, "a whole number of folds from 2")] | Automatic | None
    refit: Refit | None
    optimize: Metric
    outputs: Folder
    trusted: Trusted
    memory: Text | None
    search: SweepSettings


@dataclass(frozen=True, kw_only=True)
class InputSettings(Settings):
    """Settings of the file that a command reads."""

    text_column: Column | None
    encoding: Encoding | None
    sep: str | None
    quote: str | None
    escape: str | None
    header: bool | Count | None

    @classmethod
    def find_conflicts(cls, values: Mapping[str, Any], prefix: str) -> Iterator[str]:
        """Yield the problems of separators and quotes."""
        yield from find_dialect_problems(values, prefix)


@dataclass(frozen=True, kw_only=True)
class PredictSettings(InputSettings):
    """Settings of ``scripts/predict.py``."""

    deploy: Group
    tracking: Group
    input: Text
    output: Text | None
    table: Text | None
    query: Text | None
    together: bool
    explain: bool
    overwrite: bool
    outputs: Folder
    trusted: Trusted


@dataclass(frozen=True, kw_only=True)
class ExplainSettings(Settings):
    """Settings of ``scripts/explain.py``."""

    deploy: Group
    tracking: Group
    text: Text
    label: Text | None
    columns: dict[str, str | None] | None
    output: Text | None
    overwrite: bool
    outputs: Folder
    trusted: Trusted


@dataclass(frozen=True, kw_only=True)
class SuggestSettings(InputSettings):
    """Settings of ``scripts/suggest.py``."""

    tracking: Group
    input: Text
    n: Annotated[int, at_least(1, "a whole number from 1 to 1,000", 1000)]
    folder: Text
    labels: (
        Annotated[
            list[Text],
            Rule(
                "two or more different labels, such as [positive,negative]",
                lambda labels: len(set(labels)) == len(labels) >= 2,
            ),
        ]
        | None
    )
    label_separator: Annotated[str, Rule("a separator of labels, such as ';'", str.strip)] | None
    labelled: Text | None
    run: Text
    metric: Metric
    table: Text | None
    query: Text | None
    candidates: Count
    seed: Seed
    page: bool
    labeler: StudyName | None
    overlap: Annotated[int, at_least(0, "a whole number from 0 to 1,000", 1000)]
    port: Annotated[int, at_least(0, "a whole number from 0 to 65,535", 65535)]
    outputs: Folder
    trusted: Trusted

    @classmethod
    def find_conflicts(cls, values: Mapping[str, Any], prefix: str) -> Iterator[str]:
        """Yield the problems of separators and quotes, and of settings of the page."""
        yield from find_dialect_problems(values, prefix)
        page_settings = [name for name in ("labeler", "overlap", "port") if values[name]]
        if page_settings and not values["page"]:
            yield f"{page_settings[0]} is for the page on which texts are labelled; add page=true."
        elif values["overlap"] and values["labeler"] is None:
            yield (
                f"overlap is {values['overlap']}, which asks for texts again that other people "
                "have labelled; give your name: labeler=<name>."
            )


@dataclass(frozen=True, kw_only=True)
class NamedSweepSettings(Settings):
    """The sweep that ``scripts/best.py`` shows."""

    name: StudyName | None
    storage: Text | None


@dataclass(frozen=True, kw_only=True)
class BestSettings(Settings):
    """Settings of ``scripts/best.py``."""

    search: NamedSweepSettings
    write: Text | None
    overwrite: bool
    outputs: Folder
    trusted: Trusted


@dataclass(frozen=True, kw_only=True)
class MonitorSettings(InputSettings):
    """Settings of ``scripts/monitor.py``."""

    tracking: Group
    current: Text
    route: Text
    run: Text | None
    label_column: Column | None
    time_column: Column | None
    sample: Count
    windows: Count
    thresholds: ThresholdSettings
    seed: Seed
    outputs: Folder
    trusted: Trusted
    output: Text
    workspace: Text | None
    project: Text
    textfile: Text | None
    alert: AlertSettings


def _check_live(values: Mapping[str, Any]) -> Iterator[str]:
    if values["live"] is None:
        return
    if values["threshold"] != 0.5:
        yield (
            "live compares the labels that the server has given, whose threshold is "
            "deploy.threshold of serve; leave threshold out."
        )
    metric = values["metric"]
    if metric not in ("accuracy", "recall"):
        yield (
            f"metric is {metric!r}, but live takes accuracy or recall: means over rows that do not "
            f"depend on the model, for which an interval holds at any time. {metric} is not one."
        )


@dataclass(frozen=True, kw_only=True)
class CompareSettings(Settings):
    """Settings of ``scripts/compare.py``."""

    tracking: Group
    runs: list[Text]
    a: Text | None
    b: Text | None
    live: Text | None
    route: Text
    metric: Metric
    threshold: Probability | Goal
    level: Level
    resamples: Resamples
    seed: Seed
    outputs: Folder
    trusted: Trusted

    @classmethod
    def find_conflicts(cls, values: Mapping[str, Any], prefix: str) -> Iterator[str]:
        """Yield a problem unless two or more runs are named, all by the same settings."""
        pair = [name for name in (values["a"], values["b"]) if name is not None]
        names = values["runs"] or pair
        if values["live"] is not None:
            if values["runs"]:
                yield "live compares two models; name them with a=... b=..., not with runs."
            yield from _check_live(values)
        elif values["runs"] and pair:
            yield "runs and a, b were both given; set either runs=[...], or a=... b=..."
        elif not 2 <= len(names) <= len(RUN_KEYS):
            yield (
                f"{count_of(len(names), 'run')} to compare; expected two or more: "
                "runs=[best,<id>], or a=models:/sentiment@champion b=<id>."
            )


@dataclass(frozen=True, kw_only=True)
class PromoteSettings(Settings):
    """Settings of ``scripts/promote.py``."""

    tracking: Group
    run: Text
    name: ModelName
    metric: Metric
    threshold: Probability | Goal
    alpha: Annotated[
        float,
        Rule(
            "a share above 0 and up to 0.5, such as 0.05",
            lambda value: 0 < value <= 0.5,
            limits=(("exclusiveMinimum", 0), ("maximum", 0.5)),
        ),
    ]
    margin: Annotated[
        float, Rule("a number from 0", lambda value: value >= 0, limits=(("minimum", 0),))
    ]
    live: Text | None
    route: Text
    force: (
        Annotated[
            str, Rule('the reason, such as force="it is half the size"', lambda t: bool(t.strip()))
        ]
        | None
    )
    rollback: bool
    level: Level
    resamples: Resamples
    seed: Seed
    outputs: Folder
    trusted: Trusted

    @classmethod
    def find_conflicts(cls, values: Mapping[str, Any], prefix: str) -> Iterator[str]:
        """Yield a problem if a metric or threshold is set that does not apply to live traffic."""
        yield from _check_live(values)


@dataclass(frozen=True, kw_only=True)
class FinalizeSettings(Settings):
    """Settings of ``scripts/finalize.py``."""

    tracking: Group
    run: Text
    metric: Metric
    refit: Refit
    path: Text | None
    test_path: Text | None
    outputs: Folder
    trusted: Trusted


@dataclass(frozen=True, kw_only=True)
class RecordSettings(Settings):
    """Settings of ``scripts/record.py``."""

    tracking: Group
    folder: Text
    own: bool
    outputs: Folder
    trusted: Trusted


@dataclass(frozen=True, kw_only=True)
class ScheduleSettings(Settings):
    """Schedule, retries and cache of the flow."""

    search: StudyName | None
    cron: Text | None
    retries: Annotated[int, at_least(0, "a whole number from 0 to 1,000", 1000)]
    retry_delay: Seconds
    cache_hours: Seconds


@dataclass(frozen=True, kw_only=True)
class FlowSettings(Settings):
    """Settings of ``scripts/flow.py``."""

    tracking: Group
    train: str
    input: Text | None
    predict: str
    monitor: str
    promote: str
    name: ModelName
    outputs: Folder
    trusted: Trusted
    flow: ScheduleSettings

    @classmethod
    def find_conflicts(cls, values: Mapping[str, Any], prefix: str) -> Iterator[str]:
        """Yield a problem if there are settings of steps that are not run."""
        if values["input"] is None and (values["predict"].strip() or values["monitor"].strip()):
            yield "predict and monitor have settings, but there is no input to predict."
