"""The flow as a Prefect server starts it; the only file that imports Prefect when it is loaded."""

from prefect import flow

from sentiment.commands.flow.tasks import hiding_secrets, run_steps
from sentiment.config import compose


@flow(name="sentiment-flow")  # type: ignore[untyped-decorator]
def run_scheduled(words: list[str]) -> None:
    """Run all steps, with the settings `words` as they are typed; see `run_flow`."""
    with hiding_secrets("flow"):
        run_steps(compose("flow", [*words, "flow.cron=null"], typed=True))
