"""Feedback: true labels of predicted texts, sent by clients."""

import re
import time
from dataclasses import dataclass, field

import msgspec

from sentiment.commands.serve.bodies import convert, load_json
from sentiment.commands.serve.problems import RequestError, too_large
from sentiment.commands.serve.routes import Route
from sentiment.data.label_sets import join_labels, split_labels
from sentiment.errors import LISTED, quote_list, suggest

_ID = re.compile(r"[0-9a-f]{24}(-[0-9]{1,9})?")


class FeedbackBody(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /feedback``, or an item of its list."""

    id: str
    label: str


@dataclass(frozen=True)
class Label:
    """The true label of a text.

    Attributes
    ----------
    id : str
        Id of the text, from the response to its request.
    route : str
        Name of the route.
    label : str
        The label, or label set.
    at : float
        Time of the feedback, in seconds since the epoch.
    """

    id: str
    route: str
    label: str
    at: float = field(default_factory=time.time)


def read_feedback(data: bytes, route: Route, max_labels: int) -> list[Label]:
    """Return the labels in a JSON body: an object with ``id`` and ``label``, or a list of these.

    Raises
    ------
    RequestError
        The body does not match the schema, has more than `max_labels` labels, or has a label that
        the model does not know.
    """
    body = load_json(data)
    items = convert(body if isinstance(body, list) else [body], list[FeedbackBody])
    if len(items) > max_labels:
        raise too_large(f"the body has {len(items):,} labels", max_labels, "max_texts")
    return [
        Label(_check_id(item.id), route.name, _check_label(item.label, route)) for item in items
    ]


def _check_id(text_id: str) -> str:
    if not _ID.fullmatch(text_id):
        raise RequestError(
            422, f"the id is {text_id!r}; expected an id from a response of this server."
        )
    return text_id


def _check_label(label: str, route: Route) -> str:
    predictor = route.champion.predictor
    separator = predictor.separator
    if separator is None:
        parts = [label]
    else:
        label = join_labels(label.split(separator), separator)
        parts = split_labels(label, separator)
    for part in parts:
        if part not in predictor.classes:
            raise RequestError(
                422,
                f"the label is {part!r}; expected one of {quote_list(predictor.classes, LISTED)}."
                f"{suggest(part, predictor.classes)}",
            )
    return label
