"""Evidence of live traffic for a promotion."""

from pathlib import Path

from omegaconf import DictConfig

from sentiment.commands.compare.live import LiveComparison, measure_live
from sentiment.errors import EmptyDataError
from sentiment.files.traffic import Traffic
from sentiment.tracking import StoredRun, Version


def check_live(
    cfg: DictConfig, champion: Version, run: StoredRun
) -> tuple[LiveComparison | None, list[str]]:
    """Compare a run with the champion on live traffic, and return what speaks against it.

    The run is refused until the labels show that its accuracy is at most ``cfg.margin`` below that
    of the champion. The interval holds at any time (`follow_mean`), so the same command may run
    every day: the probability that it ever promotes a run that is worse by more than the margin is
    at most ``cfg.alpha``.

    Parameters
    ----------
    cfg : DictConfig
        Settings of the promotion; ``live`` is the log.
    champion : Version
        The champion.
    run : StoredRun
        The challenger.

    Raises
    ------
    InputNotFoundError
        The folder is not a log.
    """
    traffic = Traffic(Path(cfg.live).expanduser(), cfg.route, "live")
    known = {one.run_id: one for one in traffic.list_models()}
    for name in (champion.run_id, run.id):
        if name not in known:
            return None, [
                f"the log '{traffic.folder}' has no answers of run {name} for the route "
                f"{traffic.route!r}"
            ]
    try:
        live = measure_live(traffic, known[champion.run_id], known[run.id], cfg.alpha)
    except EmptyDataError as error:
        return None, [str(error)]
    if live.difference.low >= -cfg.margin:
        return live, []
    shown = "show that it is worse" if live.judge() < 0 else "do not show yet that it is not worse"
    return live, [
        f"live labels {shown} by more than margin={cfg.margin:g}: {live.describe_evidence()}"
    ]
