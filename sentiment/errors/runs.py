"""What is wrong with runs, with the stores that keep them and with what they need."""

from collections.abc import Sequence

from sentiment.errors.base import SentimentError


class RunNotFoundError(SentimentError, LookupError):
    """No tracked run, or no model of one, answers to what was asked for."""

    def __init__(self, wanted: str, store: str, remedy: str) -> None:
        super().__init__(f"{wanted} was not found in the tracking store '{store}'. {remedy}")


class ReferenceMissingError(SentimentError, LookupError):
    """A run keeps nothing that its predictions could be compared with."""

    def __init__(self, owner: str) -> None:
        super().__init__(
            f"{owner} keeps no reference to monitor against; those trained before there was "
            "monitoring have none. Train the model again, or name another run with run=<id>."
        )


class IncomparableRunsError(SentimentError, ValueError):
    """Two runs were not scored on the same test rows, so that no test can be paired."""

    def __init__(self, first: str, second: str, differences: Sequence[str], remedy: str) -> None:
        super().__init__(
            f"run {second} cannot be compared with run {first}: {'; '.join(differences)}. {remedy}"
        )


class NothingToRollBackError(SentimentError, LookupError):
    """There is no champion, or none before it."""

    def __init__(self, name: str, missing: str, store: str) -> None:
        super().__init__(
            f"the model {name!r} has no {missing} in the tracking store '{store}', so there is "
            "nothing to go back to. Promote one: python scripts/promote.py run=<id>."
        )


class TrackingStoreError(SentimentError, ConnectionError):
    """The tracking store cannot be reached or opened."""

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(
            f"the tracking store '{uri}' cannot be used: {reason.strip().rstrip('.')}. "
            "Check tracking.uri, or train without tracking: tracking=off."
        )


class ClusterError(SentimentError, ConnectionError):
    """A cluster cannot be reached, or does not do its work."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"the Dask cluster {address} failed: {reason.strip().rstrip('.')}. Check "
            "deploy.address and the logs of its workers, or use this process: deploy=batch."
        )


class MissingPackageError(SentimentError, ImportError):
    """An optional package is not installed."""

    def __init__(self, package: str, purpose: str, extra: str) -> None:
        super().__init__(
            f"{purpose} needs {package}, which is not installed. Install it with "
            f"pip install -e '.[{extra}]'."
        )
