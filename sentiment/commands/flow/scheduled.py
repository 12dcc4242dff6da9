"""The scheduled flow, started by Prefect; the only file that imports Prefect at import time."""

from prefect import flow

from sentiment.commands.flow.tasks import hiding_secrets, run_steps
from sentiment.config import compose


@flow(name="sentiment-flow")  # type: ignore[untyped-decorator]
def run_scheduled(words: list[str]) -> None:
    """Run all steps with the overrides `words`; see `run_flow`. Prefect stores this name."""
    with hiding_secrets("flow"):
        run_steps(compose("flow", [*words, "flow.cron=null"], typed=True))
