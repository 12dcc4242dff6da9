"""Server of the labelling page, for this machine only.

It listens on the loopback address and serves only paths that begin with a secret random name, so
that other users of the machine and pages of other sites cannot use it. It also refuses requests
from pages of other sites, and requests for another host name (DNS rebinding).
"""

import contextlib
import json
import secrets
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from sentiment.cli.pages import render_page
from sentiment.commands.suggest.session import OutdatedAnswerError, Session
from sentiment.errors import ListenError

_HOST, _HOST_NAMES = "127.0.0.1", ("127.0.0.1", "localhost")
_ACTIONS = ("label", "skip", "undo", "end")
# Maximum size of a request, which holds a number and labels.
_MAX_BODY = 2**16


class LabelingServer(ThreadingHTTPServer):
    """Server of the page of one session.

    Parameters
    ----------
    session : Session
        Texts and answers.
    port : int
        Port of this machine; 0 for any free port.
    next_command : str
        Command that the page shows at the end.

    Attributes
    ----------
    session : Session
        As above.
    address : str
        Address of the page, with its secret name.

    Raises
    ------
    ListenError
        Another program listens on the port.
    """

    daemon_threads = True
    allow_reuse_address = False

    def __init__(self, session: Session, port: int, next_command: str) -> None:
        self.session = session
        self.token = secrets.token_urlsafe(24)
        self.nonce = secrets.token_urlsafe(16)
        try:
            super().__init__((_HOST, port), _Handler)
        except OSError as error:
            raise ListenError(_HOST, port, error, group="") from error
        self.address = f"http://{_HOST}:{self.server_address[1]}/{self.token}/"
        page = Path(__file__).with_name("page.html")
        self.page = render_page(
            page, session=session, nonce=self.nonce, next_command=next_command
        ).encode()

    def serve(self) -> None:
        """Serve requests until the person ends the session, or Ctrl-C ends it."""
        with contextlib.suppress(KeyboardInterrupt):
            self.serve_forever(poll_interval=0.1)

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        """Serve requests in another thread during the ``with`` block; yield the address."""
        thread = Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self.address
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


def _is_string_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


class _Handler(BaseHTTPRequestHandler):
    server: LabelingServer
    server_version, sys_version = "sentiment", ""
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        name = self._get_page_path()
        if name == "":
            self._send(HTTPStatus.OK, self.server.page, "text/html; charset=utf-8")
        elif name == "state":
            self._send_json(HTTPStatus.OK, self.server.session.describe())
        else:
            self._refuse(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        name = self._get_page_path()
        body = self._read_body()
        if name not in _ACTIONS:
            self._refuse(HTTPStatus.NOT_FOUND)
        elif self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        elif body is None:
            self._refuse(HTTPStatus.BAD_REQUEST)
        else:
            self._handle_action(name, body)

    def _handle_action(self, name: str, body: dict[str, Any]) -> None:
        session = self.server.session
        number, labels = body.get("number"), body.get("labels")
        if type(number) is not int or (name == "label" and not _is_string_list(labels)):
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        try:
            if name == "undo":
                session.undo(number)
            elif name != "end":
                session.answer(number, labels if name == "label" else None)
        except OutdatedAnswerError:
            self._send_json(HTTPStatus.CONFLICT, session.describe())
        except ValueError:
            self._refuse(HTTPStatus.BAD_REQUEST)
        except OSError as error:
            problem = {"problem": f"This answer was not saved: {error.strerror or error}."}
            self._send_json(HTTPStatus.INSUFFICIENT_STORAGE, problem)
        else:
            self._send_json(HTTPStatus.OK, session.describe())
            if name == "end":
                Thread(target=self.server.shutdown, daemon=True).start()

    def _get_page_path(self) -> str | None:
        """Return the path behind the secret name, or None if the request has to be refused."""
        host = urlsplit(f"//{self.headers.get('Host', '')}")
        origin = self.headers.get("Origin")
        if host.hostname not in _HOST_NAMES or origin not in (None, f"http://{host.netloc}"):
            return None
        token, slash, name = self.path.removeprefix("/").partition("/")
        is_authorized = secrets.compare_digest(token.encode(), self.server.token.encode())
        return name if is_authorized and slash else None

    def _read_body(self) -> dict[str, Any] | None:
        try:
            size = int(self.headers.get("Content-Length", ""))
            body = json.loads(self.rfile.read(size)) if 0 < size <= _MAX_BODY else None
        except (ValueError, RecursionError):
            return None
        return body if isinstance(body, dict) else None

    def _refuse(self, status: HTTPStatus) -> None:
        self.close_connection = True
        self._send(status, b"", "text/plain")

    def _send_json(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        self._send(status, json.dumps(content).encode(), "application/json")

    def _send(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
        nonce = self.server.nonce
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header(
            "Content-Security-Policy",
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
            "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'",
        )
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Log nothing: the address is a secret."""
