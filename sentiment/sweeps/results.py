"""What a job of a sweep leaves in its folder, for whoever goes on with the sweep."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

_NAME = "result.json"


@dataclass(frozen=True)
class JobResult:
    """One finished job of a sweep.

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

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.started


def write_result(folder: Path, result: JobResult) -> None:
    """Keep `result` in `folder`; it is there as a whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{_NAME}.{os.getpid()}"
    with partial.open("w", encoding="utf-8") as file:
        json.dump(asdict(result), file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / _NAME)


def discard_result(folder: Path) -> None:
    """Forget what a job in `folder` left, since it is run again."""
    (folder / _NAME).unlink(missing_ok=True)


def read_result(folder: Path) -> JobResult | None:
    """Return what the job in `folder` left, or None if it has not finished."""
    path = folder / _NAME
    if not path.is_file():
        return None
    return JobResult(**json.loads(path.read_text(encoding="utf-8")))


def read_results(folder: Path) -> dict[int, JobResult]:
    """Return the results of all finished jobs of the sweep in `folder`, by number."""
    found = (read_result(path.parent) for path in folder.glob(f"[0-9]*/{_NAME}"))
    return {result.number: result for result in found if result is not None}
