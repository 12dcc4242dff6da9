"""Scores of a run for the choice of decision rules."""

import pandas as pd

from sentiment.errors import RunNotFoundError
from sentiment.modeling.evaluation import scores_file
from sentiment.modeling.predictions import Predictions
from sentiment.tracking import Tracker


def read_rule_scores(tracker: Tracker, run_id: str) -> Predictions:
    """Return the scores of the cross-validation of a run, or else of its validation rows.

    Raises
    ------
    RunNotFoundError
        The run did not keep its scores.
    """
    try:
        path = tracker.fetch_file(run_id, scores_file("cv"))
    except RunNotFoundError:
        path = tracker.fetch_file(run_id, scores_file("validation"))
    return Predictions.from_frame(pd.read_parquet(path))
