"""True labels of texts that were answered, which clients send when they learn them."""

import re
import time
from dataclasses import dataclass, field

import msgspec

from sentiment.commands.serve.bodies import convert, load_json
from sentiment.commands.serve.problems import RequestError, too_large
from sentiment.commands.serve.routes import Route
from sentiment.data.label_sets import join_labels, split_labels
from sentiment.errors import quote_list

_ID = re.compile(r"[0-9a-f]{24}(-[0-9]{1,9})?")


class FeedbackBody(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /feedback``, or one of several in a list."""

    id: str
    label: str


@dataclass(frozen=True)
class Label:
    """The true label of a text.

    Attributes
    ----------
    id : str
        Of the text, as the response to its request has it.
    route : str
        Name of the route that answered.
    label : str
        The label, or label set.
    at : float
        When it came, in seconds since the epoch.
    """

    id: str
    route: str
    label: str
    at: float = field(default_factory=time.time)


def read_feedback(data: bytes, route: Route, most: int) -> list[Label]:
    """Return the labels in a JSON body: one object with ``id`` and ``label``, or a list of such.

    Raises
    ------
    RequestError
        It has another form, more than `most` labels, or one that the model does not know.
    """
    body = load_json(data)
    given = convert(body if isinstance(body, list) else [body], list[FeedbackBody])
    if len(given) > most:
        raise too_large(f"the body has {len(given):,} labels", most, "max_texts")
    return [Label(_check_id(one.id), route.name, _check_label(one.label, route)) for one in given]


def _check_id(name: str) -> str:
    if not _ID.fullmatch(name):
        raise RequestError(
            422, f"the id is {name!r}; expected one that a response of this server has."
        )
    return name


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
                422, f"the label is {part!r}; expected one of {quote_list(predictor.classes)}."
            )
    return label
