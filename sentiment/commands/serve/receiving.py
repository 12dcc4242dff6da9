"""Requests as they come in: their method, type and length, and parts that come too late."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from sentiment.commands.serve.problems import RequestError, too_large

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
JSON = b"application/json"


class DisconnectError(Exception):
    """The client has gone."""


def too_slow(seconds: float) -> RequestError:
    """Return the problem of a body that does not come in time."""
    return RequestError(
        408, f"the body took longer than {seconds:g} seconds (server.timeout).",
        [(b"connection", b"close")],
    )  # fmt: skip


async def receive_in_time(receive: Receive, seconds: float) -> Message:
    """Return the next message of a request.

    Raises
    ------
    RequestError, DisconnectError
        It does not come in time, or the client has gone.
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
    """Raise `RequestError` if a body is declared to be larger than a limit."""
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > limit:
        raise too_large(f"the body has {int(length):,} bytes", limit, setting)


def find_kind(headers: Mapping[bytes, bytes], known: tuple[bytes, ...]) -> bytes:
    """Return the type of the body, which is one of those that are known."""
    kind = headers.get(b"content-type", JSON).partition(b";")[0].strip().lower()
    if kind not in known:
        names = ", ".join(name.decode() for name in known)
        found = kind.decode("latin-1")
        raise RequestError(415, f"the content-type is {found!r}; expected one of {names}.")
    return kind


def check_method(method: str, allowed: tuple[str, ...]) -> None:
    """Raise `RequestError` if a method is not one of those that are allowed."""
    if method not in allowed:
        raise RequestError(
            405, f"the method is {method}; expected {' or '.join(allowed)}.",
            [(b"allow", ", ".join(allowed).encode()), (b"connection", b"close")],
        )  # fmt: skip
