"""The command record."""

from omegaconf import DictConfig

from sentiment.cli.command import command
from sentiment.cli.terminal import ProgressDisplay
from sentiment.commands.record.view import show_recording
from sentiment.config import check_config, current_job


@command("record")
def main(cfg: DictConfig) -> None:
    """Record the run in the folder that `cfg` names."""
    with ProgressDisplay("record", current_job()):
        check_config(cfg)
        from sentiment.tracking.recording import record

        result = record(cfg)
    show_recording(result)
