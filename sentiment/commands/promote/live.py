"""Evidence of live traffic for a promotion."""

from pathlib import Path

from omegaconf import DictConfig

from sentiment.commands.compare.live import LiveComparison, find_positive, measure_live
from sentiment.commands.promote.decision import Promotion
from sentiment.errors import EmptyDataError
from sentiment.files.traffic import Traffic
from sentiment.tracking import StoredRun, Tracker, Version
from sentiment.tracking.registry import CHAMPION, PREVIOUS


def check_live(
    cfg: DictConfig, tracker: Tracker, champion: Version, run: StoredRun
) -> tuple[LiveComparison | None, list[str]]:
    """Compare a run with the champion on live traffic, and return the reasons to refuse it.

    The run is refused until the labels show that its ``cfg.metric`` is at most ``cfg.margin``
    below that of the champion. The interval holds at any time (`confidence_sequence`), so the same
    command can run every day: the probability that it ever promotes a run that is worse by more
    than the margin is at most ``cfg.alpha``.

    Parameters
    ----------
    cfg : DictConfig
        Settings of the promotion; ``live`` is the log.
    tracker : Tracker
        The tracking store.
    champion : Version
        The champion.
    run : StoredRun
        The challenger.

    Raises
    ------
    InputNotFoundError
        The folder is not a log.
    """
    live = _measure(cfg, tracker, champion.run_id, run.id)
    if isinstance(live, str):
        return None, [live]
    if live.difference.low >= -cfg.margin:
        return live, []
    finding = (
        "show that it is worse" if live.judge() < 0 else "do not show yet that it is not worse"
    )
    return live, [
        f"live labels {finding} by more than margin={cfg.margin:g}: {live.describe_evidence()}"
    ]


def check_rollback(cfg: DictConfig, tracker: Tracker) -> Promotion | None:
    """Return the refusal of a rollback, or None if the champion is worse than the one before.

    The champion is worse if live labels show it. The probability of an error is at most
    ``cfg.alpha``, no matter how often this function is called. A rollback is not refused if there
    is no champion, if there is no previous one, or if it completes an interrupted rollback.

    Parameters
    ----------
    cfg : DictConfig
        Settings of the rollback; ``live`` is the log.
    tracker : Tracker
        The tracking store of the registered model.

    Raises
    ------
    InputNotFoundError
        The folder is not a log.
    """
    registry = tracker.open_registry(cfg.name)
    champion, previous = registry.find(CHAMPION), registry.find(PREVIOUS)
    if champion is None or previous is None or champion.number == previous.number:
        return None
    live = _measure(cfg, tracker, previous.run_id, champion.run_id)
    if isinstance(live, str):
        reason, comparison = live, None
    elif live.judge() < 0:
        return None
    else:
        reason = f"live labels do not show that it is worse: {live.describe_evidence()}"
        comparison = live
    sentence = f"version {champion.number} of {cfg.name} was not rolled back: {reason}"
    return Promotion("refused", sentence, cfg.name, champion, live=comparison)


def _measure(cfg: DictConfig, tracker: Tracker, first: str, second: str) -> LiveComparison | str:
    """Return the comparison of two runs on the log, or the reason why it is not possible."""
    traffic = Traffic(Path(cfg.live).expanduser(), cfg.route, "live")
    models = {model.run_id: model for model in traffic.list_models()}
    for run_id in (first, second):
        if run_id not in models:
            return (
                f"the log '{traffic.folder}' has no predictions of run {run_id} for the route "
                f"{traffic.route!r}"
            )
    try:
        positive = find_positive(cfg.metric, models[first], tracker)
        return measure_live(traffic, models[first], models[second], cfg.alpha, positive)
    except EmptyDataError as error:
        return str(error)
