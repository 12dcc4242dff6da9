"""HTTP protocol of uvicorn with a limit on the headers of a request, which it lacks."""

from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from sentiment.commands.serve import answers

# Most bytes in the names and values of the headers of a request: that of uvicorn's other protocol.
_MOST = 2**16


class LimitedProtocol(HttpToolsProtocol):
    """HTTP/1.1 protocol that answers requests with too many headers, or none that it can parse."""

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
            There are too many; the parser stops, and `send_400_response` is called.
        """
        self._size += len(name) + len(value)
        if self._size > _MOST:
            raise ValueError
        super().on_header(name, value)

    def send_400_response(self, msg: str) -> None:
        """Answer a request that cannot be parsed with a JSON object, and close the connection."""
        if self._size > _MOST:
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            msg = f"the headers have more than {_MOST:,} bytes."
        else:
            status = HTTPStatus.BAD_REQUEST
            msg = "the request is not HTTP/1.1."
        body = answers.encode({"error": msg})
        self.transport.write(
            b"%scontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
            % (STATUS_LINE[status], len(body), body)
        )
        self.transport.close()
