"""Alerts: messages to a webhook."""

import json
import logging
import queue
import socket
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from sentiment.redaction import learn_secrets, redact

log = logging.getLogger(__name__)

_QUEUE_SIZE = 100  # messages
_TIMEOUT = 10.0
_PAUSES = (1.0, 5.0)  # seconds before the second and the third try


class Webhook:
    """A webhook that receives alerts as JSON, sent by a background thread.

    The path of such an address often is a secret, so it is masked in all logs and records.

    Parameters
    ----------
    url : str
        The address to post alerts to.
    kind : {"json", "slack"}
        ``json`` has ``event``, ``message``, ``time`` and ``host``; ``slack`` has a ``text``, as
        Slack, Mattermost and others take it.

    Examples
    --------
    >>> Webhook("https://hooks.example/services/T0/B1/secret").origin
    'https://hooks.example'
    """

    def __init__(self, url: str, kind: str = "json") -> None:
        address = urlsplit(url)
        self.origin = f"{address.scheme}://{address.hostname}"
        learn_secrets([url, {"secret": f"{address.path}?{address.query}".strip("/?")}])
        self._url, self._kind = url, kind
        self._waiting: queue.Queue[bytes | None] = queue.Queue(_QUEUE_SIZE)
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)
        self._thread.start()

    def send(self, event: str, message: str) -> None:
        """Queue a message; if the queue is full, log that it was not sent."""
        body = self._write(event, redact(message))
        try:
            self._waiting.put_nowait(body)
        except queue.Full:
            log.warning("an alert was not sent to %s: too many are waiting", self.origin)

    def close(self, seconds: float = 3 * _TIMEOUT) -> None:
        """Wait until all messages are sent, for some seconds at most."""
        try:
            self._waiting.put(None, timeout=seconds)
        except queue.Full:
            return
        self._thread.join(seconds)

    def _write(self, event: str, message: str) -> bytes:
        if self._kind == "slack":
            # The three characters with a special meaning in Slack.
            safe = message.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            payload: dict[str, Any] = {"text": f"*sentiment: {event.replace('_', ' ')}*\n{safe}"}
        else:
            timestamp = datetime.now(UTC).isoformat(timespec="seconds")
            payload = {
                "event": event,
                "message": message,
                "time": timestamp,
                "host": socket.gethostname(),
            }
        return json.dumps(payload).encode()

    def _run(self) -> None:
        while (body := self._waiting.get()) is not None:
            for pause in (*_PAUSES, None):
                problem = self._post(body)
                if not problem:
                    break
                if pause is None:
                    log.warning("an alert was not sent to %s: %s", self.origin, problem)
                else:
                    time.sleep(pause)

    def _post(self, body: bytes) -> str:
        """Return the error message, or "" if the message was sent."""
        headers = {"Content-Type": "application/json", "User-Agent": "sentiment"}
        try:
            request = urllib.request.Request(self._url, body, headers, method="POST")  # noqa: S310
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:  # noqa: S310
                response.read()
        except urllib.error.HTTPError as error:
            with error:
                return f"the answer is {error.code}"
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            return redact(f"{type(error).__name__}: {reason}")
        return ""
