"""View of the best trial of a search or a grid, and of all of them."""

from typing import TYPE_CHECKING

from sentiment.errors import show_share

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from sentiment.commands.best.job import BestTrial
    from sentiment.commands.best.sweeps import StoredSweep

# Rows of a list; the rest is cut.
_SHOWN = 5


def show_sweeps(sweeps: "list[StoredSweep]") -> None:
    """Print a table of all grids and searches."""
    from rich.table import Table
    from rich.text import Text

    from sentiment.cli.console import PlainConsole
    from sentiment.commands.search.ranking import format_with_std
    from sentiment.config import suggest_command
    from sentiment.config.shortening import fit_settings, sort_settings

    console = PlainConsole()
    if not sweeps:
        command = suggest_command("train", "-m", "search=svm")
        console.print(f"no searches or grids yet: {command}")
        return
    table = Table(header_style="bold")
    for title in ("name", "kind", "jobs", "best"):
        table.add_column(title, no_wrap=True)
    table.add_column("settings")
    for sweep in sweeps:
        best, params = "none", []
        for trial in sweep.trials[:1]:
            best = f"{sweep.objectives[0].name} {format_with_std(trial.values[0], trial.std)}"
            params = [f"{k}={v}" for k, v in trial.params.items() if not k.startswith("hydra")]
        jobs = f"{sweep.ended} ({sweep.failed} failed)" if sweep.failed else str(sweep.ended)
        # Only settings are cut where the terminal ends: names are typed in the next command.
        fitted = fit_settings(sort_settings(params), None)
        settings = Text(fitted, no_wrap=True, overflow="ellipsis")
        table.add_row(sweep.name, sweep.kind, jobs, best, settings)
    console.print(table, soft_wrap=False)
    console.print(f"next     {suggest_command('best', f'search={sweeps[-1].name}')}")


def show_best(best: "BestTrial") -> None:
    """Print the best trial, why it won, and how to train it."""
    from sentiment.cli.console import PlainConsole
    from sentiment.cli.terminal import make_score_table, relate_path
    from sentiment.config import suggest_command
    from sentiment.modeling.score_tables import tabulate_scores

    console = PlainConsole()
    study = best.study
    scores = ", ".join(f"{name} {value:.4f}" for name, value in best.scores.items())
    console.print()
    console.print(f"{study.kind:<8} {study.name}: {_count(best)}")
    console.print(f"best     #{best.number}: {scores} {best.describe_uncertainty()}".rstrip())
    if study.note:
        console.print(f"note     {study.note}")
    if "validation/accuracy" in best.metrics:
        optimized = study.objectives[0].name
        table = tabulate_scores(best.metrics, best.intervals, optimized)
        console.print(make_score_table(table))
    _print_lines("why", _explain(best), console.print)
    shares = {name: share for name, share in best.importances.items() if share > 0.005}
    lines = [f"{show_share(share):>5}  {name}" for name, share in shares.items()]
    _print_lines("matters", lines[:_SHOWN], console.print)
    _print_lines("nearby", _describe_neighbors(best), console.print)
    if best.front:
        console.print(f"front    {len(best.front)} trials that no other beats in everything")
        console.print(_tabulate_front(best))
    if best.recipe is None:
        console.print("command  not known here: the trials ran on another machine")
    else:
        if best.written is None:  # otherwise the experiment makes the command shorter
            console.print(f"command  {best.recipe.command}")
        changes = [f"no longer the same: {line}" for line in best.recipe.differences]
        _print_lines("", changes[:_SHOWN], console.print)
    if best.written is not None:
        console.print(f"written  {relate_path(best.written)}")
        console.print(f"next     {suggest_command('train', f'experiment={best.written.stem}')}")
    elif console.is_terminal:
        command = suggest_command("best", f"search={study.name}", "write=<name>")
        console.print()
        console.print(f"next     {command}")


def _print_lines(title: str, lines: "list[str]", write: "Callable[[str], None]") -> None:
    for number, line in enumerate(lines):
        write(f"{'' if number else title:<8} {line}")


def _count(best: "BestTrial") -> str:
    study = best.study
    counts = [f"{len(study.trials)} trials"]
    for number, outcome in (
        (study.failed, "failed"),
        (study.repeated, "not run again, being repetitions"),
        (study.running, "running or interrupted"),
    ):
        counts += [f"{number} {outcome}"] if number else []
    return ", ".join(counts)


def _explain(best: "BestTrial") -> "list[str]":
    """Return how far ahead of the others the best is, in words."""
    objective = best.study.objectives[0]
    if best.second is None:
        return ["it is the only trial"]
    if _are_equal(best):
        return [f"all {len(best.study.trials)} trials have the same {objective.name}"]
    number, score = best.second
    margin = best.measure_margin(score)
    lead = f"{margin:.4f} ahead of the second, #{number} ({objective.name} {score:.4f})"
    if margin == 0:
        lead = f"the first of equals: #{number} has the same {objective.name}"
    median = best.measure_margin(best.median)
    trials = len(best.study.trials)
    return [lead, f"{median:.4f} ahead of the median of {trials} trials ({best.median:.4f})"]


def _are_equal(best: "BestTrial") -> bool:
    return len({trial.values[0] for trial in best.study.trials}) == 1


def _describe_neighbors(best: "BestTrial") -> "list[str]":
    from sentiment.config.shortening import shorten_override

    if _are_equal(best):
        return []
    return [
        f"#{other.number} with {shorten_override(f'{other.setting}={other.value}')}: "
        f"{other.score:.4f} "
        f"({0 - best.measure_margin(other.score):+.4f})"
        for other in best.neighbors[:_SHOWN]
    ]


def _tabulate_front(best: "BestTrial") -> "Table":
    from rich.table import Table

    table = Table("trial", *(objective.name for objective in best.study.objectives))
    for number, values in best.front:
        table.add_row(f"#{number}", *(f"{value:.4f}" for value in values))
    return table
