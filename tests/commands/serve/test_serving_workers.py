"""Worker processes that end again and again."""

import os
import signal
import socket
import time
from types import SimpleNamespace

import pytest

from sentiment.commands.serve.server import block_signals, open_sockets, run_server
from sentiment.commands.serve.workers import Workers, _find_pause


def test_the_pause_before_a_replacement_has_a_limit() -> None:
    pauses = [_find_pause(failures) for failures in (1, 2, 3, 50, 5000)]
    assert pauses == [0.2, 0.4, 0.8, 30.0, 30.0]


@pytest.mark.process
def test_sigterm_ends_a_pause() -> None:
    """Workers that fail at once do not keep their parent from ending."""
    pid = os.fork()
    if not pid:
        workers = Workers(1, lambda index, parent: os._exit(1), lambda _: None, lambda: None)
        workers._failures = 5000  # the next pause takes 30 seconds
        workers.run()
        os._exit(0)
    time.sleep(1)
    os.kill(pid, signal.SIGTERM)
    begun = time.monotonic()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert time.monotonic() - begun < 10


@pytest.mark.process
def test_a_worker_that_starts_after_the_signal_does_not_listen_again() -> None:
    """The parent has shut the sockets down; connections would wait for nobody."""
    listening, second_socket = open_sockets("127.0.0.1", 0, 2)
    second_socket.close()
    address = listening.getsockname()
    listening.shutdown(socket.SHUT_RDWR)
    settings = SimpleNamespace(timeout=1.0, drain=1.0, certfile=None, keyfile=None)
    pid = os.fork()
    if not pid:
        code = 1
        try:
            block_signals()
            os.kill(os.getpid(), signal.SIGTERM)
            run_server(SimpleNamespace(), settings, listening)
            with socket.socket() as client:
                code = 10 if client.connect_ex(address) else 11
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    listening.close()
    assert code == 10
