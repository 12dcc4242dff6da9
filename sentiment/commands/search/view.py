"""View of a sweep: a line per job, the progress of all of them, and the best."""

import sys
from typing import TYPE_CHECKING

from sentiment.commands.search.observing import SweepObserver
from sentiment.config import is_within
from sentiment.config.shortening import fit_settings, sort_settings
from sentiment.errors import count_of
from sentiment.redaction.printable import cut_end

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.table import Table

    from sentiment.commands.search.ranking import Objective, Ranking
    from sentiment.commands.search.results import JobResult
    from sentiment.commands.train.job import TrainingResult
    from sentiment.tracking.recording import RecordingResult

_TOP = 5


class SweepDisplay(SweepObserver):
    """Prints one line per job, and keeps a bar below them if there is a terminal."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        from sentiment.cli.console import PlainConsole

        self._console = PlainConsole()
        self._progress = Progress(
            TextColumn("{task.completed} of {task.total} jobs"),
            BarColumn(bar_width=30),
            TextColumn("{task.description}", markup=False),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )

    def on_sweep(
        self, name: str, shared: "Sequence[str]", total: int, done: int, objective: "Objective"
    ) -> None:
        """Print the name of the sweep, its number of jobs and the overrides of all jobs."""
        self._objective, self._shared = objective, set(shared)
        total = max(total, done)  # search.n_trials may be lower than before
        earlier = f", {done} of them done before" if done else ""
        overrides = " ".join(_drop_search_settings(shared))
        self._print(f"{name}: {count_of(total, 'job')}{earlier}  {overrides}".rstrip())
        self._task = self._progress.add_task("", total=total, completed=done)
        self._progress.start()

    def on_job(self, result: "JobResult", ranking: "Ranking") -> None:
        """Print the line of a job that has ended."""
        if result.error:
            outcome = f"failed: {result.error.splitlines()[0]}"
        else:
            outcome = f"{self._objective.name} {result.read_score(self._objective.metric):.4f}"
        own = [word for word in result.overrides if word not in self._shared]
        overrides = sort_settings(_drop_search_settings(own))
        seconds = f"  {result.seconds:.1f} s  "
        width = self._console.width
        line = f"#{result.number:<3} {cut_end(outcome, width - len(seconds) - 5)}{seconds}"
        self._print(line + fit_settings(overrides, width - len(line)))
        best = f"best #{ranking.winner} {ranking.places[0]}," if ranking.places else ""
        self._progress.update(self._task, advance=1, description=best)

    def on_ranking(self, ranking: "Ranking", results: "Mapping[int, JobResult]") -> None:
        """Print the best jobs."""
        if len(results) > 1:
            if ranking.places:
                table = _tabulate_ranking(ranking, results, self._objective)
                self._progress.console.print(table)
            if ranking.note:
                self._print(ranking.note)

    def on_winner(self, number: int, result: "TrainingResult") -> None:
        """Print the scores of the best job on test rows."""
        from sentiment.commands.train.view import show_training

        show_training(result)

    def on_recorded_winner(self, number: int, result: "RecordingResult") -> None:
        """Print where the best job, which an earlier process trained, was recorded."""
        from sentiment.commands.record.view import show_recording

        self._print(f"#{number} was trained in full before, and is recorded now")
        show_recording(result)

    def on_note(self, text: str) -> None:
        """Print a line."""
        self._print(text)

    def on_end(self) -> None:
        """Remove the progress bar."""
        self._progress.stop()

    def _print(self, line: str) -> None:
        self._progress.console.print(line)
        sys.stdout.flush()


def _tabulate_ranking(
    ranking: "Ranking", results: "Mapping[int, JobResult]", objective: "Objective"
) -> "Table":
    """Return a table of the best jobs, with the settings in which the listed ones differ."""
    from rich.table import Table
    from rich.text import Text

    from sentiment.commands.search.ranking import describe_uncertainty

    places = ranking.places[:_TOP]
    settings = [_drop_search_settings(results[place.numbers[0]].overrides) for place in places]
    common = set.intersection(*map(set, settings)) if len(settings) > 1 else set()
    table = Table("job", objective.name, "settings", header_style="bold")
    for place, overrides in zip(places, settings, strict=True):
        jobs = ", ".join(f"#{number}" for number in place.numbers)
        differing = [word for word in overrides if word not in common]
        if len(place.numbers) > 1:
            differing = [word for word in differing if not is_within(word, "seed")]
        table.add_row(jobs, str(place), Text(fit_settings(differing, None)))
    uncertainty = describe_uncertainty(places[0], results, objective)
    if uncertainty:
        table.caption, table.caption_justify = uncertainty, "left"
    return table


def _drop_search_settings(overrides: "Iterable[str]") -> list[str]:
    """Return `overrides` without those on how the sweep is run."""
    return [word for word in overrides if not is_within(word, "search")]
