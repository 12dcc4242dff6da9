"""The lease on a registered model, with threads and tags in memory."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from sentiment.errors import PromotionBusyError, TrackingStoreError
from sentiment.tracking import lease, processes
from sentiment.tracking.lease import hold_lease
from sentiment.tracking.processes import HEARTBEAT_TIMEOUT


class Tags:
    """The tags of one registered model; each call is atomic, and may be slow."""

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}
        self._lock = threading.Lock()

    def set_registered_model_tag(self, name: str, key: str, value: str) -> None:
        with self._lock:
            self.tags[key] = value

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        with self._lock:
            self.tags.pop(key, None)

    def get_registered_model(self, name: str) -> Any:
        with self._lock:
            copy = dict(self.tags)
        time.sleep(0)  # another thread may go first
        return SimpleNamespace(tags=copy)


@pytest.fixture
def client() -> Any:
    return Tags()


@pytest.fixture(autouse=True)
def short_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "_POLL", 0.001)


@pytest.mark.slow
def test_one_process_at_a_time_holds_the_lease(client: Any) -> None:
    inside, owners, rounds = 0, [], 15

    def work() -> None:
        nonlocal inside
        for _ in range(rounds):
            with hold_lease(client, "m"):
                inside += 1
                owners.append(inside)
                time.sleep(0)  # an invitation to come in
                owners.append(inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert owners == [1] * (2 * 6 * rounds)
    assert client.tags == {}


def test_the_lease_is_released_when_the_work_fails(client: Any) -> None:
    with pytest.raises(KeyboardInterrupt), hold_lease(client, "m"):
        raise KeyboardInterrupt
    assert client.tags == {}


def test_a_lease_that_was_not_released_does_not_stop_the_next_attempt(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same process, such as a flow's, which tries again."""

    def fail(*_: object) -> None:
        raise TrackingStoreError("x", "nobody answers")

    work = pytest.raises(ValueError, match="the work")
    with monkeypatch.context() as outage, work, hold_lease(client, "m"):
        outage.setattr(client, "delete_registered_model_tag", fail)
        raise ValueError("the work")
    assert len(client.tags) == 1
    monkeypatch.setattr(lease, "_PATIENCE", 0.01)
    with hold_lease(client, "m"):
        pass
    assert client.tags == {}


def make_dead_owner() -> str:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    return f"{socket.gethostname()}:{process.pid}:1"


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_the_lease_of_a_dead_process_is_removed(
    client: Any, number: int, *, elsewhere: bool
) -> None:
    owner = "elsewhere:1:1" if elsewhere else make_dead_owner()
    since = time.time() - (2 * HEARTBEAT_TIMEOUT if elsewhere else 0)
    client.tags = {
        "promotion.lease.dead": json.dumps([number, since, owner]),
        "promotion.last": "3",
    }
    with hold_lease(client, "m"):
        assert "promotion.lease.dead" not in client.tags
    assert client.tags == {"promotion.last": "3"}


@pytest.mark.parametrize("number", [0, 1])
def test_the_holder_of_a_lease_is_named_after_minutes(
    client: Any, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "_PATIENCE", 0.01)
    owner = f"{socket.gethostname()}:{os.getppid()}:{processes.read_start(os.getppid())}"
    client.tags["promotion.lease.alive"] = json.dumps([number, time.time(), owner])
    busy = pytest.raises(PromotionBusyError, match="is changing the registered model 'm'")
    with busy, hold_lease(client, "m"):
        pytest.fail("it was held by another process")
    assert list(client.tags) == ["promotion.lease.alive"]
