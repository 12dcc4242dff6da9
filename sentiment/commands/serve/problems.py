"""Errors of requests, which become responses with an HTTP status."""

from collections.abc import Sequence


class RequestError(Exception):
    """Error of a request that cannot be answered.

    Parameters
    ----------
    status : int
        HTTP status of the response.
    message : str
        What was found, what was expected, and what to do.
    headers : sequence of (bytes, bytes), default=()
        Additional headers of the response.
    """

    def __init__(
        self, status: int, message: str, headers: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, list(headers)


def too_large(finding: str, limit: int, setting: str) -> RequestError:
    """Return the error of a request that exceeds the limit ``server.<setting>``."""
    message = f"{finding}; expected at most {limit:,} (server.{setting})."
    headers = [(b"connection", b"close"), (b"x-limit", str(limit).encode())]
    return RequestError(413, message, headers)


def too_busy(reason: str) -> RequestError:
    """Return the error of a request that has to be retried later."""
    return RequestError(503, f"{reason}; try again in a second.", [(b"retry-after", b"1")])
