"""Schemas of all commands and groups: names, types and ranges of settings, each stated once.

The quoting of command lines, the check of configs, and the constructors of data sets and scorers
all use them. Nothing heavy is imported, so mistakes are reported at once.
"""

from dataclasses import MISSING, fields
from functools import cache
from typing import Any

from sentiment.config.schemas import commands
from sentiment.config.schemas.base import Group, Settings, check_values, is_nested
from sentiment.config.schemas.commands import RUN_KEYS
from sentiment.config.schemas.drift import AlertSettings, DriftSettings, ThresholdSettings
from sentiment.config.schemas.groups import (
    ClusterSettings,
    DatasetSettings,
    EmbeddedSettings,
    EstimatorSettings,
    FolderSettings,
    ScorerSettings,
    StoreSettings,
    TableSettings,
    WorkerSettings,
)
from sentiment.config.schemas.serving import (
    DEFAULT_ROUTE,
    LogSettings,
    RouteSettings,
    ServerSettings,
    ServeSettings,
)
from sentiment.config.schemas.values import INT_MAX, Folder, Trusted, parse_goal
from sentiment.config.type_hints import list_hints, list_types

__all__ = [
    "COMMANDS",
    "DEFAULT_ROUTE",
    "INT_MAX",
    "RUN_KEYS",
    "TARGETS",
    "AlertSettings",
    "ClusterSettings",
    "DatasetSettings",
    "DriftSettings",
    "EmbeddedSettings",
    "EstimatorSettings",
    "Folder",
    "FolderSettings",
    "Group",
    "LogSettings",
    "RouteSettings",
    "ScorerSettings",
    "ServerSettings",
    "Settings",
    "StoreSettings",
    "TableSettings",
    "ThresholdSettings",
    "Trusted",
    "WorkerSettings",
    "check_values",
    "find_types",
    "is_nested",
    "list_defaults",
    "parse_goal",
]

COMMANDS: dict[str, type[Settings]] = {
    "train": commands.TrainSettings,
    "predict": commands.PredictSettings,
    "explain": commands.ExplainSettings,
    "suggest": commands.SuggestSettings,
    "best": commands.BestSettings,
    "monitor": commands.MonitorSettings,
    "compare": commands.CompareSettings,
    "promote": commands.PromoteSettings,
    "finalize": commands.FinalizeSettings,
    "record": commands.RecordSettings,
    "flow": commands.FlowSettings,
    "serve": ServeSettings,
}
# Schemas of the classes in group files, so that settings are checked without importing the classes.
TARGETS: dict[str, type[Settings]] = {
    "sentiment.data.datasets.EmbeddedReviews": EmbeddedSettings,
    "sentiment.data.datasets.TableFile": TableSettings,
    "sentiment.data.datasets.AclImdb": FolderSettings,
    "sentiment.modeling.scoring.BatchScorer": ScorerSettings,
    "sentiment.commands.predict.distributed.DaskScorer": ClusterSettings,
    "sentiment.tracking.MlflowTracker": StoreSettings,
    "sentiment.tracking.NoTracker": Settings,
}


def find_types(key: str) -> set[Any]:
    """Return the types that a value of the setting `key` may have; empty for an unknown setting.

    Parameters
    ----------
    key : str
        Dotted, such as ``deploy.threshold``. Parts of a group may have the same settings as the
        group itself: ``features.parts.words.token_pattern``.

    Returns
    -------
    set of type
        For a list, ``list`` and the types of its items.
    """
    parents, _, name = key.rpartition(".")
    return _list_types().get((parents.partition(".")[0], name), set())


def list_defaults(target: str) -> dict[str, Any]:
    """Return the defaults of the settings of a class, by name.

    Examples
    --------
    >>> list_defaults("sentiment.data.datasets.TableFile")["on_bad_rows"]
    'drop'
    >>> list_defaults("sklearn.svm.LinearSVC")
    {}
    """
    settings = fields(TARGETS[target]) if target in TARGETS else ()
    return {field.name: field.default for field in settings if field.default is not MISSING}


@cache
def _list_types() -> dict[tuple[str, str], set[Any]]:
    """Return the types of all settings by group ("" for none) and name."""
    types: dict[tuple[str, str], set[Any]] = {}
    schemas = [
        *(("", schema) for schema in COMMANDS.values()),
        *((s.group, s) for s in TARGETS.values()),
    ]
    while schemas:
        group, settings_class = schemas.pop(0)
        for name, hint in list_hints(settings_class).items():
            if is_nested(hint):
                schemas.append((name, hint))
            elif hint is not Group:
                types.setdefault((group, name), list_types(hint))
    for name, hint in list_hints(EstimatorSettings).items():
        types |= {(group, name): list_types(hint) for group in ("features", "model")}
    return types
