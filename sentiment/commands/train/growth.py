"""Change of the scores since the previous run on the same folder of labels."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sentiment.commands.train.fitting import CV
from sentiment.commands.train.job import TrainingResult
from sentiment.config import show_command
from sentiment.data.splitting import SPLITS
from sentiment.errors import SentimentError
from sentiment.tracking import StoredRun, Tracker

# Splits whose scores are compared: the first that both runs have.
_COMPARED = {CV: "cross-validated rows", "test": "test rows"}


@dataclass(frozen=True)
class Growth:
    """Change of the scores since the previous run.

    Attributes
    ----------
    run_id : str
        The previous run.
    labels, added : int
        Labelled rows now, and how many of them are new.
    metric, split : str
        The metric and the split.
    values : (float, float)
        Its values before and now.
    rows : (int, int)
        Rows behind each value; the two are rarely the same rows.
    command : str
        Compares both runs if they were tested on the same rows; else "".
    """

    run_id: str
    labels: int
    added: int
    metric: str
    split: str
    values: tuple[float, float]
    rows: tuple[int, int]
    command: str = ""

    def describe(self) -> str:
        """Return the change in words.

        Examples
        --------
        >>> Growth("0123456789", 90, 50, "accuracy", "test rows", (0.7, 0.75), (8, 18)).describe()
        '90, 50 more than run 01234567: accuracy 0.7000 on 8 test rows -> 0.7500 on 18'
        """
        (before, after), (rows_before, rows_after) = self.values, self.rows
        return (
            f"{self.labels:,}, {self.added:,} more than run {self.run_id[:8]}: {self.metric} "
            f"{before:.4f} on {rows_before:,} {self.split} -> {after:.4f} on {rows_after:,}"
        )


def find_growth(tracker: Tracker, data: Mapping[str, Any], result: TrainingResult) -> Growth | None:
    """Return the change since the latest run with fewer labels of the same folder.

    None if the training was not recorded, its data are not a folder, or there is no such run.

    Parameters
    ----------
    tracker : Tracker
        Where the runs are.
    data : mapping
        Settings of the data.
    result : TrainingResult
        The training.
    """
    path, metrics = str(data.get("path") or ""), result.metrics
    folder = Path(path).expanduser()
    if result.run_id is None or not path or not folder.is_dir():
        return None
    runs = list[StoredRun]()
    with suppress(SentimentError):  # the training has succeeded, whatever this finds
        runs = tracker.list_runs()
    labels = _count_labels(metrics)
    for run in runs:
        has_fewer = 0 < _count_labels(run.metrics) < labels and run.tags.get("sample") != "true"
        earlier = Path(run.params.get("data.path", "")).expanduser()
        if run.id == result.run_id or not has_fewer or earlier.resolve() != folder.resolve():
            continue
        keys = (f"{split}/{result.optimize}" for split in _COMPARED)
        metric = next((key for key in keys if key in run.metrics and key in metrics), None)
        if metric is None:
            continue
        split, test = metric.partition("/")[0], data.get("test_path")
        has_same_rows = split == "test" and test and str(test) == run.params.get("data.test_path")
        compare = show_command("compare", [f"a={run.id}", f"b={result.run_id}"])
        return Growth(
            run_id=run.id,
            labels=labels,
            added=labels - _count_labels(run.metrics),
            metric=result.optimize,
            split=_COMPARED[split],
            values=(run.metrics[metric], metrics[metric]),
            rows=(_count_rows(run.metrics, split), _count_rows(metrics, split)),
            command=compare if has_same_rows else "",
        )
    return None


def _count_labels(metrics: Mapping[str, float]) -> int:
    """Return the number of labelled rows, whichever of them the saved model has learned from."""
    return sum(_count_rows(metrics, split) for split in SPLITS)


def _count_rows(metrics: Mapping[str, float], split: str) -> int:
    return round(metrics.get(f"rows/{split}", 0))
