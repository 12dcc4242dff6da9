"""Start of the server: models, sockets, workers and threads."""

import contextlib
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from sentiment.commands.serve.access import find_certificate, read_tokens
from sentiment.commands.serve.app import App
from sentiment.commands.serve.drifting import DriftWatch
from sentiment.commands.serve.following import Follower
from sentiment.commands.serve.log import TrafficLog, make_folders
from sentiment.commands.serve.metrics import Metrics
from sentiment.commands.serve.routes import ModelLoader, Route
from sentiment.commands.serve.server import open_sockets, run_server
from sentiment.commands.serve.workers import Workers
from sentiment.config import make
from sentiment.config.schemas import (
    DEFAULT_ROUTE,
    AlertSettings,
    DriftSettings,
    LogSettings,
    RouteSettings,
    ServerSettings,
)
from sentiment.errors import ListenError
from sentiment.modeling.scoring import BatchScorer
from sentiment.tracking.alerts import Webhook
from sentiment.tracking.stages import (
    SilentObserver,
    StageObserver,
    release_libraries,
    release_memory,
)


@dataclass(frozen=True)
class Service:
    """Loaded models, listening sockets and settings of a server.

    Attributes
    ----------
    settings : ServerSettings
        Settings of the HTTP server.
    log : LogSettings
        Settings of the log.
    drift : DriftSettings
        Settings of the drift gauges.
    alert : AlertSettings
        Settings of the webhook.
    routes : dict of str to Route
        Routes by name.
    loader : ModelLoader
        Loads new versions of the models.
    sockets : list of socket
        Listening sockets, one for each worker.
    tokens : list of bytes
        Digests of the accepted tokens; if empty, requests need no token.
    """

    settings: ServerSettings
    log: LogSettings
    drift: DriftSettings
    alert: AlertSettings
    routes: dict[str, Route]
    loader: ModelLoader
    sockets: list[socket.socket]
    tokens: list[bytes]

    @property
    def url(self) -> str:
        """URL of the server."""
        host, port = self.sockets[0].getsockname()[:2]
        scheme = "http" if self.settings.certfile is None else "https"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    def stop_listening(self) -> None:
        """Refuse new connections, also on sockets that are shared with other processes."""
        for sock in self.sockets:
            with contextlib.suppress(OSError):  # macOS has no such call for a listening socket
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()  # or a worker that has just started may open it again

    def close(self) -> None:
        """Close the sockets."""
        for sock in self.sockets:
            sock.close()


def prepare(cfg: DictConfig, observer: StageObserver | None = None) -> Service:
    """Load all models and open the sockets.

    Parameters
    ----------
    cfg : DictConfig
        Checked config, composed from ``conf/serve.yaml``.
    observer : StageObserver, optional
        Receives the name of each stage.

    Raises
    ------
    SentimentError
        A model cannot be loaded, or the port is taken.
    """
    observer = observer or SilentObserver()
    settings, log = ServerSettings.of(cfg), LogSettings.of(cfg)
    alert, drift = AlertSettings.of(cfg), DriftSettings.of(cfg)
    make_folders(log)
    if settings.certfile is not None:
        certfile, keyfile = find_certificate(settings.certfile, settings.keyfile)
        settings = replace(settings, certfile=certfile, keyfile=keyfile)
    tokens = read_tokens(settings.tokens_file) if settings.tokens_file is not None else []
    try:
        sockets = open_sockets(settings.host, settings.port, settings.workers)
    except OSError as error:
        raise ListenError(settings.host, settings.port, error) from error
    try:
        scorer: BatchScorer = make(cfg, "deploy", "score")
        loader = ModelLoader(scorer, make(cfg, "tracking", "find_model"), explain=cfg.explain)
        routes = {}
        for name, route_settings in _list_routes(cfg, scorer).items():
            observer.on_start(f"loading {route_settings.model}")
            routes[name] = loader.make_route(name, route_settings)
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return Service(settings, log, drift, alert, routes, loader, sockets, tokens)


def _list_routes(cfg: DictConfig, scorer: BatchScorer) -> dict[str, RouteSettings]:
    """Return the settings of all routes by name; the first is the route of ``/predict``."""
    configured = OmegaConf.to_container(cfg.routes, resolve=True) if cfg.routes else {}
    assert isinstance(configured, dict)  # noqa: S101 - by the schema
    default = RouteSettings(model=scorer.run, threshold=scorer.threshold, abstain=scorer.abstain)
    settings = {str(name): values for name, values in configured.items()}
    routes = {DEFAULT_ROUTE: replace(default, **settings.pop(DEFAULT_ROUTE, {}))}
    return routes | {name: RouteSettings(**values) for name, values in settings.items()}


def run(service: Service) -> None:
    """Serve until SIGTERM or SIGINT, and then finish the requests in progress."""
    release_memory()  # before the fork, since the workers share this memory
    release_libraries()
    with _make_counts_folder(service.settings.workers) as folder, contextlib.closing(service):
        if folder is None:
            _serve(service, None, 0)
        else:
            counts = Metrics(folder)
            Workers(
                service.settings.workers,
                lambda worker, parent: _serve(service, folder, worker, parent),
                counts.forget_process,
                service.stop_listening,
            ).run()


@contextlib.contextmanager
def _make_counts_folder(workers: int) -> Iterator[Path | None]:
    """Yield a temporary folder for the metrics of several workers; None for a single one."""
    if workers == 1:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="sentiment-serve-") as folder:
        yield Path(folder)


def _serve(service: Service, folder: Path | None, worker: int, parent: int | None = None) -> None:
    for sock in service.sockets:
        if sock is not service.sockets[worker]:
            sock.close()  # only its own worker and the parent may keep it open
    metrics = Metrics(folder, service.drift.window)
    log = TrafficLog(service.log, metrics) if service.log.folder is not None else None
    settings = service.settings
    app = App(service.routes, settings, metrics, service.tokens, log)
    # All workers observe the same events, so only one of them sends alerts.
    webhook = None
    if worker == 0 and service.alert.url is not None:
        webhook = Webhook(service.alert.url, service.alert.format)
    report = webhook.send if webhook else lambda event, message: None
    follower = Follower(service.routes, service.loader, metrics, settings.refresh, report)
    watch = DriftWatch(service.routes, service.loader, metrics, service.drift, worker, report)
    follower.start()
    if log is not None:
        log.start()
    watch.start()
    try:
        run_server(app, settings, service.sockets[worker], parent)
    finally:
        follower.stop()
        app.close()
        if log is not None:
            log.stop()
        watch.stop()
        if webhook is not None:
            webhook.close()
