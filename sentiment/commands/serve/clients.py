"""Connections of clients: those that are too slow are cut off, and at the end all are let go.

uvicorn waits for ever for a request that never ends and for a client that never reads. At its end
it closes connections without a request, on which one may be on its way.
"""

import asyncio
import time
from collections.abc import Collection, Iterable
from typing import Any

# Seconds in which clients that keep their connections are expected to send a last request.
_LAST = 1.0
_PAUSE = 0.02


class SlowClients:
    """Watch on connections: what each waits for, and since when.

    Parameters
    ----------
    timeout : float
        Seconds after which a connection that makes no progress is cut off.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._seen: dict[Any, tuple[object, float]] = {}

    def look(self, connections: Iterable[Any], now: float) -> int:
        """Cut off the connections that have made no progress; return how many.

        Parameters
        ----------
        connections : iterable of HttpToolsProtocol
            All that are open.
        now : float
            Seconds of a clock that only goes forward.
        """
        seen: dict[Any, tuple[object, float]] = {}
        count = 0
        for one in connections:
            waits_for = _find_wait(one)
            if waits_for is None:
                continue
            before, since = self._seen.get(one, (None, now))
            since = since if before == waits_for else now
            if now - since >= self._timeout:
                one.transport.abort()
                count += 1
            else:
                seen[one] = waits_for, since
        self._seen = seen
        return count


def _find_wait(connection: Any) -> object:
    """Return what stays equal while a client keeps the server waiting, None if it does not."""
    unread = connection.transport.get_write_buffer_size()
    if unread:
        return "read", unread
    if _is_idle(connection) and connection.timeout_keep_alive_task is None:
        # The headers of its next request are not complete; uvicorn limits the time between two.
        return "headers", id(connection.cycle)
    return None


async def let_go(connections: Collection[Any]) -> None:
    """Close connections with the responses to their requests; wait for a last one from the others.

    Parameters
    ----------
    connections : collection of HttpToolsProtocol
        All that are open. Responses to requests that come from now on close theirs.
    """
    for one in connections:
        if not _is_idle(one):
            one.shutdown()  # once it has answered
    end = time.monotonic() + _LAST
    while any(map(_is_idle, connections)) and time.monotonic() < end:
        await asyncio.sleep(_PAUSE)


def _is_idle(connection: Any) -> bool:
    return connection.cycle is None or bool(connection.cycle.response_complete)
