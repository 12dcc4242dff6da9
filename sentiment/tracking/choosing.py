"""Choice of the best run among runs with comparable scores."""

import math
import time
from typing import TYPE_CHECKING

from sentiment.config.metrics import AVERAGES, CLASSES, METRICS
from sentiment.errors import count_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlflow import MlflowClient
    from mlflow.entities import Run

# A metric that only runs on rows with several labels have, and the one that they optimize by
# default.
_MULTILABEL_METRIC, _MULTILABEL_DEFAULT = "hamming_loss", "f1_micro"
# Settings that distinguish data sets of the same name.
_SOURCE = ("data.path", "data.table", "data.query")
# The tag that numbers the runs of an experiment in the order of their creation. Start times depend
# on the clocks of machines, any of which may be wrong.
ORDER = "order"


def choose_best(runs: "Sequence[Run]", metric: str) -> "tuple[Run, str] | None":
    """Return the best run and the reason, or None if no run has the `metric`.

    Scores are comparable only on the same rows, so the best run is chosen among the runs with the
    fingerprint of the newest run: the same data, rows and split. Runs on a sample count only if
    there are no others. The newest run is the one that the store created last, whatever the clocks
    of the machines showed. In a tie, the newer run is chosen.

    Parameters
    ----------
    runs : sequence of Run
        Finished training runs.
    metric : str
        Such as ``validation/accuracy``, which for rows with several labels means the metric that
        the newest run optimized: accuracy would require all labels of a row to be right. If all
        runs on the same rows were cross-validated, the cross-validated metric is used.
    """
    values = _read_values(runs, metric)
    scored = [run for run in runs if id(run) in values]
    complete = [run for run in scored if run.data.tags.get("sample") != "true"]
    candidates = complete or scored
    if not candidates:
        return None
    newest = max(candidates, key=_read_order)
    optimized = _find_optimized(newest, metric)
    if optimized != metric:
        metric = optimized
        values = _read_values(runs, metric)
        candidates = [run for run in candidates if id(run) in values]
    comparable = [run for run in candidates if _read_rows(run) == _read_rows(newest)]
    cv_values = _read_values(comparable, cross_validated(metric))
    if len(cv_values) == len(comparable):  # scores of more rows than the validation split has
        metric, values = cross_validated(metric), cv_values
    others = [_read_source(run) for run in candidates if _read_rows(run) != _read_rows(newest)]
    other_rows = others.count(_read_source(newest))
    sign = 1 if METRICS[metric.partition("/")[2]] else -1
    best = max(comparable, key=lambda run: (sign * values[id(run)], _read_order(run)))
    excluded = {
        "on other data": len(others) - other_rows,
        "on other rows or another split of them": other_rows,
        "on a sample": len(scored) - len(candidates),
    }
    reasons = [
        f"{count_of(number, 'run')} {reason}" for reason, number in excluded.items() if number
    ]
    data = newest.data.tags.get("data", "unknown")
    reason = (
        f"best {metric} of {count_of(len(comparable), 'run')} on {data}: "
        f"{describe_score(metric, best.data.metrics | {metric: values[id(best)]})}"
    )
    reason += _describe_optimized(comparable, newest, best, metric)
    return best, reason + f"; not comparable: {', '.join(reasons)}" * bool(reasons)


def _describe_optimized(
    comparable: "Sequence[Run]", newest: "Run", best: "Run", metric: str
) -> str:
    """Describe the run that beats `best` in the metric that `newest` optimized, if there is one."""
    split, name = metric.partition("/")[0], newest.data.params.get("optimize", "")
    optimized, direction = f"{split}/{name}", METRICS.get(name)
    values = _read_values(comparable, optimized)
    if direction is None or id(best) not in values:
        return ""
    sign = 1 if direction else -1
    scored = [run for run in comparable if id(run) in values]
    better = max(scored, key=lambda run: (sign * values[id(run)], _read_order(run)))
    if values[id(better)] == values[id(best)]:
        return ""
    return f"; by {optimized}, which the newest one optimized, it is run {better.info.run_id}"


