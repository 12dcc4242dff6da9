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

# Nobody reads more in a terminal; the tables beside the page have all rows.
_MAX_EXAMPLES = 5
_MARKS = {1: " ▲", -1: " ▼", 0: ""}


def show_comparison(result: "ComparisonResult", *, brief: bool = False) -> None:
    """Print the metrics side by side, the tests, where the runs disagree, and the verdict.

    Parameters
    ----------
    result : ComparisonResult
        The result to print.
    brief : bool
        Whether to print only the runs and the verdict; the page has the rest.
    """
    from sentiment.cli.console import PlainConsole
    from sentiment.cli.terminal import relate_path
    from sentiment.commands.compare.descriptions import (
        describe_earlier,
        describe_verdict,
        format_size,
        format_speed,
    )

    console = PlainConsole()
    comparison = result.comparison
    tags = comparison.contenders[0].run.tags
    earlier = describe_earlier(result.earlier_comparisons, result.earlier_promotions)
    console.print()
    console.print(
        f"data     {tags.get('data')} {tags.get('data.fingerprint', '')[:12]}, "
        f"{comparison.rows:,} test rows; {earlier}"
    )
    for contender in comparison.contenders:
        note = f", {contender.training_note}" if contender.training_note else ""
        facts = f"{format_size(contender.size_mb)}, {format_speed(contender.rows_per_second)}"
        console.print(
            f"{contender.key:<8} {contender.run.name} (run {contender.run.id}): {facts}{note}"
        )
        if not contender.model.is_named:
            console.print(f"         {contender.model.why}")
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
    """Print the comparison of two models on live traffic."""
    from sentiment.cli.console import PlainConsole
    from sentiment.commands.compare.live import describe_single_look

    console = PlainConsole()
    console.print(f"data     live traffic of {comparison.route}, {comparison.describe_rows()}")
    for key, model in zip("AB", (comparison.first, comparison.second), strict=True):
        console.print(f"{key:<8} {model.uri}, last as {model.role}")
    if comparison.errors is not None:
        errors = comparison.errors
        console.print(
            f"rows     only A right {errors.only_first:,}, only B right {errors.only_second:,}; "
            f"{describe_single_look(errors)}"
        )
    console.print(f"verdict  {comparison.describe_verdict()}")
    if run_id:
        console.print(f"run      {run_id}")


def tabulate_metrics(comparison: "Comparison", pair: "PairwiseComparison") -> "Table":
    """Return the metrics of two runs side by side, with intervals and tests."""
    from rich.table import Table

    from sentiment.commands.compare.descriptions import (
        format_interval,
        format_number,
        format_p_value,
        list_metrics,
    )

    first, second = pair.first, pair.second
    level = f"{100 * comparison.level:.4g} % interval"
    table = Table(header_style="bold")
    table.add_column("metric", no_wrap=True)
    for title in (first.key, second.key, f"{second.key} - {first.key}", level, "test"):
        table.add_column(title, justify="right" if title != "test" else "left")
    scores = [
        comparison.scores[comparison.contenders.index(contender)] for contender in (first, second)
    ]
    for name, arrow in list_metrics(comparison):
        difference = pair.differences[name]
        table.add_row(
            f"{name} {arrow}",
            *(format_number(estimates[name].value) for estimates in scores),
            format_number(difference.value, "+"),
            format_interval(difference, "+"),
            format_p_value(pair.p[name]) + _MARKS[pair.judge(name, comparison.level)],
            style="bold" if name == comparison.metric else None,
        )
    return table


def _print_disagreements(console: "Console", pair: "PairwiseComparison") -> None:
    from sentiment.commands.compare.descriptions import describe_agreement, format_excerpt

    counts = ", ".join(
        f"{name} {count:,} ({share})" for name, count, share in describe_agreement(pair)
    )
    console.print(f"rows     {counts}")
    table = pair.list_disagreements()
    for contender in (pair.first, pair.second):
        rows = table[table["right"] == contender.key]
        if len(rows):
            console.print(f"only {contender.key} is right, such as")
        for row in rows.head(_MAX_EXAMPLES).to_dict("records"):
            facts = ", ".join(
                f"{run.key} {show_share(row[f'{run.key}_probability'])}"
                for run in (pair.first, pair.second)
            )
            label = quote_name(row["label"])
            room = max(max(console.width, 80) - len(facts) - len(label) - 16, 20)
            excerpt = cut_end(format_excerpt(row["excerpt"]), room)
            console.print(f"         {label} ({facts}): {excerpt}")
