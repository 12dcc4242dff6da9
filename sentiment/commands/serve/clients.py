"""Timeouts of client connections, and their draining at shutdown.

uvicorn waits forever for a request that never ends and for a client that never reads. At shutdown,
it closes idle connections at once, even if a request is on its way.
"""

import asyncio
import time
from collections.abc import Collection, Iterable
from typing import Any

# Seconds in which clients with idle connections may send a last request.
_DRAIN_SECONDS = 1.0
_POLL_SECONDS = 0.02


class SlowClients:
    """Timeout for connections without progress.

    Parameters
    ----------
    timeout : float
        Seconds without progress after which a connection is closed.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._waits: dict[Any, tuple[object, float]] = {}

    def close_stalled(self, connections: Iterable[Any], now: float) -> int:
        """Close the connections without progress, and return their number.

        Parameters
        ----------
        connections : iterable of HttpToolsProtocol
            All open connections.
        now : float
            Seconds of a monotonic clock.
        """
        waits: dict[Any, tuple[object, float]] = {}
        closed_count = 0
        for connection in connections:
            state = _get_wait_state(connection)
            if state is None:
                continue
            last_state, since = self._waits.get(connection, (None, now))
            since = since if last_state == state else now
            if now - since >= self._timeout:
                connection.transport.abort()
                closed_count += 1
            else:
                waits[connection] = state, since
        self._waits = waits
        return closed_count


def _get_wait_state(connection: Any) -> object:
    """Return a value that stays constant while the server waits for a client, or None."""
    unsent = connection.transport.get_write_buffer_size()
    if unsent:
        return "read", unsent
    if _is_idle(connection) and connection.timeout_keep_alive_task is None:
        # The headers of the next request are incomplete; uvicorn limits only the time before them.
        return "headers", id(connection.cycle)
    return None


async def drain(connections: Collection[Any]) -> None:
    """Close busy connections after their responses; idle ones may send a request for a second more.

    Parameters
    ----------
    connections : collection of HttpToolsProtocol
        All open connections. Responses to later requests must close their connections.
    """
    for connection in connections:
        if not _is_idle(connection):
            connection.shutdown()  # after the response
    deadline = time.monotonic() + _DRAIN_SECONDS
    while any(map(_is_idle, connections)) and time.monotonic() < deadline:
        await asyncio.sleep(_POLL_SECONDS)


def _is_idle(connection: Any) -> bool:
    return connection.cycle is None or bool(connection.cycle.response_complete)
