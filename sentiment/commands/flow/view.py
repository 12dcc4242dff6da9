"""View of a flow."""

from pathlib import Path
from typing import TYPE_CHECKING

from sentiment.cli.terminal import describe_time, relate_path

if TYPE_CHECKING:
    from sentiment.commands.flow.tasks import FlowResult


def show_flow(result: "FlowResult") -> None:
    """Print the result of each step."""
    from sentiment.cli.console import PlainConsole

    console = PlainConsole()
    data = result.data
    splits = ", ".join(f"{rows:,} {name}" for name, rows in data["splits"].items())
    console.print(f"data     {data['data']} {data['fingerprint'][:12]}: {splits}")
    console.print(f"trained  run {result.run}")
    console.print(f"result   {result.promotion['sentence']}")
    if result.promotion["page"]:
        console.print(f"page     {relate_path(Path(result.promotion['page']).resolve())}")
    for job in result.predictions:
        console.print(
            f"output   {relate_path(Path(job['output']).resolve())}: {job['read']:,} read = "
            f"{job['written']:,} written + {job['rejected']:,} rejected"
        )
    for report in result.monitoring:
        drifted = report["drifted"]
        verdict = f"drift of {', '.join(drifted)}" if drifted else "no drift"
        console.print(f"monitor  {verdict} in {report['compared']:,} rows")
        console.print(f"report   {relate_path(Path(report['report']).resolve())}")
    seconds = sum(stage.seconds for stage in result.stages)
    console.print(f"time     {describe_time(seconds)} in {len(result.stages)} steps")
