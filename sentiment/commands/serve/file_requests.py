"""Requests with a file, received in parts and predicted by a thread."""

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sentiment.commands.serve.file_rows import FileResponse
from sentiment.commands.serve.log import TrafficLog, make_id
from sentiment.commands.serve.metrics import Metrics
from sentiment.commands.serve.problems import RequestError, too_busy, too_large
from sentiment.commands.serve.receiving import Receive, check_length, receive_in_time
from sentiment.commands.serve.routes import Route
from sentiment.commands.serve.streams import StreamRequest, predict_stream, read_query
from sentiment.config.schemas import ServerSettings

# Maximum number of files that a worker predicts at the same time.
_MAX_FILES = 4


class FileRequests:
    """Handler of requests whose body is a CSV or JSON lines file.

    Parameters
    ----------
    settings : ServerSettings
        Limits on requests.
    metrics : Metrics
        Metrics to update.
    log : TrafficLog, optional
        Log of the rows; default: no log.
    """

    def __init__(self, settings: ServerSettings, metrics: Metrics, log: TrafficLog | None) -> None:
        self._settings, self._metrics, self._log = settings, metrics, log
        self._pool = ThreadPoolExecutor(_MAX_FILES, "stream")
        self._active = 0

    async def respond(
        self,
        route: Route,
        kind: str,
        query: bytes,
        headers: Mapping[bytes, bytes],
        receive: Receive,
    ) -> tuple[int, list[tuple[bytes, bytes]], Any]:
        """Return status, headers and blocks of the response.

        Parameters
        ----------
        route : Route
            Route of the request.
        kind : {"csv", "jsonl"}
            Format of the file.
        query : bytes
            Query of the URL, with the options.
        headers : mapping of bytes to bytes
            Headers of the request.
        receive : callable
            Receives the next message of the request (ASGI).

        Raises
        ------
        RequestError
            The file is not valid or too large, or too many files are being predicted.
        """
        if self._active >= _MAX_FILES:
            raise too_busy(f"{_MAX_FILES} files are being predicted")
        limit = self._settings.max_stream
        check_length(headers, limit, "max_stream")
        options, column, key = read_query(query)
        loop = asyncio.get_running_loop()
        received = 0

        async def read() -> tuple[bytes, bool]:
            nonlocal received
            message = await receive_in_time(receive, self._settings.timeout)
            received += len(message.get("body", b""))
            if received > limit:
                raise too_large("the body is larger", limit, "max_stream")
            return message.get("body", b""), message.get("more_body", False)

        started = time.perf_counter()
        role, model = route.choose(key)
        counts = self._metrics.make_counts()
        rows = self._log.make_spool() if self._log else None
        request = StreamRequest(
            kind, model, options, column,
            lambda: asyncio.run_coroutine_threadsafe(read(), loop).result(),
            counts, rows,
        )  # fmt: skip
        self._active += 1
        try:
            result = await loop.run_in_executor(self._pool, predict_stream, request)
        except BaseException:
            if rows:
                rows.close()
            raise
        finally:
            self._active -= 1
        self._metrics.count_file(route.name, model, options, counts)
        id_headers = []
        if self._log and rows:
            request_id, seconds = make_id(), time.perf_counter() - started
            self._log.add_file(
                FileResponse(request_id, route.name, role, model, options, rows, seconds)
            )
            id_headers = [(b"x-request-id", request_id.encode())]
        if result.problem:
            result.close()
            raise RequestError(422, result.problem)
        return 200, [(b"x-model", model.uri.encode()), *id_headers, *result.headers], result
