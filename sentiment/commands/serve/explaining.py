"""Explanation of one text: predictions of both models of a route, and the effect of each word."""

from dataclasses import replace
from typing import Any

from sentiment.commands.serve import responses
from sentiment.commands.serve.bodies import Texts, read_body
from sentiment.commands.serve.problems import RequestError
from sentiment.commands.serve.routes import Options, Route, ServedModel
from sentiment.errors import UnexplainableModelError
from sentiment.files.columns import as_texts, strip_values

# Longest text in characters that is explained, which takes milliseconds per thousand characters.
# Longer texts are only predicted.
_MAX_EXPLAINED_CHARS = 20_000
_MAX_TERMS = 12


def explain(route: Route, data: bytes) -> dict[str, Any]:
    """Return the predictions of champion and challenger for one text, with explanations.

    Parameters
    ----------
    route : Route
        Route of the request.
    data : bytes
        A JSON body with one ``text``, as for ``/predict``.

    Raises
    ------
    RequestError
        The body is not valid, or its text is rejected.
    """
    champion, challenger = route.champion, route.challenger
    texts = read_body(data, champion.limits, champion.predictor.extra_columns, 1)
    if texts.faults or not texts.values:
        raise RequestError(422, texts.faults.get(0) or "expected a text; see /docs.")
    return {
        "champion": _describe_prediction(champion, texts),
        "challenger": _describe_prediction(challenger, texts) if challenger else None,
    }


def _describe_prediction(model: ServedModel, texts: Texts) -> dict[str, Any]:
    predictor, (text,) = model.predictor, texts.values
    options = Options(probabilities=True, threshold=texts.options.threshold)
    predictions = responses.predict(model, replace(texts, options=options))
    label = predictions["prediction"][0]
    content: dict[str, Any] = {
        "model": model.uri,
        "prediction": label,
        "probability": predictions["probability"][0],
        "probabilities": {name: predictions[f"p:{name}"][0] for name in predictor.classes},
    }
    if len(text) > _MAX_EXPLAINED_CHARS:
        reason = f"Only texts of up to {_MAX_EXPLAINED_CHARS:,} characters are explained."
        return content | {"reason": reason}
    columns: dict[str, str | None] = {}
    if texts.rows is not None:
        names = predictor.extra_columns
        values = strip_values(as_texts(texts.rows[0][name] for name in names)).to_pylist()
        columns = dict(zip(names, values, strict=True))
    try:
        explanation = predictor.explain(
            text, columns, label if label in predictor.classes else None
        )
    except UnexplainableModelError as error:
        return content | {"reason": str(error)}
    return content | {
        "explained": explanation.label,
        "unit": explanation.unit,
        "words": explanation.words,
        "terms": explanation.terms[:_MAX_TERMS],
    }
