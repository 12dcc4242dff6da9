"""View of a prediction job."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sentiment.cli.terminal import describe_time, relate_path
from sentiment.errors import count_of

if TYPE_CHECKING:
    from sentiment.commands.predict.results import PredictionResult
    from sentiment.modeling.decision_rules import DecisionRule


def show_prediction(result: "PredictionResult") -> None:
    """Print the model, the counts of rows and labels, and the output."""
    from sentiment.cli.console import PlainConsole
    from sentiment.commands.predict.results import list_labels

    # Standard output may carry the predictions themselves.
    piped = result.output == Path("-")
    console = PlainConsole(stderr=piped)
    model = result.model
    run = f": {model.run_name} (run {model.run_id})" if model.run_id else ""
    console.print(f"model    {model.uri}{run}")
    console.print(f"chosen   {model.why}")
    if model.run_id:
        data = f"{model.data} {model.fingerprint[:12]}"
        console.print(f"from     commit {model.commit[:12]}, data {data}")
    column = result.text_column
    console.print(f"texts    column {column.name!r}: {column.why}")
    for line in _describe_rule(result.rule):
        console.print(line)
    for number, line in enumerate(result.assumed):
        console.print(f"{'' if number else 'assumed':<8} {line}", markup=False)
    tally = result.tally
    rejected = f" + {tally.rejected:,} rejected" if tally.rejected else ""
    console.print(f"rows     {tally.read:,} read = {tally.written:,} written{rejected}")
    console.print(f"labels   {list_labels(tally.counts)}")
    for reason, count in sorted(tally.reasons.items(), key=lambda item: -item[1]):
        console.print(f"         {count:,} rejected: {reason}")
    if tally.repaired:
        console.print(f"         {tally.repaired:,} with a stray quote that was read as text")
    if tally.blank_lines:
        console.print(f"         {count_of(tally.blank_lines, 'blank line')} skipped")
    for name, unused in tally.columns.items():
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in unused.items())
        console.print(f"         column {name!r}: {reasons}")
    rate = (tally.read - result.resumed) / max(result.seconds, 1e-9)
    resumed = f", after {result.resumed:,} rows of earlier processes" if result.resumed else ""
    console.print(f"time     {describe_time(result.seconds)}, {rate:,.0f} rows/s{resumed}")
    if result.rejected:
        console.print(f"rejected {relate_path(result.rejected)}")
    if result.report:
        console.print(f"report   {relate_path(result.report)}")
    console.print(f"output   {'standard output' if piped else relate_path(result.output)}")


def _describe_rule(rule: "DecisionRule") -> Iterator[str]:
    from sentiment.modeling.decision_rules import LabelSetRule

    if isinstance(rule, LabelSetRule):
        if rule.thresholds:
            low, high = min(rule.thresholds), max(rule.thresholds)
            yield f"rule     a threshold for each label: {low:.4f} to {high:.4f}"
        elif rule.threshold != 0.5:
            yield f"rule     each label with a probability of at least {rule.threshold:.4f}"
    elif rule.factors:
        low, high = min(rule.factors), max(rule.factors)
        yield f"rule     probability of each class times a factor: {low:.3g} to {high:.3g}"
        if rule.f1_macro:
            plain, tuned = rule.f1_macro
            yield (
                f"         macro-F1 {tuned:.4f}, and {plain:.4f} without factors, on validation "
                "rows that did not choose them"
            )
    elif rule.threshold != 0.5:
        yield f"rule     the second class with a probability of at least {rule.threshold:.4f}"
    if rule.least_confidence > 0:
        yield f"unsure   below confidence {rule.least_confidence:.4f}"
