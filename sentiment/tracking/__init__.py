"""Keeping a record of runs and finding their models again."""

from sentiment.tracking.off import NoTracker
from sentiment.tracking.records import ModelChoice, RunRecord, SweepRecord, Tracker
from sentiment.tracking.store import MlflowTracker

__all__ = ["MlflowTracker", "ModelChoice", "NoTracker", "RunRecord", "SweepRecord", "Tracker"]
