"""Receiving of requests: method, type and length of the body, and timeouts."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from sentiment.commands.serve.problems import RequestError, too_large

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
JSON = b"application/json"


class DisconnectError(Exception):
    """Error of a request whose client has disconnected."""


def too_slow(seconds: float) -> RequestError:
    """Return the error of a body that does not arrive in time."""
    return RequestError(
        408, f"the body took longer than {seconds:g} seconds (server.timeout).",
        [(b"connection", b"close")],
    )  # fmt: skip


async def receive_in_time(receive: Receive, seconds: float) -> Message:
    """Return the next message of a request.

    Raises
    ------
    RequestError, DisconnectError
        The message does not arrive in time, or the client has disconnected.
    """
    try:
        async with asyncio.timeout(seconds):
            message = await receive()
    except TimeoutError:
        raise too_slow(seconds) from None
    if message["type"] != "http.request":
        raise DisconnectError
    return message


def check_length(headers: Mapping[bytes, bytes], limit: int, setting: str) -> None:
    """Raise `RequestError` if the declared length of a body exceeds a limit."""
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > limit:
        raise too_large(f"the body has {int(length):,} bytes", limit, setting)


def check_encoding(headers: Mapping[bytes, bytes]) -> None:
    """Raise `RequestError` if a body is declared to be compressed."""
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding != b"identity":
        name = encoding.decode("latin-1")
        raise RequestError(
            415, f"the content-encoding is {name!r}; expected a body that is not compressed.",
            [(b"accept-encoding", b"identity")],
        )  # fmt: skip


def find_media_type(headers: Mapping[bytes, bytes], supported: tuple[bytes, ...]) -> bytes:
    """Return the media type of the body; raise `RequestError` if it is not in `supported`."""
    media_type = headers.get(b"content-type", JSON).partition(b";")[0].strip().lower()
    if media_type not in supported:
        names = ", ".join(name.decode() for name in supported)
        media_type_name = media_type.decode("latin-1")
        raise RequestError(
            415, f"the content-type is {media_type_name!r}; expected one of {names}."
        )
    return media_type


def check_method(method: str, allowed: tuple[str, ...]) -> None:
    """Raise `RequestError` if an HTTP method is not allowed."""
    if method not in allowed:
        raise RequestError(
            405, f"the method is {method}; expected {' or '.join(allowed)}.",
            [(b"allow", ", ".join(allowed).encode()), (b"connection", b"close")],
        )  # fmt: skip
