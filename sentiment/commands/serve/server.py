"""One process that serves: uvicorn on a socket that is open already."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import time
from collections.abc import Iterator
from importlib.util import find_spec

import uvicorn

from sentiment.commands.serve.app import App
from sentiment.commands.serve.clients import SlowClients, drain
from sentiment.config.schemas import ServerSettings

log = logging.getLogger(__name__)

_BACKLOG = 2048
# Seconds that a connection without a request stays open; proxies keep theirs for a minute.
_KEEP_ALIVE = 75
_ENDING = {signal.SIGTERM, signal.SIGINT}


class Server(uvicorn.Server):
    """A uvicorn server that ends with its parent, and that slow clients do not hold up.

    Parameters
    ----------
    config : Config
        Of uvicorn.
    timeout : float
        Seconds after which a client that makes no progress is cut off.
    parent : int, optional
        The process without which this one ends, by its number.
    """

    def __init__(self, config: uvicorn.Config, timeout: float, parent: int | None = None) -> None:
        super().__init__(config)
        self._clients, self._parent = SlowClients(timeout), parent

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End gracefully at SIGTERM and SIGINT, without raising the signal again."""
        loop = asyncio.get_running_loop()
        for number in _ENDING:
            loop.add_signal_handler(number, self._stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        yield
        for number in _ENDING:
            loop.remove_signal_handler(number)

    def _stop(self) -> None:
        self.force_exit = self.should_exit  # the second signal
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more connections, answer what comes on those that are open, and end."""
        for one in self.servers:
            one.close()
        state = self.server_state
        state.default_headers = [*state.default_headers, (b"connection", b"close")]
        await drain(state.connections)
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Look after slow clients and the parent each second, ten times less often than uvicorn."""
        if counter % 10 == 0:
            cut = self._clients.look(list(self.server_state.connections), time.monotonic())
            if cut:
                log.info("%d slow clients were cut off", cut)
            if self._parent is not None and os.getppid() != self._parent:
                self.should_exit = True
        return await super().on_tick(counter)


def hold_signals() -> None:
    """Let a signal that ends a server wait until the server can end as it should."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)


def open_sockets(host: str, port: int, count: int) -> list[socket.socket]:
    """Return sockets that listen on one port, one for each worker.

    The system spreads connections over them. Of a single socket, the worker that is quickest would
    take all that come at once, and keep them. A socket outlives its worker, in the process that
    replaces it, so that connections which wait there are not lost.

    Raises
    ------
    OSError
        The port is taken, or the host is no address of this machine.
    """
    first = _listen(host, port)
    if count == 1 or not hasattr(socket, "SO_REUSEPORT"):
        return [first] * count
    # Sockets that share a port would also share it with those of another server.
    port = first.getsockname()[1]
    first.close()
    return [_listen(host, port, shared=True) for _ in range(count)]


def _listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def run_server(
    app: App, settings: ServerSettings, listening: socket.socket, parent: int | None = None
) -> None:
    """Serve until a signal comes; requests that were begun are finished first.

    Parameters
    ----------
    app : App
        Answers.
    settings : ServerSettings
        Limits.
    listening : socket
        One of `open_sockets`.
    parent : int, optional
        The process without which this one ends.
    """
    config = uvicorn.Config(
        app,
        loop="uvloop" if find_spec("uvloop") else "asyncio",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, round(settings.drain)),
    )
    server = Server(config, settings.timeout, parent)
    app.count_waiting = lambda: len(server.server_state.tasks)
    gc.collect()
    gc.freeze()  # models are not looked through again
    server.run(sockets=[listening])
