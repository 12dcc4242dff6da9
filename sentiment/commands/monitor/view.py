"""View of a comparison with training."""

import shlex
from typing import TYPE_CHECKING

from sentiment.errors import list_first, quote_name, show_share
from sentiment.redaction.printable import cut_middle

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from sentiment.commands.monitor.comparison import Comparison
    from sentiment.commands.monitor.current import ColumnRoles
    from sentiment.commands.monitor.job import MonitoringResult
    from sentiment.commands.monitor.performance import Accuracy

_MAX_WORDS = 8
_MAX_DETAIL_CHARS = 40  # of a label or value beside the name of a check


def show_monitoring(result: "MonitoringResult") -> None:
    """Print every check, the words that changed, the performance and where the reports are."""
    from sentiment.cli.console import PlainConsole
    from sentiment.cli.terminal import describe_time, relate_path
    from sentiment.config import has_make_targets

    console = PlainConsole()
    comparison, model = result.comparison, result.model
    run = f": {model.run_name} (run {model.run_id})" if model.run_id else ""
    console.print(f"model    {model.uri}{run}")
    console.print(f"columns  {_describe_columns(result.columns)}")
    if result.columns.lacking:
        lacking = ", no ".join(result.columns.lacking)
        console.print(f"lacking  the log has no {lacking}; they are not compared")
    console.print(f"rows     {_count_rows(result)}")
    console.print(_tabulate_checks(comparison))
    if comparison.terms is not None:
        for title, words in _list_words(comparison.terms).items():
            console.print(f"{title:<8} {words}")
    if comparison.performance is not None:
        performance = comparison.performance
        accuracy = _describe_accuracy(performance.current)
        console.print(
            f"right    {accuracy}; {_describe_accuracy(performance.reference)} at training"
        )
        for window in performance.windows if len(performance.windows) > 1 else []:
            console.print(f"         {_describe_accuracy(window)} from {window.since}")
    seconds = sum(stage.seconds for stage in result.stages)
    console.print(f"time     {describe_time(seconds)}")
    console.print(f"report   {relate_path(result.folder / 'report.html')}")
    if result.workspace is not None and console.is_terminal:
        workspace = shlex.quote(str(result.workspace))
        target = "" if workspace == "outputs/monitoring" else f" WORKSPACE={workspace}"
        target = f"    (or: make monitor-ui{target})" if has_make_targets() else ""
        console.print(f"next     evidently ui --workspace {workspace}{target}", markup=False)
    drifted = comparison.drifted
    console.print(f"verdict  {'drift in ' + ', '.join(drifted) if drifted else 'no drift'}")


def _describe_columns(columns: "ColumnRoles") -> str:
    text = f"texts in {columns.text!r} ({columns.why})" if columns.text else "no texts"
    roles = {"labels": columns.label, "times": columns.time}
    return text + "".join(f"; {role} in {name!r}" for role, name in roles.items() if name)


def _count_rows(result: "MonitoringResult") -> str:
    sentence = f"{result.compared:,} compared with {result.reference_rows:,} validation rows"
    if result.read > result.compared:
        sentence += f", of {result.read:,} in the file"
    return (
        f"{sentence}, {result.rejected:,} of which cannot be read" if result.rejected else sentence
    )


def _tabulate_checks(comparison: "Comparison") -> "Table":
    from rich.table import Table
    from rich.text import Text

    from sentiment.commands.monitor.tables import format_effect, format_number, format_p_value

    table = Table(header_style="bold")
    # A narrow terminal wraps the names rather than cut a number or a verdict.
    table.add_column("check", overflow="fold")
    for name in ("training", "current", "effect", "from", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for check in comparison.checks:
        table.add_row(
            f"{check.name} ({cut_middle(check.detail, _MAX_DETAIL_CHARS)})"
            if check.detail
            else check.name,
            format_number(check.reference),
            format_number(check.current),
            format_effect(check),
            f"{check.threshold:.3g}",
            format_p_value(check.p_value),
            Text("drift" if check.drifted else "", style="bold red"),
        )
    return table


def _list_words(terms: "pd.DataFrame") -> dict[str, str]:
    """Return the words that rose and the words that fell, without empty groups."""
    groups = {"rose": terms[terms["effect"] > 0], "fell": terms[terms["effect"] < 0]}
    return {title: _join_words(words) for title, words in groups.items() if len(words)}


def _join_words(terms: "pd.DataFrame") -> str:
    listed = [
        f"{quote_name(word)} ({show_share(row.reference, 1)} -> {show_share(row.current, 1)})"
        for word, row in terms.iterrows()
    ]
    return list_first(listed, _MAX_WORDS)


def _describe_accuracy(accuracy: "Accuracy") -> str:
    interval = f"{show_share(accuracy.low, 1)} - {show_share(accuracy.high, 1)}"
    return f"{show_share(accuracy.value, 1)} of {accuracy.rows:,} ({interval})"
