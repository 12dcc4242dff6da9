"""Change of the scores since the previous run on the same folder of labels."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sentiment.commands.train.fitting import CV
from sentiment.config import show_command
from sentiment.errors import SentimentError
from sentiment.tracking import StoredRun, Tracker

# Splits whose scores are compared: the first that both runs have.
_SPLITS = {CV: "cross-validated rows", "test": "test rows"}


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
        (before, now), (few, more) = self.values, self.rows
        return (
            f"{self.labels:,}, {self.added:,} more than run {self.run_id[:8]}: {self.metric} "
            f"{before:.4f} on {few:,} {self.split} -> {now:.4f} on {more:,}"
        )


def find_growth(
    tracker: Tracker, run_id: str, params: Mapping[str, str], metrics: Mapping[str, float],
    metric: str,
) -> Growth | None:  # fmt: skip
    """Return the change since the latest run with fewer labels of the same folder.

    None if the data are not a folder, or there is no such run.

    Parameters
    ----------
    tracker : Tracker
        Where the runs are.
    run_id : str
        The run.
    params, metrics : mapping
        Its settings and scores.
    metric : str
        The metric to compare.
    """
    folder = Path(params.get("data.path", "")).expanduser()
    if not params.get("data.path") or not folder.is_dir():
        return None
    runs = list[StoredRun]()
    with suppress(SentimentError):  # the training has succeeded, whatever this finds
        runs = tracker.list_runs()
    labels = metrics.get("rows/fitted", 0)
    for run in runs:
        fewer = 0 < run.metrics.get("rows/fitted", 0) < labels
        path = Path(run.params.get("data.path", "")).expanduser()
        if run.id == run_id or not fewer or path.resolve() != folder.resolve():
            continue
        names = (f"{split}/{metric}" for split in _SPLITS)
        name = next((one for one in names if one in run.metrics and one in metrics), None)
        if name is None:
            continue
        tests = [found.get("data.test_path", "None") for found in (params, run.params)]
        split = name.partition("/")[0]
        alike = split == "test" and tests[0] == tests[1] not in ("", "None")
        return Growth(
            run_id=run.id,
            labels=round(labels),
            added=round(labels - run.metrics["rows/fitted"]),
            metric=metric,
            split=_SPLITS[split],
            values=(run.metrics[name], metrics[name]),
            rows=(_count_rows(run.metrics, split), _count_rows(metrics, split)),
            command=show_command("compare", [f"a={run.id}", f"b={run_id}"]) if alike else "",
        )
    return None


def _count_rows(metrics: Mapping[str, float], split: str) -> int:
    return round(metrics.get(f"rows/{split}", 0))
