"""Trials of searches that fail: every space, on two, four, eight and fifty classes."""

from pathlib import Path

from classes import write_topics
from processes import ROOT, run_script
from timing import Figure, Plan

from sentiment.commands.search.results import read_results

CLASSES, TRIALS, ROWS = (2, 4, 8, 50), 50, 600
# `all` samples from several of the others, `grid` does not sample, the rest need more than texts.
_OTHERS = {"all", "grid", "ordinal", "self_training"}
# A tree for each class and step: 600 steps of fifty classes would take hours.
_FEWER = {("gradient_boosting", 50): ["model.n_estimators=50"]}


def list_spaces() -> list[str]:
    """Return the names of the search spaces of one label for each text."""
    names = {path.stem for path in (ROOT / "conf" / "search").glob("*.yaml")}
    return sorted(names - _OTHERS)


def count_failed(folder: Path, space: str, classes: int, trials: int = TRIALS) -> tuple[int, int]:
    """Search on short texts with `classes` classes; return the numbers of failed and all trials."""
    path = write_topics(folder / f"{classes}.csv", classes, ROWS)
    outputs = folder / f"{space}_{classes}"
    run_script(
        "scripts/train.py", "-m", f"search={space}", f"search.n_trials={trials}", "data=csv",
        f"data.path={path}", f"outputs={outputs}", "tracking=off",
        *_FEWER.get((space, classes), ()), codes=(0, 1),
    )  # fmt: skip
    results = read_results(outputs / "search" / space).values()
    return sum(bool(result.error) for result in results), len(results)


def bench_failing(plan: Plan) -> dict[str, Figure]:
    """Count the failed trials of each space and number of classes."""
    figures = {}
    for space in list_spaces():
        counts_by_size = {n: count_failed(plan.folder, space, n) for n in CLASSES}
        failed, trials = (
            sum(size_counts) for size_counts in zip(*counts_by_size.values(), strict=True)
        )
        figures[f"failing_{space}"] = Figure(
            what=f"trials of search={space} that failed, on {', '.join(map(str, CLASSES))} classes",
            unit="trials",
            value=failed,
            low=failed,
            high=failed,
            target=0,
            aim=0,
            more={"trials": trials}
            | {f"failed_{n}": size_counts[0] for n, size_counts in counts_by_size.items()},
        )
    return figures
