"""Where a job runs and how it was asked for."""

from dataclasses import dataclass, field
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode


@dataclass(frozen=True)
class Job:
    """One run of a script, or one job of a sweep.

    Attributes
    ----------
    folder : Path
        Its own folder for what it makes.
    choices : dict of str to str
        The config file chosen in each group, such as ``{"model": "svm"}``.
    overrides : list of str
        What was typed.
    sweep : Path, optional
        The folder of the sweep that it belongs to.
    number : int, optional
        Its number in that sweep.
    """

    folder: Path
    choices: dict[str, str] = field(default_factory=dict)
    overrides: list[str] = field(default_factory=list)
    sweep: Path | None = None
    number: int | None = None


def current_job() -> Job:
    """Return what Hydra says of the job that is running."""
    hydra = HydraConfig.get()
    multirun = hydra.mode == RunMode.MULTIRUN
    return Job(
        folder=Path(hydra.runtime.output_dir),
        choices={k: str(v) for k, v in hydra.runtime.choices.items() if "/" not in k and v},
        overrides=list(hydra.overrides.task),
        sweep=Path(hydra.sweep.dir).resolve() if multirun else None,
        number=int(hydra.job.num) if multirun else None,
    )
