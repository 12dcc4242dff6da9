"""View of a comparison."""

from typing import TYPE_CHECKING

from sentiment.errors import quote_name, show_share
from sentiment.redaction.printable import cut_end

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from sentiment.commands.compare.job import ComparisonResult
    from sentiment.commands.compare.live import LiveComparison
    from sentiment.commands.compare.measuring import Comparison, PairwiseComparison

# More would not be read; the tables beside the page have all.
_SHOWN = 5
_MARKS = {1: " ▲", -1: " ▼", 0: ""}


def show_comparison(result: "ComparisonResult", *, brief: bool = False) -> None:
    """Print the metrics side by side, the tests, where the runs disagree, and the verdict.

    Parameters
    ----------
    result : ComparisonResult
        Printed.
    brief : bool
        Only what the verdict is of, and the verdict; the page has the rest.
    """
    from sentiment.cli.console import PlainConsole
    from sentiment.cli.terminal import relate_path
    from sentiment.commands.compare.descriptions import (
        describe_looks,
        describe_verdict,
        write_size,
        write_speed,
    )

    console = PlainConsole()
    comparison = result.comparison
    first = comparison.contenders[0].run.tags
    console.print()
    console.print(
        f"data     {first.get('data')} {first.get('data.fingerprint', '')[:12]}, "
        f"{comparison.rows:,} test rows; {describe_looks(result.looks, result.decisions)}"
    )
    for one in comparison.contenders:
        trained = f", {one.trained}" if one.trained else ""
        facts = f"{write_size(one.size_mb)}, {write_speed(one.rows_per_second)}"
        console.print(f"{one.key:<8} {one.run.name} (run {one.run.id}): {facts}{trained}")
        if not one.model.is_named:
            console.print(f"         {one.model.why}")
    for pair in () if brief else comparison.pairs:
        console.print(f"{pair.second.key} against {pair.first.key}: ▲ better, ▼ worse")
        console.print(tabulate_metrics(comparison, pair))
        _print_disagreements(console, pair)
    for number, pair in enumerate(comparison.pairs):
        console.print(f"{'' if number else 'verdict':<8} {describe_verdict(comparison, pair)}")
    if result.run_id:
        console.print(f"run      {result.run_id}")
    console.print(f"page     {relate_path(result.page)}")


def show_live(comparison: "LiveComparison", run_id: str | None = None) -> None:
    """Print what live labels show of two models."""
    from sentiment.cli.console import PlainConsole
    from sentiment.commands.compare.live import write_one_look

    console = PlainConsole()
    console.print(f"data     live traffic of {comparison.route}, {comparison.describe_rows()}")
    for key, model in zip("AB", (comparison.first, comparison.second), strict=True):
        console.print(f"{key:<8} {model.uri}, last as {model.role}")
    if comparison.errors is not None:
        errors = comparison.errors
        console.print(
            f"rows     only A right {errors.only_first:,}, only B right {errors.only_second:,}; "
            f"{write_one_look(errors)}"
        )
    console.print(f"verdict  {comparison.describe_verdict()}")
    if run_id:
        console.print(f"run      {run_id}")


def tabulate_metrics(comparison: "Comparison", pair: "PairwiseComparison") -> "Table":
    """Return the metrics of two runs side by side, with intervals and tests."""
    from rich.table import Table

    from sentiment.commands.compare.descriptions import (
        list_metrics,
        write_interval,
        write_number,
        write_p,
    )

    first, second = pair.first, pair.second
    level = f"{100 * comparison.level:.4g} % interval"
    table = Table(header_style="bold")
    table.add_column("metric", no_wrap=True)
    for title in (first.key, second.key, f"{second.key} - {first.key}", level, "test"):
        table.add_column(title, justify="right" if title != "test" else "left")
    scores = [comparison.scores[comparison.contenders.index(one)] for one in (first, second)]
    for name, arrow in list_metrics(comparison):
        difference = pair.differences[name]
        table.add_row(
            f"{name} {arrow}",
            *(write_number(one[name].value) for one in scores),
            write_number(difference.value, "+"),
            write_interval(difference, "+"),
            write_p(pair.p[name]) + _MARKS[pair.judge(name, comparison.level)],
            style="bold" if name == comparison.metric else None,
        )
    return table


def _print_disagreements(console: "Console", pair: "PairwiseComparison") -> None:
    from sentiment.commands.compare.descriptions import describe_agreement, write_excerpt

    counts = ", ".join(f"{name} {n:,} ({share})" for name, n, share in describe_agreement(pair))
    console.print(f"rows     {counts}")
    table = pair.list_disagreements()
    for one in (pair.first, pair.second):
        mine = table[table["right"] == one.key]
        if len(mine):
            console.print(f"only {one.key} is right, such as")
        for row in mine.head(_SHOWN).to_dict("records"):
            facts = ", ".join(
                f"{other.key} {show_share(row[f'{other.key}_probability'])}"
                for other in (pair.first, pair.second)
            )
            label = quote_name(row["label"])
            room = max(max(console.width, 80) - len(facts) - len(label) - 16, 20)
            excerpt = cut_end(write_excerpt(row["excerpt"]), room)
            console.print(f"         {label} ({facts}): {excerpt}")
