"""Results that the jobs of a sweep leave in their folders, from which a sweep is resumed."""

from dataclasses import asdict, dataclass, field, fields
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from sentiment.commands.search.state import log, read_state, set_aside, was_set_aside, write_state
from sentiment.redaction import redact

_NAME = "result.json"
# The folder, beside those of the jobs, of the one that was trained in full.
WINNER = "winner"


@dataclass(frozen=True)
class JobResult:
    """One finished job of a sweep; no secret is in it.

    Attributes
    ----------
    number : int
        Its number, and the name of its folder.
    overrides : list of str
        What it was asked for.
    started, ended : float
        Seconds since the epoch.
    name : str
        Model and features.
    tags, settings : dict of str to str
        Facts to find it by, and all settings.
    metrics : dict of str to float
        Every metric, as ``<split>/<name>``; empty if it failed.
    error : str
        Why it failed, in one message that begins with the kind of error; empty if it did not.
    trace : str
        The traceback behind `error`.
    """

    number: int
    overrides: list[str]
    started: float
    ended: float
    name: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    error: str = ""
    trace: str = ""

    def __post_init__(self) -> None:
        for name in ("overrides", "name", "tags", "settings", "error", "trace"):
            object.__setattr__(self, name, _redact(getattr(self, name)))

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.ended - self.started


def _redact(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _redact(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_redact(inner) for inner in value]
    return redact(value) if isinstance(value, str) else value


def write_result(folder: Path, result: JobResult) -> None:
    """Keep `result` in `folder`; it is there as a whole or not at all."""
    write_state(folder / _NAME, asdict(result))


def discard_result(folder: Path) -> None:
    """Remove the result of a job in `folder` that is about to run again."""
    (folder / _NAME).unlink(missing_ok=True)


def read_result(folder: Path, *, keep: bool = False) -> JobResult | None:
    """Return the result of the job in `folder`, or None if there is no sound one.

    Parameters
    ----------
    folder : Path
        The folder of the job, whose name is its number.
    keep : bool, default=False
        Whether a damaged result stays where it is instead of being set aside.
    """
    path = folder / _NAME
    facts = read_state(path, keep=keep)
    if facts is None:
        return None
    problem = _find_problem(facts, folder.name)
    if not problem:
        return JobResult(**facts)
    aside = "ignored" if keep else f"renamed to '{set_aside(path).name}'"
    log.warning("'%s' is damaged (%s) and is %s", path, problem, aside)
    return None


def read_results(folder: Path, *, keep: bool = False) -> dict[int, JobResult]:
    """Return the sound results of all finished jobs of the sweep in `folder`, by number."""
    homes = [path.parent for path in folder.glob(f"[0-9]*/{_NAME}") if path.parent.name.isdecimal()]
    homes.sort(key=lambda home: int(home.name))
    found = (read_result(home, keep=keep) for home in homes)
    return {result.number: result for result in found if result is not None}


def list_lost(folder: Path) -> list[int]:
    """Return the jobs whose results were damaged, in the sweep in `folder`."""
    homes = [path.parent for path in folder.glob(f"[0-9]*/{_NAME}.*")]
    return sorted({int(home.name) for home in homes if was_set_aside(home / _NAME)})


class Winner(NamedTuple):
    """Job of a sweep that was trained in full, the folder of its run, and its id if tracked."""

    number: int
    folder: Path
    run: str | None


def read_winner(folder: Path, *, keep: bool = False) -> Winner | None:
    """Return the winner of the sweep in `folder`, or None if none was trained in full."""
    path = folder / WINNER / "job.json"
    facts = read_state(path, keep=keep) or {}
    number, inside = facts.get("number"), str(facts.get("folder", "."))
    home = path.parent / Path(inside).name
    if not isinstance(number, int) or not (home / "metrics.json").is_file():
        return None
    return Winner(number, home, facts.get("run"))


def _find_problem(facts: dict[str, Any], name: str) -> str:
    """Return what is wrong with the fields of a result, or nothing."""
    for one in fields(JobResult):
        if one.name not in facts and one.name in ("number", "overrides", "started", "ended"):
            return f"it has no {one.name!r}"
    unknown = sorted(facts.keys() - _CHECKS.keys())
    if unknown:
        return f"it has an unknown field {unknown[0]!r}"
    wrong = sorted(key for key, value in facts.items() if not _CHECKS[key](value))
    if wrong:
        return f"{wrong[0]!r} is of another type"
    return "" if str(facts["number"]) == name else f"it is of job {facts['number']}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_moment(value: Any) -> bool:
    return _is_number(value) and isfinite(value)


def _maps_to_text(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


_CHECKS = {
    "number": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "overrides": lambda value: isinstance(value, list) and all(map(_is_text, value)),
    "started": _is_moment,
    "ended": _is_moment,
    "name": _is_text,
    "tags": _maps_to_text,
    "settings": _maps_to_text,
    "metrics": lambda value: isinstance(value, dict) and all(map(_is_number, value.values())),
    "error": _is_text,
    "trace": _is_text,
}
