"""Time-outs of client connections, and their draining at shutdown.

uvicorn waits forever for a request that never ends and for a client that never reads. At shutdown,
it closes idle connections at once, even if a request is on its way.
"""

import asyncio
import time
from collections.abc import Collection, Iterable
from typing import Any

# Seconds in which clients with idle connections may send a last request.
_LAST = 1.0
_PAUSE = 0.02


class SlowClients:
    """Time-out for connections without progress.

    Parameters
    ----------
    timeout : float
        Seconds without progress after which a connection is closed.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._seen: dict[Any, tuple[object, float]] = {}

    def look(self, connections: Iterable[Any], now: float) -> int:
        """Close the connections without progress, and return their number.

        Parameters
        ----------
        connections : iterable of HttpToolsProtocol
            All open connections.
        now : float
            Seconds of a monotonic clock.
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
    """Return a value that is constant while the server waits for a client; None if it does not."""
    unread = connection.transport.get_write_buffer_size()
    if unread:
        return "read", unread
    if _is_idle(connection) and connection.timeout_keep_alive_task is None:
        # The headers of the next request are incomplete; uvicorn limits only the time before them.
        return "headers", id(connection.cycle)
    return None


async def drain(connections: Collection[Any]) -> None:
    """Close busy connections after their responses, and give idle ones a second to send a request.

    Parameters
    ----------
    connections : collection of HttpToolsProtocol
        All open connections. Responses to later requests must close their connections.
    """
    for one in connections:
        if not _is_idle(one):
            one.shutdown()  # after the response
    end = time.monotonic() + _LAST
    while any(map(_is_idle, connections)) and time.monotonic() < end:
        await asyncio.sleep(_PAUSE)


def _is_idle(connection: Any) -> bool:
    return connection.cycle is None or bool(connection.cycle.response_complete)
