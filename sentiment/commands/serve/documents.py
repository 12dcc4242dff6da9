"""The OpenAPI document of the server."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from sentiment.config.schemas import ServerSettings

_STRING: dict[str, Any] = {"type": "string"}
OPTIONS: dict[str, Any] = {
    "explain": {
        "type": "boolean",
        "description": "Add the top terms for and against each prediction.",
    },
    "probabilities": {"type": "boolean", "description": "Add the probability of every class."},
    "threshold": {
        "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1,
        "description": "Threshold on the probability of the second of two classes, or of each "
        "label of a label set; default: that of the server.",
    },
    "key": {
        "type": "string",
        "description": "Requests with the same key go to the same model, champion or challenger; "
        "default: the first text.",
    },
}  # fmt: skip
_COLUMNS = {
    "type": "object",
    "description": "Values of the columns that the model reads beside the text.",
}
_PREDICTION = {
    "type": "object",
    "properties": {
        "prediction": _STRING,
        "probability": {"type": "number"},
        "error": {"type": "string", "description": "Why the text was rejected."},
        "model": {"type": "string", "description": "URI of the model."},
        "id": {"type": "string", "description": "Id for feedback, if the server keeps a log."},
    },
}
_HEADERS = {
    "x-request-id": "Id for feedback; append -0, -1, ... for the rows of a file.",
    "x-model": "URI of the model that predicted a file.",
    "x-rows-read": "Number of rows in a file.",
    "x-rows-rejected": "Number of rejected rows.",
    "x-rejected-rows": "First rejected rows of a CSV file, as JSON: row, line and reason.",
}
_PROBLEMS = {
    "400": "The body is not JSON.",
    "401": "The token is missing or unknown.",
    "404": "The path or the model does not exist.",
    "408": "The body did not arrive in time.",
    "413": "The body is too large or has too many texts.",
    "415": "The content-type is not supported.",
    "422": "The body does not match the schema, or all of its texts are rejected.",
    "503": "Too many requests are waiting; Retry-After has the seconds to wait.",
}
_ANSWER = {
    "oneOf": [
        _PREDICTION | {"required": ["model", "prediction", "probability"]},
        {
            "type": "object",
            "required": ["model", "predictions"],
            "properties": {
                "model": _STRING,
                "predictions": {"type": "array", "items": _PREDICTION},
            },
        },
    ]
}
_INVOCATION = {
    "type": "object",
    "properties": {
        "dataframe_split": {"type": "object"},
        "dataframe_records": {"type": "array", "items": {"type": "object"}},
        "instances": {"type": "array"},
        "inputs": {"type": ["array", "object"]},
        "params": {"type": "object"},
    },
}
_LABEL = {
    "type": "object",
    "required": ["id", "label"],
    "properties": {"id": _STRING, "label": _STRING},
    "additionalProperties": False,
}
_CSV = {"text/csv": {"schema": _STRING}}
_FILES = {"application/x-ndjson": {"schema": _STRING}} | _CSV


def make_openapi(settings: ServerSettings, names: Sequence[str]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a server, with its limits and the names of its routes."""
    text_fields = {"text": _STRING, "columns": _COLUMNS} | OPTIONS
    texts_fields = {
        "texts": {
            "type": "array",
            "items": {"type": ["string", "number", "null"]},
            "maxItems": settings.max_texts,
        },
        "columns": {"type": "array", "items": _COLUMNS},
    } | OPTIONS
    text_body = {"type": "object", "required": ["text"], "properties": text_fields}
    texts_body = {"type": "object", "required": ["texts"], "properties": texts_fields}
    body = {
        "oneOf": [fields | {"additionalProperties": False} for fields in (text_body, texts_body)]
    }
    example = {"text": "A gem."}
    predict = _describe_operation(
        "Predict one text, several texts, or a file",
        _as_json(body, example) | _FILES,
        {"200": _describe_response("Predictions.", _as_json(_ANSWER) | _FILES, [*_HEADERS])},
        "JSON has one text or several. The response to CSV or JSON lines has the same rows with "
        "added predictions, as sentiment predict writes them; for these, options, text_column and "
        "key are in the query of the URL.",
    )
    predictions = {"type": "object", "properties": {"predictions": {"type": "array"}}}
    invoke = _describe_operation(
        "Predict in the formats of MLflow's scoring server",
        _as_json(_INVOCATION, {"inputs": ["A gem."]}) | _CSV,
        {"200": _describe_response("Predictions.", _as_json(predictions), ["x-request-id"])},
    )
    explain = _describe_operation(
        "Predict one text by champion and challenger, with the effect of each word",
        _as_json(text_body, example),
        {"200": _describe_response("Both predictions.", _as_json({"type": "object"}))},
        "For interactive use: slower than a prediction, and not in the metrics.",
    )
    accepted = {"type": "object", "properties": {"accepted": {"type": "integer"}}}
    feedback = _describe_operation(
        "Record the true labels of predicted texts",
        _as_json(
            {"oneOf": [_LABEL, {"type": "array", "items": _LABEL}]},
            {"id": "0123456789abcdef01234567", "label": "positive"},
        ),
        {"202": _describe_response("The labels are recorded.", _as_json(accepted))},
        "The status is 404 if the server keeps no log.",
    )
    route_name = {"type": "string", "enum": [*names]}
    parameters = [{"name": "name", "in": "path", "required": True, "schema": route_name}]
    paths: dict[str, Any] = {
        "/predict": {"post": predict},
        "/models/{name}/predict": {"parameters": parameters, "post": predict},
        "/invocations": {"post": invoke},
        "/models/{name}/invocations": {"parameters": parameters, "post": invoke},
        "/explain": {"post": explain},
        "/models/{name}/explain": {"parameters": parameters, "post": explain},
        "/models": _describe_get("Served models and their counts", "application/json"),
        "/feedback": {"post": feedback},
        "/models/{name}/feedback": {"parameters": parameters, "post": feedback},
        "/health/live": _describe_get("Liveness: the process responds", "application/json"),
        "/health/ready": _describe_get(
            "Readiness: models are loaded; problems with new versions", "application/json"
        ),
        "/version": _describe_get(
            "Version, models, and the process id of the worker that responds", "application/json"
        ),
        "/metrics": _describe_get("Metrics in the text format of Prometheus", "text/plain"),
        "/openapi.json": _describe_get("This document", "application/json"),
    }
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "sentiment serve", "version": version("sentiment")},
        "paths": paths,
    }
    if settings.tokens_file is not None:
        document["components"] = {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}
        }
        document["security"] = [{"token": []}]
    return document


