"""Tracking: recording runs and finding their models, with MLflow or without a store."""

from sentiment.tracking.connections import forget_connections
from sentiment.tracking.folder import CARD, KEY, MODEL, RULES, RUN_ID, RunFacts, RunFolder
from sentiment.tracking.off import NoTracker
from sentiment.tracking.records import (
    SCALE,
    ModelChoice,
    RunRecord,
    StoredRun,
    SweepRecord,
    Tracker,
)
from sentiment.tracking.registry import MlflowRegistry, Version
from sentiment.tracking.store import MlflowTracker

__all__ = [
    "CARD",
    "KEY",
    "MODEL",
    "RULES",
    "RUN_ID",
    "SCALE",
    "MlflowRegistry",
    "MlflowTracker",
    "ModelChoice",
    "NoTracker",
    "RunFacts",
    "RunFolder",
    "RunRecord",
    "StoredRun",
    "SweepRecord",
    "Tracker",
    "Version",
    "forget_connections",
]
