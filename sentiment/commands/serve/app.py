"""The ASGI application of the server: endpoints, limits and access."""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from importlib.metadata import version
from threading import Semaphore
from typing import Any

from sentiment.commands.serve import bodies, responses
from sentiment.commands.serve.access import is_allowed
from sentiment.commands.serve.documents import make_openapi
from sentiment.commands.serve.explaining import explain
from sentiment.commands.serve.feedback import read_feedback
from sentiment.commands.serve.file_requests import FileRequests
from sentiment.commands.serve.log import TrafficLog, make_id
from sentiment.commands.serve.metrics import CONTENT_TYPE, Metrics
from sentiment.commands.serve.pages import make_pages
from sentiment.commands.serve.problems import RequestError, too_busy, too_large
from sentiment.commands.serve.receiving import (
    JSON,
    DisconnectError,
    Message,
    Receive,
    check_encoding,
    check_length,
    check_method,
    find_media_type,
    too_slow,
)
from sentiment.commands.serve.routes import Route, ServedModel
from sentiment.commands.serve.streams import KINDS
from sentiment.config.schemas import DEFAULT_ROUTE, ServerSettings
from sentiment.files.traffic import SHADOW

log = logging.getLogger(__name__)

Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
# Largest body in bytes that the event loop handles itself: a few milliseconds of work, during which
# the worker handles no other request. A thread handles larger bodies.
_MAX_INLINE_BODY = 2**18
_JSON: tuple[bytes, bytes] = (b"content-type", JSON)
# Paths without a token: the probes of an orchestrator have none, and the page asks for one.
_PUBLIC_PATHS = ("/", "/health/live", "/health/ready")


