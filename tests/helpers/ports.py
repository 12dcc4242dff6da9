"""Ports for the servers that tests start."""

import socket
from collections.abc import Iterator
from itertools import count
from os import getpid

# Below those that a system gives to connections by itself, so none of them takes one between the
# moment at which it is found free and the start of the server.
_FIRST, _LAST = 15_000, 30_000
_numbers: Iterator[int] = count()


def find_port() -> int:
    """Return a port of this machine that no process listens on, another one each time."""
    for _ in range(_FIRST, _LAST):
        # Processes begin far from each other.
        port = _FIRST + (getpid() * 101 + next(_numbers)) % (_LAST - _FIRST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise OSError(f"all ports from {_FIRST} to {_LAST} are taken")
