"""Settings of ``scripts/serve.py``; defaults are in ``conf/serve.yaml``."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any

from sentiment.config.kinds import Rule
from sentiment.config.schemas.base import Group, Settings, check_values
from sentiment.config.schemas.commands import AlertSettings
from sentiment.config.schemas.values import (
    Count,
    Factor,
    Folder,
    Goal,
    Positive,
    Probability,
    Seconds,
    Share,
    Text,
    Trusted,
    at_least,
)

# The route of the model that ``scripts/serve.py model=`` names, and of the path ``/predict``.
DEFAULT_ROUTE = "sentiment"
_ROUTE_NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, kw_only=True)
class ServerSettings(Settings):
    """Where ``scripts/serve.py`` listens, and its limits."""

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


@dataclass(frozen=True, kw_only=True)
class LogSettings(Settings):
    """Answers and labels that ``scripts/serve.py`` keeps."""

    group = "log"

    folder: Text | None
    texts: bool
    keep_days: Count | None


@dataclass(frozen=True, kw_only=True)
class DriftSettings(Settings):
    """Which drift of the last predictions matters to ``scripts/serve.py``."""

    group = "drift"

    window: Annotated[int, at_least(0, "a whole number of predictions; 0 for none")]
    interval: Positive
    distance: Positive
    labels: Factor
    alpha: Share


@dataclass(frozen=True, kw_only=True)
class RouteSettings(Settings):
    """A name under which a model is served: ``routes.<name>``.

    Parameters
    ----------
    model : str
        ``best``, a run id, ``models:/name@alias`` or a ``.skops`` file.
    challenger : str, optional
        A second model, for a share of the requests.
    share : float
        That share.
    shadow : bool
        Whether the challenger predicts what the model answers, unseen.
    threshold, abstain : as of `ScorerSettings`
        The rule of both models.
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
        """Yield a problem unless what is set of a challenger fits together."""
        share, shadow = values["share"], values["shadow"]
        if values["challenger"] is None and (share or shadow):
            yield f"{prefix}share and {prefix}shadow are for a challenger; name {prefix}challenger."
        if share and shadow:
            yield f"{prefix}share and {prefix}shadow were both given; say one of them."
        if values["challenger"] is not None and not share and not shadow:
            yield (
                f"{prefix}challenger gets no requests; say {prefix}share=0.1, or {prefix}shadow="
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
        """Yield what is wrong with the settings of each route."""
        names = [field.name for field in fields(RouteSettings)]
        for name, given in values["routes"].items():
            path = f"{prefix}routes.{name}"
            if not _ROUTE_NAME.fullmatch(name):
                yield f"{path} is no name of a route; expected letters, digits, - and _."
            elif not isinstance(given, Mapping):
                yield f"{path} is {given!r}; expected settings, {path}.model=<address>."
            else:
                known = [str(key) for key in given if key in names]
                for key in (key for key in given if key not in names):
                    yield f"there is no setting '{path}.{key}'. Known: {', '.join(names)}."
                defaults = {one.name: one.default for one in fields(RouteSettings)}
                first = {"model": "best"} if name == DEFAULT_ROUTE else {}
                filled = defaults | first | {key: given[key] for key in known}
                if filled["model"] is MISSING:
                    yield f"{path}.model has no value; give it: {path}.model=<address>."
                else:
                    yield from check_values(RouteSettings, filled, path)[0].values()