def cross_validated(metric: str) -> str:
    """Return the cross-validated counterpart of a metric such as ``validation/accuracy``."""
    return f"cv/{metric.partition('/')[2]}"


def _read_values(runs: "Sequence[Run]", metric: str) -> dict[int, float]:
    """Return the `metric` of each run where it is defined, by the id of the object.

    Earlier versions recorded macro averages under the name of the metric of two classes. Such a
    value is used if another run on the same rows has recorded more than two classes.
    """
    split, _, name = metric.partition("/")
    legacy_name = {average: binary for binary, average in AVERAGES.items()}.get(name)
    multiclass_rows = {str(_read_rows(run)) for run in runs if run.data.metrics.get(CLASSES, 2) > 2}
    values = {}
    for run in runs:
        metrics = run.data.metrics
        if metric in metrics:
            values[id(run)] = metrics[metric]
        elif f"{split}/{legacy_name}" in metrics and str(_read_rows(run)) in multiclass_rows:
            values[id(run)] = metrics[f"{split}/{legacy_name}"]
    return {run: value for run, value in values.items() if not math.isnan(value)}


def _find_optimized(run: "Run", metric: str) -> str:
    """Return the metric by which the best of the runs on the same rows as `run` is chosen."""
    split, _, name = metric.partition("/")
    metrics = run.data.metrics
    if name != "accuracy" or f"{split}/{_MULTILABEL_METRIC}" not in metrics:
        return metric
    optimized = f"{split}/{run.data.params.get('optimize', _MULTILABEL_DEFAULT)}"
    return optimized if optimized in metrics else f"{split}/{_MULTILABEL_DEFAULT}"


def describe_score(metric: str, metrics: "Mapping[str, float]") -> str:
    """Return a score with the number of its rows and, of an accuracy, its interval.

    Examples
    --------
    >>> describe_score("validation/accuracy", {"validation/accuracy": 0.8, "rows/validation": 20})
    '0.8000 (20 rows, 95 % interval 0.5634 to 0.9427)'
    """
    value, split = metrics[metric], metric.partition("/")[0]
    rows = round(metrics.get(f"rows/{split}", 0))
    if not rows:
        return f"{value:.4f}"
    interval = ""
    if metric.endswith("/accuracy"):
        import numpy as np

        from sentiment.modeling.statistics import exact_interval

        # The same interval as in the table that training prints.
        low, high = exact_interval(np.array([round(value * rows)]), np.array([rows]))[:, 0]
        interval = f", 95 % interval {low:.4f} to {high:.4f}"
    return f"{value:.4f} ({rows:,} rows{interval})"


def next_order(client: "MlflowClient", experiment: str) -> str:
    """Return the `ORDER` of the next run of an experiment, given by its id."""
    from mlflow.entities import ViewType

    newest_runs = client.search_runs(
        [experiment], f"tags.`{ORDER}` LIKE '%'", ViewType.ALL, 1, [f"tags.`{ORDER}` DESC"]
    )
    number = max((_read_order(run)[0] for run in newest_runs), default=0) + 1
    return f"{number:012}"  # stores sort tags as text


def _read_source(run: "Run") -> list[str | None]:
    return [run.data.tags.get("data"), *(run.data.params.get(name) for name in _SOURCE)]


def _read_rows(run: "Run") -> str | list[str | None]:
    """Return the identity of the validation rows of a run."""
    return run.data.tags.get("data.fingerprint") or _read_source(run)


def _read_order(run: "Run") -> tuple[int, int]:
    """Return a sort key, greater for newer runs; runs of old versions have a start time only."""
    order, start = run.data.tags.get(ORDER, ""), int(run.info.start_time or 0)
    in_future = start > 1000 * time.time()
    return int(order) if order.isdecimal() else 0, 0 if in_future else start
