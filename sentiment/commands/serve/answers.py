"""Answers to requests, with the model that gave them."""

from collections.abc import Callable
from typing import Any

import msgspec
import pyarrow as pa

from sentiment.commands.serve.bodies import Texts
from sentiment.commands.serve.problems import RequestError
from sentiment.commands.serve.routes import ServedModel
from sentiment.errors import SentimentError
from sentiment.files.columns import as_texts, strip_values

encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode


def predict(model: ServedModel, texts: Texts) -> dict[str, list[Any]]:
    """Return the columns of the predictions for the texts that are answered.

    Raises
    ------
    RequestError
        The model cannot do what the options ask for.
    """
    try:
        predictor = model.vary(texts.options)
    except SentimentError as error:
        raise RequestError(422, str(error)) from error
    columns = None
    if texts.rows is not None:
        names = predictor.extra_columns
        given = {name: as_texts(row[name] for row in texts.rows) for name in names}
        columns = pa.table({name: strip_values(values) for name, values in given.items()})
    return predictor.predict_few(texts.values, columns)


def describe(model: ServedModel, texts: Texts, found: dict[str, list[Any]]) -> dict[str, Any]:
    """Return the body of the response to a request with one text or several.

    A text that is not answered has an ``error`` in place of a prediction.
    """
    if texts.is_single:
        if texts.faults:
            return {"error": texts.faults[0], "model": model.uri}
        answer: dict[str, Any] = {name: values[0] for name, values in found.items()}
        answer["model"] = model.uri
        return answer
    names = tuple(found)
    rows: list[dict[str, Any]] = [
        dict(zip(names, row, strict=True)) for row in zip(*found.values(), strict=True)
    ]
    for place in sorted(texts.faults):
        rows.insert(place, {"error": texts.faults[place]})
    return {"model": model.uri, "predictions": rows}


def describe_invocation(
    model: ServedModel, texts: Texts, found: dict[str, list[Any]]
) -> dict[str, Any]:
    """Return the body of the response of MLflow's ``/invocations``.

    Raises
    ------
    RequestError
        A row is not answered: MLflow has no place for a reason beside the others' answers.
    """
    if texts.faults:
        place, reason = next(iter(texts.faults.items()))
        raise RequestError(
            422,
            f"row {place + 1:,} is not answered: {reason}. {len(texts.faults):,} of "
            f"{texts.count:,} rows are not.",
        )
    if texts.options.labels_only and model.predictor.columns.probabilities != "all":
        return {"predictions": found["prediction"]}
    names = tuple(found)
    rows = zip(*found.values(), strict=True)
    return {"predictions": [dict(zip(names, row, strict=True)) for row in rows]}


def find_status(texts: Texts) -> int:
    """Return 422 if no text is answered, 200 otherwise."""
    return 422 if texts.faults and not texts.values else 200
