"""Settings of ``scripts/serve.py``; defaults are in ``conf/serve.yaml``."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any

from sentiment.config.schemas.base import Group, Settings, check_values
from sentiment.config.schemas.drift import AlertSettings, DriftSettings
from sentiment.config.schemas.values import (
    Count,
    Folder,
    Goal,
    Positive,
    Probability,
    Seconds,
    Text,
    Trusted,
    at_least,
)
from sentiment.config.type_hints import Rule

# The route of the model that ``scripts/serve.py model=`` names, and of the path ``/predict``.
DEFAULT_ROUTE = "sentiment"
_ROUTE_NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, kw_only=True)
class ServerSettings(Settings):
    """Address, limits and access of the server of ``scripts/serve.py``."""

    group = "server"

    host: Text
    port: Annotated[int, at_least(0, "a port from 0, which means a free one, to 65535", 65535)]
    workers: Annotated[int, at_least(1, "a whole number of processes from 1 to 1,024", 1024)]
    refresh: Positive
    queue: Count
    max_body: Count
    max_texts: Count
    max_stream: Count
    timeout: Positive
    drain: Seconds
    tokens_file: Text | None
    certfile: Text | None
    keyfile: Text | None

    @classmethod
    def find_conflicts(cls, values: Mapping[str, Any], prefix: str) -> Iterator[str]:
        """Yield the contradiction of a key without its certificate."""
        if values["keyfile"] is not None and values["certfile"] is None:
            yield f"{prefix}keyfile is the key of a certificate; name {prefix}certfile, too."


@dataclass(frozen=True, kw_only=True)
class LogSettings(Settings):
    """Log of predictions and feedback of ``scripts/serve.py``."""

    group = "log"

    folder: Text | None
    texts: bool
    keep_days: Count | None


@dataclass(frozen=True, kw_only=True)
class RouteSettings(Settings):
    """A name under which models are served: ``routes.<name>``.

    Parameters
    ----------
    model : str
        ``best``, a run id, ``models:/name@alias`` or a ``.skops`` file.
    challenger : str, optional
        A second model, addressed like the first; default: none.
    share : float, default=0.0
        Share of the requests that the challenger answers, from 0 to 1.
    shadow : bool, default=False
        If True, the challenger also predicts the requests of the model, without answering them.
    threshold, abstain
        Decision rule of both models, as in `ScorerSettings`.
    """

    group = "routes"

    model: Text
    challenger: Text | None = None
    share: Annotated[
        float,
        Rule(
            "a share from 0 to 1",
            lambda value: 0 <= value <= 1,
            limits=(("minimum", 0), ("maximum", 1)),
        ),
    ] = 0.0
    shadow: bool = False
    threshold: Probability | Goal = 0.5
    abstain: Annotated[
        float,
        Rule(
            "the share of rows that may be left open, from 0 to below 1",
            lambda value: 0 <= value < 1,
            limits=(("minimum", 0), ("exclusiveMaximum", 1)),
        ),
    ] = 0.0

    @classmethod
    def find_conflicts(cls, values: Mapping[str, Any], prefix: str) -> Iterator[str]:
        """Yield the contradictions between the settings of a challenger."""
        share, shadow = values["share"], values["shadow"]
        if values["challenger"] is None and (share or shadow):
            yield f"{prefix}share and {prefix}shadow are for a challenger; name {prefix}challenger."
        if share and shadow:
            yield f"{prefix}share and {prefix}shadow were both given; set one of them."
        if values["challenger"] is not None and not share and not shadow:
            yield (
                f"{prefix}challenger gets no requests; set {prefix}share=0.1, or {prefix}shadow="
                "true."
            )


@dataclass(frozen=True, kw_only=True)
class ServeSettings(Settings):
    """Settings of ``scripts/serve.py``."""

    deploy: Group
    tracking: Group
    server: ServerSettings
    log: LogSettings
    routes: dict[str, Any]
    drift: DriftSettings
    alert: AlertSettings
    explain: bool
    outputs: Folder
    trusted: Trusted

    @classmethod
    def find_conflicts(cls, values: Mapping[str, Any], prefix: str) -> Iterator[str]:
        """Yield the errors in the settings of the routes."""
        names = [field.name for field in fields(RouteSettings)]
        for name, route in values["routes"].items():
            path = f"{prefix}routes.{name}"
            if not _ROUTE_NAME.fullmatch(name):
                yield f"{path} is not a valid name of a route; expected letters, digits, - and _."
            elif not isinstance(route, Mapping):
                yield f"{path} is {route!r}; expected settings, {path}.model=<address>."
            else:
                known_keys = [str(key) for key in route if key in names]
                for key in (key for key in route if key not in names):
                    yield f"there is no setting '{path}.{key}'. Known: {', '.join(names)}."
                defaults = {setting.name: setting.default for setting in fields(RouteSettings)}
                route_defaults = {"model": "best"} if name == DEFAULT_ROUTE else {}
                completed = defaults | route_defaults | {key: route[key] for key in known_keys}
                if completed["model"] is MISSING:
                    yield f"{path}.model has no value; give it: {path}.model=<address>."
                else:
                    yield from check_values(RouteSettings, completed, path)[0].values()
