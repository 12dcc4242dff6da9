"""A grid: every combination of what was typed, each once."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from sentiment.config import check_config, make
from sentiment.sweeps.failures import FailurePolicy, check_failures
from sentiment.sweeps.hydra_side import HydraSide
from sentiment.sweeps.objectives import find_objectives
from sentiment.sweeps.observing import OBSERVER
from sentiment.sweeps.results import JobResult, discard_result, read_results
from sentiment.sweeps.runner import JobRunner, PlannedJob
from sentiment.sweeps.session import Session
from sentiment.sweeps.storage import newest
from sentiment.sweeps.trial import list_settings, read_data

_RUN = "run_id"


def run_grid(hydra: HydraSide, points: Sequence[Sequence[str]]) -> None:
    """Run all jobs of a grid that have no good result yet, and train the best.

    The same command goes on with a grid that was cut off, and does failed jobs again; a grid of
    which all is done starts anew in another folder.

    Parameters
    ----------
    hydra : HydraSide
        The sweep as Hydra sees it.
    points : sequence of sequence of str
        The overrides of each job.

    Raises
    ------
    SentimentError
        The config cannot be run, or jobs failed.
    """
    cfg, settings = hydra.task, hydra.settings
    check_config(cfg)
    (objective,) = find_objectives([cfg.optimize])
    home = Path(cfg.outputs).resolve() / "sweep"
    identity = json.dumps([list_settings(cfg), [list(point) for point in points]], default=str)
    name = hashlib.sha256(identity.encode()).hexdigest()[:8]
    known, following = newest(name, [path.name for path in home.glob("*") if path.is_dir()])
    if known is None or settings.fresh or _is_done(home / known, len(points)):
        known = following
    folder = home / known
    folder.mkdir(parents=True, exist_ok=True)
    _forget_other_data(hydra, folder)
    tracker = make(cfg, "tracking", "open_sweep")
    tracker.open()
    typed = hydra.list_typed()
    tags = {"kind": "sweep", "command": hydra.describe_command()}
    earlier = (folder / _RUN).read_text() if (folder / _RUN).is_file() else None
    record = tracker.open_sweep(f"sweep {' '.join(typed)}".strip(), tags, earlier)
    if record.id is not None:
        (folder / _RUN).write_text(record.id)
    session = Session(
        name=known,
        folder=folder,
        objective=objective,
        record=record,
        observer=OBSERVER.get()(),
        policy=FailurePolicy(settings.max_failures, fresh=not any(read_results(folder))),
        total=len(points),
        shared=[word for word in points[0] if all(word in point for point in points)],
    )
    session.begin()
    left = [
        PlannedJob(number, list(point))
        for number, point in enumerate(points)
        if number not in session.results
    ]
    runner = JobRunner(folder, hydra.launcher.launch, hydra.compose, session.take, lambda: None)
    with session.keeping(hydra.describe_command()):
        batch = hydra.count_batch()
        for at in range(0, len(left), batch):
            runner.run(left[at : at + batch])
        best = session.best
        if best is not None and session.read_winner() != best.number:
            overrides = list(points[best.number])
            session.train_winner(best.number, overrides, *hydra.compose(overrides))
    check_failures(session.failed, len(points))


def _is_done(folder: Path, total: int) -> bool:
    """Return whether every job has a good result and the best was trained."""
    results = read_results(folder)
    good = [result for result in results.values() if not result.error]
    return len(good) == total and (folder / "winner" / "job.json").is_file()


def _forget_other_data(hydra: HydraSide, folder: Path) -> None:
    """Discard failed jobs, and all that were on data that is not there any more."""
    fingerprints: dict[str, str] = {}
    for number, result in read_results(folder).items():
        if result.error or _read_fingerprint(hydra, result, fingerprints) != result.tags.get(
            "data.fingerprint"
        ):
            discard_result(folder / str(number))


def _read_fingerprint(hydra: HydraSide, result: JobResult, known: dict[str, str]) -> str:
    data = {k: v for k, v in result.settings.items() if k.startswith("data.") or k == "seed"}
    key = json.dumps(data, sort_keys=True)
    if key not in known:
        known[key] = read_data(hydra.compose(result.overrides)[0]).fingerprint
    return known[key]
