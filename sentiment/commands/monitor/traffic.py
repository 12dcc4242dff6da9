"""Predictions in the log of a server, as an input of monitoring."""

from pathlib import Path
from typing import Any

from sentiment.errors import EmptyDataError
from sentiment.files.traffic import CHAMPION, LoggedModel, Traffic, TrafficRows
from sentiment.tracking import Tracker


def open_traffic(
    folder: Path, route: str, named: str | None, tracker: Tracker
) -> tuple[TrafficRows, dict[str, Any]]:
    """Return the logged predictions of a model, and a report as `predict` writes it.

    Parameters
    ----------
    folder : Path
        The log.
    route : str
        The route whose predictions are read.
    named : str, optional
        The model: a run id or another address; default: the last champion in the log.
    tracker : Tracker
        Finds the model that is named.

    Raises
    ------
    EmptyDataError
        There are no such predictions.
    """
    traffic = Traffic(folder, route, "current")
    model = _choose_model(traffic, named, tracker)
    where = {"run_id": model.run_id} if model.run_id else {"path": model.uri}
    return TrafficRows(traffic, model), {"model": where, "job": model.rule}


def _choose_model(traffic: Traffic, named: str | None, tracker: Tracker) -> LoggedModel:
    models = traffic.list_models()
    if named is None:
        chosen = [one for one in models if one.role == CHAMPION]
    else:
        choice = tracker.find_model(named, "accuracy")
        chosen = [one for one in models if one.key in (choice.run_id, choice.uri)]
    if not chosen:
        who = "no model" if named is None else f"the model {named}"
        reason = f"{who} has answered for the route {traffic.route!r}"
        raise EmptyDataError(
            f"'{traffic.folder}'", reason, "another model, run=<id>, or route, route=<name>"
        )
    return chosen[-1]
