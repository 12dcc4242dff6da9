"""Server of one worker: uvicorn on a socket that is already open."""

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
from sentiment.commands.serve.protocol import LimitedProtocol
from sentiment.config.schemas import ServerSettings

log = logging.getLogger(__name__)

_BACKLOG = 2048
# Seconds that an idle connection stays open; proxies keep a connection for a minute.
_KEEP_ALIVE = 75
_STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}
# Within these seconds, a repeated signal counts as the same one: Ctrl-C and systemd signal each
# process of a server, and the parent process also passes its signal on to the workers.
_REPEAT_SECONDS = 1.0


class Server(uvicorn.Server):
    """A uvicorn server with timeouts for slow clients, which ends if its parent process ends.

    Parameters
    ----------
    config : Config
        Configuration of uvicorn.
    timeout : float
        Seconds without progress after which a connection is closed.
    parent : int, optional
        Id of the parent process; default: the server does not depend on its parent.
    """

    def __init__(self, config: uvicorn.Config, timeout: float, parent: int | None = None) -> None:
        super().__init__(config)
        self._clients, self._timeout, self._parent = SlowClients(timeout), timeout, parent
        self._stop_time = 0.0  # time of the first signal

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Shut down gracefully at SIGTERM and SIGINT, without raising the signal again."""
        loop = asyncio.get_running_loop()
        for number in _STOP_SIGNALS:
            loop.add_signal_handler(number, self._stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
        yield
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)

    def _stop(self) -> None:
        now = time.monotonic()
        if not self.should_exit:
            self._stop_time = now
        elif now - self._stop_time > _REPEAT_SECONDS:
            self.force_exit = True
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on `sockets`; uvicorn would give a TLS handshake a minute."""
        loop, config = asyncio.get_running_loop(), self.config

        def make_protocol() -> LimitedProtocol:
            return LimitedProtocol(config, self.server_state, self.lifespan.state, loop)

        self.servers = [
            await loop.create_server(
                make_protocol,
                sock=sock,
                backlog=config.backlog,
                ssl=config.ssl,
                ssl_handshake_timeout=self._timeout if config.ssl else None,
            )
            for sock in sockets or ()
        ]
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the listening sockets, drain open connections, and shut down."""
        for server in self.servers:
            server.close()
        state = self.server_state
        state.default_headers = [*state.default_headers, (b"connection", b"close")]
        await drain(state.connections)
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Check slow clients and the parent once per second, on every tenth tick of uvicorn."""
        if counter % 10 == 0:
            closed = self._clients.close_stalled(
                list(self.server_state.connections), time.monotonic()
            )
            if closed:
                log.info("%d slow clients were cut off", closed)
            if self._parent is not None and os.getppid() != self._parent:
                self.should_exit = True
        return await super().on_tick(counter)


def block_signals() -> None:
    """Block SIGTERM and SIGINT until the server can shut down gracefully."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)


def open_sockets(host: str, port: int, count: int) -> list[socket.socket]:
    """Return sockets that listen on one port, one for each worker.

    The kernel distributes connections over them; from a single socket, the fastest worker would
    accept all connections of a burst, and keep them. A socket outlives its worker and passes to the
    replacement, so that waiting connections are not lost.

    Raises
    ------
    OSError
        The port is taken, or the host is not an address of this machine.
    """
    probe = _listen(host, port)
    if count == 1 or not hasattr(socket, "SO_REUSEPORT"):
        return [probe] * count
    # The first socket is not shared, since shared sockets open even on the port of another server.
    port = probe.getsockname()[1]
    probe.close()
    return [_listen(host, port, is_shared=True) for _ in range(count)]


def _listen(host: str, port: int, *, is_shared: bool = False) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def run_server(
    app: App, settings: ServerSettings, sock: socket.socket, parent: int | None = None
) -> None:
    """Serve until SIGTERM or SIGINT, and then finish the requests in progress.

    Parameters
    ----------
    app : App
        The application.
    settings : ServerSettings
        Settings of the HTTP server.
    sock : socket
        A socket from `open_sockets`.
    parent : int, optional
        Id of the parent process; see `Server`.
    """
    config = uvicorn.Config(
        app,
        loop="uvloop" if find_spec("uvloop") else "asyncio",
        http=LimitedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, round(settings.drain)),
        ssl_certfile=settings.certfile,
        ssl_keyfile=settings.keyfile,
    )
    server = Server(config, settings.timeout, parent)
    app.count_waiting = lambda: len(server.server_state.tasks)
    gc.collect()
    gc.freeze()  # later collections skip the models
    if signal.sigpending() & _STOP_SIGNALS:
        return  # the parent has shut the socket down, and listening would open it again
    server.run(sockets=[sock])
