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
    listening : list of socket
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
    listening: list[socket.socket]
    tokens: list[bytes]

    @property
    def url(self) -> str:
        """URL of the server."""
        host, port = self.listening[0].getsockname()[:2]
        scheme = "http" if self.settings.certfile is None else "https"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    def stop_listening(self) -> None:
        """Refuse new connections, also on sockets that are shared with other processes."""
        for one in self.listening:
            with contextlib.suppress(OSError):  # macOS has no such call for a listening socket
                one.shutdown(socket.SHUT_RDWR)
            one.close()  # or it listens again if a worker that has just started calls listen

    def close(self) -> None:
        """Close the sockets."""
        for one in self.listening:
            one.close()


def prepare(cfg: DictConfig, observer: StageObserver | None = None) -> Service:
    """Load all models and open the sockets.

    Parameters
    ----------
    cfg : DictConfig
        Checked config, composed from ``conf/serve.yaml``.
    observer : StageObserver, optional
        Receives the name of each stage; default: none does.

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
        listening = open_sockets(settings.host, settings.port, settings.workers)
    except OSError as error:
        raise ListenError(settings.host, settings.port, error) from error
    try:
        scorer: BatchScorer = make(cfg, "deploy", "score")
        loader = ModelLoader(scorer, make(cfg, "tracking", "find_model"), explain=cfg.explain)
        routes = {}
        for name, wanted in _list_routes(cfg, scorer).items():
            observer.on_start(f"loading {wanted.model}")
            routes[name] = loader.make_route(name, wanted)
    except BaseException:
        for one in listening:
            one.close()
        raise
    return Service(settings, log, drift, alert, routes, loader, listening, tokens)


def _list_routes(cfg: DictConfig, scorer: BatchScorer) -> dict[str, RouteSettings]:
    """Return the settings of all routes by name; the first is the route of ``/predict``."""
    written = OmegaConf.to_container(cfg.routes, resolve=True) if cfg.routes else {}
    assert isinstance(written, dict)  # noqa: S101 - the schema says so
    first = RouteSettings(model=scorer.run, threshold=scorer.threshold, abstain=scorer.abstain)
    given = {str(name): values for name, values in written.items()}
    routes = {DEFAULT_ROUTE: replace(first, **given.pop(DEFAULT_ROUTE, {}))}
    return routes | {name: RouteSettings(**values) for name, values in given.items()}


def run(service: Service) -> None:
    """Serve until SIGTERM or SIGINT, and then finish the requests in progress."""
    release_memory()  # before workers share the rest
    release_libraries()
    with _share_counts(service.settings.workers) as folder, contextlib.closing(service):
        if folder is None:
            _serve(service, None, 0)
        else:
            counts = Metrics(folder)
            Workers(
                service.settings.workers,
                lambda place, parent: _serve(service, folder, place, parent),
                counts.forget_process,
                service.stop_listening,
            ).run()


@contextlib.contextmanager
def _share_counts(workers: int) -> Iterator[Path | None]:
    """Yield a temporary folder for the metrics of several workers; None for a single one."""
    if workers == 1:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="sentiment-serve-") as folder:
        yield Path(folder)


def _serve(service: Service, folder: Path | None, place: int, parent: int | None = None) -> None:
    listening = service.listening[place]
    for one in service.listening:
        if one is not listening:
            one.close()  # it has to close with its own worker and the parent
    metrics = Metrics(folder, service.drift.window)
    log = TrafficLog(service.log, metrics) if service.log.folder is not None else None
    settings = service.settings
    app = App(service.routes, settings, metrics, service.tokens, log)
    # All workers observe the same events, so only one of them sends alerts.
    webhook = None
    if place == 0 and service.alert.url is not None:
        webhook = Webhook(service.alert.url, service.alert.format)
    report = webhook.send if webhook else lambda event, message: None
    follower = Follower(service.routes, service.loader, metrics, settings.refresh, report)
    watch = DriftWatch(service.routes, service.loader, metrics, service.drift, place, report)
    follower.start()
    if log is not None:
        log.start()
    watch.start()
    try:
        run_server(app, settings, listening, parent)
    finally:
        follower.stop()
        app.close()
        if log is not None:
            log.stop()
        watch.stop()
        if webhook is not None:
            webhook.close()
