"""Grids that are only read, and a list of all grids and searches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sentiment.commands.search.objectives import Objective, find_objectives
from sentiment.commands.search.ranking import Ranking, rank
from sentiment.commands.search.reading import list_studies
from sentiment.commands.search.results import JobResult, read_results
from sentiment.commands.search.state import read_state
from sentiment.commands.search.storage import newest
from sentiment.commands.search.trial import is_housekeeping
from sentiment.errors import NoBestJobError

NAME = "sweep.json"


@dataclass(frozen=True)
class GridTrial:
    """A place in the ranking of a grid, as a trial of a study.

    Attributes
    ----------
    number : int
        The first of its jobs.
    params : dict of str to str
        The settings that differ between jobs.
    values : list of float
        The objective.
    """

    number: int
    params: dict[str, str]
    values: list[float]


@dataclass(frozen=True)
class StoredGrid:
    """A grid as its folder keeps it; it has what `StoredStudy` has.

    Attributes
    ----------
    name : str
        Its own name, such as ``1c0ffee2~2``.
    folder : Path
        Where its jobs left their results.
    objectives : sequence of Objective
        One.
    results : mapping of int to JobResult
        What its jobs left.
    ranking : Ranking
        Of its jobs.
    """

    name: str
    folder: Path
    objectives: Sequence[Objective]
    results: Mapping[int, JobResult]
    ranking: Ranking
    fixed: dict[str, str] = field(default_factory=dict)
    repeated: int = 0
    kind: str = "grid"

    @property
    def complete(self) -> list[GridTrial]:
        """The places of the ranking, the best first."""
        words = {
            number: {w for w in result.overrides if not is_housekeeping(w)}
            for number, result in self.results.items()
        }
        shared = set.intersection(*words.values()) if words else set()
        return [
            GridTrial(
                place.numbers[0],
                dict(_split(word) for word in sorted(words[place.numbers[0]] - shared)),
                [place.score],
            )
            for place in self.ranking.places
        ]

    def count(self, state: str) -> int:
        """Return how many jobs failed, for ``FAIL``; 0 for every other state."""
        failed = sum(bool(result.error) for result in self.results.values())
        return failed if state == "FAIL" else 0


def read_grid(name: str, home: Path) -> StoredGrid | None:
    """Return the newest grid that is called `name` in the folder of all grids, or None.

    Raises
    ------
    NoBestJobError
        No score of it can be compared with another, or there is none.
    """
    known, _ = newest(name, _list_grids(home))
    if known is None:
        return None
    grid = _read(home / known)
    if not grid.ranking.places:
        raise NoBestJobError(known, grid.ranking.note or "no job has ended well yet")
    return grid


def _list_grids(home: Path) -> list[str]:
    return sorted(path.parent.name for path in home.glob(f"*/{NAME}"))


def _read(folder: Path) -> StoredGrid:
    facts = read_state(folder / NAME, keep=True) or {}
    objective = str(facts.get("objective", "accuracy"))
    objectives, results = find_objectives([objective]), read_results(folder, keep=True)
    return StoredGrid(folder.name, folder, objectives, results, rank(results, objectives[0]))


def _split(override: str) -> tuple[str, str]:
    key, _, value = override.partition("=")
    return key, value


@dataclass(frozen=True)
class Summary:
    """A line about a grid or a search.

    Attributes
    ----------
    name, kind : str
        Its name, and "grid" or "search".
    ended, failed : int
        How many jobs have ended, and how many of these failed.
    best : str
        The objective and its best value; empty if there is none.
    settings : list of str
        Overrides of the best job.
    """

    name: str
    kind: str
    ended: int
    failed: int
    best: str
    settings: list[str]


def list_sweeps(cfg: Any) -> list[Summary]:
    """Return all grids and searches, grids first.

    Parameters
    ----------
    cfg : DictConfig
        As composed from ``conf/best.yaml``.
    """
    home = Path(cfg.outputs)
    grids = [_read(home / "sweep" / name) for name in _list_grids(home / "sweep")]
    return [
        *map(_summarize_grid, grids),
        *(
            Summary(name, "search", ended, failed, best, [f"{k}={v}" for k, v in params.items()])
            for name, ended, failed, best, params in list_studies(
                cfg.search.storage, home / "search"
            )
        ),
    ]


def _summarize_grid(grid: StoredGrid) -> Summary:
    places, failed = grid.ranking.places, grid.count("FAIL")
    best = f"{grid.objectives[0].name} {places[0]}" if places else ""
    first = grid.complete[:1]
    settings = [f"{key}={value}" for trial in first for key, value in trial.params.items()]
    return Summary(grid.name, "grid", len(grid.results), failed, best, settings)
