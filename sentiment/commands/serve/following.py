"""Following of aliases: a new model is loaded and replaces the old one."""

import logging
import threading
from collections.abc import Callable, Mapping

from sentiment.commands.serve.metrics import Metrics
from sentiment.commands.serve.routes import ModelLoader, Route, ServedModel, check_labels
from sentiment.errors import SentimentError
from sentiment.redaction import redact

log = logging.getLogger(__name__)

# Maximum number of seconds that a starting server waits for the first check of the registry.
_START_TIMEOUT = 2.0


class Follower:
    """A thread that follows aliases, and replaces a model when its alias moves.

    After a failure, such as a store that is unavailable or a model that fails its audit, the old
    model stays in use. The failure is recorded in the route, and the next check tries again.

    Parameters
    ----------
    routes : dict of str to Route
        Routes by name.
    loader : ModelLoader
        Finds and loads models.
    metrics : Metrics
        Counts replacements and failures.
    interval : float
        Seconds between two checks of the registry.
    on_event : callable
        Called with ``swap_failed`` or ``rollback`` and a message.
    """

    def __init__(
        self,
        routes: Mapping[str, Route],
        loader: ModelLoader,
        metrics: Metrics,
        interval: float,
        on_event: Callable[[str, str], None],
    ) -> None:
        self._routes, self._loader, self._metrics = routes, loader, metrics
        self._interval, self._on_event = interval, on_event
        self._stop_event, self._first_refresh = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def start(self) -> None:
        """Start the thread if an address is an alias, and give it time for a first check.

        A worker that replaces another one has the models that the server loaded at its start. It
        must not answer with these models if the aliases have moved since.
        """
        addresses = [
            address
            for route in self._routes.values()
            for address in (route.settings.model, route.settings.challenger)
        ]
        if any("@" in address for address in addresses if address is not None):
            self._thread.start()
            self._first_refresh.wait(_START_TIMEOUT)

    def stop(self) -> None:
        """End the thread before its next check."""
        self._stop_event.set()

    def _run(self) -> None:
        while True:
            self.refresh()
            self._first_refresh.set()
            if self._stop_event.wait(self._interval):
                return

    def refresh(self) -> None:
        """Replace the models whose aliases have moved."""
        for route in self._routes.values():
            settings = route.settings
            if "@" in settings.model:
                champion = self._replace(route, settings.model, route.champion, route.challenger)
                route.champion = champion
            if settings.challenger is not None and "@" in settings.challenger:
                challenger = route.challenger
                assert challenger is not None  # noqa: S101 - loaded at the start
                address = settings.challenger
                route.challenger = self._replace(route, address, challenger, route.champion)
        self._metrics.show_models(self._routes)

    def _replace(
        self, route: Route, address: str, model: ServedModel, other: ServedModel | None
    ) -> ServedModel:
        """Return the model at `address` now, or `model` if it has not changed or cannot be used."""
        try:
            if self._loader.find_version(address) == model.alias_version:
                _forget_problem(route, address)
                return model
            new_model = self._loader.load(address, route.settings)
            if other is not None:
                check_labels(other, new_model)
        except Exception as error:  # after any error, the model in use keeps serving
            is_known = isinstance(error, SentimentError)
            message = str(error) if is_known else redact(f"{type(error).__name__}: {error}")
            if route.problems.get(address) != message:
                self._on_event("swap_failed", f"{address} stays on {model.uri}: {message}")
                log.warning(
                    "%s stays on %s: %s", address, model.uri, message, exc_info=not is_known
                )
            route.problems = route.problems | {address: message}
            self._metrics.count_swap(route.name, "failed")
            return model
        _forget_problem(route, address)
        self._metrics.count_swap(route.name, "done")
        log.warning("%s is now %s; it was %s", address, new_model.uri, model.uri)
        if _get_version_number(new_model) < _get_version_number(model):
            numbers = f"version {new_model.alias_version}, and was {model.alias_version}"
            self._on_event("rollback", f"{address} is back on {numbers}")
        return new_model


def _forget_problem(route: Route, address: str) -> None:
    # Make a new dict, since the thread of the requests may be reading the old one.
    route.problems = {k: v for k, v in route.problems.items() if k != address}


def _get_version_number(model: ServedModel) -> int:
    return int(model.alias_version or 0)