def list_endpoints(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return path, method, summary and statuses of each operation of an OpenAPI `document`."""
    return [
        {
            "path": path, "method": method.upper(), "summary": operation["summary"],
            "statuses": {
                code: response["description"] for code, response in operation["responses"].items()
            },
        }
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method != "parameters"
    ]  # fmt: skip


def _describe_operation(
    summary: str, content: dict[str, Any], responses: dict[str, Any], description: str = ""
) -> dict[str, Any]:
    """Return an operation with a request body."""
    return {
        "summary": summary,
        **({"description": description} if description else {}),
        "requestBody": {"required": True, "content": content},
        "responses": responses | _list_problems(),
    }


def _describe_response(
    description: str, content: dict[str, Any], headers: Sequence[str] = ()
) -> dict[str, Any]:
    """Return a response."""
    described_headers = {
        name: {"description": _HEADERS[name], "schema": _STRING} for name in headers
    }
    return {
        "description": description,
        **({"headers": described_headers} if described_headers else {}),
        "content": content,
    }


def _as_json(schema: dict[str, Any], example: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the content of a body in JSON."""
    return {"application/json": {"schema": schema} | ({"example": example} if example else {})}


def _list_problems() -> dict[str, Any]:
    content = _as_json({"type": "object", "properties": {"error": _STRING}})
    return {code: {"description": text, "content": content} for code, text in _PROBLEMS.items()}


def _describe_get(summary: str, content_type: str) -> dict[str, Any]:
    schema = {"type": "object"} if content_type == "application/json" else _STRING
    response = {"description": f"{summary}.", "content": {content_type: {"schema": schema}}}
    return {"get": {"summary": summary, "responses": {"200": response}}}
