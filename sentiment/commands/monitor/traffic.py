"""Predictions in the log of a server, as an input of monitoring."""

from pathlib import Path
from typing import Any

from sentiment.errors import EmptyDataError
from sentiment.files.traffic import CHAMPION, LoggedModel, Traffic, TrafficRows
from sentiment.tracking import Tracker


def open_traffic(
    folder: Path, route: str, run: str | None, tracker: Tracker
) -> tuple[TrafficRows, dict[str, Any]]:
    """Return the logged predictions of a model, and a report in the format of `predict`.

    Parameters
    ----------
    folder : Path
        The log.
    route : str
        The route of the predictions.
    run : str, optional
        A run id or another address of the model; default: the last champion in the log.
    tracker : Tracker
        Finds the model of `run`.

    Raises
    ------
    EmptyDataError
        The log has no such predictions.
    """
    traffic = Traffic(folder, route, "current")
    model = _choose_model(traffic, run, tracker)
    address = {"run_id": model.run_id} if model.run_id else {"path": model.uri}
    return TrafficRows(traffic, model), {"model": address, "job": model.rule}


def _choose_model(traffic: Traffic, run: str | None, tracker: Tracker) -> LoggedModel:
    models = traffic.list_models()
    if run is None:
        candidates = [logged for logged in models if logged.role == CHAMPION]
    else:
        choice = tracker.find_model(run, "accuracy")
        candidates = [logged for logged in models if logged.key in (choice.run_id, choice.uri)]
    if not candidates:
        subject = "no model" if run is None else f"the model {run}"
        reason = f"{subject} has answered for the route {traffic.route!r}"
        raise EmptyDataError(
            f"'{traffic.folder}'", reason, "another model, run=<id>, or route, route=<name>"
        )
    return candidates[-1]
