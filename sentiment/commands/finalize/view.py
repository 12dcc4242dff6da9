"""View of a final model."""

from typing import TYPE_CHECKING

from sentiment.cli.terminal import describe_size, describe_time, make_score_table, relate_path
from sentiment.config import suggest_command

if TYPE_CHECKING:
    from sentiment.commands.finalize.job import FinalizationResult


def show_final(result: "FinalizationResult") -> None:
    """Print the scores of the evaluated run, and where the final model is."""
    from sentiment.cli.console import PlainConsole

    console = PlainConsole()
    metrics = result.metrics
    console.print()
    console.print(f"scored   {result.evaluated.name}, run {result.evaluated.id}")
    if result.why:
        console.print(f"         {result.why}")
    console.print(make_score_table(result.scores))
    console.print(
        f"learned  from {metrics['rows/fitted']:,.0f} of {result.rows:,} labelled rows; the scores "
        f"are those of the same settings with {metrics['rows/train']:,.0f} of them"
    )
    if "final/accuracy" in metrics:  # the test rows are new to it
        console.print(f"         its own accuracy on test rows is {metrics['final/accuracy']:.4f}")
    console.print(f"time     {describe_time(sum(stage.seconds for stage in result.stages))}")
    console.print(f"run      {result.run_id}")
    console.print(f"model    {result.model} ({describe_size(metrics['model/size_mb'])})")
    console.print(f"folder   {relate_path(result.folder)}")
    if console.is_terminal:
        console.print()
        console.print(f"next     {suggest_command('promote', f'run={result.run_id}')}")
