"""Which of the runs of a store is the best."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlflow.entities import Run

# What tells data sets of the same name apart.
_SOURCE = ("data.path", "data.table", "data.query")


def choose_best(runs: "Sequence[Run]", metric: str, *, more: bool) -> "tuple[Run, str] | None":
    """Return the best of trained `runs` and why it is, or None if none has the `metric`.

    Scores on different data cannot be compared, so only runs on what was trained on last count; and
    a sample can score well by luck, so it counts only where there is nothing else.

    Parameters
    ----------
    runs : sequence of Run
        Finished ones.
    metric : str
        Such as ``validation/accuracy``.
    more : bool
        Whether a greater value is better.
    """
    scored = [run for run in runs if metric in run.data.metrics]
    candidates = [run for run in scored if run.data.tags.get("sample") != "true"] or scored
    if not candidates:
        return None
    last = max(candidates, key=_read_start)
    same = [run for run in candidates if _read_data(run) == _read_data(last)]
    sign = 1 if more else -1
    best = max(same, key=lambda run: (sign * run.data.metrics[metric], _read_start(run)))
    name, score = best.data.tags.get("data", "unknown"), best.data.metrics[metric]
    others = len(candidates) - len(same)
    why = f"best {metric} of {_count(len(same))} on {name}: {score:.4f}"
    return best, why + f"; {_count(others)} on other data before" * bool(others)


def _read_data(run: "Run") -> list[str | None]:
    """Return where the data are from; rows that were added, or split anew, make no other data."""
    return [run.data.tags.get("data"), *(run.data.params.get(name) for name in _SOURCE)]


def _read_start(run: "Run") -> int:
    return int(run.info.start_time)


def _count(runs: int) -> str:
    return f"{runs} run{'s' * (runs != 1)}"
