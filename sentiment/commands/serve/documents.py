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


def make_openapi(settings: ServerSettings, names: Sequence[str]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a server with some limits and names of routes."""
    most = settings.max_texts
    one = {"text": {"type": "string"}, "columns": _COLUMNS} | OPTIONS
    several = {
        "texts": {
            "type": "array", "items": {"type": ["string", "number", "null"]}, "maxItems": most,
        },
        "columns": {"type": "array", "items": _COLUMNS},
    } | OPTIONS  # fmt: skip
    body = {
        "oneOf": [
            {"type": "object", "required": [name], "properties": fields,
             "additionalProperties": False}
            for name, fields in (("text", one), ("texts", several))
        ]
    }  # fmt: skip
    answer = {
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
    file = {"schema": {"type": "string"}}
    predict = {
        "summary": "Predict one text, several texts, or a file",
        "description": (
            "JSON has one text or several. The response to CSV or JSON lines has the same rows "
            "with added predictions, as sentiment predict writes them; for these, options, "
            "text_column and key are in the query of the URL."
        ),
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": body, "example": {"text": "A gem."}},
                "application/x-ndjson": file,
                "text/csv": file,
            },
        },
        "responses": {
            "200": {
                "description": "Predictions.",
                "headers": {
                    name: {"description": text, "schema": _STRING}
                    for name, text in _HEADERS.items()
                },
                "content": {
                    "application/json": {"schema": answer},
                    "application/x-ndjson": file,
                    "text/csv": file,
                },
            }
        }
        | _list_problems(),
    }
    invoke = {
        "summary": "Predict in the formats of MLflow's scoring server",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "properties": {
                            "dataframe_split": {"type": "object"},
                            "dataframe_records": {"type": "array", "items": {"type": "object"}},
                            "instances": {"type": "array"},
                            "inputs": {"type": ["array", "object"]},
                            "params": {"type": "object"},
                        },
                    },
                    "example": {"inputs": ["A gem."]},
                },
                "text/csv": file,
            },
        },
        "responses": {
            "200": {
                "description": "Predictions.",
                "headers": {
                    "x-request-id": {"description": _HEADERS["x-request-id"], "schema": _STRING}
                },
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "properties": {"predictions": {"type": "array"}},
                        }
                    }
                },
            }
        }
        | _list_problems(),
    }
    single = {"type": "object", "required": ["text"], "properties": one}
    explain = {
        "summary": "Predict one text by champion and challenger, with the effect of each word",
        "description": "For interactive use: slower than a prediction, and not in the metrics.",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": single, "example": {"text": "A gem."}}},
        },
        "responses": {
            "200": {
                "description": "Both predictions.",
                "content": {"application/json": {"schema": {"type": "object"}}},
            }
        }
        | _list_problems(),
    }
    label = {
        "type": "object",
        "required": ["id", "label"],
        "properties": {"id": _STRING, "label": _STRING},
        "additionalProperties": False,
    }
    feedback = {
        "summary": "Record the true labels of predicted texts",
        "description": "The status is 404 if the server keeps no log.",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"oneOf": [label, {"type": "array", "items": label}]},
                    "example": {"id": "0123456789abcdef01234567", "label": "positive"},
                }
            },
        },
        "responses": {
            "202": {
                "description": "The labels are recorded.",
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "properties": {"accepted": {"type": "integer"}},
                        }
                    }
                },
            }
        }
        | _list_problems(),
    }
    known = {"type": "string", "enum": [*names]}
    named = [{"name": "name", "in": "path", "required": True, "schema": known}]
    paths: dict[str, Any] = {
        "/predict": {"post": predict},
        "/models/{name}/predict": {"parameters": named, "post": predict},
        "/invocations": {"post": invoke},
        "/models/{name}/invocations": {"parameters": named, "post": invoke},
        "/explain": {"post": explain},
        "/models/{name}/explain": {"parameters": named, "post": explain},
        "/models": _show("Served models and their counts", "application/json"),
        "/feedback": {"post": feedback},
        "/models/{name}/feedback": {"parameters": named, "post": feedback},
        "/health/live": _show("Liveness: the process responds", "application/json"),
        "/health/ready": _show(
            "Readiness: models are loaded; problems with new versions", "application/json"
        ),
        "/version": _show(
            "Version, models, and the process id of the worker that responds", "application/json"
        ),
        "/metrics": _show("Metrics in the text format of Prometheus", "text/plain"),
        "/openapi.json": _show("This document", "application/json"),
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
            "path": path, "method": method.upper(), "summary": one["summary"],
            "statuses": {code: answer["description"] for code, answer in one["responses"].items()},
        }
        for path, methods in document["paths"].items()
        for method, one in methods.items()
        if method != "parameters"
    ]  # fmt: skip


def _list_problems() -> dict[str, Any]:
    schema = {"type": "object", "properties": {"error": _STRING}}
    content = {"application/json": {"schema": schema}}
    return {code: {"description": text, "content": content} for code, text in _PROBLEMS.items()}


def _show(summary: str, kind: str) -> dict[str, Any]:
    schema = {"type": "object"} if kind == "application/json" else _STRING
    shown = {"description": f"{summary}.", "content": {kind: {"schema": schema}}}
    return {"get": {"summary": summary, "responses": {"200": shown}}}
