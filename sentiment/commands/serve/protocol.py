"""HTTP protocol of uvicorn with a limit on the headers of a request, and one write per response."""

import asyncio
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from sentiment.commands.serve import responses

# Maximum size of the headers of a request, names and values; as in uvicorn's other protocol.
_MAX_HEADER_BYTES = 2**16


class LimitedProtocol(HttpToolsProtocol):
    """HTTP/1.1 protocol that responds to requests with too large or invalid headers.

    The headers of a response and the first part of its body are one write. uvicorn makes two
    writes, and each of these wakes the client up.
    """

    _size = 0

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._size = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header to the request.

        Raises
        ------
        ValueError
            The headers are too large; the parser stops and calls `send_400_response`.
        """
        self._size += len(name) + len(value)
        if self._size > _MAX_HEADER_BYTES:
            raise ValueError
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the response to a request, or queue it behind earlier responses."""
        super().on_headers_complete()
        cycle = self.cycle
        # A response to HEAD has no second write, and 100 Continue is a separate first write.
        if self.scope["method"] != "HEAD" and not cycle.waiting_for_100_continue:
            cycle.transport = JoiningTransport(self.transport)

    def send_400_response(self, msg: str) -> None:
        """Respond with a JSON object to an invalid request, and close the connection."""
        if self._size > _MAX_HEADER_BYTES:
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            msg = f"the headers have more than {_MAX_HEADER_BYTES:,} bytes."
        else:
            status = HTTPStatus.BAD_REQUEST
            msg = "the request is not HTTP/1.1."
        body = responses.encode({"error": msg})
        self.transport.write(
            b"%scontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
            % (STATUS_LINE[status], len(body), body)
        )
        self.transport.close()


class JoiningTransport(asyncio.Transport):
    """Transport of one response that joins the first two writes.

    Parameters
    ----------
    transport : Transport
        The transport of the connection.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport, self._first = transport, b""
        self._joined = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep the first block, write it with the second, and write each later block at once."""
        if self._joined:
            self._transport.write(data)
        elif self._first:
            self._joined = True
            self._transport.write(self._first + bytes(data))
        else:
            self._first = bytes(data)

    def close(self) -> None:
        """Write a block that is still kept, and close the connection."""
        if self._first and not self._joined:
            self._transport.write(self._first)
        self._transport.close()

    def is_closing(self) -> bool:
        """Return whether the connection is closed or about to be."""
        return self._transport.is_closing()
