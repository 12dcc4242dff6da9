"""Requests to a server in this process, without a socket."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from sentiment.commands.serve.app import App

JSON = {"content-type": "application/json"}


class Response:
    """Response of an application.

    Parameters
    ----------
    messages : list of dict
        Its messages.
    """

    def __init__(self, messages: list[Any]) -> None:
        self.status: int = messages[0]["status"]
        self.headers = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
        self.body = b"".join(message.get("body", b"") for message in messages[1:])
        assert not messages[-1].get("more_body", False)

    @property
    def json(self) -> Any:
        """The body as an object."""
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)


def ask(
    app: App,
    path: str,
    body: object = None,
    *,
    method: str = "",
    headers: dict[str, str] | None = None,
    parts: Iterable[bytes] | None = None,
) -> Response:
    """Return the response of `app` to one request.

    Parameters
    ----------
    app : App
        The application.
    path : str
        With a query, if there is one.
    body : bytes or object, optional
        Sent as it is, or as JSON; default: a GET request.
    method : str
        Default: POST if there is a body.
    headers : dict, optional
        Default: those of JSON.
    parts : iterable of bytes, optional
        The body in parts, in place of `body`; the request is not complete if they end with None.
    """
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    waiting: list[Any] = list(parts) if parts is not None else [data]
    is_get = body is None and parts is None
    plain, _, query = path.partition("?")
    scope = {
        "type": "http",
        "method": method or ("GET" if is_get else "POST"),
        "path": plain,
        "query_string": query.encode(),
        "headers": [(k.encode(), v.encode()) for k, v in (headers or JSON).items()],
    }
    sent: list[Any] = []

    async def receive() -> Any:
        part = waiting.pop(0) if waiting else b""
        if part is None:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": part, "more_body": bool(waiting)}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return Response(sent)
