"""Recording of kept runs in the tracking store, at once or after an outage."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from sentiment.config import compose, make, show_command
from sentiment.errors import ConfigError, RunNotKeptError, RunNotRecordedError, TrackingStoreError
from sentiment.redaction import redact, redact_values
from sentiment.tracking import KEY, MODEL, RunFacts, RunFolder, Tracker


@dataclass(frozen=True)
class RecordingResult:
    """A recorded run.

    Attributes
    ----------
    run_id : str or None
        Its id; None without tracking.
    model : str
        Address of its model; empty if it has none.
    name : str
        Its name.
    folder : Path
        The folder in which it was kept.
    metrics : dict of str to float
        Its metrics, as ``<split>/<name>``.
    """

    run_id: str | None
    model: str
    name: str
    folder: Path
    metrics: dict[str, float]


def record(cfg: DictConfig) -> RecordingResult:
    """Record a kept run, or complete an earlier record of it.

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
    facts.is_own = cfg.own
    result = _record(make(cfg, "tracking", "record"), folder, facts)
    if result.run_id is None:
        raise ConfigError(["tracking=off records nothing; choose tracking=mlflow."])
    return result


def record_earlier(
    cfg: DictConfig,
    home: Path,
    settings: Mapping[str, object],
    digests: Mapping[str, str] | None = None,
) -> RecordingResult | None:
    """Record the run with these settings that was kept in `home` while the store was away.

    Unlike a folder for `record`, these are in ``outputs``, which is trusted like the store, so the
    model counts as the user's own.

    Parameters
    ----------
    cfg : DictConfig
        As composed from ``conf/train.yaml``.
    home : Path
        The folder of the job; the run is in it or in a folder inside it.
    settings : mapping of str to object
        Settings by dotted key.
    digests : mapping of str to str, optional
        Digests of its data, by the names of their tags.

    Returns
    -------
    RecordingResult or None
        None if there is no such run.

    Raises
    ------
    RunNotRecordedError
        The store still cannot be used.
    """
    kept_run = _find_kept_run(home, settings, digests or {})
    if kept_run is None:
        return None
    folder, facts = kept_run
    facts.is_own = True
    with recording_failures(folder, cfg.tracking):
        return _record(make(cfg, "tracking", "record"), folder, facts)


def _record(tracker: Tracker, folder: RunFolder, facts: RunFacts) -> RecordingResult:
    tracker.open()
    run_id, model = tracker.record(folder, facts)
    return RecordingResult(run_id, model, facts.name, folder.path, facts.metrics)


def keep_and_record(
    settings: DictConfig, tracker: Tracker, folder: RunFolder, facts: RunFacts, description: str
) -> RecordingResult:
    """Keep a run whose files are written, then record it.

    Parameters
    ----------
    settings : DictConfig
        Settings of the store, the group ``tracking``.
    tracker : Tracker
        The store.
    folder : RunFolder
        Holds the files.
    facts : RunFacts
        Facts of the run.
    description : str
        Description of the files, such as ``the report``.

    Raises
    ------
    RunNotRecordedError
        The store cannot be used; the message has the command that records the run later.
    """
    folder.keep(facts)
    with recording_failures(folder, settings, description):
        tracker.open()
        with tracker.start(facts.name, facts.tags | {KEY: facts.key}) as run:
            model = run.record(folder, facts)
    return RecordingResult(run.id, model, facts.name, folder.path, facts.metrics)


def _find_kept_run(
    home: Path, settings: Mapping[str, object], digests: Mapping[str, str]
) -> tuple[RunFolder, RunFacts] | None:
    """Return the kept run with a model, these settings and these data in or below `home`."""
    expected = redact_values({key: str(value) for key, value in settings.items()})
    for path in (home, *sorted(home.glob("*/"))):
        try:
            folder, facts = RunFolder.open(path)
        except RunNotKeptError:
            continue
        has_same_data = digests.items() <= facts.tags.items()
        if MODEL in folder.files and has_same_data and expected.items() <= facts.params.items():
            return folder, facts
    return None


@contextmanager
def recording_failures(
    folder: RunFolder,
    settings: DictConfig,
    description: str = "the trained model, its metrics and figures",
) -> Iterator[None]:
    """Raise `RunNotRecordedError` if the store fails while a kept run is recorded.

    Parameters
    ----------
    folder : RunFolder
        Holds the files of the run.
    settings : DictConfig
        Settings of the store, the group ``tracking``.
    description : str
        Description of the files.
    """
    try:
        yield
    except TrackingStoreError as error:
        command = _write_command(folder.path, settings)
        raise RunNotRecordedError(error, folder.path, command, description) from error


def _write_command(folder: Path, settings: DictConfig) -> str:
    """Return the command that records the run in `folder` in the store of `settings`."""
    working_folder = Path.cwd()
    displayed = (
        folder.relative_to(working_folder) if folder.is_relative_to(working_folder) else folder
    )
    overrides = [f"folder={displayed}"]
    defaults = compose("record", ["folder=x"]).tracking
    for name, value in ((str(key), value) for key, value in settings.items()):
        if not name.startswith("_") and defaults.get(name) != value:
            overrides.append(f"tracking.{name}={redact(str(value))}")
    return show_command("record", overrides)