class App:
    """ASGI application that serves the models of `routes`.

    Parameters
    ----------
    routes : dict of str to Route
        Routes by name.
    settings : ServerSettings
        Limits on requests.
    metrics : Metrics
        Metrics to update.
    tokens : list of bytes
        Digests of the accepted tokens; if empty, requests need no token.
    log : TrafficLog, optional
        Log of predictions and feedback; default: no log.

    Attributes
    ----------
    count_waiting : callable
        Returns the number of requests in progress or waiting.
    """

    def __init__(
        self,
        routes: Mapping[str, Route],
        settings: ServerSettings,
        metrics: Metrics,
        tokens: list[bytes],
        log: TrafficLog | None = None,
    ) -> None:
        self._routes, self._settings, self._metrics = routes, settings, metrics
        self._tokens, self._log = tokens, log
        metrics.show_models(routes)
        self._body_bytes = 0  # size of all request bodies in memory
        self._pool = ThreadPoolExecutor(1, "predict")
        self._shadow_slots = Semaphore(settings.queue)  # for queued predictions in shadow
        self._file_requests = FileRequests(settings, metrics, log)
        self.count_waiting: Callable[[], int] = lambda: 0
        document = make_openapi(settings, [*routes])
        self._openapi, self._pages = responses.encode(document), make_pages(settings, document)
        self._actions: dict[str, Callable[..., Awaitable[tuple[int, Headers, Any]]]] = {
            "predict": self._predict,
            "invocations": self._invoke,
            "explain": self._explain,
            "feedback": self._feedback,
        }

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle a request."""
        started = time.perf_counter()
        path, method, name, action = scope["path"], scope["method"], "", ""
        status, headers, body = 500, [_JSON], b'{"error":"an error of the server"}'
        try:
            request_headers = dict(scope["headers"])
            self._check_access(path, request_headers)
            name, action = self._find_action(path)
            if action:
                check_method(method, ("POST",))
                respond = self._actions[action]
                route = self._routes[name]
                status, headers, body = await respond(route, scope, request_headers, receive)
            else:
                status, headers, body = self._respond_to_get(path)
                check_method(method, ("GET", "HEAD"))
        except RequestError as error:
            status = error.status
            headers = [_JSON, *error.headers]
            body = responses.encode({"error": error.message})
        except DisconnectError:
            return
        except Exception:
            log.exception("a request to %s failed", path)
        if name and action not in ("explain", "feedback"):  # these are not prediction traffic
            self._metrics.count_request(name, status, time.perf_counter() - started)
        start = {"type": "http.response.start", "status": status, "headers": headers}
        if isinstance(body, bytes):
            headers.append((b"content-length", b"%d" % len(body)))
            await send(start)
            await send({"type": "http.response.body", "body": body})
            return
        await send(start)
        with closing(body):
            for block in body:
                await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body"})

    def close(self) -> None:
        """Finish the predictions of challengers in shadow."""
        self._pool.shutdown()

    def _check_access(self, path: str, headers: Mapping[bytes, bytes]) -> None:
        if not self._tokens or path in _PUBLIC_PATHS:
            return
        if not is_allowed(headers.get(b"authorization", b""), self._tokens):
            error_headers = [(b"www-authenticate", b"Bearer"), (b"connection", b"close")]
            raise RequestError(
                401,
                "expected a header Authorization: Bearer <token> with a known token.",
                error_headers,
            )

    def _find_action(self, path: str) -> tuple[str, str]:
        """Return the names of the route and action of a `path`; empty if the path has no action."""
        if path[1:] in self._actions:
            return DEFAULT_ROUTE, path[1:]
        parts = path.split("/")
        if len(parts) == 4 and parts[1] == "models" and parts[3] in self._actions:
            if parts[2] not in self._routes:
                raise RequestError(
                    404, f"no model is named {parts[2]!r}; expected {', '.join(self._routes)}."
                )
            return parts[2], parts[3]
        return "", ""

    def _respond_to_get(self, path: str) -> tuple[int, Headers, bytes]:
        """Return status, headers and body of the response to a GET of `path`."""
        match path:
            case "/health/live":
                content: Any = {"status": "alive"}
            case "/health/ready" | "/health" | "/ping":
                problems = {
                    f"{route.name}: {address}": problem
                    for route in self._routes.values()
                    for address, problem in route.problems.items()
                }
                content = {"status": "ready", "models": self._list_uris(), "problems": problems}
            case "/version":
                content = {"version": version("sentiment"), "worker": os.getpid()}
                content["models"] = self._list_uris()
            case "/models":
                counts = self._metrics.count()
                content = {
                    "models": [
                        route.describe() | counts.get(route.name, {})
                        for route in self._routes.values()
                    ]
                }
            case "/metrics":
                return 200, [(b"content-type", CONTENT_TYPE)], self._metrics.write()
            case "/openapi.json":
                return 200, [_JSON], self._openapi
            case "/docs" | "/":
                headers, body = self._pages[path]
                return 200, [*headers], body
            case _:
                raise RequestError(404, f"there is nothing at {path!r}; see /docs.")
        return 200, [_JSON], responses.encode(content)

    def _list_uris(self) -> dict[str, str]:
        return {route.name: route.champion.uri for route in self._routes.values()}

    async def _predict(
        self, route: Route, scope: Message, headers: Mapping[bytes, bytes], receive: Receive
    ) -> tuple[int, Headers, Any]:
        media_type = find_media_type(headers, (JSON, *KINDS))
        self._check_queue()
        if media_type in KINDS:
            query = scope["query_string"]
            return await self._file_requests.respond(
                route, KINDS[media_type], query, headers, receive
            )
        if scope["query_string"]:
            raise RequestError(
                422, "options of a JSON request belong in the body, not in the URL; see /docs."
            )
        data = await self._read_body(headers, receive)
        max_texts = self._settings.max_texts

        def read_texts(model: ServedModel) -> bodies.Texts:
            return bodies.read_body(data, model.limits, model.predictor.extra_columns, max_texts)

        response = await self._respond(route, data, read_texts)
        body = responses.encode(responses.make_body(response))
        return responses.find_status(response.texts), [_JSON], body

    async def _invoke(
        self, route: Route, scope: Message, headers: Mapping[bytes, bytes], receive: Receive
    ) -> tuple[int, Headers, bytes]:
        media_type = find_media_type(headers, (JSON, bodies.CSV))
        self._check_queue()
        data = await self._read_body(headers, receive)
        max_texts = self._settings.max_texts

        def read_texts(model: ServedModel) -> bodies.Texts:
            column, names = model.choice.text_column, model.predictor.extra_columns
            return bodies.read_invocation(data, media_type, column, model.limits, names, max_texts)

        response = await self._respond(route, data, read_texts)
        body = responses.encode(responses.make_invocation_body(response))
        id_headers = [(b"x-request-id", response.id.encode())] if response.id else []
        return 200, [_JSON, *id_headers], body

    async def _feedback(
        self, route: Route, scope: Message, headers: Mapping[bytes, bytes], receive: Receive
    ) -> tuple[int, Headers, bytes]:
        if self._log is None:
            raise RequestError(
                404, "labels are kept in the log, which is off; serve with log.folder=<folder>."
            )
        find_media_type(headers, (JSON,))
        data = await self._read_body(headers, receive)
        self._body_bytes -= len(data)
        labels = read_feedback(data, route, self._settings.max_texts)
        if not self._log.add_labels(labels):
            raise too_busy("labels arrive faster than the log can be written")
        self._metrics.count_feedback(route.name, len(labels))
        return 202, [_JSON], responses.encode({"accepted": len(labels)})

    async def _explain(
        self, route: Route, scope: Message, headers: Mapping[bytes, bytes], receive: Receive
    ) -> tuple[int, Headers, bytes]:
        find_media_type(headers, (JSON,))
        self._check_queue()
        data = await self._read_body(headers, receive)
        loop = asyncio.get_running_loop()
        try:
            explanation = await loop.run_in_executor(self._pool, explain, route, data)
        finally:
            self._body_bytes -= len(data)
        return 200, [_JSON], responses.encode(explanation)

    async def _respond(
        self, route: Route, data: bytes, read_texts: Callable[[ServedModel], bodies.Texts]
    ) -> responses.Response:
        """Predict, count and log the texts that `read_texts` returns for a model."""
        started = time.perf_counter()
        try:
            texts = read_texts(route.champion)
            role, model = route.choose(texts.key)
            predictions = await self._run_model(model, texts, len(data))
        finally:
            self._body_bytes -= len(data)
        self._metrics.count_texts(route.name, model, texts, predictions)
        request_id = make_id() if self._log else ""
        seconds = time.perf_counter() - started
        response = responses.Response(
            request_id, route.name, role, model, texts, predictions, seconds
        )
        if self._log is not None:
            self._log.add_response(response)
        self._start_shadow(route, response)
        return response

    async def _run_model(
        self, model: ServedModel, texts: bodies.Texts, size: int
    ) -> dict[str, list[Any]]:
        """Return the predictions, computed in a thread unless body and model are small."""
        if size <= _MAX_INLINE_BODY and model.is_quick and not texts.options.explain:
            return responses.predict(model, texts)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, responses.predict, model, texts)

    def _start_shadow(self, route: Route, response: responses.Response) -> None:
        """Queue a prediction of the same texts by the challenger, and count where both agree."""
        challenger, texts = route.challenger, response.texts
        if challenger is None or not route.shadow or not texts.values:
            return
        labels = response.predictions["prediction"]

        def compare() -> None:
            started = time.perf_counter()
            predictions = responses.predict(challenger, texts)
            seconds = time.perf_counter() - started
            pairs = zip(labels, predictions["prediction"], strict=True)
            agreements = sum(label == challenger_label for label, challenger_label in pairs)
            self._metrics.count_shadow(route.name, agreements, len(labels) - agreements)
            if self._log is not None:
                self._log.add_response(
                    responses.Response(
                        response.id,
                        route.name,
                        SHADOW,
                        challenger,
                        texts,
                        predictions,
                        seconds,
                        response.at,
                    )
                )

        if self._shadow_slots.acquire(blocking=False):
            future = self._pool.submit(compare)
            future.add_done_callback(lambda _: self._shadow_slots.release())
            future.add_done_callback(_log_failure)

    def _check_queue(self) -> None:
        if self.count_waiting() > self._settings.queue:
            raise too_busy(f"more than {self._settings.queue:,} requests are waiting")

    async def _read_body(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """Return the body of a request; the caller later subtracts its size from `_body_bytes`."""
        limit = self._settings.max_body
        check_encoding(headers)
        check_length(headers, limit, "max_body")
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            data: bytes = message.get("body", b"")
            if len(data) > limit:
                raise too_large(f"the body has {len(data):,} bytes", limit, "max_body")
            self._body_bytes += len(data)
            return data
        blocks = [message.get("body", b"")]
        size = len(blocks[0])
        self._body_bytes += size
        try:
            async with asyncio.timeout(self._settings.timeout):
                while message["type"] == "http.request" and message.get("more_body", False):
                    message = await receive()
                    block = message.get("body", b"")
                    blocks.append(block)
                    size += len(block)
                    self._body_bytes += len(block)
                    if size > limit:
                        raise too_large(
                            f"the body has more than {limit:,} bytes", limit, "max_body"
                        )
                    if self._body_bytes > self._settings.queue * limit // 16:
                        raise too_busy("too many large bodies are being read")
            if message["type"] != "http.request":
                raise DisconnectError
        except TimeoutError:
            self._body_bytes -= size
            raise too_slow(self._settings.timeout) from None
        except BaseException:
            self._body_bytes -= size
            raise
        return b"".join(blocks)


def _log_failure(future: Future[None]) -> None:
    """Log the error of a prediction in shadow, since nobody waits for its result."""
    if not future.cancelled() and (error := future.exception()):
        log.error("a prediction in shadow failed", exc_info=error)
