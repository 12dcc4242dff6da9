"""serve.py under load while aliases move, workers are killed and the registry is unavailable."""

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter
from typing import Any

import psutil
from mlflow import MlflowClient
from processes import run_script
from reviews import SEED, read_different_reviews
from serving import start_server
from timing import Figure, Plan

import sentiment

_REQUESTS, _CONNECTIONS, _REVIEWS = 500_000, 16, 1000
_EVENTS = {"swap": 20, "kill": 5, "outage": 10}
_OUTAGE = 3.0
_NAME, _ALIAS = "sentiment", "champion"
# A killed worker drops its open requests; clients and proxies send those again.
_TRIES = 2


class Clients:
    """Clients that send requests and compare the responses with the expected predictions.

    Parameters
    ----------
    address : str
        Address of the server.
    expected : dict
        Prediction and probability, by model and text.
    """

    def __init__(self, address: str, expected: dict[str, dict[str, tuple[str, float]]]) -> None:
        self._host, _, port = address.removeprefix("http://").partition(":")
        self._port = int(port)
        self._expected = expected
        texts = list(next(iter(expected.values())))
        self._requests = [(text, _write_request(text)) for text in texts]
        self.begun = 0
        self.counts: Counter[str] = Counter()
        self.models: set[str] = set()
        self.slowest = 0.0

    async def run(self) -> None:
        """Send requests until all are sent."""
        connection: Any = None
        while self.begun < _REQUESTS:
            text, request = self._requests[self.begun % len(self._requests)]
            self.begun += 1
            start = time.perf_counter()
            for _ in range(_TRIES):
                try:
                    if connection is None:
                        connection = await asyncio.open_connection(self._host, self._port)
                    outcome = self._judge(text, *await _exchange(*connection, request))
                    break
                except (OSError, asyncio.IncompleteReadError):
                    self.counts["sent again"] += 1
                    outcome, connection = "failed", None
            self.counts[outcome] += 1
            self.slowest = max(self.slowest, time.perf_counter() - start)

    def _judge(self, text: str, status: int, body: bytes) -> str:
        if status != 200:
            return "failed"
        response = json.loads(body)
        self.models.add(response["model"])
        expected = self._expected[response["model"]][text]
        return "right" if (response["prediction"], response["probability"]) == expected else "wrong"


def bench_endurance(plan: Plan) -> dict[str, Figure]:
    """Count failed and wrong responses while the server is disturbed."""
    outputs = f"outputs={plan.folder}"
    for strength in (1, 10):
        run_script("scripts/train.py", outputs, f"model.C={strength}")
    store = f"sqlite:///{plan.folder}/mlflow.db"
    registry = MlflowClient(store)
    registry.create_registered_model(_NAME)
    texts = read_different_reviews()["text"].head(_REVIEWS).tolist()
    expected, versions = {}, []
    for run in sentiment.runs(outputs)["run_id"]:
        model = sentiment.load(run, outputs)
        version = registry.create_model_version(_NAME, model.source.uri, run_id=run).version
        pairs = zip(model.predict(texts), model.predict_proba(texts).max(axis=1), strict=True)
        expected[model.source.uri] = dict(zip(texts, pairs, strict=True))
        versions.append(version)
    registry.set_registered_model_alias(_NAME, _ALIAS, versions[0])
    arguments = ["-m", "mlflow", "server", "--backend-store-uri", store, "--workers", "1", "--port"]
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with start_server(arguments, "", "/health", environment) as (uri, mlflow, _):
        arguments = ["scripts/serve.py", outputs, f"model=models:/{_NAME}@{_ALIAS}",
                 f"tracking.uri={uri}", "server.workers=2", "server.refresh=1"]  # fmt: skip
        with start_server(arguments, "server.port=", "/health/ready") as (address, server, _):
            clients = Clients(address, expected)
            trouble = Trouble(registry, versions, mlflow, server)
            seconds = asyncio.run(_endure(clients, trouble))
    faults = float(clients.counts["failed"] + clients.counts["wrong"])
    return {
        "endurance": Figure(
            f"serve.py: failed or wrong answers of {_REQUESTS:,} while much happens",
            "answers", faults, faults, faults, target=0, aim=0,
            more={
                **{f"{name}s": float(count) for name, count in _EVENTS.items()},
                "sent again": float(clients.counts["sent again"]),
                "models that answered": float(len(clients.models)),
                "slowest ms": 1000 * clients.slowest,
                "requests/s": _REQUESTS / seconds,
            },
        )
    }  # fmt: skip


class Trouble:
    """Swaps, kills and outages in a fixed random order.

    Parameters
    ----------
    registry : MlflowClient
        Moves the alias.
    versions : list of str
        Versions to which the alias points in turn.
    mlflow, server : int
        Process ids of the tracking server and of ``serve.py``.
    """

    def __init__(self, registry: MlflowClient, versions: list[str], mlflow: int, server: int):
        self._registry, self._versions = registry, versions
        self._mlflow, self._server = mlflow, server
        self._chance = random.Random(SEED)
        self.events = [name for name, count in _EVENTS.items() for _ in range(count)]
        self._chance.shuffle(self.events)

    def make(self, event: str) -> None:
        """Cause one event."""
        if event == "swap":
            self._versions.append(self._versions.pop(0))
            self._registry.set_registered_model_alias(_NAME, _ALIAS, self._versions[0])
        elif event == "kill":
            workers = [worker for worker in psutil.Process(self._server).children()
                       if len(worker.net_connections("tcp"))]  # fmt: skip
            self._chance.choice(workers).kill()
        else:
            os.killpg(self._mlflow, signal.SIGSTOP)
            time.sleep(_OUTAGE)
            os.killpg(self._mlflow, signal.SIGCONT)


async def _endure(clients: Clients, trouble: Trouble) -> float:
    """Return the seconds until all requests are answered."""
    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(_CONNECTIONS):
            group.create_task(clients.run())
        for number, event in enumerate(trouble.events, 1):
            while clients.begun < number * _REQUESTS / (len(trouble.events) + 1):
                await asyncio.sleep(0.05)
            await asyncio.to_thread(trouble.make, event)
    return time.perf_counter() - start


def _write_request(text: str) -> bytes:
    body = json.dumps({"text": text}).encode()
    head = "POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[int, bytes]:
    """Return status and body of the response to a request."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    size = next(
        int(line.partition(b":")[2])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    )
    return int(head.split(b" ", 2)[1]), await reader.readexactly(size)
