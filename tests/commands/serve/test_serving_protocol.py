"""Writes of a response to the connection."""

import asyncio

import pytest

from sentiment.commands.serve.protocol import JoiningTransport


class RecordingTransport(asyncio.Transport):
    """Transport that records what is written, and when it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


@pytest.mark.parametrize(
    ("blocks", "written"),
    [
        ([b"head", b"body"], [b"headbody"]),
        ([b"head", b""], [b"head"]),
        ([b"head", b"one", b"two", b""], [b"headone", b"two", b""]),
        ([b"head"], [b"head"]),  # the application failed after the headers
        ([], []),
    ],
)
def test_the_headers_are_written_with_the_first_block(blocks, written):
    connection = RecordingTransport()
    transport = JoiningTransport(connection)
    for block in blocks:
        transport.write(block)
    assert not transport.is_closing()
    transport.close()
    assert connection.written == written
    assert transport.is_closing()
