"""Servers as processes: real connections, workers that are killed, and a graceful end."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import psutil
import pytest
from starting import Started, Starter

from sentiment.files.hourly import read_batches
from sentiment.files.traffic import PREDICTIONS, SCHEMAS
from sentiment.modeling.scoring import Predictor

TOKEN = "a-token-of-the-tests"
HEADERS = {"content-type": "application/json", "authorization": f"Bearer {TOKEN}"}


def start(starter: Starter, folder: Path, *overrides: str) -> tuple[Started, int]:
    """Return a server that is ready, and its port."""
    process = starter.start(folder, "serve", "server.port=0", "tracking=off", *overrides)
    process.wait_for_output("serving  http")
    match = re.search(r"serving  http://127\.0\.0\.1:(\d+)", process.stdout)
    assert match
    return process, int(match[1])


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the log of `server`."""
    return tmp_path_factory.mktemp("log")


@pytest.fixture(scope="module")
def server(
    starter: Starter,
    model_files: dict[str, Path],
    log: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Started, int]]:
    """A server of two workers, which ends well."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "tokens").write_text(f"{TOKEN}\n")
    overrides = [f"model={model_files['two']}", "server.workers=2", "server.timeout=2"]
    overrides += ["server.tokens_file=tokens", f"log.folder={log}"]
    process, port = start(starter, folder, *overrides)
    yield process, port
    os.kill(process.pid, signal.SIGTERM)
    done = process.wait()
    assert done.returncode == 0, done.stderr
    assert "stopped" in done.stdout
    assert TOKEN not in done.stdout + done.stderr
    assert not list(log.rglob("_*"))  # Parquet files only


def ask(port: int, path: str, body: object = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        data = None if body is None else json.dumps(body)
        connection.request("GET" if body is None else "POST", path, data, HEADERS)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def list_workers(process: Started) -> list[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return list(map(int, children.split()))


def test_answers_over_a_socket(server, model_files):
    _, port = server
    expected = Predictor.load(model_files["two"]).predict_few(["good film"])
    status, body = ask(port, "/predict", {"text": "good film"})
    assert status == 200
    assert json.loads(body)["probability"] == expected["probability"][0]
    assert ask(port, "/health/ready")[0] == 200
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/predict", "{}", {"content-type": "application/json"})
    assert connection.getresponse().status == 401
    connection.close()


def test_connections_are_kept(server):
    _, port = server
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for number in range(20):
        connection.request("POST", "/predict", json.dumps({"text": f"good {number}"}), HEADERS)
        assert connection.getresponse().read().startswith(b'{"prediction":')
    connection.close()


def test_connections_are_spread_over_workers(server):
    process, port = server
    workers_seen: set[int] = set()

    def have_all_answered() -> bool:
        # A worker that replaces a killed one takes its time to listen.
        workers_seen.add(json.loads(ask(port, "/version")[1])["worker"])
        return workers_seen >= set(list_workers(process))

    process.wait_until(have_all_answered)
    assert len(list_workers(process)) == 2


def test_a_killed_worker_is_replaced_and_its_counts_stay(server):
    process, port = server

    def count_requests() -> float:
        line = 'sentiment_requests_total{route="sentiment",status="422"} '
        text = ask(port, "/metrics")[1].decode()
        return next(
            float(metric_line[len(line) :])
            for metric_line in text.splitlines()
            if metric_line.startswith(line)
        )

    for _ in range(10):
        assert ask(port, "/predict", {"text": None})[0] == 422
    count_before, workers = count_requests(), list_workers(process)
    assert count_before >= 10
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    process.wait_until(lambda: len(set(list_workers(process)) - {workers[0]}) == 2)
    assert count_requests() == count_before
    assert ask(port, "/predict", {"text": "good"})[0] == 200


def test_a_kill_loses_no_answer_that_was_written(server, log):
    process, port = server
    folder = log / "predictions"

    def ask_until(is_done: Callable[[], bool]) -> None:
        def ask_once() -> bool:
            ids.append(json.loads(ask(port, "/predict", {"text": "good"})[1])["id"])
            return is_done()

        process.wait_until(ask_once, interval=0)

    def list_ids() -> set[str]:
        return {
            name
            for batch in read_batches(folder, SCHEMAS[PREDICTIONS])
            for name in batch["id"].to_pylist()
        }

    ids: list[str] = []
    ask_until(lambda: len(list(folder.glob("_*"))) == 2 and len(list_ids()) > 20)
    journals, killed, ids_before = list(folder.glob("_*")), list_workers(process), list_ids()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    assert ids_before <= list_ids()
    process.wait_until(lambda: not any(journal.exists() for journal in journals))
    assert ids_before <= {*pd.read_parquet(folder)["id"]}
    process.wait_until(lambda: len({*list_workers(process)} - {*killed}) == 2)
    id_count = len(ids)
    ask_until(lambda: len(ids) > id_count + 20)
    process.wait_until(lambda: {*ids[id_count:]} <= list_ids())


@pytest.mark.parametrize(
    "data",
    [b"", b"POST /predict HTTP/1.1\r\nhost: x\r\n", b"POST /pre"],
    ids=["", "headers", "path"],
)
def test_a_client_that_sends_no_whole_request_is_cut_off(server, data):
    _, port = server
    begun = time.monotonic()  # before the server can begin to count
    with socket.create_connection(("127.0.0.1", port), timeout=60) as slow:
        slow.sendall(data)
        try:
            received = slow.recv(1000)
        except ConnectionResetError:
            received = b""
        assert received == b""
        assert time.monotonic() - begun >= 1  # it had its time


def read_all(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(data)
        return b"".join(iter(lambda: client.recv(65536), b""))


def make_head(body: bytes, headers: bytes = b"") -> bytes:
    """Return the head of a request to predict the texts of a body."""
    return (
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        b"%scontent-length: %d\r\n\r\n" % (headers, len(body))
    )


@pytest.mark.parametrize(
    ("data", "status", "message"),
    [
        (b"GET / HTTP/1.1\r\n" + b"x-one: of many\r\n" * 6000, 431, "more than 65,536 bytes"),
        (
            b"GET / HTTP/1.1\r\nx-long: " + b"a" * 70_000 + b"\r\n\r\n",
            431,
            "more than 65,536 bytes",
        ),
        (b"HELLO\r\n\r\n", 400, "not HTTP/1.1"),
    ],
    ids=["many", "long", "none"],
)
def test_headers_are_limited(server, data, status, message):
    head, _, body = read_all(server[1], data).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert message in json.loads(body)["error"]


def test_requests_sent_together_are_answered_in_order(server):
    requests = [b"HEAD /version", b"GET /health/live", b"HEAD /health/ready", b"GET /nothing"]
    token = b"host: x\r\nauthorization: Bearer %s\r\n" % TOKEN.encode()
    *first_requests, last_request = [
        b"%s HTTP/1.1\r\n%s" % (request, token) for request in requests
    ]
    received = read_all(
        server[1], b"\r\n".join([*first_requests, last_request + b"connection: close\r\n\r\n"])
    )
    assert re.findall(rb"HTTP/1\.1 (\d+)", received) == [b"200", b"200", b"200", b"404"]
    assert received.count(b'{"status":"alive"}') == 1


def test_a_request_that_was_begun_is_finished_at_the_end(starter, model_files, tmp_path):
    overrides = [f"model={model_files['two']}", "server.drain=60", "log.folder=log"]
    process, port = start(starter, tmp_path, *overrides)
    body = json.dumps({"texts": ["good film"] * 200}).encode()
    head = make_head(body)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as begun:
        begun.sendall(head + body[:100])
        assert ask(port, "/predict", {"text": "good"})[0] == 200  # the first part has been read
        file = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        file.request("POST", "/predict", b"text\n" + b"good\n" * 3000, {"content-type": "text/csv"})
        answered = file.getresponse()
        name, lines = answered.getheader("x-request-id"), answered.read().splitlines()
        assert len(lines) == 3001
        os.kill(process.pid, signal.SIGTERM)
        process.wait_until(lambda: _is_refused(port))
        begun.sendall(body[100:])
        response = http.client.HTTPResponse(begun)
        response.begin()
        assert response.status == 200
        assert len(json.loads(response.read())["predictions"]) == 200
        assert response.getheader("connection") == "close"
    file.close()
    assert process.wait().returncode == 0
    ids = pd.read_parquet(tmp_path / "log/predictions")["id"]
    assert {f"{name}-{position}" for position in range(3000)} <= {*ids}
    assert len(ids) == ids.nunique() == 3201


@pytest.mark.parametrize("workers", [1, 2])
def test_a_kept_connection_is_closed_with_an_answer(starter, model_files, tmp_path, workers):
    """A client that reuses a connection loses no request, since a response announces the end."""
    overrides = [f"model={model_files['two']}", f"server.workers={workers}"]
    process, port = start(starter, tmp_path, *overrides)
    begun, ended = set[int](), list[object]()

    def ask_until_the_end(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection_header = None
        try:
            while connection_header != "close":
                connection.request("POST", "/predict", b'{"text": "good"}', HEADERS)
                response = connection.getresponse()
                assert response.read().startswith(b'{"prediction":')
                connection_header = response.getheader("connection")
                begun.add(number)
                time.sleep(number % 4 / 100)
            ended.append(connection_header)
        except Exception as error:
            ended.append(error)
        connection.close()

    clients = [
        threading.Thread(target=ask_until_the_end, args=(k,), daemon=True) for k in range(16)
    ]
    for client in clients:
        client.start()
    process.wait_until(lambda: len(begun) == 16)  # the workers have accepted all of them
    assert not ended
    os.kill(process.pid, signal.SIGTERM)
    for client in clients:
        client.join(60)
    assert process.wait().returncode == 0
    assert ended == ["close"] * 16
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_finishes_requests_in_progress(
    starter, model_files, tmp_path, number
):
    """Ctrl-C and systemd signal each process, and the parent passes the signal on."""
    overrides = [f"model={model_files['two']}", "server.workers=2", "server.drain=60"]
    process, port = start(starter, tmp_path, *overrides)
    body = json.dumps({"texts": ["good film"] * 200}).encode()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as begun:
        begun.sendall(make_head(body, b"expect: 100-continue\r\n"))
        assert begun.recv(100).startswith(b"HTTP/1.1 100 ")  # the request is in progress
        os.killpg(process.pid, number)
        process.wait_until(lambda: _is_refused(port))
        time.sleep(0.5)
        begun.sendall(body)
        response = http.client.HTTPResponse(begun)
        response.begin()
        assert response.status == 200
        assert len(json.loads(response.read())["predictions"]) == 200
    assert process.wait().returncode == 0


def test_a_worker_keeps_no_socket_of_another_open(starter, model_files, tmp_path):
    """A copy in a worker that finishes its requests would accept connections for nobody."""
    overrides = [f"model={model_files['two']}", "server.workers=2"]
    process, _ = start(starter, tmp_path, *overrides)
    workers = psutil.Process(process.pid).children
    process.wait_until(lambda: [_count_listening(worker) for worker in workers()] == [1, 1])
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait().returncode == 0


def _count_listening(process: psutil.Process) -> int:
    return [connection.status for connection in process.net_connections("tcp")].count(
        psutil.CONN_LISTEN
    )


def test_a_second_signal_ends_all_workers_at_once(starter, model_files, tmp_path):
    overrides = [f"model={model_files['two']}", "server.workers=2", "server.drain=600"]
    process, port = start(starter, tmp_path, *overrides, "server.timeout=600")
    with socket.create_connection(("127.0.0.1", port), timeout=60) as begun:
        begun.sendall(make_head(b"{}", b"expect: 100-continue\r\n"))
        assert begun.recv(100).startswith(b"HTTP/1.1 100 ")
        os.kill(process.pid, signal.SIGTERM)
        process.wait_until(lambda: _is_refused(port))
        time.sleep(1.5)
        assert list_workers(process)  # it waits for the request
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait().returncode == 0


def _is_refused(port: int) -> bool:
    with socket.socket() as other_socket:
        return other_socket.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that signs itself, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("makes a certificate with openssl")
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "cert.pem", folder / "key.pem"
    arguments = ["-keyout", str(files[1]), "-out", str(files[0]), "-subj", "/CN=127.0.0.1"]
    arguments += ["-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *arguments],
        check=True, capture_output=True,
    )  # fmt: skip
    return files


@pytest.mark.parametrize("workers", [1, 2])
def test_requests_are_encrypted(starter, model_files, certificate, tmp_path, workers):
    overrides = [f"model={model_files['two']}", f"server.workers={workers}"]
    overrides += [f"server.certfile={certificate[0]}", f"server.keyfile={certificate[1]}"]
    overrides += ["server.timeout=2"]
    process = starter.start(tmp_path, "serve", "server.port=0", "tracking=off", *overrides)
    process.wait_for_output("serving  https")
    port = int(process.stdout.split("serving  https://127.0.0.1:")[1].split()[0])
    trusted = ssl.create_default_context(cafile=certificate[0])
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=trusted)
    for _ in range(3):
        connection.request("POST", "/predict", '{"text": "good film"}', HEADERS)
        assert json.loads(connection.getresponse().read())["prediction"]
    connection.close()
    with pytest.raises(http.client.HTTPException):
        ask(port, "/health/live")
    with socket.create_connection(("127.0.0.1", port), timeout=20) as silent:
        assert silent.recv(1) == b""  # no handshake within server.timeout
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait().returncode == 0
