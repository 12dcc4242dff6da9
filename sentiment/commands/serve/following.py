"""Following of aliases: the new model is loaded and replaces the old one."""

import logging
import threading
from collections.abc import Callable, Mapping

from sentiment.commands.serve.metrics import Metrics
from sentiment.commands.serve.routes import ModelLoader, Route, ServedModel, check_labels
from sentiment.errors import SentimentError
from sentiment.redaction import redact

log = logging.getLogger(__name__)

# Maximum number of seconds that a starting server waits for the first look at the registry.
_FIRST = 2.0


class Follower:
    """A thread that follows aliases, and replaces a model when its alias moves.

    After a failure, such as a store that is unavailable or a model that fails its audit, the old
    model stays in use. The failure is recorded in the route, and the next look tries again.

    Parameters
    ----------
    routes : dict of str to Route
        Routes by name.
    loader : ModelLoader
        Finds and loads models.
    metrics : Metrics
        Counts replacements and failures.
    interval : float
        Seconds between two looks at the registry.
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
        self._end, self._looked = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def start(self) -> None:
        """Start the thread, unless no address is an alias, and give it time for a first look.

        A worker that replaces another has the models that were loaded when the server started; it
        should not answer with them if the aliases have moved since.
        """
        addresses = [
            address
            for route in self._routes.values()
            for address in (route.settings.model, route.settings.challenger)
        ]
        if any("@" in address for address in addresses if address is not None):
            self._thread.start()
            self._looked.wait(_FIRST)

    def stop(self) -> None:
        """End the thread before its next look."""
        self._end.set()

    def _run(self) -> None:
        while True:
            self.look()
            self._looked.set()
            if self._end.wait(self._interval):
                return

    def look(self) -> None:
        """Replace the models whose aliases have moved."""
        for route in self._routes.values():
            settings = route.settings
            if "@" in settings.model:
                champion = self._replace(route, settings.model, route.champion, route.challenger)
                route.champion = champion
            if settings.challenger is not None and "@" in settings.challenger:
                challenger = route.challenger
                assert challenger is not None  # noqa: S101 - loaded at the start
                found = self._replace(route, settings.challenger, challenger, route.champion)
                route.challenger = found
        self._metrics.show_models(self._routes)

    def _replace(
        self, route: Route, address: str, model: ServedModel, other: ServedModel | None
    ) -> ServedModel:
        """Return the model at `address` now, or `model` if it has not changed or cannot be used."""
        try:
            if self._loader.find_version(address) == model.alias_version:
                _forget_problem(route, address)
                return model
            found = self._loader.load(address, route.settings)
            if other is not None:
                check_labels(other, found)
        except Exception as error:  # whatever it is, the model in use keeps serving
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
        log.warning("%s is now %s, before %s", address, found.uri, model.uri)
        if _number(found) < _number(model):
            numbers = f"version {found.alias_version}, and was {model.alias_version}"
            self._on_event("rollback", f"{address} is back on {numbers}")
        return found


def _forget_problem(route: Route, address: str) -> None:
    # In a new dict, since the thread of the requests may be reading this one.
    route.problems = {k: v for k, v in route.problems.items() if k != address}


def _number(model: ServedModel) -> int:
    return int(model.alias_version or 0)
