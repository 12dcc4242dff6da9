"""Jobs of a sweep, the results that they write into their folders, and the state of the sweep."""

import json
import logging
import os
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite, nan
from pathlib import Path
from typing import Any, NamedTuple

from sentiment.errors import mask_numbers
from sentiment.files.control import ASIDE, set_aside
from sentiment.files.replacing import replace_file
from sentiment.redaction import redact
from sentiment.tracking.choosing import cross_validated

log = logging.getLogger(__name__)

_CHECKSUM = "checksum"
# Between the name of a sweep and its number: ``svm~2``.
_SEPARATOR = "~"
# Result of a job, in its folder.
_RESULT = "result.json"
# Description of a grid, in its folder.
GRID = "sweep.json"
# The folder, beside those of the jobs, of the job that was trained in full.
WINNER = "winner"
# Metric of the time in which a job counted its texts.
_COUNTING = "stage/count_texts_seconds"
# Settings that change the counts; all others select from the same counts.
_COUNTED = ("analyzer", "lowercase", "ngram_range", "stop_words", "strip_accents", "token_pattern")


def write_state(path: Path, facts: Mapping[str, Any]) -> None:
    """Write `facts` as JSON with a checksum; `path` holds all of them or is left as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = json.dumps({**facts, _CHECKSUM: _compute_checksum(facts)}, indent=2) + "\n"
    # It quotes settings and errors, which other users must not read.
    replace_file(path, content.encode(), durable=True, mode=0o600)


def read_state(path: Path, *, keep: bool = False) -> dict[str, Any] | None:
    """Return what `write_state` wrote, or None if `path` is missing or damaged.

    A damaged file is reported and renamed, so that it is neither read again nor lost.

    Parameters
    ----------
    path : Path
        The file.
    keep : bool, default=False
        Leave a damaged file where it is, for callers that change nothing.
    """
    try:
        file = path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        return None
    with file:
        opened = os.fstat(file.fileno())
        reason, facts = _check(file.read())
        if not reason:
            return facts
        if keep:
            log.warning("'%s' is damaged (%s) and is ignored", path, reason)
        # Another process may have replaced it with a good one meanwhile.
        elif path.exists() and path.stat().st_ino == opened.st_ino:
            aside = set_aside(path)
            log.warning("'%s' is damaged (%s); it was renamed to '%s'", path, reason, aside.name)
    return None


def _check(content: bytes) -> tuple[str, dict[str, Any]]:
    """Return why `content` is damaged, "" if it is not, and the facts in it."""
    try:
        facts = json.loads(content)
    except (ValueError, RecursionError) as error:
        return f"it is not JSON: {error}" if content else "it is empty", {}
    if not isinstance(facts, dict):
        return "it is not a JSON object", {}
    # Files of earlier versions have no checksum; their readers check the types.
    checksum = facts.pop(_CHECKSUM, None)
    if checksum is not None and checksum != _compute_checksum(facts):
        return "its checksum does not match", {}
    return "", facts


def _compute_checksum(facts: Mapping[str, Any]) -> str:
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return f"{zlib.crc32(canonical.encode()):08x}"


def _was_set_aside(path: Path) -> bool:
    """Return whether `path` is missing because it was damaged."""
    return not path.exists() and path.with_name(f"{path.name}{ASIDE}").exists()


def find_newest(name: str, taken: list[str]) -> tuple[str | None, str]:
    """Return the newest of the `taken` names of sweeps called `name`, and the next free name.

    The second study called ``svm`` is ``svm~2``.
    """
    numbers = [int(other.rpartition(_SEPARATOR)[2]) for other in taken if _is_later(other, name)]
    if numbers:
        last = max(numbers)
        return f"{name}{_SEPARATOR}{last}", f"{name}{_SEPARATOR}{last + 1}"
    return (name, f"{name}{_SEPARATOR}2") if name in taken else (None, name)


def _is_later(other: str, name: str) -> bool:
    base, separator, number = other.rpartition(_SEPARATOR)
    return base == name and bool(separator) and number.isdecimal()


@dataclass(frozen=True)
class PlannedJob:
    """A job to run.

    Attributes
    ----------
    number : int
        Its number, and the name of its folder.
    overrides : sequence of str
        Its overrides.
    """

    number: int
    overrides: Sequence[str]


@dataclass(frozen=True)
class JobResult:
    """Result of one job of a sweep, without secrets.

    Attributes
    ----------
    number : int
        Its number, and the name of its folder.
    overrides : list of str
        Its overrides.
    started, ended : float
        Seconds since the epoch.
    name : str
        Model and features.
    tags, settings : dict of str to str
        Tags to find it by, and all settings.
    metrics : dict of str to float
        Every metric, as ``<split>/<name>``; empty if it failed.
    error : str
        Why it failed, in one message that begins with the kind of error; empty if it did not.
    trace : str
        The traceback behind `error`.
    warnings : list of str
        Warnings of its fits, without their places in the code.
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
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("overrides", "name", "tags", "settings", "error", "trace", "warnings"):
            object.__setattr__(self, name, _redact(getattr(self, name)))

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.ended - self.started

    def find_metric(self, metric: str) -> str:
        """Return the cross-validated counterpart of `metric` if there is one, else `metric`.

        Cross-validation scores the training and validation rows, which are more than the validation
        rows alone.
        """
        of_folds = cross_validated(metric)
        return of_folds if of_folds in self.metrics else metric

    def read_score(self, metric: str) -> float:
        """Return the value of the metric that `find_metric` finds, NaN if there is none."""
        return self.metrics.get(self.find_metric(metric), nan)

    @property
    def is_cross_validated(self) -> bool:
        """True if its scores are those of cross-validation."""
        return "rows/cv" in self.metrics


