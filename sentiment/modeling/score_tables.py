"""Tables of scores and their intervals, for terminals, model cards and notebooks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import pandas as pd

from sentiment.config.metrics import CLASSES, list_shown
from sentiment.modeling.intervals import Interval
from sentiment.modeling.metrics import KAPPA
from sentiment.modeling.statistics import exact_interval

_SPLITS = ("cv", "validation", "test")


@dataclass(frozen=True)
class ScoreTable:
    """Table of the main scores of a run.

    Attributes
    ----------
    splits : list of str
        The columns: those of ``"cv"``, ``"validation"`` and ``"test"`` that were scored.
    rows : dict of str to list of str
        The cells of each metric, one for each split.
    """

    splits: list[str]
    rows: dict[str, list[str]]

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{split}</th>" for split in self.splits)
        rows = "".join(
            f"<tr><th>{escape(name)}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
            for name, cells in self.rows.items()
        )
        return f"<table><tr><th></th>{head}</tr>{rows}</table>"


def tabulate_scores(
    metrics: Mapping[str, float],
    intervals: Mapping[str, Interval] | None = None,
    optimized: str = "accuracy",
) -> ScoreTable:
    """Return the table of the main scores of a run.

    Parameters
    ----------
    metrics : dict of str to float
        Scores by ``<split>/<name>``. A metric that is missing for a split is left out.
    intervals : dict of str to (float, float), optional
        The 95 % intervals, by the same keys.
    optimized : str
        The metric of searches, which is always included.
    """
    splits = [split for split in _SPLITS if f"{split}/accuracy" in metrics]
    intervals = dict(intervals or {})
    # Cross-validation scores the validation rows, too, and three intervals do not fit into a line.
    if "cv" in splits:
        intervals = {k: v for k, v in intervals.items() if not k.startswith("validation/")}
    names = list_shown(
        round(metrics.get(CLASSES, 2)),  # runs of earlier versions have no number of classes
        optimized,
        ordered=any(f"{split}/{KAPPA}" in metrics for split in splits),
        multilabel=any(f"{split}/hamming_loss" in metrics for split in splits),
    )
    rows: dict[str, list[str]] = {}
    for name in names:
        keys = [f"{split}/{name}" for split in splits]
        if not metrics.keys() >= {*keys}:
            continue
        # A score without an interval is about as certain as the accuracy of the same rows.
        precisions = [
            intervals.get(f"{split}/{name}") or intervals.get(f"{split}/accuracy")
            for split in splits
        ]
        digits = min((count_digits(interval) for interval in precisions if interval), default=4)
        rows[name] = [format_score(metrics[key], intervals.get(key), digits) for key in keys]
    return ScoreTable(splits, rows)


def tabulate_classes(classes: pd.DataFrame, frequent: int, worst: int) -> list[list[str]]:
    """Return label, precision, recall, F1 and row count of the classes to show in a table.

    Parameters
    ----------
    classes : DataFrame
        From `measure_each_class`.
    frequent, worst : int
        Maximum number of the most frequent classes, and of the other classes with the lowest F1.
    """
    shown = _choose_classes(classes, frequent, worst)
    denominators = {"precision": "predicted", "recall": "rows"}
    intervals = {
        name: exact_interval(shown["right"].to_numpy(), shown[size].to_numpy()).T.tolist()
        for name, size in denominators.items()
    }
    # All cells have the number of digits that is significant for the narrowest interval.
    digits = max(count_digits(interval) for column in intervals.values() for interval in column)
    table = []
    for k, row in enumerate(shown.to_dict("records")):
        cells = [
            format_score(row[name], intervals[name][k], digits) if row[size] else "none"
            for name, size in denominators.items()
        ]
        f1 = "none" if math.isnan(row["f1"]) else format_score(row["f1"], digits=digits)
        table.append([row["label"], *cells, f1, f"{row['rows']:,}"])
    return table


def _choose_classes(classes: pd.DataFrame, frequent: int, worst: int) -> pd.DataFrame:
    """Return the most frequent classes and the worst of the others, in the order of `classes`."""
    order = classes.sort_values("rows", ascending=False, kind="stable").index
    others = classes.loc[order[frequent:]].query("rows > 0").sort_values("f1", kind="stable").index
    return classes.loc[sorted([*order[:frequent], *others[:worst]])]


def format_score(value: float, interval: Interval | None = None, digits: int | None = None) -> str:
    """Return a score with its interval, rounded to digits that are significant for the interval.

    Parameters
    ----------
    value : float
        The score.
    interval : tuple of float, optional
        Bounds of the interval; NaN if there are too few rows for one.
    digits : int, optional
        Number of digits; default: that of `count_digits`, or 4 without an interval.

    Examples
    --------
    >>> format_score(0.90464, (0.89611, 0.91272)), format_score(0.75, (0.50896, 0.91343))
    ('0.905 [0.896, 0.913]', '0.75 [0.51, 0.91]')
    """
    if interval is None or math.isnan(interval[0]):
        return f"{value:.{digits or 4}f}"
    digits = digits or count_digits(interval)
    return f"{value:.{digits}f} [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"


def count_digits(interval: Interval) -> int:
    """Return the number of digits for which an interval is about ten steps wide: 2, 3 or 4."""
    width = interval[1] - interval[0]
    return max(2, min(math.ceil(-math.log10(width)) + 1, 4)) if width > 0 else 4
