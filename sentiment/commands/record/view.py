"""View of a recorded run."""

from typing import TYPE_CHECKING

from sentiment.cli.terminal import relate_path

if TYPE_CHECKING:
    from sentiment.tracking.recording import RecordingResult


def show_recording(result: "RecordingResult") -> None:
    """Print the recorded run."""
    from sentiment.cli.console import PlainConsole

    console = PlainConsole()
    facts = {"run": result.run_id, "model": result.model, "folder": relate_path(result.folder)}
    for name, value in facts.items():
        if value:
            console.print(f"{name:<8} {value}")
