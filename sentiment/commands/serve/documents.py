"""The OpenAPI document of the server."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from sentiment.config.schemas import ServerSettings

_STRING: dict[str, Any] = {"type": "string"}
OPTIONS: dict[str, Any] = {
    "explain": {"type": "boolean", "description": "Add the terms that spoke most for and against."},
    "probabilities": {"type": "boolean", "description": "Add the probability of every class."},
    "threshold": {
        "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1,
        "description": "In place of that of the server: of the second of two classes, or of each "
        "label of a set.",
    },
    "key": {
        "type": "string",
        "description": "Requests with the same key are answered by the same one of champion and "
        "challenger; default: the first text.",
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
        "error": {"type": "string", "description": "Why the text is not answered."},
        "model": {"type": "string", "description": "Address of the model that answered."},
        "id": {"type": "string", "description": "For feedback, if the server keeps a log."},
    },
}
_HEADERS = {
    "x-request-id": "For feedback: -0, -1, ... for the rows of a file are added to it.",
    "x-model": "Address of the model that answered a file.",
    "x-rows-read": "Rows of a file.",
    "x-rows-rejected": "Those of them that are not answered.",
    "x-rejected-rows": "The first of these in a CSV file, as JSON: row, line and reason.",
}
_PROBLEMS = {
    "400": "The body is not JSON.",
    "401": "The token is missing or not known.",
    "404": "There is no such path or model.",
    "408": "The body took too long.",
    "413": "The body or the number of texts is larger than a limit.",
    "415": "The content-type is not known.",
    "422": "The body has another form, or no text of it can be answered.",
    "503": "Too many requests are waiting; Retry-After says when to try again.",
}


def make_openapi(settings: ServerSettings, names: Sequence[str]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a server with these limits and names of models."""
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
            "JSON has one text or several. CSV and JSON lines are answered with the same rows and "
            "predictions behind them, as sentiment predict writes them; options are then in the "
            "query of the address, as are text_column and key."
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
        "summary": "Predict as MLflow's servers do",
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
        "summary": "Show what champion and challenger make of one text, and what each word adds",
        "description": "For people and pages: it is slower than a prediction, and not counted.",
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
        "summary": "Take the true labels of texts that were answered",
        "description": "A server that keeps no log answers with 404.",
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
                "description": "They are kept.",
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
        "/models": _show("The models that are served, and counts", "application/json"),
        "/feedback": {"post": feedback},
        "/models/{name}/feedback": {"parameters": named, "post": feedback},
        "/health/live": _show("The process answers", "application/json"),
        "/health/ready": _show(
            "Models are loaded; problems of their successors", "application/json"
        ),
        "/version": _show(
            "Version, models, and the process of the worker that answers", "application/json"
        ),
        "/metrics": _show("Metrics in the form of Prometheus", "text/plain"),
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
    """Return path, method, summary and statuses of all that an OpenAPI `document` holds."""
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
    shown = {"description": "Shown.", "content": {kind: {"schema": schema}}}
    return {"get": {"summary": summary, "responses": {"200": shown}}}
