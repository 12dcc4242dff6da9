"""View of a training: rows and classes, metrics, and the files that it wrote."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sentiment.cli.terminal import describe_size, describe_time, make_score_table, relate_path
from sentiment.config import suggest_command, suggest_ui
from sentiment.errors import count_of, list_classes, list_reasons, quote_name
from sentiment.redaction.printable import cut_middle

if TYPE_CHECKING:
    from rich.console import Console

    from sentiment.commands.train.growth import Growth
    from sentiment.commands.train.job import TrainingResult
    from sentiment.data.preparation import PreparedData
    from sentiment.data.quality import QualityReport

# Rows of the table of classes; with more, the scores would scroll out of sight.
_FREQUENT, _WORST = 15, 5
_LONGEST = 40  # of a label in the table of classes


def show_training(result: "TrainingResult", growth: "Growth | None" = None) -> None:
    """Print the metrics of a training job, its files and the next commands."""
    from sentiment.cli.console import PlainConsole

    console = PlainConsole()
    console.print()
    for line in _describe_data(result):
        console.print(line)
    console.print(make_score_table(result.scores))
    console.print("In brackets: 95 % intervals, if reliable", style="dim")
    if result.folds:
        console.print(f"cv       {_describe_folds(result)}")
    for weak in _compare_with_constant(result):
        console.print(f"weak     {weak}")
    if len(result.data.classes) > 2 or result.data.separator is not None:
        _print_classes(console, result)
    if result.chosen_features:
        console.print(f"features {result.chosen_features}, by the script of the training texts")
    if columns := result.data.columns:
        console.print(f"columns  {', '.join(column.describe() for column in columns)}")
    console.print(f"learned  {_describe_fitted(result)}", style="dim")
    if growth is not None:
        console.print(f"labels   {growth.describe()}")
        if growth.command:
            console.print(f"         {growth.command}")
    seconds = sum(stage.seconds for stage in result.stages)
    peak = max(stage.peak_mb for stage in result.stages)
    console.print(f"time     {describe_time(seconds)}, peak memory {peak:,.0f} MB")
    if result.run_id:
        console.print(f"run      {result.run_id}")
    console.print(f"model    {result.model} ({describe_size(result.metrics['model/size_mb'])})")
    console.print(f"figures  {relate_path(result.folder / 'figures')}")
    if console.is_terminal and result.run_id and result.store:
        console.print()
        console.print(f"next     {suggest_command('predict', 'input=reviews.csv')}")
        console.print(f"         {suggest_ui(result.store)}")


def _describe_folds(result: "TrainingResult") -> str:
    """Return the cross-validated rows, and the reason for ``cv=auto``, in words."""
    rows, validation = (f"{result.metrics[f'rows/{name}']:,.0f}" for name in ("cv", "validation"))
    return (
        f"the {rows} training and validation rows in {result.folds} folds, each scored by a model "
        f"of the other folds, since the {validation} validation rows alone would be less reliable. "
        "Searches, deploy.threshold and deploy.abstain choose by these scores"
    )


def _print_classes(console: "Console", result: "TrainingResult") -> None:
    """Print the scores of the classes on test rows, and the most frequent confusions."""
    from rich.table import Table

    from sentiment.commands.train.files import classes_file
    from sentiment.modeling.score_tables import tabulate_classes

    table = Table("class (test)", header_style="bold")
    for title in ("precision", "recall", "F1", "rows"):
        table.add_column(title, justify="right")
    rows = tabulate_classes(result.classes, _FREQUENT, _WORST)
    for label, *cells in rows:
        table.add_row(cut_middle(label, _LONGEST), *(cell.partition(" ")[0] for cell in cells))
    console.print(table)
    if len(rows) < len(result.classes):
        path = relate_path(result.folder / classes_file("test"))
        console.print(
            f"classes  the {_FREQUENT} most frequent and the {_WORST} worst of the others by F1; "
            f"all {len(result.classes):,}: {path}"
        )
    if result.data.separator is None:
        confusions = ", ".join(
            f"{quote_name(true)} as {quote_name(predicted)} ({rows:,})"
            for true, predicted, rows in result.confusions
        )
        console.print(f"confused {confusions or 'none'}")


def _describe_fitted(result: "TrainingResult") -> str:
    """Return the rows that the saved model learned from, and how to use all of them, in words."""
    fitted, rows = result.metrics["rows/fitted"], result.data.rows
    counts = f"from {fitted:,.0f} of {rows:,} labelled rows"
    if result.fitted_on != "train":
        train = result.metrics["rows/train"]
        accuracy = result.metrics.get("final/accuracy")
        scored = "" if accuracy is None else f"; its own accuracy on test rows is {accuracy:.4f}"
        return (
            f"{counts}; the scores are those of a model with the same settings that learned from "
            f"{train:,.0f}{scored}"
        )
    if not result.run_id:
        return f"{counts}; refit=all learns from all of them"
    return f"{counts}; to learn from more: {suggest_command('finalize', f'run={result.run_id}')}"


def _describe_data(result: "TrainingResult") -> list[str]:
    data = result.data
    report = data.report
    dropped = sum(report.dropped.values())
    reasons = f" ({list_reasons(report.dropped)})" if dropped else ""
    splits = ", ".join(f"{len(getattr(data, name)):,} {name}" for name in report.splits)
    used = data.rows
    sampled = f" of {used + report.not_sampled:,}" if report.not_sampled else ""
    others = f" (and {report.unreadable - 1:,} more: quality.json)" if report.unreadable > 1 else ""
    without = f"{report.without_label:,} without a label, " if report.without_label else ""
    counts = (
        f"{report.rows:,} rows read, {without}{dropped:,} dropped{reasons}, "
        f"{used:,}{sampled} used: {splits}"
    )
    faults = [f"unreadable: {fault}{others}" for fault in report.faults[:1]]
    unlabelled = _describe_unlabelled(report)
    return [counts, *faults, *unlabelled, *_describe_rare(report), _describe_classes(data)]


def _describe_unlabelled(report: "QualityReport") -> list[str]:
    """Return the number of texts without a label that are used or left out, in words."""
    dropped = list_reasons(report.unlabelled_dropped)
    if not (report.unlabelled or dropped):
        return []
    counts = f"{report.unlabelled:,} unlabelled texts"
    return [f"{counts}; left out: {dropped}" if dropped else counts]


def _describe_rare(report: "QualityReport") -> list[str]:
    """Return the classes that were dropped or merged, the largest first, in words."""
    if not report.rare:
        return []
    fate = f"merged into {quote_name(report.merged_into)}" if report.merged_into else "dropped"
    rows = report.labels.get(report.merged_into, 0)
    if rows and report.merged_into not in report.rare:
        fate += f", which is also the label of {count_of(rows, 'row')} (see data.rare_label)"
    return [f"rare classes, {fate}: {list_classes(report.rare)}"]


def _compare_with_constant(result: "TrainingResult") -> Iterator[str]:
    """Yield a warning for each score that is not better than that of a constant prediction."""
    split, title = ("cv", "cross-validated") if result.folds else ("validation", "validation")
    baseline = result.baseline
    accuracy, loss = (result.metrics[f"{split}/{name}"] for name in ("accuracy", "log_loss"))
    if accuracy <= baseline.accuracy:
        label = quote_name(baseline.label) if baseline.label else "no label"
        yield (
            f"{title} accuracy {accuracy:.4f} is not above {baseline.accuracy:.4f}, that of "
            f"always predicting {label}"
        )
    if loss >= baseline.log_loss:
        yield (
            f"{title} log_loss {loss:.4f} is not below {baseline.log_loss:.4f}, that of the "
            "shares of the labels: probabilities are too sure"
        )


def _describe_classes(data: "PreparedData") -> str:
    """Return the classes and their rows, and which of two is the positive one, in words."""
    rows = data.class_rows
    if data.separator is not None:
        mean, empty = sum(rows.values()) / data.rows, data.rows_without_class
        without = f"; {empty:,} rows without any" if empty else ""
        return f"labels: {list_classes(rows)}; {mean:.1f} in a row on average{without}"
    second = list(rows)[-1]
    of = f"; precision, recall and f1 are of {quote_name(second)}" if len(rows) == 2 else ""
    return f"classes: {list_classes(rows)}{of}"
