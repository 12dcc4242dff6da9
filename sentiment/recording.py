"""Record: upload a run that was trained and kept while its tracking store was away."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from sentiment.config import compose, make
from sentiment.redaction import redact
from sentiment.tracking import RunFolder, Tracker


@dataclass(frozen=True)
class RecordingResult:
    """A run that is in the tracking store now.

    Attributes
    ----------
    run_id : str
        Its id.
    model : str
        Address of its model.
    name : str
        Its name.
    folder : Path
        Where it was kept, and still is.
    """

    run_id: str
    model: str
    name: str
    folder: Path


def record(cfg: DictConfig) -> RecordingResult:
    """Record a kept run; one that is recorded already is completed, and stays the only one.

    Parameters
    ----------
    cfg : DictConfig
        As composed from ``conf/record.yaml``, checked.

    Raises
    ------
    SentimentError
        The folder holds no complete run, or the store cannot be used.
    """
    folder, facts = RunFolder.open(Path(cfg.folder).expanduser())
    tracker: Tracker = make(cfg, "tracking", "record")
    tracker.open()
    run_id, model = tracker.record(folder, facts)
    return RecordingResult(run_id, model, facts.name, folder.path)


def write_record_command(folder: Path, cfg: DictConfig) -> str:
    """Return the command that records the run in `folder` in the store that `cfg` names."""
    here = Path.cwd()
    shown = folder.relative_to(here) if folder.is_relative_to(here) else folder
    words = [f"folder={shown}"]
    usual = compose("record", ["folder=x"]).tracking
    for key, value in cfg.tracking.items():
        if not str(key).startswith("_") and usual.get(key) != value:
            words.append(f"tracking.{key}={redact(str(value))}")
    return " ".join(["python scripts/record.py", *map(shlex.quote, words)])
