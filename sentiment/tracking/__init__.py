"""Keeping a record of runs and finding their models again."""

from sentiment.tracking.folder import MODEL, RunFolder
from sentiment.tracking.off import NoTracker
from sentiment.tracking.records import ModelChoice, RunRecord, StoredRun, SweepRecord, Tracker
from sentiment.tracking.registry import MlflowRegistry, Version
from sentiment.tracking.store import MlflowTracker

__all__ = [
    "MODEL",
    "MlflowRegistry",
    "MlflowTracker",
    "ModelChoice",
    "NoTracker",
    "RunFolder",
    "RunRecord",
    "StoredRun",
    "SweepRecord",
    "Tracker",
    "Version",
]
