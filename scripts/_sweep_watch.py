"""What a person sees of a sweep: a line per job, and how far all of them are."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sentiment.sweeps.objectives import Objective
    from sentiment.sweeps.results import JobResult
    from sentiment.training import TrainingResult


class SweepWatch:
    """Prints one line per job, and keeps a bar below them if there is a terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(highlight=False, soft_wrap=True)
        self._progress = Progress(
            TextColumn("{task.completed} of {task.total} jobs"),
            BarColumn(bar_width=30),
            TextColumn("{task.description}"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )

    def on_sweep(
        self, name: str, shared: "Sequence[str]", total: int, done: int, objective: "Objective"
    ) -> None:
        """Say what begins, and what is there already."""
        self._objective, self._shared = objective, set(shared)
        before = f", {done} of them done before" if done else ""
        self._print(f"{name}: {total} jobs{before}  {' '.join(_hide(shared))}".rstrip())
        self._task = self._progress.add_task("", total=total, completed=done)
        self._progress.start()

    def on_job(self, result: "JobResult", best: "JobResult | None") -> None:
        """Print the line of a job that has ended."""
        asked = " ".join(_shorten(w) for w in _hide(result.overrides) if w not in self._shared)
        if result.error:
            told = f"failed: {result.error.splitlines()[0]}"
        else:
            told = f"{self._objective.name} {result.metrics[self._objective.metric]:.4f}"
        self._print(f"#{result.number:<3} {told}  {result.seconds:.1f} s  {asked}")
        shown = ""
        if best is not None:
            shown = f"best #{best.number} {best.metrics[self._objective.metric]:.4f},"
        self._progress.update(self._task, advance=1, description=shown)

    def on_winner(self, number: int, result: "TrainingResult") -> None:
        """Print what the best job said of the test rows."""
        from _terminal import show_training

        show_training(result, None)

    def on_note(self, text: str) -> None:
        """Print a line."""
        self._print(text)

    def on_end(self) -> None:
        """Take the bar away."""
        self._progress.stop()

    def _print(self, line: str) -> None:
        self._progress.console.print(line, markup=False)
        sys.stdout.flush()


def _shorten(override: str) -> str:
    """Return `override` with the last part of its key, and a number as a person would say it."""
    key, _, value = override.partition("=")
    try:
        number = float(value)
    except ValueError:
        shown = value
    else:
        shown = f"{number:.4g}" if "." in value else value
    return f"{key.rpartition('.')[2]}={shown}"


def _hide(overrides: "Iterable[str]") -> list[str]:
    """Return `overrides` without those that say how the sweep is run."""
    return [word for word in overrides if not word.startswith(("search=", "search."))]