def _redact(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _redact(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_redact(inner) for inner in value]
    return redact(value) if isinstance(value, str) else value


def count_warnings(results: Iterable[JobResult]) -> dict[str, int]:
    """Return the warnings of jobs, and how many jobs have each; numbers in them may differ."""
    texts: dict[str, str] = {}
    jobs: Counter[str] = Counter()
    for result in results:
        found = {mask_numbers(text): text for text in result.warnings}
        texts = found | texts
        jobs.update(found.keys())
    return {texts[masked]: number for masked, number in jobs.items()}


def write_result(folder: Path, result: JobResult) -> None:
    """Write `result` into `folder`, as a whole or not at all."""
    write_state(folder / _RESULT, asdict(result))


def discard_result(folder: Path) -> None:
    """Remove the result of a job in `folder` that is about to run again."""
    (folder / _RESULT).unlink(missing_ok=True)


def read_result(folder: Path, *, keep: bool = False) -> JobResult | None:
    """Return the result of the job in `folder`, or None if it is missing or damaged.

    Parameters
    ----------
    folder : Path
        The folder of the job, whose name is its number.
    keep : bool, default=False
        Leave a damaged result where it is instead of renaming it.
    """
    path = folder / _RESULT
    facts = read_state(path, keep=keep)
    if facts is None:
        return None
    problem = _find_problem(facts, folder.name)
    if not problem:
        return JobResult(**facts)
    outcome = "ignored" if keep else f"renamed to '{set_aside(path).name}'"
    log.warning("'%s' is damaged (%s) and is %s", path, problem, outcome)
    return None


def read_results(folder: Path, *, keep: bool = False) -> dict[int, JobResult]:
    """Return the undamaged results of all finished jobs of the sweep in `folder`, by number."""
    folders = [
        path.parent for path in folder.glob(f"[0-9]*/{_RESULT}") if path.parent.name.isdecimal()
    ]
    folders.sort(key=lambda path: int(path.name))
    results = (read_result(path, keep=keep) for path in folders)
    return {result.number: result for result in results if result is not None}


def list_damaged(folder: Path) -> list[int]:
    """Return the numbers of the jobs whose results were damaged."""
    folders = [path.parent for path in folder.glob(f"[0-9]*/{_RESULT}.*")]
    return sorted({int(path.name) for path in folders if _was_set_aside(path / _RESULT)})


class Winner(NamedTuple):
    """The job of a sweep that was trained in full: number, folder and id of its run."""

    number: int
    folder: Path
    run: str | None


def read_winner(folder: Path, *, keep: bool = False) -> Winner | None:
    """Return the winner of the sweep in `folder`, or None if none was trained in full."""
    path = folder / WINNER / "job.json"
    facts = read_state(path, keep=keep) or {}
    number, name = facts.get("number"), Path(str(facts.get("folder", "."))).name
    if not isinstance(number, int) or not (path.parent / name / "metrics.json").is_file():
        return None
    return Winner(number, path.parent / name, facts.get("run"))


def _find_problem(facts: dict[str, Any], number: str) -> str:
    """Return what is wrong with the fields of a result, "" if nothing is."""
    for name in _REQUIRED:
        if name not in facts:
            return f"it has no {name!r}"
    unknown = sorted(facts.keys() - _CHECKS.keys())
    if unknown:
        return f"it has an unknown field {unknown[0]!r}"
    wrong = sorted(key for key, value in facts.items() if not _CHECKS[key](value))
    if wrong:
        return f"{wrong[0]!r} is of another type"
    return "" if str(facts["number"]) == number else f"it is of job {facts['number']}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_moment(value: Any) -> bool:
    return _is_number(value) and isfinite(value)


def _lists_text(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _maps_to_text(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


_REQUIRED = ("number", "overrides", "started", "ended")
_CHECKS = {
    "number": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "overrides": _lists_text,
    "started": _is_moment,
    "ended": _is_moment,
    "name": _is_text,
    "tags": _maps_to_text,
    "settings": _maps_to_text,
    "metrics": lambda value: isinstance(value, dict) and all(map(_is_number, value.values())),
    "error": _is_text,
    "trace": _is_text,
    "warnings": _lists_text,
}


def estimate_savings(results: Iterable[JobResult]) -> tuple[int, float]:
    """Return how many jobs read counts from the cache, and the seconds that this saved at least.

    Among the jobs with the same counts, the slowest one made them. If it read them, too, since an
    earlier sweep or a job with longer n-grams had made them, nothing is known of the time to make
    them, and these jobs add nothing.
    """
    groups: dict[tuple[tuple[str, str], ...], list[float]] = {}
    for result in results:
        if _COUNTING in result.metrics:
            settings = sorted(result.settings.items())
            key = tuple(item for item in settings if item[0].rpartition(".")[2] in _COUNTED)
            groups.setdefault(key, []).append(result.metrics[_COUNTING])
    jobs = sum(len(seconds) - 1 for seconds in groups.values())
    saved = sum(max(seconds) * len(seconds) - sum(seconds) for seconds in groups.values())
    return jobs, saved
